"""Means of whole blocks of pixels with gaps in them.

Belongs here: the one kernel for float values. Not here: integers at ratios that are no whole number (``averaging``), or
GDAL's decoding at reduced resolution (``reading``), which for JPEG 2000 takes the low-pass band of a wavelet whose
samples lie on every second pixel and not between two of them.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt


def block_mean(values: npt.NDArray[np.float32], high: int, wide: int) -> npt.NDArray[np.float32]:
    """Mean of each block of ``high`` x ``wide`` pixels.

    Args:
        values: float32 (y, x); NaN is left out.
        high: rows of a block.
        wide: columns of a block.

    Returns:
        float32; blocks at the lower and right edge may be incomplete. NaN where fewer than half of the pixels of a
        complete block have a value.
    """
    rows, cols = values.shape
    out = np.empty((-(-rows // high), -(-cols // wide)), np.float32)
    _mean(np.ascontiguousarray(values), high, wide, out)
    return out


@numba.njit(nogil=True, cache=True)
def _mean(values: npt.NDArray[np.float32], high: int, wide: int, out: npt.NDArray[np.float32]) -> None:
    rows, cols = values.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total, count = 0.0, 0
            for r in range(i * high, min((i + 1) * high, rows)):
                for c in range(j * wide, min((j + 1) * wide, cols)):
                    if not np.isnan(values[r, c]):
                        total += values[r, c]
                        count += 1
            out[i, j] = np.float32(total / count) if 2 * count >= high * wide else np.float32(np.nan)
