"""The matcher for images of one modality."""

from __future__ import annotations

import numpy as np
import pytest

from tests.weft.registration.waves import Waves, seen
from weft.registration import correlation
from weft.registration.windows import Centres

SHAPE = (220, 240)


@pytest.fixture(scope="module")
def land() -> Waves:
    return Waves(11)


def centres(*, ox: int = 0, oy: int = 0, size: int = 64) -> Centres:
    x, y = (axis.ravel() for axis in np.meshgrid([70, 110, 160], [60, 110, 150]))
    return Centres(x, y, np.full_like(x, ox), np.full_like(x, oy), np.full_like(x, size))


def matched(reference, secondary, where, search, *, mask_reference=None, mask_secondary=None):
    size = int(where.size[0])
    return correlation.match(reference, secondary, mask_reference, mask_secondary, where, template=size, search=search)


@pytest.mark.parametrize("size", [24, 33, 64, 101])
@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (5.3, -4.6), (-7.9, 7.8)])
def test_the_shift_is_found_within_the_search(land: Waves, size: int, dx: float, dy: float) -> None:
    reference, secondary = land.image(SHAPE), seen(land.image(SHAPE, dx, dy), 1, noise=20)
    found = matched(reference, secondary, centres(size=size), 8)
    assert (found.score > 0.2).all()
    np.testing.assert_allclose(found.dx, dx, atol=0.1)
    np.testing.assert_allclose(found.dy, dy, atol=0.1)


def test_a_shift_beyond_the_search_is_not_found_elsewhere(land: Waves) -> None:
    reference, secondary = land.image(SHAPE), land.image(SHAPE, 14.0, 3.0)
    found = matched(reference, secondary, centres(), 6)
    near = (np.abs(found.dx - 14) < 1) & (found.score > 0)
    assert not near.any()
    assert found.score.max() < 0.3
    assert (matched(reference, secondary, centres(ox=12, oy=2), 6).score > 0.5).all(), "it is, from a closer start"


def test_the_search_ends_where_it_was_said_to(land: Waves) -> None:
    reference = land.image(SHAPE)
    assert (matched(reference, land.image(SHAPE, 6.3, 0.0), centres(), 6).score > 0.3).all(), "half a pixel is given"
    assert (matched(reference, land.image(SHAPE, 6.8, 0.0), centres(), 6).score == 0).all()


def test_unrelated_images_score_low(land: Waves) -> None:
    other = Waves(12).image(SHAPE)
    for size in (32, 64):
        assert matched(land.image(SHAPE), other, centres(size=size), 10).score.max() < 0.3


def test_masks_take_out_what_they_cover(land: Waves) -> None:
    reference, secondary = land.image(SHAPE), land.image(SHAPE, -3.4, 2.2)
    rng = np.random.default_rng(3)
    mask = np.ones(SHAPE, bool)
    mask[:, 100:130] = False
    junk = np.where(mask, secondary, rng.uniform(0, 60_000, SHAPE))
    found = matched(reference, junk, centres(size=101), 8, mask_secondary=mask)
    assert (found.score > 0.4).all()
    np.testing.assert_allclose(found.dx, -3.4, atol=0.05)
    np.testing.assert_allclose(found.dy, 2.2, atol=0.05)
    nan = np.where(mask, secondary, np.nan)
    np.testing.assert_array_equal(matched(reference, nan, centres(size=101), 8).dx, found.dx)


def test_the_result_of_a_centre_does_not_depend_on_its_batch(land: Waves) -> None:
    reference, secondary = seen(land.image(SHAPE), 1), seen(land.image(SHAPE, 1.6, -2.3), 2)
    together = matched(reference, secondary, centres(), 8)
    for n in range(9):
        alone = matched(reference, secondary, centres().select(slice(n, n + 1)), 8)
        assert (alone.dx[0], alone.dy[0], alone.score[0]) == (together.dx[n], together.dy[n], together.score[n])


def test_the_peak_is_that_of_plain_normalised_cross_correlation(land: Waves) -> None:
    """Against a loop over all shifts, on what the matcher looks at."""
    reference, secondary = land.image(SHAPE), land.image(SHAPE, 4.0, -6.0)
    where = centres(size=64)
    x, y, distinct = correlation._peaks_of(reference, secondary, None, None, where, 32, 5, 2)
    for n in range(len(where)):
        small, large = np.zeros((1, 32, 32), np.float32), np.zeros((1, 42, 42), np.float32)
        nothing, at = np.empty((0, 0), bool), slice(n, n + 1)
        correlation._band(reference, nothing, where.x[at] - 32, where.y[at] - 32, small, 32, 2)
        correlation._band(secondary, nothing, where.x[at] - 42, where.y[at] - 42, large, 42, 2)
        table = np.empty((11, 11))
        for i in range(11):
            for j in range(11):
                part = large[0, i : i + 32, j : j + 32]
                table[i, j] = (part * small[0]).sum() / np.sqrt((part**2).sum() * (small**2).sum())
        row, column = np.unravel_index(table.argmax(), table.shape)
        assert abs(x[n] + 5 - column) <= 0.5
        assert abs(y[n] + 5 - row) <= 0.5
        table[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] = 0
        assert distinct[n] == pytest.approx(1 - table.max() / _top(table, large, small, row, column), abs=1e-3)


def _top(table, large, small, row, column):
    part = large[0, row : row + 32, column : column + 32]
    return (part * small[0]).sum() / np.sqrt((part**2).sum() * (small**2).sum())
