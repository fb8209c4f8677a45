"""Where the secondary shows what the reference shows: one displacement for every place of a grid.

Belongs here: the value object, its evaluation at points and on blocks, and its form as JSON. Not here: finding one
(``weft.registration.estimate``) or moving pixels with it (``weft.registration.resampling``).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from weft.errors import RequestError
from weft.rasters.grid import Window

Model = Literal["shift", "affine", "polynomial", "field"]
"""``field`` is an affine trend plus a lattice of cubic B-splines."""

Floats: TypeAlias = NDArray[np.float64]
Row: TypeAlias = tuple[float, ...]
Lattice: TypeAlias = tuple[Row, ...]

MAX_NODES = 32
"""Largest number of lattice nodes along one axis."""
_TERMS: dict[Model, tuple[int, ...]] = {"shift": (1,), "affine": (3,), "polynomial": (3, 6, 10), "field": (3,)}
_POWERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
_LARGEST = 1e5
_MAX_SIDE = 10_000_000
_KEYS = {"model", "shape", "coefficients", "nodes", "rmse", "ce90"}


@dataclass(frozen=True, slots=True)
class Displacement:
    """What the reference shows at ``(x, y)``, the secondary shows at ``(x + dx, y + dy)``.

    Coordinates are normalised before powers are taken: ``u = (x - (width - 1) / 2) / s`` and
    ``v = (y - (height - 1) / 2) / s`` with ``s = max(width, height) / 2``. A lattice spans the grid from the centre of
    its first pixel to that of its last, with one more node on either side; beyond the grid it stays what it is at the
    edge, so that a field goes on as its affine part plus a constant.

    Attributes:
        model: kind of displacement.
        shape: (height, width) of the reference grid, pixels.
        coefficients: for dx and dy, pixels per power of (u, v) in the order 1, u, v, u2, uv, v2, u3, u2v, uv2, v3;
            1 of them for a shift, 3 for an affine model or a field, 3, 6 or 10 for a polynomial.
        nodes: of a field: for dx and dy, rows of B-spline coefficients in pixels, 4 to 32 each way; otherwise empty.
        rmse: root mean square length in pixels of what is left at points that the fit did not see; NaN: not measured.
        ce90: circle in pixels that holds 90 % of those; NaN: not measured.
    """

    model: Model
    shape: tuple[int, int]
    coefficients: tuple[Row, Row]
    nodes: tuple[Lattice, ...] = ()
    rmse: float = math.nan
    ce90: float = math.nan

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Displacement:
        """Everything is where it should be."""
        return cls.shift(0.0, 0.0, shape)

    @classmethod
    def shift(cls, dx: float, dy: float, shape: tuple[int, int]) -> Displacement:
        """The same displacement everywhere, pixels."""
        return cls("shift", shape, ((float(dx),), (float(dy),)))

    @property
    def moves(self) -> bool:
        """Whether anything is displaced at all."""
        return any(any(row) for row in self.coefficients) or bool(self.nodes)

    def measured(self, *, rmse: float, ce90: float) -> Displacement:
        """The same with what is left at held-out points, pixels."""
        return replace(self, rmse=float(rmse), ce90=float(ce90))

    def at(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Displacement at positions of the reference grid.

        Args:
            x: columns, pixels, any shape; integers are pixel centres.
            y: rows, likewise; broadcast with ``x``.

        Returns:
            dx, dy in pixels, float64, in the broadcast shape.
        """
        columns, rows = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        found = _at(columns.ravel(), rows.ravel(), _matrices(self), _nodes(self), *self.shape)
        return found[0].reshape(columns.shape), found[1].reshape(columns.shape)

    def block(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Displacement of every pixel of a window: what :meth:`at` gives, rounded, whatever the window.

        Returns:
            dx, dy in pixels, float32 (height, width).
        """
        columns = window.col + np.arange(window.width, dtype=np.float64)
        rows = window.row + np.arange(window.height, dtype=np.float64)
        found = _block(columns, rows, _matrices(self), _nodes(self), *self.shape)
        return found[0], found[1]

    def to_json(self) -> dict[str, Any]:
        """A plain dict of less than 64 KB that :meth:`from_json` turns back into an equal displacement."""
        return {
            "model": self.model,
            "shape": list(self.shape),
            "coefficients": [list(row) for row in self.coefficients],
            "nodes": [[list(row) for row in lattice] for lattice in self.nodes],
            "rmse": None if math.isnan(self.rmse) else self.rmse,
            "ce90": None if math.isnan(self.ce90) else self.ce90,
        }

    @classmethod
    def from_json(cls, document: object) -> Displacement:
        """Read what :meth:`to_json` wrote, trusting nothing.

        Raises:
            RequestError: a key is unknown or missing, or a value is of the wrong kind, size or range.
        """
        if not isinstance(document, Mapping) or set(document) != _KEYS:
            raise _wrong(f"its keys must be {sorted(_KEYS)}")
        model, shape = document["model"], document["shape"]
        if not isinstance(model, str) or model not in _TERMS:
            raise _wrong(f"model {str(model)[:40]!r} is none of {sorted(_TERMS)}")
        sides = isinstance(shape, list) and len(shape) == 2 and all(type(side) is int for side in shape)
        if not sides or not all(1 <= side <= _MAX_SIDE for side in shape):
            raise _wrong(f"shape must be [height, width], each 1 to {_MAX_SIDE}")
        coefficients = tuple(_row(row, "coefficients", _TERMS[model]) for row in _pair(document["coefficients"]))
        nodes: tuple[Lattice, ...] = ()
        if model == "field":
            nodes = tuple(_lattice(lattice) for lattice in _pair(document["nodes"]))
        elif document["nodes"] != []:
            raise _wrong(f"a {model} has no nodes")
        if len({len(row) for row in coefficients}) > 1 or len({(len(grid), len(grid[0])) for grid in nodes}) > 1:
            raise _wrong("dx and dy must have the same number of coefficients and of nodes")
        return cls(
            model,
            (shape[0], shape[1]),
            (coefficients[0], coefficients[1]),
            nodes,
            _error(document["rmse"]),
            _error(document["ce90"]),
        )


def powers(x: NDArray[np.float64], y: NDArray[np.float64], shape: tuple[int, int], terms: int) -> NDArray[np.float64]:
    """The first ``terms`` powers of normalised coordinates, (points, terms): columns of a least-squares fit."""
    scale, (height, width) = max(shape) / 2, shape
    u, v = (x - (width - 1) / 2) / scale, (y - (height - 1) / 2) / scale
    return np.stack([u**i * v**j for i, j in _POWERS[:terms]], axis=-1)


def spline_weights(
    position: NDArray[np.float64], side: int, nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """First node and the four cubic B-spline weights of positions along one axis of a lattice.

    Args:
        position: pixels, 1-D.
        side: length of the axis in pixels.
        nodes: number of nodes along it.

    Returns:
        index of the first node, int64 (points,), and the weights, float64 (points, 4).
    """
    first, weights = np.empty(len(position), np.int64), np.empty((len(position), 4))
    _splines(position, side, nodes, first, weights)
    return first, weights


def _matrices(displacement: Displacement) -> Floats:
    matrices = np.zeros((2, 4, 4))
    for axis, row in enumerate(displacement.coefficients):
        for (i, j), value in zip(_POWERS, row, strict=False):
            matrices[axis, j, i] = value
    return matrices


def _nodes(displacement: Displacement) -> Floats:
    return np.array(displacement.nodes, np.float64) if displacement.nodes else np.zeros((2, 0, 0))


@njit(nogil=True, cache=True)
def _splines(position: Floats, side: int, nodes: int, first: NDArray[np.int64], weights: Floats) -> None:
    cells = nodes - 3
    for k in range(len(position)):
        place = min(max(position[k], 0.0), side - 1.0) / max(side - 1.0, 1.0) * cells
        first[k] = min(int(place), cells - 1)
        t = place - first[k]
        weights[k, 0] = (1 - t) ** 3 / 6
        weights[k, 1] = (3 * t**3 - 6 * t**2 + 4) / 6
        weights[k, 2] = (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6
        weights[k, 3] = t**3 / 6


@njit(nogil=True, cache=True)
def _trend(v: float, matrix: Floats, into: Floats) -> None:
    """Coefficients of the cubic in u that a polynomial is along the row at v."""
    for i in range(4):
        into[i] = matrix[0, i] + v * (matrix[1, i] + v * (matrix[2, i] + v * matrix[3, i]))


@njit(nogil=True, cache=True)
def _curve(nodes: Floats, first: int, weights: Floats, start: int, into: Floats) -> None:
    """B-spline coefficients along a row, from node ``start``."""
    for i in range(len(into)):
        into[i] = 0.0
        for j in range(4):
            into[i] += weights[j] * nodes[first + j, start + i]


@njit(nogil=True, cache=True)
def _value(u: float, trend: Floats, curve: Floats, first: int, weights: Floats) -> float:
    total: float = trend[0] + u * (trend[1] + u * (trend[2] + u * trend[3]))
    if len(curve):
        for i in range(4):
            total += weights[i] * curve[first + i]
    return total


@njit(nogil=True, cache=True)
def _at(x: Floats, y: Floats, matrices: Floats, nodes: Floats, height: int, width: int) -> Floats:
    count, scale, lattice = len(x), max(height, width) / 2, nodes.shape[1] > 0
    first_x, first_y = np.zeros(count, np.int64), np.zeros(count, np.int64)
    weights_x, weights_y = np.zeros((count, 4)), np.zeros((count, 4))
    if lattice:
        _splines(x, width, nodes.shape[2], first_x, weights_x)
        _splines(y, height, nodes.shape[1], first_y, weights_y)
    trend, curve, found = np.empty(4), np.empty(4 if lattice else 0), np.empty((2, count))
    for k in range(count):
        u, v = (x[k] - (width - 1) / 2) / scale, (y[k] - (height - 1) / 2) / scale
        for axis in range(2):
            _trend(v, matrices[axis], trend)
            _curve(nodes[axis], first_y[k], weights_y[k], first_x[k], curve)
            found[axis, k] = _value(u, trend, curve, 0, weights_x[k])
    return found


@njit(nogil=True, cache=True)
def _block(x: Floats, y: Floats, matrices: Floats, nodes: Floats, height: int, width: int) -> NDArray[np.float32]:
    scale, lattice = max(height, width) / 2, nodes.shape[1] > 0
    first_x, first_y = np.zeros(len(x), np.int64), np.zeros(len(y), np.int64)
    weights_x, weights_y = np.zeros((len(x), 4)), np.zeros((len(y), 4))
    if lattice:
        _splines(x, width, nodes.shape[2], first_x, weights_x)
        _splines(y, height, nodes.shape[1], first_y, weights_y)
    trend, curve = np.empty(4), np.empty(nodes.shape[2])
    found = np.empty((2, len(y), len(x)), np.float32)
    for axis in range(2):
        for row in range(len(y)):
            _trend((y[row] - (height - 1) / 2) / scale, matrices[axis], trend)
            _curve(nodes[axis], first_y[row], weights_y[row], 0, curve)
            for k in range(len(x)):
                u = (x[k] - (width - 1) / 2) / scale
                found[axis, row, k] = _value(u, trend, curve, first_x[k], weights_x[k])
    return found


def _wrong(what: str) -> RequestError:
    return RequestError(f"this is no displacement of Weft: {what}; register the pair again")


def _pair(value: object) -> list[object]:
    if not isinstance(value, list) or len(value) != 2:
        raise _wrong("coefficients and nodes hold one list for dx and one for dy")
    return value


def _row(value: object, name: str, lengths: Collection[int]) -> Row:
    if not isinstance(value, list) or len(value) not in lengths:
        raise _wrong(f"a list of {name} must have a length of {sorted(lengths)}")
    if not all(type(number) in (int, float) and abs(number) <= _LARGEST for number in value):
        raise _wrong(f"{name} must be numbers of at most {_LARGEST:g} pixels")
    return tuple(map(float, value))


def _lattice(value: object) -> Lattice:
    sides = range(4, MAX_NODES + 1)
    if not isinstance(value, list) or len(value) not in sides:
        raise _wrong(f"a field has 4 to {MAX_NODES} rows of nodes")
    rows = tuple(_row(row, "nodes", sides) for row in value)
    if len({len(row) for row in rows}) > 1:
        raise _wrong("rows of nodes must be of one length")
    return rows


def _error(value: object) -> float:
    if value is None:
        return math.nan
    if type(value) not in (int, float) or not 0 <= float(cast(float, value)) <= _LARGEST:
        raise _wrong(f"rmse and ce90 must be null or 0 to {_LARGEST:g} pixels")
    return float(cast(float, value))
