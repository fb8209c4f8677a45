"""The shift of a whole image."""

from __future__ import annotations

import numpy as np
import pytest

from tests.weft.registration.waves import Waves, seen
from weft.registration.coarse import coarse_shift

SHAPE = (500, 560)


@pytest.fixture(scope="module")
def land() -> Waves:
    return Waves(21, count=800)


@pytest.mark.parametrize("method", ["cross_corr", "multimodal"])
@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (37.4, -52.0), (-60.0, 60.0)])
def test_a_large_shift_is_found(land: Waves, method: str, dx: float, dy: float) -> None:
    found = coarse_shift(
        land.image(SHAPE).astype(np.float32), seen(land.image(SHAPE, dx, dy), 1), method=method, search=64
    )
    assert found.dx == pytest.approx(dx, abs=1.5)
    assert found.dy == pytest.approx(dy, abs=1.5)
    assert found.score > 0.7


@pytest.mark.parametrize("method", ["cross_corr", "multimodal"])
def test_unrelated_images_do_not_agree(land: Waves, method: str) -> None:
    other = Waves(22, count=800).image(SHAPE)
    assert coarse_shift(land.image(SHAPE), other, method=method, search=64).score <= 0.25


def test_masked_parts_do_not_count(land: Waves) -> None:
    secondary = land.image(SHAPE, 30.0, 20.0)
    mask = np.ones(SHAPE, bool)
    mask[150:300] = False
    secondary[~mask] = 0
    found = coarse_shift(land.image(SHAPE), secondary, None, mask, method="cross_corr", search=64)
    assert (found.dx, found.dy) == pytest.approx((30.0, 20.0), abs=1.5)
    assert found.score > 0.7


def test_nothing_usable_is_no_shift() -> None:
    nothing = coarse_shift(np.full(SHAPE, np.nan), np.ones(SHAPE), method="cross_corr", search=64)
    assert (nothing.dx, nothing.dy, nothing.score) == (0.0, 0.0, 0.0)


def test_threads_change_nothing(land: Waves) -> None:
    pair = land.image(SHAPE), land.image(SHAPE, 11.0, 7.0)
    one, two = (coarse_shift(*pair, method="cross_corr", search=32, workers=workers) for workers in (1, 2))
    assert one == two
