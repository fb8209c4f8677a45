"""Places of all pixels of a window in another raster, from a few exact ones.

Belongs here: the lattice of exact places, the measurement of its error, its refinement, and filling it in. Not here:
what the exact place of a pixel is (``remapping``).

Projections and displacements bend so little that places between exact ones may be interpolated; how little is measured
and not assumed. Squares of the lattice are tested where bilinear interpolation is worst; where one of them is off by
more than half of what is allowed, the lattice of its cell is made finer, in the end as fine as the pixels.
Cells and their lattices belong to the grid and not to the window, so a place is the same whatever window asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from weft.rasters.grid import Grid, Window

Places: TypeAlias = npt.NDArray[np.float64]
Locate = Callable[[Places, Places], tuple[Places, Places]]
"""Columns and rows of a grid (1-D) to columns and rows of another raster; not finite where there is no such place."""

CELL = 256
_COARSEST = 64
_TEST_X, _TEST_Y = 0.47, 0.52  # not quite the middle: what repeats from node to node must not hide there


def places(grid: Grid, window: Window, locate: Locate, tolerance: float) -> tuple[Places, Places]:
    """Where the pixel centres of a window lie in the other raster.

    Args:
        grid: grid of the window.
        window: the pixels.
        locate: gives exact places.
        tolerance: largest error along an axis, pixels of the other raster.

    Returns:
        x and y, float64 (height, width); NaN where there is no place.
    """
    x, y = np.empty((2, window.height, window.width))
    for top in range(window.row // CELL * CELL, window.row + window.height, CELL):
        for left in range(window.col // CELL * CELL, window.col + window.width, CELL):
            step, nodes = _nodes(top, left, locate, tolerance)
            rows = slice(max(top - window.row, 0), top + CELL - window.row)
            cols = slice(max(left - window.col, 0), left + CELL - window.col)
            first = max(window.row - top, 0), max(window.col - left, 0)
            _fill(nodes, step, *first, x[rows, cols], y[rows, cols])
    return x, y


def _nodes(top: int, left: int, locate: Locate, tolerance: float) -> tuple[int, npt.NDArray[np.float64]]:
    """Step of a cell's lattice in pixels, and its nodes (2, rows, columns): x and y."""
    step = _COARSEST
    while step > 1:
        count = CELL // step
        ends, middles = np.arange(count + 1.0) * step, np.arange(float(count)) * step
        node_x, node_y = _mesh(left + ends, top + ends)
        test_x, test_y = _mesh(left + middles + _TEST_X * step, top + middles + _TEST_Y * step)
        found = np.stack(locate(np.concatenate([node_x, test_x]), np.concatenate([node_y, test_y])))
        nodes = found[:, : node_x.size].reshape(2, count + 1, count + 1)
        exact = found[:, node_x.size :].reshape(2, count, count)
        above = (1 - _TEST_X) * nodes[:, :-1, :-1] + _TEST_X * nodes[:, :-1, 1:]
        below = (1 - _TEST_X) * nodes[:, 1:, :-1] + _TEST_X * nodes[:, 1:, 1:]
        with np.errstate(invalid="ignore"):  # a place that is nowhere (infinite) fails the test
            error = np.abs((1 - _TEST_Y) * above + _TEST_Y * below - exact).max()
        if error <= tolerance / 2:
            return step, nodes
        step = _finer(step, error / (tolerance / 2))
    pixels = np.arange(float(CELL))
    exact = np.stack(locate(*_mesh(left + pixels, top + pixels))).reshape(2, CELL, CELL)
    return 1, np.where(np.isfinite(exact).all(axis=0), exact, np.nan)


def _finer(step: int, excess: float) -> int:
    """The error of smooth places falls with the square of the step; others are found out by the next test."""
    wanted = step / math.sqrt(excess) if math.isfinite(excess) else 1.0
    step //= 2
    while step > max(wanted, 1.0):
        step //= 2
    return step


def _mesh(x: Places, y: Places) -> tuple[Places, Places]:
    return np.tile(x, y.size), np.repeat(y, x.size)


@numba.njit(nogil=True, cache=True)
def _fill(nodes: npt.NDArray[np.float64], step: int, row: int, col: int, x: Places, y: Places) -> None:
    """Places of the pixels from (row, col) of a cell on."""
    share = 1.0 / step  # a power of two: exact
    for axis, out in enumerate((x, y)):
        height, width = out.shape
        for i in range(height):
            r, g = (row + i) // step, (row + i) % step * share
            for c in range(col // step, (col + width - 1) // step + 1):
                left, slope = nodes[axis, r, c], 0.0
                if step > 1:
                    left += g * (nodes[axis, r + 1, c] - left)
                    right = nodes[axis, r, c + 1] + g * (nodes[axis, r + 1, c + 1] - nodes[axis, r, c + 1])
                    slope = (right - left) * share
                first = c * step - col
                for j in range(max(first, 0), min(first + step, width)):
                    out[i, j] = left + (j - first) * slope
