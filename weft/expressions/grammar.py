"""Reading s-expressions: text in, a checked tree out.

Belongs here: tokens and the parser with its limits. Not here: what a function means (``functions``, ``filters``,
``components``) or what becomes of the tree (``tree``).

The grammar (that of ``rio calc`` with dataset-qualified names; research/coregistration.md section 1)::

    expression = number | name | preset | "(" function expression+ ")"
    table      = "(" "asarray" number+ ")"                      only where a function asks for one
    name       = [dataset "."] letter (letter | digit | "_")*   nir  1.nir  s0_db_c_vv
    preset     = [dataset "."] upper-case name of an index      NDVI  1.NDVI
    number     = [sign] digits ["." digits] [exponent]          finite; a point has digits on both sides

Text never reaches ``eval``, ``getattr`` or an import: names are keys of a mapping, functions keys of a fixed table.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn

from weft.errors import RequestError
from weft.expressions.components import WHOLES, Whole
from weft.expressions.expression import Expression
from weft.expressions.filters import FILTERS, Filter
from weft.expressions.functions import ALIASES, FUNCTIONS, Function
from weft.expressions.presets import spelled_out
from weft.expressions.tree import TABLE, Call, Name, Node, Number, Table, halo, names, walk

KNOWN: MappingProxyType[str, Function | Filter | Whole] = MappingProxyType({**FUNCTIONS, **FILTERS, **WHOLES})
"""The allow-list: every function an expression may call."""

# Together they bound the memory of one block (``streaming``), and of scratch files.
MAX_CHARACTERS = 4096
MAX_DEPTH = 64
MAX_NODES = 512
MAX_HALO = 64
MAX_WHOLES = 4

_TOKEN = re.compile(r"[()]|[^()\s]+")
_NAME = re.compile(r"(?:[1-9][0-9]{0,3}\.)?[A-Za-z][A-Za-z0-9_]{0,63}")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})


def parse(text: str) -> Expression:
    """Check and parse one expression, e.g. ``(/ (+ 1.nir 1.swir16) 2)``.

    Raises:
        RequestError: the text is too long, too deep or looks too far, or is no expression: unbalanced parentheses,
            unknown function, wrong number of arguments, a filter's parameter out of its range, malformed name or
            number. The message names the character, counted from 1.
    """
    if len(text) > MAX_CHARACTERS:
        raise RequestError(f"an expression has {len(text)} characters; keep it to {MAX_CHARACTERS}")
    return _Parser(text).expression()


@dataclass(slots=True)
class _Open:
    """A parenthesis that still waits for its end: its place, its head, the arguments so far and their places."""

    place: int
    head: str | None = None
    arguments: list[Node] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
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
        if isinstance(root, Table):
            self._wrong(self._bottom.places[0], f"{TABLE} is only for the points of a function such as interp")
        if halo(root) > MAX_HALO:
            self._wrong(0, f"its filters look {halo(root)} pixels far together; keep them to {MAX_HALO}")
        if sum(isinstance(node, Call) and isinstance(node.function, Whole) for node in walk(root)) > MAX_WHOLES:
            self._wrong(0, f"it has more than {MAX_WHOLES} calls of {' and '.join(WHOLES)}")
        return Expression(str(root), names(root), root)

    def _take(self, token: str, place: int, open_calls: list[_Open]) -> None:
        current = open_calls[-1]
        if current is self._bottom and current.arguments:
            self._wrong(place, "the expression has already ended; wrap the whole in one pair of parentheses")
        if token == "(":  # noqa: S105  (a parenthesis, no password)
            if current is not self._bottom and current.head is None:
                self._wrong(place, f"a function name must come first; known: {', '.join(KNOWN)}")
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
            self._add(current, self._atom(token, place, alone=current is self._bottom), place)

    def _add(self, current: _Open, node: Node, place: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._wrong(place, f"it has more than {MAX_NODES} parts")
        current.arguments.append(node)
        current.places.append(place)

    def _atom(self, token: str, place: int, *, alone: bool) -> Node:
        if _NUMBER.fullmatch(token):
            if not math.isfinite(float(token)):
                self._wrong(place, f"{token[:20]} is too large a number")
            return Number(float(token) + 0.0)  # + 0.0 turns -0 into 0
        if token.lower() in _NOT_FINITE:
            self._wrong(place, f"{token} is no finite number")
        if not _NAME.fullmatch(token):
            self._wrong(place, f"{token[:40]!r} is neither a number nor a band name such as nir or 1.nir")
        meaning = spelled_out(token, alone=alone)
        if meaning is None:
            return Name(token)
        root = parse(meaning).root
        self._nodes += sum(1 for _ in walk(root)) - 1
        return root

    def _call(self, call: _Open) -> Node:
        if call.head is None:
            self._wrong(call.place, f"a function name must come first; known: {', '.join(KNOWN)}")
        if call.head == TABLE:
            return self._table(call)
        function = KNOWN.get(call.head)
        if function is None:
            self._wrong(call.place + 1, f"{call.head[:40]!r} is no function; known: {', '.join(KNOWN)}")
        count = len(call.arguments)
        if count < function.least or (function.most is not None and count > function.most):
            self._wrong(call.place, f"{function.name} takes {function.arity}, got {count}: {function.usage}")
        tables = function.tables if isinstance(function, Function) else ()
        for position, (argument, place) in enumerate(zip(call.arguments, call.places, strict=True)):
            if isinstance(argument, Table) != (position in tables):
                wanted = f"a table of numbers, {TABLE}" if position in tables else "a value, no table"
                self._wrong(place, f"argument {position + 1} of {function.name} is {wanted}: {function.usage}")
        if not isinstance(function, Function):
            self._neighbours(call, function)
        elif tables:
            self._points(call, function)
        return Call(function, tuple(call.arguments))

    def _table(self, call: _Open) -> Table:
        numbers = tuple(argument for argument in call.arguments if isinstance(argument, Number))
        if not numbers or len(numbers) < len(call.arguments):
            self._wrong(call.place, f"{TABLE} takes numbers only: ({TABLE} 0 0.5 1)")
        return Table(numbers)

    def _points(self, call: _Open, function: Function) -> None:
        tables = [argument.values for argument in call.arguments if isinstance(argument, Table)]
        positions = [number.value for number in tables[0]]
        if len({len(table) for table in tables}) > 1:
            self._wrong(call.place, f"the tables of {function.name} differ in length: {function.usage}")
        if any(later <= earlier for earlier, later in itertools.pairwise(positions)):
            self._wrong(
                call.places[function.tables[0]], f"the first table of {function.name} must rise: {function.usage}"
            )

    def _neighbours(self, call: _Open, function: Filter | Whole) -> None:
        if not names(call.arguments[0]):
            self._wrong(call.places[0], f"argument 1 of {function.name} uses no band, so no pixel has a neighbour")
        parameter = function.parameter if isinstance(function, Filter) else None
        for argument, place in zip(call.arguments[1:], call.places[1:], strict=True):
            if parameter and not (isinstance(argument, Number) and parameter.accepts(argument.value)):
                self._wrong(place, f"argument 2 of {function.name} is {parameter}: {function.usage}")

    def _wrong(self, place: int, what: str) -> NoReturn:
        shown = self._text if len(self._text) <= 80 else f"{self._text[:77]}..."
        raise RequestError(f"expression {shown!r}, character {place + 1}: {what}")
