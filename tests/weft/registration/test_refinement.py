"""Least squares to the last hundredths of a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from tests.weft.registration.waves import Waves
from weft.registration.refinement import refine

SHAPE = (200, 220)
X = np.array([60, 100, 150, 100], np.int64)
Y = np.array([70, 90, 120, 140], np.int64)


@pytest.fixture(scope="module")
def land() -> Waves:
    return Waves(5)


def refined(reference, secondary, dx, dy, *, template=64, leap=3.0, mask=None):
    start = np.full(X.shape, float(dx)), np.full(X.shape, float(dy))
    return refine(reference, secondary, None, mask, X, Y, *start, template=template, leap=leap)


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (0.5, -0.5), (0.25, 0.75), (7.31, -3.87)])
@pytest.mark.parametrize("template", [33, 64])
def test_the_shift_of_clean_images_is_found_to_a_few_thousandths(land: Waves, dx, dy, template) -> None:
    reference, secondary = land.image(SHAPE), land.image(SHAPE, dx, dy)
    found_x, found_y, score = refined(reference, secondary, round(dx), round(dy), template=template)
    np.testing.assert_allclose(found_x, dx, atol=0.006)
    np.testing.assert_allclose(found_y, dy, atol=0.006)
    assert score.min() > 0.999


def test_a_start_two_pixels_off_is_no_hindrance(land: Waves) -> None:
    reference, secondary = land.image(SHAPE), land.image(SHAPE, 2.4, -1.9)
    found_x, found_y, _ = refined(reference, secondary, 0.6, -0.3)
    np.testing.assert_allclose(found_x, 2.4, atol=0.005)
    np.testing.assert_allclose(found_y, -1.9, atol=0.005)


def test_noise_does_not_pull(land: Waves) -> None:
    rng = np.random.default_rng(0)
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(30, 190, 8), np.arange(30, 170, 8)))
    noisy = [land.image(SHAPE, moved, moved) + rng.normal(0, 200, SHAPE) for moved in (0, 0.3)]
    start = np.zeros(x.size), np.zeros(x.size)
    found_x, found_y, score = refine(*noisy, None, None, x, y, *start, template=48, leap=3.0)
    matched = score > 0
    assert matched.mean() > 0.95
    assert abs(found_x[matched].mean() - 0.3) < 0.02
    assert abs(found_y[matched].mean() - 0.3) < 0.02


def test_gain_and_offset_do_not_matter(land: Waves) -> None:
    reference, secondary = land.image(SHAPE), land.image(SHAPE, 0.3, 0.4)
    plain = refined(reference, secondary, 0, 0)
    other = refined(reference, 250.0 - 7e-4 * (3000 - secondary), 0, 0)
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-3)


def test_the_centre_counts_where_the_window_is_stretched(land: Waves) -> None:
    x, y = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    secondary = land.image(SHAPE)
    # The reference shows at (x, y) what the secondary shows at (x + dx, y + dy).
    dx, dy = 0.015 * (x - 100) - 0.01 * (y - 90), 0.01 * (x - 100) + 0.012 * (y - 90)
    reference = land.at(x + dx, y + dy)
    found_x, found_y, score = refine(
        reference, secondary, None, None, X, Y, np.rint(dx[Y, X]), np.rint(dy[Y, X]), template=48, leap=3.0
    )
    assert (score > 0.9).all()
    np.testing.assert_allclose(found_x, dx[Y, X], atol=0.03)
    np.testing.assert_allclose(found_y, dy[Y, X], atol=0.03)


@pytest.mark.parametrize("which", ["mask_reference", "mask_secondary"])
def test_masked_pixels_and_those_beside_them_carry_no_weight(land: Waves, which: str) -> None:
    reference, secondary = land.image(SHAPE), land.image(SHAPE, 1.5, 0.5)
    mask = np.ones(SHAPE, bool)
    mask[60:80, 90:140] = False
    mask[100:110, 30:90] = False
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(40, 180, 10), np.arange(40, 160, 10)))
    start = np.full(x.shape, 1.0), np.full(x.shape, 1.0)
    if which == "mask_reference":
        pair, masks = (np.where(mask, reference, 30_000.0), secondary), (mask, None)
    else:
        pair, masks = (reference, np.where(mask, secondary, 30_000.0)), (None, mask)
    found_x, found_y, score = refine(*pair, *masks, x, y, *start, template=64, leap=3.0)
    np.testing.assert_allclose(found_x, 1.5, atol=0.015)
    np.testing.assert_allclose(found_y, 0.5, atol=0.015)
    assert score.min() > 0.999
    plain_x, _, _ = refine(*pair, None, None, x, y, *start, template=64, leap=3.0)
    assert abs(plain_x - 1.5).max() > 0.1, "without the mask it shows"


def test_nan_is_masked(land: Waves) -> None:
    reference, secondary = land.image(SHAPE), land.image(SHAPE, 1.3, 0.2)
    secondary[60:80, 90:140] = np.nan
    found_x, _, score = refined(reference, secondary, 1, 0)
    np.testing.assert_allclose(found_x, 1.3, atol=0.02)
    assert (score > 0).all()


def test_what_tells_no_displacement_is_no_match(land: Waves) -> None:
    reference = land.image(SHAPE)
    y = np.arange(SHAPE[0])[:, None] + np.zeros(SHAPE)
    stripes = 1000 + 100 * np.sin(y / 3) + np.random.default_rng(1).normal(0, 0.5, SHAPE)
    nothing = np.full(SHAPE, 1234.0)
    negative = 6000 - reference
    for pair in ((nothing, nothing), (reference, nothing), (nothing, reference), (stripes, stripes[::-1])):
        assert (refined(*pair, 0, 0)[2] == 0).all()
    assert (refined(reference, negative, 0, 0)[2] == 0).all(), "a negative is for the multimodal matcher"
    assert (refined(reference, reference, np.nan, 0)[2] == 0).all()
    mask = np.zeros(SHAPE, bool)
    assert (refined(reference, reference, 0, 0, mask=mask)[2] == 0).all()


def test_a_match_that_runs_away_is_none(land: Waves) -> None:
    reference, secondary = land.image(SHAPE), land.image(SHAPE, 2.0, 0.0)
    assert (refined(reference, secondary, 0, 0, leap=3.0)[2] > 0.9).all()
    assert (refined(reference, secondary, 0, 0, leap=1.5)[2] == 0).all()


def test_whole_numbers_are_taken_as_they_are(land: Waves) -> None:
    reference, secondary = land.image(SHAPE).round(), land.image(SHAPE, 0.4, -0.2).round()
    floats = refined(reference.astype(np.float32), secondary.astype(np.float32), 0, 0)
    whole = refined(reference.astype(np.uint16), secondary.astype(np.uint16), 0, 0)
    for one, two in zip(floats, whole, strict=True):
        np.testing.assert_array_equal(one, two)
