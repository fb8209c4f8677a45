"""Matching of images of the same modality: correlation by FFT, then least squares.

Belongs here: the peak of the normalised cross-correlation of two windows, and the matcher that hands it on to
``refinement``. Not here: other modalities (``multimodal``), where to match (``windows``), threads (``tie_points``).

Windows are averaged over 2 x 2 pixels and freed of what varies slowly (a local mean over 5 x 5 of those), because haze
and relief shading differ between dates while edges stay. Normalised cross-correlation was chosen over phase
correlation after measurements on pairs of different sensors and dates: whitening gave noise as much say as edges, and
fewer windows came out right. Masked pixels count as the local mean, which adds nothing to a correlation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from weft.registration.refinement import less_local_mean, refine
from weft.registration.windows import Centres, Mask, Matches, cut_one, looked_at

_BINNED = 32
"""Windows of at least so many pixels are averaged over 2 x 2."""
_LOCAL = 2
"""The local mean reaches so many pixels to each side."""
_ENERGY = 0.25
"""Places where the secondary varies less than this share of where it varies most correlate by chance."""
_TINY = 1e-12
_RIVAL = 3
"""A second peak is looked for farther than this from the first along either axis, pixels."""


def match(
    reference: NDArray[Any],
    secondary: NDArray[Any],
    mask_reference: Mask | None,
    mask_secondary: Mask | None,
    centres: Centres,
    *,
    template: int,
    search: int,
) -> Matches:
    """Match windows of the same modality; a matcher as :class:`weft.registration.windows.Matcher` defines it.

    The score is the correlation of the two windows after refinement, times how far the highest peak of the search
    rises above the second: 1 - second / first. It is 0 where the highest peak lies at the rim of the search, where
    refinement runs away from the peak, or where texture does not tell the displacement.
    """
    step = 2 if template >= _BINNED else 1
    reach = -(-search // step) + 1
    peak_x, peak_y, distinct = _peaks_of(
        reference, secondary, mask_reference, mask_secondary, centres, template // step, reach, step
    )
    dx, dy, correlation = refine(
        reference,
        secondary,
        mask_reference,
        mask_secondary,
        centres.x,
        centres.y,
        centres.ox + peak_x * step,
        centres.oy + peak_y * step,
        template=template,
        leap=1.5 * step,
    )
    within = (np.abs(dx - centres.ox) <= search + 0.5) & (np.abs(dy - centres.oy) <= search + 0.5)
    return Matches(dx, dy, np.where(within, correlation * distinct, 0).astype(np.float32))


def _peaks_of(
    reference: NDArray[Any],
    secondary: NDArray[Any],
    mask_reference: Mask | None,
    mask_secondary: Mask | None,
    centres: Centres,
    size: int,
    reach: int,
    step: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Peaks from the start offsets in steps (NaN: none), and how distinct each is, 0 to 1."""
    length = scipy.fft.next_fast_len(size + 2 * reach, real=True)
    # Zeros beyond the window and beyond the search, as the transform wants them.
    small = np.zeros((len(centres), length, length), np.float32)
    large = np.zeros_like(small)
    half = size * step // 2
    left, top = centres.x - half, centres.y - half
    _band(reference, looked_at(mask_reference), left, top, small, size, step)
    wide = size + 2 * reach
    from_x, from_y = left + centres.ox - reach * step, top + centres.oy - reach * step
    _band(secondary, looked_at(mask_secondary), from_x, from_y, large, wide, step)
    product = scipy.fft.rfft2(large)
    product *= scipy.fft.rfft2(small).conj()
    correlation = scipy.fft.irfft2(product, (length, length), overwrite_x=True)
    peaks = np.full((3, len(centres)), np.nan)
    _highest(correlation, small, large, size, reach, peaks)
    return peaks[0], peaks[1], peaks[2]


@njit(nogil=True, cache=True)
def _band(image, mask, left, top, out, size, step):  # type: ignore[no-untyped-def]
    """Windows averaged over ``step`` x ``step`` pixels less their local mean; 0 where less than half is known."""
    values, known = np.empty((size * step, size * step), np.float32), np.empty((size * step, size * step), np.bool_)
    means, enough = np.empty((size, size), np.float32), np.empty((size, size), np.bool_)
    for n in range(left.size):
        cut_one(image, mask, left[n], top[n], values, known)
        for i in range(size):
            for j in range(size):
                total, count = np.float32(0), 0
                for k in range(step):
                    for m in range(step):
                        total += values[i * step + k, j * step + m]
                        count += known[i * step + k, j * step + m]
                enough[i, j] = 2 * count >= step * step
                means[i, j] = total / np.float32(count) if enough[i, j] else np.float32(0)
        less_local_mean(means, enough, _LOCAL, out[n, :size, :size])


@njit(nogil=True, cache=True)
def _highest(correlation, small, large, size, reach, peaks):  # type: ignore[no-untyped-def]
    places = 2 * reach + 1
    table = np.empty((places, places))
    for n in range(correlation.shape[0]):
        _normalised(correlation[n], small[n], large[n], size, table)
        at = table.argmax()
        row, column = at // places, at % places
        first = table[row, column]
        if first <= 0 or not (0 < row < places - 1 and 0 < column < places - 1):
            continue
        second = 0.0
        for i in range(places):
            for j in range(places):
                if abs(i - row) > _RIVAL or abs(j - column) > _RIVAL:
                    second = max(second, table[i, j])
        peaks[0, n] = column - reach + _vertex(table[row, column - 1], first, table[row, column + 1])
        peaks[1, n] = row - reach + _vertex(table[row - 1, column], first, table[row + 1, column])
        peaks[2, n] = 1 - second / first


@njit(nogil=True, cache=True)
def _normalised(correlation, small, large, size, table):  # type: ignore[no-untyped-def]
    """The correlation divided by the root of the energies of both windows, at every place of the search."""
    places = table.shape[0]
    columns = np.zeros(size + places - 1)
    _add_squares(large, 0, size - 1, columns, 1.0)
    for i in range(places):
        _add_squares(large, i + size - 1, i + size, columns, 1.0)
        total = columns[: size - 1].sum()
        for j in range(places):
            total += columns[j + size - 1]
            table[i, j] = total
            total -= columns[j]
        _add_squares(large, i, i + 1, columns, -1.0)
    own = np.zeros(size)
    _add_squares(small, 0, size, own, 1.0)
    energy, least = max(own.sum(), _TINY), max(_ENERGY * table.max(), _TINY)
    for i in range(places):
        for j in range(places):
            table[i, j] = correlation[i, j] / np.sqrt(max(table[i, j], least) * energy)


@njit(nogil=True, cache=True)
def _add_squares(values, first, end, columns, sign):  # type: ignore[no-untyped-def]
    for i in range(first, end):
        for j in range(columns.size):
            columns[j] += sign * np.float64(values[i, j]) ** 2


@njit(nogil=True, cache=True)
def _vertex(before, at, after):  # type: ignore[no-untyped-def]
    bend = before - 2 * at + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
