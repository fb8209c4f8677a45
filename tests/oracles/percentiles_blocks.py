"""Percentiles over many pixels at once in whole numbers, for comparisons on every pixel of a real stack.

Held against the exact plain oracle in ``compositing_kernels`` by its own test; nothing is imported from the code under
test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEHIND_ALL = 1 << 40


def percentiles(
    values: NDArray[np.uint16], valid: NDArray[np.bool_], q: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Linear percentiles at whole ``q`` of a stack (time, y, x): hundredths stay exact until the one division."""
    ordered = np.sort(np.where(valid, values.astype(np.int64), BEHIND_ALL), axis=0)
    count = valid.sum(axis=0)
    last = np.maximum(count - 1, 0)

    def at(rank: NDArray[Any]) -> NDArray[np.int64]:
        return np.take_along_axis(ordered, rank[None], axis=0)[0]

    layers = []
    for one in q:
        low, rest = np.divmod(last * one, 100)
        below, above = at(low), at(np.minimum(low + 1, last))
        layers.append(np.where(count == 0, np.nan, (below * 100 + rest * (above - below)) / 100))
    return np.stack(layers).astype(np.float32), count.astype(np.uint16)
