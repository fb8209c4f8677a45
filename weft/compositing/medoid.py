"""The medoid of every pixel: the one valid observation whose summed distance to all the others is smallest.

Belongs here: the medoid kernel. Not here: which observations are valid, in which order they come, or taking the bands
and angles of the winner.

Pixels of a block are grouped by their number of valid observations, and the valid observations of a group are packed to
the front, so that 128 pixels of equal n run side by side through n (n - 1) / 2 distances with no branch. Each distance
serves both of its ends. With the first end in the outer loop, the terms of every sum still arrive in time order: the
sums are those of a float64 brute force to the last bit, so ties and near ties fall as they do there.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from weft.compositing.planes import check_stack, planes

LANES = 128
"""Pixels compared side by side."""
BLOCK = 512
"""Pixels grouped together: 24 dates of 7 bands fill 350 KiB, within the second-level cache."""
PADDING = 16
"""Pixels between two images of a block, lest all of them fall into the same few lines of the cache."""
UNIT = 16 * BLOCK
"""Pixels of one unit of parallel work: scratch memory is allocated once for each."""

_LOW, _HALF = np.uint32(0xFFFF), np.uint32(16)
_SMALL = 2.0**32


def medoid(stack: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Index of the medoid observation of every pixel, and how far the observations lie from it.

    The medoid is the valid observation i with the smallest sum over all valid j of the Euclidean distance between the
    band vectors of i and j (S2GM, as in sentinel-hub/custom-scripts ``sentinel-2/s2gm``). Squared distances are summed
    over the bands in the order given, distances over j in time order, all in float64: exact for uint16 up to the square
    root. The first of equal sums wins, so the caller's order of time decides ties.

    Args:
        stack: uint16 or float32, shape (time, band, y, x), at most 255 observations. Not modified; read without a copy
            if the pixels of each image are contiguous. An observation with NaN or infinity in any band is not valid.
        valid: bool, shape (time, y, x).

    Returns:
        The index along time of the medoid, int16, shape (y, x), -1 where nothing is valid; and its spread, float32, in
        the units of ``stack``: the smallest sum divided by the number of valid observations, the medoid itself
        included. NaN where nothing is valid, 0 where one observation is.

    Raises:
        RequestError: shapes that do not belong together, no band, another dtype, or more than 255 observations.
    """
    check_stack(stack, valid, ("time", "band", "y", "x"))
    index = np.full(valid.shape[1:], -1, np.int16)
    spread = np.full(valid.shape[1:], np.nan, np.float32)
    if stack.size:
        if stack.dtype == np.float32:
            valid = valid.copy()
            for band in range(stack.shape[1]):
                valid &= np.isfinite(stack[:, band])
        source, mask = planes(stack), planes(valid.view(np.uint8))
        paired = stack.dtype == np.uint16
        flat = source.flat if paired else source.flat.view(np.uint32)
        _reduce(flat, source.offsets, mask.flat, mask.offsets, paired, index.reshape(-1), spread.reshape(-1))
    return index, spread


@nb.njit(nogil=True, cache=True)
def _copy(flat, offsets, mask, mask_offsets, start, width, paired, words, usable):  # type: ignore[no-untyped-def]
    # Returns a number that has every bit that any value has, so that no value is larger.
    bits = np.uint32(0)
    bands = offsets.shape[1]
    for t in range(len(offsets)):
        flags = mask[mask_offsets[t] + start : mask_offsets[t] + start + width]
        for i in range(width):  # assigning the slice would compile NumPy's whole broadcasting, for seconds
            usable[t, i] = flags[i]
        for word in range(words.shape[1]):
            first = 2 * word if paired else word
            low = flat[offsets[t, first] + start : offsets[t, first] + start + width]
            if paired and first + 1 < bands:
                high = flat[offsets[t, first + 1] + start : offsets[t, first + 1] + start + width]
                for i in range(width):
                    words[t, word, i] = np.uint32(low[i]) | (np.uint32(high[i]) << np.uint32(16))
            else:
                for i in range(width):
                    words[t, word, i] = np.uint32(low[i])
            for i in range(width):
                bits |= words[t, word, i]
    return (bits & _LOW) | (bits >> _HALF) if paired else bits


@nb.njit(nogil=True, cache=True)
def _group(usable, width, count, order):  # type: ignore[no-untyped-def]
    # A counting sort of the pixels by their number of valid observations, fewest first.
    count[:] = 0
    for t in range(len(usable)):
        for i in range(width):
            count[i] += usable[t, i]
    place = np.zeros(len(usable) + 2, np.int64)
    for i in range(width):
        place[count[i] + 1] += 1
    for n in range(len(usable)):
        place[n + 1] += place[n]
    for i in range(width):
        order[place[count[i]]] = i
        place[count[i]] += 1


