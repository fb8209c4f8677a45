"""The tree of a checked expression and what it makes of pixels.

Belongs here: nodes, the part of a grid each of them needs, and their evaluation. Not here: text (``grammar``), what a
function means (``functions``, ``filters``, ``components``), or where pixels come from (``expression``, ``streaming``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from weft.expressions.components import Whole
from weft.expressions.filters import Filter
from weft.expressions.functions import Function, Values, finite
from weft.rasters.grid import Window

TABLE = "asarray"


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float

    def __str__(self) -> str:
        """Shortest text that reads back as the same number."""
        short = f"{self.value:g}"
        return short if float(short) == self.value else repr(self.value).removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Name:
    """A band."""

    name: str

    def __str__(self) -> str:
        """The name."""
        return self.name


@dataclass(frozen=True, slots=True)
class Table:
    """A constant list of numbers."""

    values: tuple[Number, ...]

    def __str__(self) -> str:
        """Canonical text."""
        return f"({TABLE} {' '.join(map(str, self.values))})"


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments; those of a filter are a value and, if it has a parameter, a number."""

    function: Function | Filter | Whole
    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        """Canonical text."""
        return f"({self.function.name} {' '.join(map(str, self.arguments))})"


Node: TypeAlias = Number | Name | Table | Call


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a grid.

    Attributes:
        window: its pixels.
        shape: (height, width) of the grid.
    """

    window: Window
    shape: tuple[int, int]

    def grown(self, margin: int) -> Area:
        """With so many pixels more on each side, as far as the grid reaches."""
        rows = _grown(self.window.row, self.window.height, margin, self.shape[0])
        cols = _grown(self.window.col, self.window.width, margin, self.shape[1])
        return Area(Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0]), self.shape)

    def within(self, other: Area) -> tuple[slice, slice]:
        """Row and column slices of this area in an array of the pixels of ``other``, which contains it."""
        window = self.window
        return Window(window.row - other.window.row, window.col - other.window.col, window.height, window.width).slices


class Pixels(Protocol):
    """Where evaluation takes its pixels from."""

    def band(self, name: str, area: Area) -> npt.NDArray[Any]:
        """Physical values of a band: (height, width) of the area, any real dtype."""

    def whole(self, call: Call, area: Area) -> npt.NDArray[Any]:
        """Result of a function of the whole raster: (height, width) of the area, NaN where there is none."""


def evaluate(node: Node, pixels: Pixels, area: Area) -> Values:
    """Value of a node at each pixel of an area, a scalar if it is constant; NumPy's warnings must be off."""
    match node:
        case Number(value):
            return np.array(value)
        case Name(name):
            return finite(pixels.band(name, area))
        case Table(numbers):
            return np.array([number.value for number in numbers])
        case Call():
            return _called(node, pixels, area)


def _called(call: Call, pixels: Pixels, area: Area) -> Values:
    function, arguments = call.function, call.arguments
    if isinstance(function, Function):
        return function(*(evaluate(argument, pixels, area) for argument in arguments))
    if isinstance(function, Filter):
        wider = area.grown(reach(call))
        return function(evaluate(arguments[0], pixels, wider), *parameters(call))[area.within(wider)]
    return pixels.whole(call, area).astype(np.float64)


def parameters(call: Call) -> tuple[float, ...]:
    """Constant arguments of a filter."""
    return tuple(argument.value for argument in call.arguments[1:] if isinstance(argument, Number))


def reach(call: Call) -> int:
    """Pixels that the function itself looks at on each side; 0 for one of the whole raster."""
    return call.function.reach(*parameters(call)) if isinstance(call.function, Filter) else 0


def walk(node: Node, *, streamed: bool = False) -> Iterator[Node]:
    """The node and all below it; ``streamed``: not below functions of the whole raster, whose results are there."""
    yield node
    if isinstance(node, Call) and not (streamed and isinstance(node.function, Whole)):
        for argument in node.arguments:
            yield from walk(argument, streamed=streamed)


def names(node: Node, *, streamed: bool = False) -> frozenset[str]:
    """Bands that a node reads; ``streamed`` as in :func:`walk`."""
    return frozenset(found.name for found in walk(node, streamed=streamed) if isinstance(found, Name))


def halo(node: Node, *, streamed: bool = False) -> int:
    """Margin of pixels that a node needs around those it gives; ``streamed`` as in :func:`walk`."""
    if not isinstance(node, Call) or (streamed and isinstance(node.function, Whole)):
        return 0
    return reach(node) + max(halo(argument, streamed=streamed) for argument in node.arguments)


def _grown(start: int, length: int, margin: int, end: int) -> tuple[int, int]:
    return max(start - margin, 0), min(start + length + margin, end)
