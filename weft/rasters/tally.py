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

_BELOW, _ABOVE = np.int32(-(1 << 30)), np.int32(1 << 30)
"""Beyond every stored integer of 16 bits; the first also stands for "no nodata value"."""
_PART = 4096
"""Values whose sum fits 32 bits."""


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
        nodata = self._layer.nodata
        if exact:
            found = _integers(values, _BELOW if nodata is None else np.int32(nodata))
        else:  # NaN is left out whatever the nodata value
            found = _floats(values, np.float64(math.nan if nodata is None else nodata))
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
    # A loop for each figure, in 32 bits as far as they suffice: so the compiler makes vectors of them. Numba's sum of
    # two 32-bit numbers has 64 bits unless told otherwise.
    valid = total = squares = np.int64(0)
    low, high = _ABOVE, _BELOW
    for start in range(0, len(values), _PART):
        part = values[start : start + _PART]
        given = summed = np.int32(0)
        for i in range(len(part)):
            value = np.int32(part[i])
            given = np.int32(given + np.int32(value != nodata))
            summed = np.int32(summed + (value if value != nodata else np.int32(0)))
        for i in range(len(part)):
            value = np.int32(part[i])
            low = min(low, value if value != nodata else _ABOVE)
            high = max(high, value if value != nodata else _BELOW)
        for i in range(len(part)):
            value = np.int32(part[i])
            counted = np.int64(value if value != nodata else np.int32(0))
            squares += counted * counted
        valid += given
        total += summed
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
