"""Tie points of two images whose displacement is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.weft.registration.waves import Waves, rmse, seen
from weft.errors import RequestError
from weft.registration import Displacement, tie_points

SHAPE = (360, 340)
SHIFT = 2.37, -1.62


@pytest.fixture(scope="module")
def land() -> Waves:
    return Waves(1)


@pytest.fixture(scope="module")
def pair(land: Waves):
    return land.image(SHAPE).round().astype(np.uint16), seen(land.image(SHAPE, *SHIFT), 2)


def test_a_shift_with_gain_offset_and_noise(pair) -> None:
    points = tie_points(*pair, method="cross_corr", template=128, search=8, spacing=24)
    assert len(points) == 15 * 14
    assert points.inlier.all()
    assert rmse(points, *SHIFT) < 0.02
    assert abs(np.median(points.dx) - SHIFT[0]) < 0.004
    assert abs(np.median(points.dy) - SHIFT[1]) < 0.004
    assert points.score.min() > 0.3


def test_a_smooth_deformation(land: Waves) -> None:
    x, y = np.meshgrid(np.arange(SHAPE[1], dtype=float), np.arange(SHAPE[0], dtype=float))

    def moved(x, y):
        return 2 * np.sin(2 * np.pi * y / 600), 2 * np.cos(2 * np.pi * x / 500 + 1)

    dx, dy = moved(x, y)
    reference = land.at(x + dx, y + dy).astype(np.float32)
    points = tie_points(reference, seen(land.image(SHAPE), 3), method="cross_corr", template=64, search=6, spacing=30)
    assert len(points) >= 100
    assert rmse(points, *moved(points.x, points.y)) < 0.05


def test_unrelated_images_share_next_to_nothing(pair) -> None:
    other = Waves(99).image(SHAPE)
    points = tie_points(pair[0], other, method="cross_corr", template=64, search=10, spacing=24)
    assert len(points) < 0.2 * 14 * 15
    assert len(points) == 0 or points.score.max() < 0.35


def test_the_search_starts_where_the_prior_says(land: Waves) -> None:
    reference, secondary = land.image(SHAPE), land.image(SHAPE, 40.4, -25.7)
    start = Displacement.shift(39.0, -27.0, SHAPE)
    points = tie_points(reference, secondary, method="cross_corr", template=64, search=3, spacing=40, prior=start)
    assert len(points) > 40
    assert rmse(points, 40.4, -25.7) < 0.01
    assert points.x.max() < SHAPE[1] - 40, "windows there would begin outside of the secondary"


def test_clouds_and_borders_leave_their_cells_their_points(land: Waves) -> None:
    reference, secondary = land.image(SHAPE), seen(land.image(SHAPE, *SHIFT), 4, noise=20)
    mask = np.ones(SHAPE, bool)
    for row in range(20, 360, 90):
        for column in range(30, 340, 90):
            mask[row : row + 30, column : column + 30] = False
    cloudy = np.where(mask, secondary, 20_000)
    points = tie_points(reference, cloudy, method="cross_corr", template=64, search=6, spacing=40, mask_secondary=mask)
    assert len(points) >= 0.9 * 9 * 8
    assert rmse(points, *SHIFT) < 0.05
    nan = np.where(mask, secondary, np.nan).astype(np.float32)
    same = tie_points(reference, nan, method="cross_corr", template=64, search=6, spacing=40)
    np.testing.assert_array_equal(points.dx, same.dx)


def test_threads_change_nothing(pair) -> None:
    one, two = (
        tie_points(*pair, method="cross_corr", template=48, search=6, spacing=20, workers=workers) for workers in (1, 3)
    )
    for name in ("x", "y", "dx", "dy", "score"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_the_multimodal_matcher_answers_too(pair) -> None:
    negative = (60_000 - pair[1].astype(np.float64) * 4).astype(np.float32)
    points = tie_points(pair[0], negative, method="multimodal", template=101, search=6, spacing=60)
    assert len(points) >= 20
    assert rmse(points, *SHIFT) < 0.3


def test_images_without_texture_or_pixels_give_no_points(pair) -> None:
    settings = {"method": "cross_corr", "template": 64, "search": 6, "spacing": 40}
    flat = np.full(SHAPE, 500, np.uint16)
    assert len(tie_points(flat, pair[1], **settings)) == 0
    assert len(tie_points(*pair, **settings, mask_reference=np.zeros(SHAPE, bool))) == 0
    assert len(tie_points(np.full(SHAPE, np.nan), pair[1], **settings)) == 0
    assert len(tie_points(pair[0][:20, :20], pair[1][:20, :20], **settings)) == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"secondary": np.zeros((5, 5), np.uint16)}, "secondary"),
        ({"mask_reference": np.ones((5, 5), bool)}, "mask_reference"),
        ({"mask_secondary": np.ones(SHAPE, np.uint8)}, "mask_secondary"),
        ({"reference": np.zeros((2, *SHAPE))}, "reference"),
        ({"secondary": np.zeros(SHAPE, complex)}, "secondary"),
        ({"method": "magic"}, "method"),
        ({"template": 7}, "template"),
        ({"search": 0}, "search"),
        ({"spacing": 1}, "spacing"),
        ({"workers": 0}, "workers"),
    ],
)
def test_wrong_requests_are_named(pair, change, named) -> None:
    request = {
        "reference": pair[0],
        "secondary": pair[1],
        "method": "cross_corr",
        "template": 64,
        "search": 6,
        "spacing": 40,
    } | change
    with pytest.raises(RequestError, match=named):
        tie_points(request.pop("reference"), request.pop("secondary"), **request)
