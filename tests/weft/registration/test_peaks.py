"""Peaks of surfaces that are known: where they are found, and when they are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from weft.registration.peaks import enlarge, measure

REACH = 15
FIRST = np.array([1.0, 0.5, 0.25])


def hill(x: float, y: float, width: float = 1.6, noise: float = 0.0, seed: int = 1) -> NDArray[np.float32]:
    rows, columns = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    waver = np.random.default_rng(seed).normal(size=rows.shape) * noise
    return (0.5 + 0.3 * np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / width**2) + waver).astype(np.float32)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (0.5, -0.5), (3.25, -7.4), (-9.9, 10.3), (12.8, 0.1)])
def test_the_top_of_a_hill_is_found_between_the_pixels(x: float, y: float) -> None:
    for surfaces in (hill(x, y)[None], np.stack([hill(x, y), hill(x, y, 2.4), hill(x, y, 4)])):
        found_x, found_y, score = measure(surfaces + hill(0, 0, noise=1e-4) * 1e-2, 14, FIRST)
        assert np.hypot(found_x - x, found_y - y) < 0.02
        assert 0.5 < score <= 1


def test_the_surer_level_counts_more() -> None:
    sharp, blurred = hill(2.3, 1.6, noise=0.001), hill(1.6, 2.3, 4, noise=0.02, seed=2)
    found_x, found_y, _ = measure(np.stack([sharp, blurred]), 14, FIRST)
    assert np.hypot(found_x - 2.3, found_y - 1.6) < 0.05


def test_no_peak_where_nothing_stands_out_or_too_far_away() -> None:
    rows, columns = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    ridge = (hill(0, 0)[REACH] + 0.02 * np.cos(rows / 5) * np.cos(columns / 3)).astype(np.float32)
    for surfaces, search in (
        (np.full((2, 31, 31), 0.7, np.float32), 14),
        (ridge[None], 14),
        (hill(9, 0)[None], 8),
        (hill(0, -15)[None], 14),
    ):
        found_x, found_y, score = measure(surfaces, search, FIRST)
        assert np.isnan(found_x)
        assert np.isnan(found_y)
        assert score == 0


def test_a_second_hill_or_noise_lowers_the_score() -> None:
    alone, rivalled = hill(3, 3)[None], (hill(3, 3) + 0.8 * (hill(-6, 2) - 0.5))[None].astype(np.float32)
    best = measure(alone, 14, FIRST)[2]
    assert measure(rivalled, 14, FIRST)[2] < 0.6 * best
    assert measure(hill(3, 3, noise=1.0)[None], 14, FIRST)[2] < 0.6 * best


@pytest.mark.parametrize("pixel", [2, 4])
def test_a_coarse_surface_is_enlarged_onto_the_fine_lattice(pixel: int) -> None:
    beyond = -(-REACH // pixel) + 2
    rows, columns = np.mgrid[-beyond : beyond + 1, -beyond : beyond + 1] * float(pixel)
    for over_x in range(pixel):
        over_y = pixel - 1 - over_x
        fine = np.zeros((2 * REACH + 1, 2 * REACH + 1), np.float32)
        enlarge((1 + 0.02 * columns - 0.03 * rows).astype(np.float32), pixel, over_x, over_y, beyond, fine)
        y, x = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
        np.testing.assert_allclose(fine, 1 + 0.02 * (x + over_x) - 0.03 * (y + over_y), atol=1e-5)
