from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from weft.mosaicking.contributions import WHOLE, contribution_layer, contributions, strongest


def random_weights(tracks: int) -> np.ndarray:
    rng = np.random.default_rng(tracks)
    small, large = rng.integers(0, 4, (tracks, 17, 23)), rng.integers(0, 2**28 + 1, (tracks, 17, 23))
    return np.where(rng.random(small.shape) < 0.5, small, large).astype(np.uint32)


@pytest.mark.parametrize("tracks", [1, 2, 3, 9])
def test_shares_are_exact_and_sum_to_the_whole(tracks: int) -> None:
    weights = random_weights(tracks)
    found = contributions(weights)
    assert found.dtype == np.uint8
    for y, x in np.ndindex(weights.shape[1:]):
        column = [int(weight) for weight in weights[:, y, x]]
        total = max(sum(column), 1)
        assert found[:, y, x].tolist() == [(Fraction(w * WHOLE, total) + Fraction(1, 2)).__floor__() for w in column]
        assert abs(int(found[:, y, x].sum()) - (WHOLE if any(column) else 0)) <= tracks / 2


def test_halves_are_rounded_up() -> None:
    assert contributions(np.uint32([[[1]], [[399]]])).ravel().tolist() == [1, 200]
    assert contributions(np.uint32([[[2**28]], [[2**28 - 1]]])).ravel().tolist() == [100, 100]


def test_the_layer_says_what_a_step_is() -> None:
    layer = contribution_layer("R051")
    assert (layer.key, layer.dtype, layer.nodata, layer.scale * WHOLE) == ("track_weight_R051", "uint8", None, 1.0)


def test_a_pixel_is_left_to_the_strongest_track_with_a_value() -> None:
    weights = np.uint32([[[5, 5, 5, 0, 7]], [[3, 9, 5, 0, 7]]])
    values = np.uint16([[[1, 1, 1, 1, 0]], [[1, 0, 1, 1, 0]]])
    assert strongest(values, weights).tolist() == [[[1, 1, 1, 0, 0]], [[0, 0, 0, 0, 0]]]
    assert strongest(values[::-1], weights[::-1]).tolist() == [[[0, 0, 1, 0, 0]], [[1, 1, 0, 0, 0]]]
