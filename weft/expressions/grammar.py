"""Reading s-expressions: text in, a checked tree out, a block of pixels through it.

Belongs here: tokens, the parser with its limits, the tree and its evaluation. Not here: what a function means
(``functions``) or where bands come from.

The grammar (that of ``rio calc`` with dataset-qualified names; research/coregistration.md section 1)::

    expression = number | name | "(" function expression+ ")"
    table      = "(" "asarray" number+ ")"                      only where a function asks for one
    name       = [dataset "."] letter (letter | digit | "_")*   nir  1.nir  s0_db_c_vv
    number     = [sign] digits ["." digits] [exponent]          finite; a point has digits on both sides

Text never reaches ``eval``, ``getattr`` or an import: names are keys of a mapping, functions keys of a fixed table.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from weft.errors import RequestError
from weft.expressions.functions import ALIASES, FUNCTIONS, Function, Values

MAX_CHARACTERS = 4096
MAX_DEPTH = 64
MAX_NODES = 1024

_TOKEN = re.compile(r"[()]|[^()\s]+")
_NAME = re.compile(r"(?:[1-9][0-9]{0,3}\.)?[A-Za-z][A-Za-z0-9_]{0,63}")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
_TABLE = "asarray"


@dataclass(frozen=True, slots=True)
class _Number:
    value: float

    def __str__(self) -> str:
        short = f"{self.value:g}"
        return short if float(short) == self.value else repr(self.value).removesuffix(".0")


@dataclass(frozen=True, slots=True)
class _Name:
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class _Table:
    values: tuple[_Number, ...]

    def __str__(self) -> str:
        return f"({_TABLE} {' '.join(map(str, self.values))})"


@dataclass(frozen=True, slots=True)
class _Call:
    function: Function
    arguments: tuple[_Node, ...]

    def __str__(self) -> str:
        return f"({self.function.name} {' '.join(map(str, self.arguments))})"


_Node: TypeAlias = _Number | _Name | _Table | _Call


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; made by :func:`parse`. Equal if the canonical forms are equal.

    Attributes:
        text: canonical form: single spaces, shortest numbers, one spelling per function.
        names: bands it reads.
    """

    text: str
    names: frozenset[str] = field(compare=False, repr=False)
    _root: _Node = field(compare=False, repr=False)

    def __str__(self) -> str:
        """The canonical form."""
        return self.text

    def evaluate(self, bands: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """Evaluate over one block of pixels.

        Args:
            bands: band name to array of any real dtype, all of one shape, physical values, NaN where there is no data.
                Bands the expression does not use are ignored, but give a constant expression its shape.

        Returns:
            float32 array of that shape, NaN where there is no value. Arithmetic is float64, rounded once at the end.

        Raises:
            RequestError: a band the expression uses is missing, or the bands differ in shape.
        """
        missing = sorted(self.names - set(bands))
        if missing:
            raise RequestError(f"expression {self.text} needs {missing}; the bands given are {sorted(bands)}")
        shapes = {np.shape(array) for array in bands.values()}
        if len(shapes) > 1:
            raise RequestError(f"expression {self.text} got bands of different shapes {sorted(shapes)}; use one grid")
        with np.errstate(all="ignore"):
            values = _evaluate(self._root, bands).astype(np.float32)
            values[~np.isfinite(values)] = np.nan
        return np.array(np.broadcast_to(values, next(iter(shapes), ())))


def parse(text: str) -> Expression:
    """Check and parse one expression, e.g. ``(/ (+ 1.nir 1.swir16) 2)``.

    Raises:
        RequestError: the text is too long or too deep, or is no expression: unbalanced parentheses, unknown function,
            wrong number of arguments, malformed name or number. The message names the character, counted from 1.
    """
    if len(text) > MAX_CHARACTERS:
        raise RequestError(f"an expression has {len(text)} characters; keep it to {MAX_CHARACTERS}")
    return _Parser(text).expression()


def _evaluate(node: _Node, bands: Mapping[str, npt.NDArray[Any]]) -> Values:
    match node:
        case _Number(value):
            return np.array(value)
        case _Name(name):
            values = np.asarray(bands[name], np.float64)
            return np.where(np.isfinite(values), values, np.nan)
        case _Table(numbers):
            return np.array([number.value for number in numbers])
        case _Call(function, arguments):
            return function(*(_evaluate(argument, bands) for argument in arguments))


@dataclass(slots=True)
class _Open:
    """A parenthesis that still waits for its end: its place, its head, the arguments so far and their places."""

    place: int
    head: str | None = None
    arguments: list[_Node] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._names: set[str] = set()
        self._nodes = 0
        self._bottom = _Open(0)

    def expression(self) -> Expression:
        open_calls = [self._bottom]
        for token in _TOKEN.finditer(self._text):
            self._take(token.group(), token.start(), open_calls)
        if len(open_calls) > 1:
            self._wrong(open_calls[-1].place, "this parenthesis is never closed")
        if len(self._bottom.arguments) != 1:
            self._wrong(0, "it is empty; write something like (norm_diff nir red)")
        root = self._bottom.arguments[0]
        if isinstance(root, _Table):
            self._wrong(self._bottom.places[0], f"{_TABLE} is only for the points of a function such as interp")
        return Expression(str(root), frozenset(self._names), root)

    def _take(self, token: str, place: int, open_calls: list[_Open]) -> None:
        current = open_calls[-1]
        if current is self._bottom and current.arguments:
            self._wrong(place, "the expression has already ended; wrap the whole in one pair of parentheses")
        if token == "(":  # noqa: S105  (a parenthesis, no password)
            if current is not self._bottom and current.head is None:
                self._wrong(place, f"a function name must come first; known: {', '.join(FUNCTIONS)}")
            if len(open_calls) > MAX_DEPTH:
                self._wrong(place, f"it is nested deeper than {MAX_DEPTH}")
            open_calls.append(_Open(place))
        elif token == ")":  # noqa: S105
            if current is self._bottom:
                self._wrong(place, "this parenthesis closes nothing")
            self._add(open_calls[-2], self._call(open_calls.pop()), current.place)
        elif current is not self._bottom and current.head is None:
            current.head = ALIASES.get(token, token)
        else:
            self._add(current, self._atom(token, place), place)

    def _add(self, current: _Open, node: _Node, place: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._wrong(place, f"it has more than {MAX_NODES} parts")
        current.arguments.append(node)
        current.places.append(place)

    def _atom(self, token: str, place: int) -> _Node:
        if _NUMBER.fullmatch(token):
            if not math.isfinite(float(token)):
                self._wrong(place, f"{token[:20]} is too large a number")
            return _Number(float(token) + 0.0)  # + 0.0 turns -0 into 0
        if token.lower() in _NOT_FINITE:
            self._wrong(place, f"{token} is no finite number")
        if not _NAME.fullmatch(token):
            self._wrong(place, f"{token[:40]!r} is neither a number nor a band name such as nir or 1.nir")
        self._names.add(token)
        return _Name(token)

    def _call(self, call: _Open) -> _Node:
        if call.head is None:
            self._wrong(call.place, f"a function name must come first; known: {', '.join(FUNCTIONS)}")
        if call.head == _TABLE:
            return self._table(call)
        function = FUNCTIONS.get(call.head)
        if function is None:
            self._wrong(call.place + 1, f"{call.head[:40]!r} is no function; known: {', '.join(FUNCTIONS)}")
        count = len(call.arguments)
        if count < function.least or (function.most is not None and count > function.most):
            self._wrong(call.place, f"{function.name} takes {function.arity}, got {count}: {function.usage}")
        for position, (argument, place) in enumerate(zip(call.arguments, call.places, strict=True)):
            if isinstance(argument, _Table) != (position in function.tables):
                wanted = f"a table of numbers, {_TABLE}" if position in function.tables else "a value, no table"
                self._wrong(place, f"argument {position + 1} of {function.name} is {wanted}: {function.usage}")
        if function.tables:
            self._points(call, function)
        return _Call(function, tuple(call.arguments))

    def _table(self, call: _Open) -> _Table:
        numbers = tuple(argument for argument in call.arguments if isinstance(argument, _Number))
        if not numbers or len(numbers) < len(call.arguments):
            self._wrong(call.place, f"{_TABLE} takes numbers only: ({_TABLE} 0 0.5 1)")
        return _Table(numbers)

    def _points(self, call: _Open, function: Function) -> None:
        tables = [argument.values for argument in call.arguments if isinstance(argument, _Table)]
        positions = [number.value for number in tables[0]]
        if len({len(table) for table in tables}) > 1:
            self._wrong(call.place, f"the tables of {function.name} differ in length: {function.usage}")
        if any(later <= earlier for earlier, later in itertools.pairwise(positions)):
            self._wrong(
                call.places[function.tables[0]], f"the first table of {function.name} must rise: {function.usage}"
            )

    def _wrong(self, place: int, what: str) -> NoReturn:
        shown = self._text if len(self._text) <= 80 else f"{self._text[:77]}..."
        raise RequestError(f"expression {shown!r}, character {place + 1}: {what}")
