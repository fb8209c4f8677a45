"""Where to match: a regular grid of centres, windows that shrink instead of failing, and cutting them out.

Belongs here: placing centres so that they cover the image and never cluster, the size each window may have, cutting
windows from images, and the protocol of matchers. Not here: matching (``correlation``, ``multimodal``), or threads and
batches (``tie_points``).

A window of edge ``size`` at the centre (x, y) covers the columns x - size // 2 to x - size // 2 + size - 1, and the
rows likewise. Windows come in three sizes: ``template``, three quarters of it and half of it, but never less than
``LEAST`` pixels (or ``template``, if that is less). A window must lie inside both images, and at least half of its
pixels must be usable in both; or it may hang over, and three quarters must be usable. The largest size that fulfils
this is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Image = NDArray[Any]
Mask = NDArray[np.bool_]

LEAST = 16
"""Edge of the smallest window, pixels."""
USABLE = 0.5
"""Least share of the pixels of a window that are usable in both images."""
OVERHANGING = 0.76
"""The same of a window that reaches outside: what is left of it lies to one side of its centre. Between 0.65 and 0.8 it
hardly matters; lower values lose accuracy between optical and radar, higher ones between blue and thermal."""


@dataclass(frozen=True, slots=True, eq=False)
class Centres:
    """Where to match, columns of equal length.

    Attributes:
        x: columns in the reference, int64.
        y: rows in the reference, int64.
        ox: columns to add to get where the search in the secondary starts, int64.
        oy: rows to add, int64.
        size: edge of the window, pixels, int64; matchers get centres of one size at a time, as ``template``.
    """

    x: Ints
    y: Ints
    ox: Ints
    oy: Ints
    size: Ints

    def __len__(self) -> int:
        """How many centres."""
        return self.x.size

    def select(self, which: Mask | NDArray[np.intp] | slice) -> Centres:
        """Those that a mask, an array of positions or a slice chooses."""
        return Centres(self.x[which], self.y[which], self.ox[which], self.oy[which], self.size[which])


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """What a matcher found, one element for each centre.

    Attributes:
        dx: columns from the reference to the secondary, start offset included, pixels, float64.
        dy: rows, float64.
        score: 0 (no match) to 1, float32; NaN counts as 0.
    """

    dx: NDArray[np.float64]
    dy: NDArray[np.float64]
    score: NDArray[np.float32]


class Matcher(Protocol):
    """A function that matches windows of one size.

    It is handed a small batch of centres at a time, from several threads, and releases the GIL where it works long.
    The result of a centre does not depend on its batch.
    """

    def __call__(
        self,
        reference: Image,
        secondary: Image,
        mask_reference: Mask | None,
        mask_secondary: Mask | None,
        centres: Centres,
        *,
        template: int,
        search: int,
    ) -> Matches:
        """Match windows of edge ``template``, at most ``search`` pixels from their start along each axis.

        Images are 2-D, of any real dtype; False in a mask, NaN and whatever lies outside carry no weight.
        """
        ...


def sizes(template: int) -> tuple[int, ...]:
    """Edges that windows may have, largest first, all odd or all even like ``template``."""
    least = min(template, max(LEAST, template // 2))
    steps = (template, template * 3 // 4, template // 2)
    same_parity = (max(step - (template - step) % 2, least + (template - least) % 2) for step in steps)
    return tuple(sorted(set(same_parity), reverse=True))


def usable(image: Image, mask: Mask | None) -> Mask | None:
    """Which pixels may be used: those of the mask that are finite. None when all may be, so that nobody looks."""
    if not np.issubdtype(image.dtype, np.floating):
        return mask
    finite = np.isfinite(image)
    if finite.all():
        return mask
    return finite if mask is None else finite & mask


def place(
    mask_reference: Mask | None,
    mask_secondary: Mask | None,
    shape: tuple[int, int],
    *,
    template: int,
    spacing: int,
    offsets: Callable[[Ints, Ints], tuple[Ints, Ints]],
    overhang: bool = False,
) -> Centres:
    """At most one centre in each cell of about ``spacing`` x ``spacing`` pixels.

    A cell offers its middle, then eight places a quarter of the spacing away from it: the first of those that allow
    the largest window is taken. So two centres are never closer than half the spacing (but where cells at a border
    are pushed inwards), and no cell is left out for a cloud in its middle. Cells where no window fits get no centre.

    Args:
        mask_reference: usable pixels of the reference as :func:`usable` tells them, None if all are.
        mask_secondary: those of the secondary, of the same shape.
        shape: rows and columns of both images.
        template: edge of the largest window, pixels.
        spacing: edge of a cell, pixels.
        offsets: for x and y where to start in the secondary, as whole pixels to add.
        overhang: whether a window may reach outside; what lies there is not usable. Unlike sensors need large windows,
            and three quarters of one serve them better than a whole one of three quarters the edge.
    """
    allowed = np.array(sizes(template), np.int64)
    cell_y, cell_x = np.meshgrid(*(_middles(length, spacing) for length in shape), indexing="ij")
    cell_x, cell_y = cell_x.ravel(), cell_y.ravel()
    found = Centres(cell_x.copy(), cell_y.copy(), *(np.zeros_like(cell_x) for _ in range(3)))
    for right, down in _PLACES:
        todo = np.flatnonzero(found.size < template)
        if not todo.size:
            break
        x = _inside(cell_x[todo] + right * spacing // 4, shape[1], allowed[-1])
        y = _inside(cell_y[todo] + down * spacing // 4, shape[0], allowed[-1])
        ox, oy = offsets(x, y)
        masks = looked_at(mask_reference), looked_at(mask_secondary)
        size = _largest(*masks, x, y, ox, oy, allowed, USABLE, overhang, *shape)
        better = size > found.size[todo]
        for name, values in (("x", x), ("y", y), ("ox", ox), ("oy", oy), ("size", size)):
            getattr(found, name)[todo[better]] = values[better]
    return found.select(found.size > 0)


def looked_at(mask: Mask | None) -> Mask:
    """A mask as kernels want it: one without elements where all pixels may be used."""
    return np.empty((0, 0), np.bool_) if mask is None else mask


def cut(image: Image, mask: Mask | None, x: Ints, y: Ints, size: int) -> tuple[NDArray[np.float32], Mask]:
    """Windows of edge ``size`` around whole-pixel centres, which may reach outside.

    Returns:
        Values (n, size, size), float32, 0 where there is none; and where there is one, bool of the same shape: pixels
        inside the image that are finite and not masked.
    """
    values = np.empty((x.size, size, size), np.float32)
    known = np.empty((x.size, size, size), np.bool_)
    _cut(image, looked_at(mask), x, y, values, known)
    return values, known


_PLACES = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))


def _middles(length: int, spacing: int) -> Ints:
    cells = max(1, round(length / spacing))
    return ((np.arange(cells) + 0.5) * length / cells).astype(np.int64)


def _inside(middles: Ints, length: int, least: int) -> Ints:
    return np.clip(middles, least // 2, max(least // 2, length - least + least // 2))


@njit(nogil=True, cache=True)
def _largest(mask_r, mask_s, x, y, ox, oy, allowed, share, overhang, rows, columns):  # type: ignore[no-untyped-def]
    found = np.zeros(x.size, np.int64)
    for n in range(x.size):
        for size in allowed:
            left, top = x[n] - size // 2, y[n] - size // 2
            within = min(left, left + ox[n]) >= 0 and min(top, top + oy[n]) >= 0
            within = within and max(left, left + ox[n]) + size <= columns and max(top, top + oy[n]) + size <= rows
            if not (within or overhang):
                continue
            needed = (share if within else OVERHANGING) * size * size
            if _both(mask_r, mask_s, left, top, ox[n], oy[n], size, rows, columns) >= needed:
                found[n] = size
                break
    return found


@njit(nogil=True, cache=True)
def _both(mask_r, mask_s, left, top, ox, oy, size, rows, columns):  # type: ignore[no-untyped-def]
    first_row, end_row = max(top, -oy, 0), min(top + size, rows, rows - oy)
    first_column, end_column = max(left, -ox, 0), min(left + size, columns, columns - ox)
    if not mask_r.size and not mask_s.size:
        return max(0, end_row - first_row) * max(0, end_column - first_column)
    both = 0
    for row in range(first_row, end_row):
        for column in range(first_column, end_column):
            if mask_r.size and not mask_r[row, column]:
                continue
            both += not mask_s.size or mask_s[row + oy, column + ox]
    return both


@njit(nogil=True, cache=True)
def cut_one(image, mask, left, top, values, known):  # type: ignore[no-untyped-def]
    """Fill ``values`` (float32) and ``known`` (bool) of one shape with what lies there; mask of size 0: all usable.

    Returns how many pixels are known; the others get the value 0.
    """
    rows, columns = image.shape
    count = 0
    for i in range(values.shape[0]):
        row = top + i
        for j in range(values.shape[1]):
            column = left + j
            good = 0 <= row < rows and 0 <= column < columns
            if good and mask.size:
                good = mask[row, column]
            value = np.float32(image[row, column]) if good else np.float32(0)
            good = good and np.isfinite(value)
            known[i, j] = good
            values[i, j] = value if good else np.float32(0)
            count += good
    return count


@njit(nogil=True, cache=True)
def _cut(image, mask, x, y, values, known):  # type: ignore[no-untyped-def]
    half = values.shape[1] // 2
    for n in range(x.size):
        cut_one(image, mask, x[n] - half, y[n] - half, values[n], known[n])
