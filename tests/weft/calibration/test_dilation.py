from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from weft.calibration.dilation import grow


@pytest.mark.parametrize("seed", range(30))
def test_equals_the_euclidean_distance_transform(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 40, 2)) < rng.choice([0.005, 0.05, 0.3])
    y_size = rng.choice([10.0, 20.0])
    for metres in (0.0, 5, 10, 14, 15, 20, 30, 50, 100, 5000):
        expected = np.zeros_like(mask)
        if mask.any():
            expected = ndimage.distance_transform_edt(~mask, sampling=(y_size, 10.0)) <= metres
        np.testing.assert_array_equal(grow(mask, metres, x_size=10.0, y_size=y_size), expected)


def test_a_pixel_at_exactly_the_distance_is_reached_and_the_next_is_not() -> None:
    mask = np.zeros((1, 9), bool)
    mask[0, 0] = True
    assert grow(mask, 30, x_size=10, y_size=10).sum() == 4
    assert grow(mask, 29.9, x_size=10, y_size=10).sum() == 3
