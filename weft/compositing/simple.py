"""Methods of one rule each: the greenest observation, the first, the mean.

Belongs here: reductions that need no more than a pass over time. Not here: those with a file of their own (``medoid``,
``percentiles``, ``short_term``, ``geomedian``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from weft.compositing.inputs import AXES, band_positions, check_reflectance, finite, normalised_difference
from weft.compositing.planes import check_stack, planes

LANES = 512
"""Pixels averaged side by side."""
BLOCK = 8 * LANES
"""Pixels of one unit of parallel work."""


def max_ndvi(stack: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[str]) -> NDArray[np.int16]:
    """Index of the valid observation with the largest NDVI = (nir - red) / (nir + red).

    Computed in float64; exact for uint16. Where nir + red is 0 the NDVI is below all others. The first of equals wins.

    Args:
        stack: uint16 or float32 of any scale without offset, shape (time, band, y, x), at most 255 observations. Not
            modified; read without a copy if the pixels of each image are contiguous. An observation with NaN or
            infinity in any band is not valid.
        valid: bool, shape (time, y, x).
        bands: Common Band Names of the stack, red and nir among them.

    Returns:
        The index along time, int16, shape (y, x), -1 where nothing is valid.

    Raises:
        RequestError: shapes or dtypes that do not belong together, more than 255 observations, unknown, repeated or
            missing bands.
    """
    check_stack(stack, valid, AXES)
    nir, red = band_positions(stack, bands, ("nir", "red"), "max_ndvi")
    index = np.full(valid.shape[1:], -1, np.int16)
    if stack.size:
        source, mask = planes(stack), planes(finite(stack, valid).view(np.uint8))
        pair = np.ascontiguousarray(source.offsets[:, [nir, red]])
        _greenest(source.flat, pair, mask.flat, mask.offsets, index.reshape(-1))
    return index


def first_valid(stack: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Index of the first valid observation in the order of the stack.

    Args:
        stack: uint16 or float32, shape (time, band, y, x), at most 255 observations. An observation with NaN or
            infinity in any band is not valid.
        valid: bool, shape (time, y, x).

    Returns:
        The index along time, int16, shape (y, x), -1 where nothing is valid.

    Raises:
        RequestError: shapes or dtypes that do not belong together, or more than 255 observations.
    """
    check_stack(stack, valid, AXES)
    index = np.full(valid.shape[1:], -1, np.int16)
    if stack.size:
        mask = planes(finite(stack, valid).view(np.uint8))
        _first(mask.flat, mask.offsets, index.reshape(-1))
    return index


def mean(stack: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Mean over time of the valid observations, rounded half up in whole numbers: exact, and in any order the same.

    Args:
        stack: uint16, shape (time, band, y, x), at most 255 observations. Not modified; read without a copy if the
            pixels of each image are contiguous.
        valid: bool, shape (time, y, x).

    Returns:
        The means, uint16, shape (band, y, x), in the units of ``stack``, 0 where nothing is valid; and the number of
        valid observations, uint16, shape (y, x).

    Raises:
        RequestError: shapes that do not belong together, another dtype, or more than 255 observations.
    """
    check_reflectance(stack, valid)
    result = np.zeros(stack.shape[1:], np.uint16)
    count = np.zeros(valid.shape[1:], np.uint16)
    if stack.size:
        source, mask = planes(stack), planes(valid.view(np.uint8))
        _average(
            source.flat, source.offsets, mask.flat, mask.offsets, result.reshape(len(result), -1), count.reshape(-1)
        )
    return result, count


@nb.njit(nogil=True, parallel=True, cache=True)
def _greenest(flat, offsets, mask, mask_offsets, index):  # type: ignore[no-untyped-def]
    for block in nb.prange((len(index) + BLOCK - 1) // BLOCK):
        largest = np.empty(LANES)
        for start in range(block * BLOCK, min(len(index), (block + 1) * BLOCK), LANES):
            width = min(LANES, len(index) - start)
            for t in range(len(offsets)):
                nir = flat[offsets[t, 0] + start : offsets[t, 0] + start + width]
                red = flat[offsets[t, 1] + start : offsets[t, 1] + start + width]
                usable = mask[mask_offsets[t] + start : mask_offsets[t] + start + width]
                winner = index[start : start + width]
                for i in range(width):  # selects instead of branches, which random masks would mispredict
                    ndvi = normalised_difference(nir[i], red[i], -np.inf)
                    former = largest[i]
                    before = winner[i]
                    better = (usable[i] != 0) & ((before < 0) | (ndvi > former))
                    largest[i] = ndvi if better else former
                    winner[i] = np.int16(t) if better else before


@nb.njit(nogil=True, parallel=True, cache=True)
def _first(mask, mask_offsets, index):  # type: ignore[no-untyped-def]
    for block in nb.prange((len(index) + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        winner = index[start : start + BLOCK]
        for t in range(len(mask_offsets)):
            usable = mask[mask_offsets[t] + start : mask_offsets[t] + start + len(winner)]
            for i in range(len(winner)):
                before = winner[i]
                winner[i] = np.int16(t) if (before < 0) & (usable[i] != 0) else before


@nb.njit(nogil=True, parallel=True, cache=True)
def _average(flat, offsets, mask, mask_offsets, result, counts):  # type: ignore[no-untyped-def]
    observations, bands = offsets.shape
    for block in nb.prange((len(counts) + BLOCK - 1) // BLOCK):
        totals = np.empty(LANES, np.uint32)
        for start in range(block * BLOCK, min(len(counts), (block + 1) * BLOCK), LANES):
            width = min(LANES, len(counts) - start)
            count = counts[start : start + width]
            for t in range(observations):
                usable = mask[mask_offsets[t] + start : mask_offsets[t] + start + width]
                for i in range(width):
                    count[i] += usable[i]
            for band in range(bands):
                totals[:] = 0
                for t in range(observations):
                    value = flat[offsets[t, band] + start : offsets[t, band] + start + width]
                    usable = mask[mask_offsets[t] + start : mask_offsets[t] + start + width]
                    for i in range(width):
                        totals[i] += np.uint32(value[i]) * np.uint32(usable[i])
                target = result[band, start : start + width]
                for i in range(width):
                    n = np.uint32(count[i])
                    target[i] = (2 * totals[i] + n) // (2 * n) if n > 0 else 0
