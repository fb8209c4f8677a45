"""Slow, obvious medoid and percentiles: one pixel at a time, in plain Python and float64.

Not here: anything fast, or anything imported from the code under test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray


def medoid_of_pixel(observations: NDArray[Any]) -> tuple[int, float]:
    """Position and smallest sum of distances among the observations (n, band) of one pixel, n >= 1."""
    vectors = [[float(value) for value in row] for row in observations]
    best, smallest = -1, math.inf
    for i, own in enumerate(vectors):
        total = 0.0
        for other in vectors:
            squared = 0.0
            for a, b in zip(own, other, strict=True):
                squared += (a - b) * (a - b)
            total += math.sqrt(squared)
        if total < smallest:
            best, smallest = i, total
    return best, smallest


def medoid(stack: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Medoid index and spread of a stack (time, band, y, x)."""
    index = np.full(valid.shape[1:], -1, np.int16)
    spread = np.full(valid.shape[1:], np.nan, np.float32)
    for y, x in np.ndindex(*index.shape):
        times = [t for t in range(len(stack)) if valid[t, y, x] and np.isfinite(stack[t, :, y, x]).all()]
        if times:
            best, smallest = medoid_of_pixel(stack[times, :, y, x])
            index[y, x] = times[best]
            spread[y, x] = smallest / len(times)
    return index, spread


def medoid_pairwise(stack: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """The same for many pixels at once, one broadcast per pair of dates; for large random comparisons."""
    total = np.zeros(valid.shape)
    vectors = stack.astype(np.float64)
    for i in range(len(stack)):
        for j in range(len(stack)):
            squared = np.zeros(valid.shape[1:])
            for band in range(stack.shape[1]):
                squared += (vectors[i, band] - vectors[j, band]) ** 2
            total[i] += np.where(valid[j], np.sqrt(squared), 0.0)
    total[~valid] = np.inf
    none = ~valid.any(axis=0)
    index = np.where(none, -1, total.argmin(axis=0)).astype(np.int16)
    spread = np.where(none, np.nan, total.min(axis=0) / np.maximum(valid.sum(axis=0), 1)).astype(np.float32)
    return index, spread


def percentiles(
    values: NDArray[Any], valid: NDArray[np.bool_], q: Sequence[float], method: str = "linear"
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Percentiles of a stack (time, y, x), in exact fractions, rounded to float32 at the very end."""
    result = np.full((len(q), *values.shape[1:]), np.nan, np.float32)
    count = np.zeros(values.shape[1:], np.uint16)
    for y, x in np.ndindex(*count.shape):
        usable = valid[:, y, x] & np.isfinite(values[:, y, x])
        ordered = sorted(Fraction(float(value)) for value in values[usable, y, x])
        count[y, x] = len(ordered)
        for k, one in enumerate(q):
            if ordered:
                rank = Fraction(one) * (len(ordered) - 1) / 100
                if method == "nearest":
                    rank = Fraction(round(rank))
                low = math.floor(rank)
                high = min(low + 1, len(ordered) - 1)
                exact = ordered[low] + (rank - low) * (ordered[high] - ordered[low])
                result[k, y, x] = np.float32(float(exact))
    return result, count
