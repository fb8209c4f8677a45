"""Measuring what a mosaic shows of swath edges.

Belongs here: numbers for reports and checks. Not here: blending itself.

Two numbers. The *step* is a property of the weights: what they leave, in the worst place, of a difference between
tracks. The *index* is what an eye would see: how much rougher the mosaic is across swath edges than beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from weft.mosaicking.blending import Method, weights
from weft.mosaicking.tracks import HALF_SWATH_KM
from weft.rasters.grid import Window

# Kilometres from the end of a nominal swath within which data end because the swath does. Those that end further inside
# end for another reason: clouds, or a tile left out.
_INSIDE_KM, _OUTSIDE_KM = np.float32(15.0), np.float32(5.0)
_BULGE_KM = np.float32(1.0)

_CELL = 32  # pixels; an edge is compared with what lies in the same cell: at most 1.4 km away at 30 m
_SAMPLED = _CELL // 2  # the row of a cell that is compared with: about as many pairs in each direction as on an edge

_EDGE, _BESIDE, _NEITHER = 0, 1, 2  # kinds of pairs
_PAIRS, _MOSAIC, _GROUND = 0, 1, 2  # how many, and sums of their differences in the mosaic and in one track
_FIXED_POINT = 1 << 10  # of the sums beside edges, so that they are exact whatever the order

_Arrays: TypeAlias = tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class SeamReport:
    """What is left of swath edges; see :class:`SeamMeter` for the definitions.

    Attributes:
        step: largest step at any swath edge as a share of the difference between the tracks, 0 to 1; None without edge.
        index: gradient across swath edges over gradient beside them; 1 for no seam; None without edge.
    """

    step: float | None
    index: float | None


class SeamMeter:
    """Measures swath edges while a mosaic is made, block by block, without keeping it.

    A **swath edge** lies between two neighbours in a row or a column where the data of one track end, from 15 km
    inside its nominal swath to 5 km outside (elsewhere clouds or a missing tile end them), while another track has
    data on both sides. Without the latter the picture ends, or changes track for good, whatever the method.

    ``step`` is the largest difference, over all edges, between the shares of the total weight that the ending track
    has on the two sides: the step that would be seen if that track said 1 and all others 0.

    ``index`` compares mean absolute differences ``D`` between neighbouring pixels, across edges and beside them, in
    the mosaic and in the ground as one track alone shows it::

        index = (D_mosaic(edges) / D_mosaic(beside)) / (D_ground(edges) / D_ground(beside))

    * *Beside* are pairs in the same direction and the same cell of 32 x 32 pixels, on both sides of the edge, that no
      edge of any data divides (neither a swath's nor a cloud's); those of the middle row of each cell are taken, and a
      cell counts as often as it has edge pairs. Roughness differs by place and direction more than any seam adds to
      it, so distant pairs are no measure.
    * *Ground* is the track with data on both sides whose centre line is nearest. The fraction of the mosaic alone is
      1 only on average: an edge is a line one pixel wide, and fields, towns and coasts that happen to lie on it move
      that fraction by 0.1 (standard deviation, on the simulator, along lines drawn where no edge is). As the ground on
      the edge is the same for both, its share cancels; what remains is what blending put there. The same fraction
      beside the edge cancels what blending does to noise everywhere.
    * One is added to each ``D``, in stored numbers: rounding makes no smaller differences, and flat ground is 1, not
      0 / 0.

    All sums are integers and cells are counted from the origin of the grid, so that the size of blocks changes no
    bit. Memory is that of one row of pixels and of the cells of one row of blocks.
    """

    def __init__(self, half_widths_km: Sequence[float]) -> None:
        """Begin a grid.

        Args:
            half_widths_km: half the width of each track's swath, kilometres.
        """
        self._half_widths = np.array(half_widths_km, np.float32)
        self._step = -1.0
        self._totals = np.zeros((2, 3), np.int64)
        self._first_cell_row = 0
        self._cells = np.zeros((0, 0, 2, 2, 3), np.int64)
        self._left: _Arrays = ()
        self._above: list[_Arrays] = []
        self._below: list[_Arrays] = []

    def add(
        self,
        window: Window,
        distance_km: npt.NDArray[np.float32],
        count: npt.NDArray[np.uint16],
        weight: npt.NDArray[np.uint32],
        value: npt.NDArray[np.uint16],
        track_values: npt.NDArray[np.uint16],
    ) -> None:
        """Take the next block of the grid.

        Args:
            window: its place; blocks come in the order of :meth:`weft.rasters.grid.Grid.blocks`, all of them.
            distance_km: (track, y, x) float32, distance to each track's centre line.
            count: (track, y, x) uint16, valid observations of each track; 0 where it has no data.
            weight: (track, y, x) uint32, the weights that were used.
            value: (y, x) uint16, one layer of the mosaic; 0 where it has no value.
            track_values: (track, y, x) uint16, what each track said in that layer, as it was blended.
        """
        arrays = (distance_km, count, weight, value, track_values)
        row, col = window.row, window.col
        if col == 0:
            self._fold(row // _CELL)
            self._above, self._below = self._below, []
        self._grow((row + window.height - 1) // _CELL, (col + window.width - 1) // _CELL)
        self._measure(row, col, arrays, across=True)
        self._measure(row, col, arrays, across=False)
        if col > 0:
            self._measure(row, col - 1, _joined(self._left, arrays, axis=-1), across=True)
        if row > 0:
            self._measure(row - 1, col, _joined(self._above[len(self._below)], arrays, axis=-2), across=False)
        # Copies, so that a line does not keep its whole block in memory.
        self._left = tuple(array[..., -1:].copy() for array in arrays)
        self._below.append(tuple(array[..., -1:, :].copy() for array in arrays))

    def report(self) -> SeamReport:
        """The two numbers for all blocks so far."""
        self._fold(self._first_cell_row + len(self._cells))
        step = None if self._step < 0 else self._step
        pairs = self._totals[_EDGE, _PAIRS]
        if not pairs:
            return SeamReport(step, None)
        edge_mosaic, edge_ground = (self._totals[_EDGE, [_MOSAIC, _GROUND]] / pairs + 1.0).tolist()
        mosaic, ground = (self._totals[_BESIDE, [_MOSAIC, _GROUND]] / _FIXED_POINT / pairs + 1.0).tolist()
        return SeamReport(step, (edge_mosaic / mosaic) / (edge_ground / ground))

    def _measure(self, top: int, left: int, arrays: _Arrays, *, across: bool) -> None:
        step = _tally(across, top, left, self._half_widths, self._first_cell_row, self._cells, *arrays)
        self._step = max(self._step, step)

    def _grow(self, last_row: int, last_column: int) -> None:
        rows, columns = last_row + 1 - self._first_cell_row, last_column + 1
        more = max(0, rows - self._cells.shape[0]), max(0, columns - self._cells.shape[1])
        self._cells = np.pad(self._cells, ((0, more[0]), (0, more[1]), (0, 0), (0, 0), (0, 0)))

    def _fold(self, before: int) -> None:
        """Sum up the rows of cells that no further block reaches."""
        done = self._cells[: before - self._first_cell_row]
        edge, beside = done[..., _EDGE, :], done[..., _BESIDE, :]
        compared = (edge[..., _PAIRS] > 0) & (beside[..., _PAIRS] > 0)
        edge, beside = edge[compared], beside[compared]
        self._totals[_EDGE] += edge.sum(axis=0)
        self._totals[_BESIDE] += (edge[:, :1] * beside * _FIXED_POINT // beside[:, :1]).sum(axis=0)
        self._cells = self._cells[len(done) :]
        self._first_cell_row = before


def largest_edge_step(method: Method, distance_km: npt.NDArray[np.float32], count: npt.NDArray[np.uint16]) -> float:
    """Largest step that a method leaves at any swath edge of Sentinel-2, see :class:`SeamMeter`.

    Args:
        method: see :func:`weft.mosaicking.blending.weights`.
        distance_km: (track, y, x) float32, distance to each track's centre line.
        count: (track, y, x) uint16, valid observations of each track; 0 where it has no data.

    Returns:
        Share of the difference between the tracks, 0 to 1; NaN if there is no such edge.

    Raises:
        RequestError: unknown method.
    """
    given = np.stack([weights(method, distance, seen) for distance, seen in zip(distance_km, count, strict=True)])
    meter = SeamMeter([HALF_SWATH_KM] * len(count))
    meter.add(Window(0, 0, *count.shape[1:]), distance_km, count, given, np.zeros_like(count[0]), np.zeros_like(count))
    step = meter.report().step
    return np.nan if step is None else step


def _joined(lines: _Arrays, block: _Arrays, axis: int) -> _Arrays:
    """The last line of one block with the first of the next."""
    first = np.s_[..., :1] if axis == -1 else np.s_[..., :1, :]
    return tuple(np.concatenate([line, array[first]], axis) for line, array in zip(lines, block, strict=True))


@njit(nogil=True, cache=True)
def _tally(
    across: bool,
    top: int,
    left: int,
    half_widths_km: npt.NDArray[np.float32],
    first_cell_row: int,
    cells: npt.NDArray[np.int64],
    distance_km: npt.NDArray[np.float32],
    count: npt.NDArray[np.uint16],
    weight: npt.NDArray[np.uint32],
    value: npt.NDArray[np.uint16],
    track_values: npt.NDArray[np.uint16],
) -> float:
    """Take all pairs of neighbours in a row (across) or a column; each belongs to the cell of its second pixel."""
    _, height, width = count.shape
    dy, dx = (0, 1) if across else (1, 0)
    worst = -1.0
    borders = np.empty((width // _CELL + 2, 2), np.int64)
    bottom = dy
    while bottom < height:
        first, bottom = bottom, min(bottom + _CELL - (top + bottom) % _CELL, height)
        row = (top + first) // _CELL - first_cell_row
        near = _near_borders(half_widths_km, distance_km, first - dy, bottom - 1, left, dx, borders)
        for y in range(first, bottom):
            sampled = (top + y) % _CELL == _SAMPLED
            for start, stop in borders[:near]:
                if not (sampled or _changes(count, y, start, stop, dy, dx)):
                    continue
                cell = cells[row, (left + start) // _CELL, dx]
                for x in range(start, stop):
                    kind, ground = _kind(half_widths_km, distance_km, count, y, x, dy, dx)
                    if ground < 0 or kind == _NEITHER or (kind == _BESIDE and not sampled):
                        continue
                    if kind == _EDGE:
                        worst = max(worst, _edge_step(half_widths_km, distance_km, count, weight, y, x, dy, dx))
                    here, there = np.int64(value[y, x]), np.int64(value[y - dy, x - dx])
                    said, before = np.int64(track_values[ground, y, x]), np.int64(track_values[ground, y - dy, x - dx])
                    if here and there and said and before:
                        cell[kind, _PAIRS] += 1
                        cell[kind, _MOSAIC] += abs(here - there)
                        cell[kind, _GROUND] += abs(said - before)
    return worst


@njit(nogil=True, cache=True)
def _near_borders(
    half_widths_km: npt.NDArray[np.float32],
    distance_km: npt.NDArray[np.float32],
    first: int,
    last: int,
    left: int,
    dx: int,
    borders: npt.NDArray[np.int64],
) -> int:
    """List start and stop of the cells of one row with pairs that may lie near the border of a swath; their number."""
    # Nearly all of a mosaic is left out here: that is what makes the meter cheap.
    near, width, stop = 0, distance_km.shape[2], dx
    while stop < width:
        begin, stop = stop, min(stop + _CELL - (left + stop) % _CELL, width)
        if _near_border(half_widths_km, distance_km, first, last, begin - dx, stop - 1):
            borders[near] = begin, stop
            near += 1
    return near


@njit(nogil=True, cache=True)
def _near_border(
    half_widths_km: npt.NDArray[np.float32],
    distance_km: npt.NDArray[np.float32],
    first: int,
    last: int,
    begin: int,
    end: int,
) -> bool:
    """Whether any pixel of a cell may lie near the border of a swath."""
    # The distance to a straight line rises or falls all the way, so that the corners tell. A centre line is bent, most
    # where it turns at 81 degrees of latitude, and bulges by less than the tolerance within a cell of 60 km.
    for k in range(len(distance_km)):
        one, other = distance_km[k, first, begin], distance_km[k, first, end]
        third, fourth = distance_km[k, last, begin], distance_km[k, last, end]
        farthest = max(max(one, other), max(third, fourth)) - half_widths_km[k]
        nearest = min(min(one, other), min(third, fourth)) - half_widths_km[k]
        if farthest > -_INSIDE_KM - _BULGE_KM and nearest < _OUTSIDE_KM + _BULGE_KM:
            return True
    return False


@njit(nogil=True, cache=True)
def _changes(count: npt.NDArray[np.uint16], y: int, start: int, stop: int, dy: int, dx: int) -> bool:
    """Whether the data of any track end in a part of a row."""
    changes = np.uint16(0)
    for k in range(len(count)):
        # Decides nothing on the way and runs over contiguous pixels, so that it runs in vectors.
        here, there = count[k, y, start:stop], count[k, y - dy, start - dx : stop - dx]
        for x in range(len(here)):
            changes |= np.uint16(here[x] > 0) ^ np.uint16(there[x] > 0)
    return bool(changes > 0)


@njit(nogil=True, cache=True)
def _kind(
    half_widths_km: npt.NDArray[np.float32],
    distance_km: npt.NDArray[np.float32],
    count: npt.NDArray[np.uint16],
    y: int,
    x: int,
    dy: int,
    dx: int,
) -> tuple[int, int]:
    """Kind of a pair, and of the tracks with data in both pixels the one whose centre line is nearest, -1 for none."""
    near, whole, edge = False, True, False
    nearest, least = -1, np.float32(np.inf)
    for k in range(len(count)):
        distance = min(distance_km[k, y, x], distance_km[k, y - dy, x - dx])
        border = -_INSIDE_KM < distance - half_widths_km[k] < _OUTSIDE_KM
        here, there = count[k, y, x] > 0, count[k, y - dy, x - dx] > 0
        near |= border
        whole &= here == there
        edge |= border and here != there
        if here and there and distance < least:
            nearest, least = k, distance
    return _EDGE if edge else _BESIDE if near and whole else _NEITHER, nearest


@njit(nogil=True, cache=True)
def _edge_step(
    half_widths_km: npt.NDArray[np.float32],
    distance_km: npt.NDArray[np.float32],
    count: npt.NDArray[np.uint16],
    weight: npt.NDArray[np.uint32],
    y: int,
    x: int,
    dy: int,
    dx: int,
) -> float:
    """Largest change in the share of any track whose swath ends between two pixels."""
    total, total_there, largest = 0.0, 0.0, 0.0
    for k in range(len(count)):
        total += weight[k, y, x]
        total_there += weight[k, y - dy, x - dx]
    for k in range(len(count)):
        outside = min(distance_km[k, y, x], distance_km[k, y - dy, x - dx]) - half_widths_km[k]
        if -_INSIDE_KM < outside < _OUTSIDE_KM and (count[k, y, x] > 0) != (count[k, y - dy, x - dx] > 0):
            largest = max(largest, abs(weight[k, y, x] / total - weight[k, y - dy, x - dx] / total_there))
    return largest
