"""Statistics of a layer, gathered while its blocks pass by.

Belongs here: one pass over the stored values of a block, and merging blocks. Not here: what the statistics are for.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from weft.rasters.product import LayerSpec, Statistics

_NEVER_STORED = np.int64(-(1 << 40))
"""Stands for "no nodata value": beyond every stored integer and rounded by no float64."""


class Tally:
    """Running count, sums and extremes of stored values; exact for integers of up to 16 bits, float64 otherwise."""

    def __init__(self, layer: LayerSpec) -> None:
        """Gather statistics of ``layer``."""
        self._layer = layer
        self._pixels = self._valid = 0
        self._total: float = 0
        self._squares: float = 0
        self._low, self._high = math.inf, -math.inf

    def add(self, block: npt.NDArray[Any]) -> None:
        """Count in the stored values of one more block, (height, width) of the layer's dtype."""
        values = np.ascontiguousarray(block).reshape(-1)
        exact = values.dtype.kind in "iu" and values.itemsize <= 2
        nodata = _NEVER_STORED if self._layer.nodata is None else np.float64(self._layer.nodata)
        # NaN is left out whatever the nodata value; a float layer's is NaN.
        found = _integers(values, np.int64(nodata)) if exact else _floats(values, np.float64(nodata))
        valid, total, squares, low, high = found
        self._pixels += values.size
        if valid:
            self._valid += int(valid)
            self._total += int(total) if exact else float(total)
            self._squares += int(squares) if exact else float(squares)
            self._low, self._high = min(self._low, float(low)), max(self._high, float(high))

    def statistics(self) -> Statistics:
        """Of the physical values of all blocks so far."""
        share = 100.0 * self._valid / self._pixels if self._pixels else 0.0
        if not self._valid:
            return Statistics(math.nan, math.nan, math.nan, math.nan, share)
        mean = self._total / self._valid
        deviation = math.sqrt(max(0.0, self._squares / self._valid - mean * mean))
        scale, offset = self._layer.scale, self._layer.offset
        return Statistics(
            self._low * scale + offset, self._high * scale + offset, mean * scale + offset, deviation * scale, share
        )


@nb.njit(nogil=True, cache=True)
def _integers(values, nodata):  # type: ignore[no-untyped-def]
    valid = total = squares = np.int64(0)
    low, high = np.int64(np.iinfo(np.int64).max), np.int64(np.iinfo(np.int64).min)
    for i in range(len(values)):
        value = np.int64(values[i])
        given = value != nodata
        valid += np.int64(given)
        counted = value if given else np.int64(0)
        total += counted
        squares += counted * counted
        low = min(low, value if given else low)
        high = max(high, value if given else high)
    return valid, total, squares, low, high


@nb.njit(nogil=True, cache=True)
def _floats(values, nodata):  # type: ignore[no-untyped-def]
    valid = 0
    total = squares = 0.0
    low, high = np.inf, -np.inf
    for i in range(len(values)):
        value = np.float64(values[i])
        if value == value and value != nodata:
            valid += 1
            total += value
            squares += value * value
            low = min(low, value)
            high = max(high, value)
    return valid, total, squares, low, high
