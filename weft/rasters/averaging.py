"""Area-weighted means at a ratio of pixel sizes that is no whole number.

Belongs here: the one kernel for it. Not here: whole ratios, which GDAL decodes at reduced resolution (``reading``).

Its sums are whole numbers, so that a mean is the same whatever window it is computed in. Floating-point weights, which
depend on where a window begins, now and then round a tie the other way.
"""

from __future__ import annotations

from fractions import Fraction

import numba
import numpy as np
import numpy.typing as npt


def source_range(first: int, count: int, ratio: Fraction) -> tuple[int, int]:
    """First source pixel, and how many, that ``count`` pixels of ``ratio`` source pixels each touch."""
    begin, end = first * ratio, (first + count) * ratio
    start = begin.numerator // begin.denominator
    return start, -(-end.numerator // end.denominator) - start


def area_mean(
    values: npt.NDArray[np.uint16],
    row: int,
    col: int,
    ratio: Fraction,
    nodata: float | None,
    out: npt.NDArray[np.uint16],
) -> None:
    """Mean of the source pixels under each pixel, weighted by area, rounded half up.

    Args:
        values: source pixels (y, x): those that :func:`source_range` names for the rows and the columns of ``out``.
        row: row of the first pixel of ``out`` in its grid.
        col: the same for columns.
        ratio: source pixels along the edge of a pixel, > 1; both grids share their top-left corner.
        nodata: source value that is left out, None if there is none.
        out: written, uint16 (y, x); 0 where nothing but no-data lies under a pixel.
    """
    big, small = ratio.numerator, ratio.denominator
    top, _ = source_range(row, 1, ratio)
    left, _ = source_range(col, 1, ratio)
    missing = -1 if nodata is None else int(nodata)
    _mean(values, row * big - top * small, col * big - left * small, big, small, missing, out)


@numba.njit(nogil=True, cache=True)
def _mean(
    values: npt.NDArray[np.uint16],
    y_shift: int,
    x_shift: int,
    big: int,
    small: int,
    missing: int,
    out: npt.NDArray[np.uint16],
) -> None:
    for i in range(out.shape[0]):
        y_begin, y_end = y_shift + i * big, y_shift + (i + 1) * big
        for j in range(out.shape[1]):
            x_begin, x_end = x_shift + j * big, x_shift + (j + 1) * big
            total = weight = np.int64(0)
            for y in range(y_begin // small, (y_end + small - 1) // small):
                rows = min(y_end, (y + 1) * small) - max(y_begin, y * small)
                for x in range(x_begin // small, (x_end + small - 1) // small):
                    if values[y, x] != missing:
                        area = rows * (min(x_end, (x + 1) * small) - max(x_begin, x * small))
                        total += area * np.int64(values[y, x])
                        weight += area
            out[i, j] = (2 * total + weight) // (2 * weight) if weight else 0