@nb.njit(nogil=True, cache=True)
def _pack(words, usable, pixels, most, paired, times, packed):  # type: ignore[no-untyped-def]
    observations, per_pixel, stride = words.shape
    flat = words.reshape(-1)
    for lane in range(len(pixels)):
        pixel = pixels[lane]
        k = 0
        for t in range(observations):
            times[k, lane] = t  # overwritten until it is a valid one: no branch to mispredict
            k += usable[t, pixel]
    place = np.zeros(LANES, np.uint32)
    for k in range(most):
        for lane in range(len(pixels)):
            place[lane] = times[k, lane] * per_pixel * stride + pixels[lane]
        for word in range(per_pixel):
            first = 2 * word if paired else word
            for lane in range(len(pixels)):
                packed[k, first, lane] = flat[place[lane]]
                place[lane] += np.uint32(stride)
            if paired:
                for lane in range(len(pixels)):
                    pair = packed[k, first, lane]
                    packed[k, first, lane] = pair & _LOW
                    packed[k, first + 1, lane] = pair >> _HALF


@nb.njit(nogil=True, cache=True)
def _sum_small(packed, counts, most, squared, sums):  # type: ignore[no-untyped-def]
    # As _sum_distances, for whole numbers whose summed squares fit 32 bits: twice as many of them fit a vector.
    sums[:most] = 0.0
    for a in range(most):
        for b in range(a + 1, most):
            squared[:] = 0
            for band in range(0, packed.shape[1], 2):
                for lane in range(LANES):
                    first = np.int32(packed[a, band, lane] - packed[b, band, lane])
                    second = np.int32(packed[a, band + 1, lane] - packed[b, band + 1, lane])
                    squared[lane] += np.uint32(np.int32(first * first)) + np.uint32(np.int32(second * second))
            for lane in range(LANES):
                distance = math.sqrt(np.float64(squared[lane]))
                distance = distance if b < counts[lane] else 0.0
                sums[a, lane] += distance
                sums[b, lane] += distance


@nb.njit(nogil=True, cache=True)
def _sum_distances(packed, counts, most, bands, squared, sums):  # type: ignore[no-untyped-def]
    sums[:most] = 0.0
    for a in range(most):
        for b in range(a + 1, most):
            squared[:] = 0.0
            for band in range(bands):
                for lane in range(LANES):
                    difference = np.float64(packed[a, band, lane]) - np.float64(packed[b, band, lane])
                    squared[lane] += difference * difference
            for lane in range(LANES):
                distance = math.sqrt(squared[lane])
                distance = distance if b < counts[lane] else 0.0
                sums[a, lane] += distance
                sums[b, lane] += distance


@nb.njit(nogil=True, cache=True)
def _choose(sums, times, counts, most, pixels, smallest, best, index, spread):  # type: ignore[no-untyped-def]
    smallest[:] = np.inf
    for k in range(most):
        for lane in range(LANES):
            own = sums[k, lane]
            least = smallest[lane]
            former = best[lane]
            better = (own < least) & (k < counts[lane])
            smallest[lane] = own if better else least
            best[lane] = np.int32(k) if better else former
    for lane in range(len(pixels)):
        if counts[lane] > 0:
            index[pixels[lane]] = times[best[lane], lane]
            spread[pixels[lane]] = smallest[lane] / counts[lane]


@nb.njit(nogil=True, parallel=True, cache=True)
def _reduce(flat, offsets, mask, mask_offsets, paired, index, spread):  # type: ignore[no-untyped-def]
    observations, bands = offsets.shape
    for unit in nb.prange((len(index) + UNIT - 1) // UNIT):
        per_pixel = (bands + 1) // 2 if paired else bands
        words = np.empty((observations, per_pixel, BLOCK + PADDING), np.uint32)
        usable = np.empty((observations, BLOCK + PADDING), np.uint8)
        count = np.empty(BLOCK, np.int32)
        order = np.empty(BLOCK, np.int32)
        counts = np.empty(LANES, np.int32)
        times = np.zeros((observations, LANES), np.uint8)
        packed = np.zeros((observations, bands + bands % 2, LANES), np.uint32)
        squared = np.empty(LANES)
        squared_small = np.empty(LANES, np.uint32)
        smallest = np.empty(LANES)
        best = np.empty(LANES, np.int32)
        sums = np.empty((observations, LANES))
        for start in range(unit * UNIT, min(len(index), (unit + 1) * UNIT), BLOCK):
            width = min(BLOCK, len(index) - start)
            largest = _copy(flat, offsets, mask, mask_offsets, start, width, paired, words, usable)
            small = paired and np.float64(bands) * np.float64(largest) * np.float64(largest) < _SMALL
            _group(usable, width, count, order)
            for first in range(0, width, LANES):
                pixels = order[first : min(first + LANES, width)]
                counts[:] = 0
                for lane in range(len(pixels)):
                    counts[lane] = count[pixels[lane]]
                most = counts[len(pixels) - 1]
                _pack(words, usable, pixels, most, paired, times, packed)
                if small:
                    _sum_small(packed.view(np.int32), counts, most, squared_small, sums)
                elif paired:
                    _sum_distances(packed.view(np.int32), counts, most, bands, squared, sums)
                else:
                    _sum_distances(packed.view(np.float32), counts, most, bands, squared, sums)
                _choose(sums, times, counts, most, pixels, smallest, best, index[start:], spread[start:])
