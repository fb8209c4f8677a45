from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from weft.rasters.averaging import area_mean, source_range

VALUES = np.random.default_rng(0).integers(0, 65536, (30, 40)).astype(np.uint16)


def averaged(row: int, col: int, shape: tuple[int, int], ratio: Fraction, nodata: float | None) -> np.ndarray:
    top, rows = source_range(row, shape[0], ratio)
    left, cols = source_range(col, shape[1], ratio)
    out = np.empty(shape, np.uint16)
    area_mean(VALUES[top : top + rows, left : left + cols], row, col, ratio, nodata, out)
    return out


@pytest.mark.parametrize("ratio", [Fraction(6, 5), Fraction(5, 4), Fraction(5, 2), Fraction(4, 3), Fraction(7, 1)])
@pytest.mark.parametrize("nodata", [None, 0.0])
def test_equals_exact_fractions_and_is_the_same_in_any_window(ratio: Fraction, nodata: float | None) -> None:
    VALUES[3:9, 5:12] = 0
    shape = int(30 / ratio), int(40 / ratio)
    whole = averaged(0, 0, shape, ratio, nodata)
    for y, x in np.ndindex(*shape):
        total = weight = Fraction(0)
        for v in range(30):
            for u in range(40):
                high = min(v + 1, (y + 1) * ratio) - max(v, y * ratio)
                wide = min(u + 1, (x + 1) * ratio) - max(u, x * ratio)
                if high > 0 < wide and VALUES[v, u] != nodata:
                    total += high * wide * int(VALUES[v, u])
                    weight += high * wide
        assert whole[y, x] == (int(total / weight + Fraction(1, 2)) if weight else 0)
    for y in range(0, shape[0], 3):
        for x in range(0, shape[1], 2):
            part = averaged(y, x, (min(3, shape[0] - y), min(2, shape[1] - x)), ratio, nodata)
            np.testing.assert_array_equal(part, whole[y : y + 3, x : x + 2])
