"""Slow, obvious maximum-NDVI, first-valid and mean composites: one pixel at a time, in plain Python and exact numbers.

Not here: anything fast, or anything imported from the code under test.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray


def valid_times(stack: NDArray[Any], valid: NDArray[np.bool_], y: int, x: int) -> list[int]:
    return [t for t in range(len(stack)) if valid[t, y, x] and all(math.isfinite(v) for v in stack[t, :, y, x])]


def max_ndvi(stack: NDArray[Any], valid: NDArray[np.bool_], nir: int, red: int) -> NDArray[np.int16]:
    """The first of the greenest; without nir and red an observation is below all others."""
    index = np.full(valid.shape[1:], -1, np.int16)
    for y, x in np.ndindex(*index.shape):
        best: Fraction | None = None
        for t in valid_times(stack, valid, y, x):
            a, b = Fraction(float(stack[t, nir, y, x])), Fraction(float(stack[t, red, y, x]))
            ndvi = (a - b) / (a + b) if a + b else None
            if index[y, x] < 0 or (ndvi is not None and (best is None or ndvi > best)):
                index[y, x], best = t, ndvi
    return index


def first_valid(stack: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.int16]:
    index = np.full(valid.shape[1:], -1, np.int16)
    for y, x in np.ndindex(*index.shape):
        index[y, x] = next(iter(valid_times(stack, valid, y, x)), -1)
    return index


def mean(stack: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    result = np.zeros(stack.shape[1:], np.uint16)
    count = np.zeros(valid.shape[1:], np.uint16)
    for y, x in np.ndindex(*count.shape):
        times = valid_times(stack, valid, y, x)
        count[y, x] = len(times)
        for band in range(stack.shape[1]):
            if times:
                exact = Fraction(sum(int(stack[t, band, y, x]) for t in times), len(times))
                result[band, y, x] = math.floor(exact + Fraction(1, 2))
    return result, count
