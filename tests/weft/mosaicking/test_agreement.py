"""The line of two tracks: recovered under noise and outliers, the same from either side, honest about its error."""

from __future__ import annotations

import numpy as np
import pytest

from weft.mosaicking.agreement import agreement


def ground(count: int = 4000, seed: int = 0) -> np.ndarray:
    """Stored reflectances of a landscape with a long bright tail."""
    return np.random.default_rng(seed).gamma(4.0, 350.0, count) + 150


def noisy(values: np.ndarray, seed: int, deviation: float = 60.0) -> np.ndarray:
    return np.rint(values + np.random.default_rng(seed).normal(0, deviation, values.size)).clip(1)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (1.08, -35.0), (0.92, 60.0), (1.2, 100.0), (0.85, -100.0)])
@pytest.mark.parametrize("spoilt", [0.0, 0.2])
def test_gain_and_offset_are_recovered_also_when_a_fifth_of_one_track_is_cloud(
    gain: float, offset: float, spoilt: float
) -> None:
    truth = ground()
    first, second = noisy(truth, 1), noisy(gain * truth + offset, 2)
    rng = np.random.default_rng(3)
    cloud = rng.random(truth.size) < spoilt
    second[cloud] += rng.uniform(300, 6000, cloud.sum())
    found = agreement(first, second)
    assert found.gain == pytest.approx(gain, abs=0.012)
    at_mean = found.second_mean - (gain * found.first_mean + offset)
    assert abs(at_mean) < 8
    assert found.gain_error < 0.004
    assert found.pixels > 0.75 * truth.size * (1 - spoilt)


def test_noise_in_both_tracks_makes_the_gain_no_smaller() -> None:
    """A regression of one on the other would find 0.86 of it."""
    truth = np.random.default_rng(0).normal(2000, 250, 20_000)
    found = agreement(noisy(truth, 1, 100), noisy(1.1 * truth, 2, 100))
    assert found.gain == pytest.approx(1.1, abs=0.02)


def test_either_side_sees_the_same_line() -> None:
    truth = ground()
    first, second = noisy(truth, 1), noisy(1.1 * truth - 50, 2)
    there, back = agreement(first, second), agreement(second, first)
    assert there.gain * back.gain == pytest.approx(1, abs=1e-3)
    assert there.first_mean == pytest.approx(back.second_mean, abs=2)


def test_the_error_is_that_of_repeated_samples_and_without_contrast_it_says_so() -> None:
    found = [
        agreement(noisy(ground(800, seed), seed + 100), noisy(1.05 * ground(800, seed), seed + 200))
        for seed in range(30)
    ]
    spread = np.std([one.gain for one in found])
    told = np.mean([one.gain_error for one in found])
    assert 0.5 < told / spread < 1.5
    flat = np.full(2000, 1500.0)
    assert agreement(noisy(flat, 1), noisy(flat, 2)).gain_error > 0.05
    assert agreement(flat, flat + 20).gain_error == np.inf
    assert agreement(flat, flat + 20).second_mean == 1520
    assert agreement(np.array([3.0]), np.array([5.0])).pixels == 1
