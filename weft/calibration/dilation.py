"""Growing a mask by a distance in metres.

Belongs here: the exact Euclidean dilation of a boolean image. Not here: what is grown and why (``validity``).
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt


def grow(mask: npt.NDArray[np.bool_], metres: float, *, x_size: float, y_size: float) -> npt.NDArray[np.bool_]:
    """Every pixel whose centre lies within ``metres`` of the centre of a pixel of ``mask``.

    Two passes, each linear in the number of pixels whatever the distance: down and up the columns for the distance to
    the nearest pixel of the mask; then along the rows, each such pixel paints the chord that its circle cuts there.

    Args:
        mask: bool (y, x).
        metres: not negative.
        x_size: pixel width, metres.
        y_size: pixel height, metres.

    Returns:
        bool (y, x).
    """
    reach = min(int(metres / y_size), mask.shape[0])
    # In squares of whole metres nothing is rounded, so that a pixel at exactly the distance is within it.
    chords = np.array([math.sqrt(max(0.0, metres**2 - (row * y_size) ** 2)) / x_size for row in range(reach + 1)])
    grown = np.zeros(mask.shape, np.bool_)
    if mask.any():
        _paint(_rows_to(mask, len(chords)), np.minimum(chords, mask.shape[1]).astype(np.int64), grown)
    return grown


@numba.njit(nogil=True, cache=True)
def _rows_to(mask: npt.NDArray[np.bool_], far: int) -> npt.NDArray[np.uint16]:
    """Distance to the nearest pixel of the mask in the same column, rows; at most ``far``."""
    height, width = mask.shape
    rows = np.full((height, width), far, np.uint16)
    for y in range(height):
        for x in range(width):
            if mask[y, x]:
                rows[y, x] = 0
            elif y > 0:
                rows[y, x] = min(far, rows[y - 1, x] + 1)
    for y in range(height - 2, -1, -1):
        for x in range(width):
            rows[y, x] = min(rows[y, x], rows[y + 1, x] + 1)
    return rows


@numba.njit(nogil=True, cache=True)
def _paint(rows: npt.NDArray[np.uint16], chords: npt.NDArray[np.int64], grown: npt.NDArray[np.bool_]) -> None:
    height, width = rows.shape
    begins = np.zeros(width + 1, np.int32)
    for y in range(height):
        begins[:] = 0
        for x in range(width):
            if rows[y, x] < len(chords):
                half = chords[rows[y, x]]
                begins[max(0, x - half)] += 1
                begins[min(width, x + half + 1)] -= 1
        depth = 0
        for x in range(width):
            depth += begins[x]
            grown[y, x] = depth > 0
