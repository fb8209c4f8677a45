from __future__ import annotations

import numpy as np
import pytest

from tests.oracles.interpolation import WEIGHTS, interpolated
from weft.rasters.grid import Window
from weft.rasters.interpolation import interpolate, sample, to_integers

SMOOTH = ("bilinear", "cubic", "lanczos")


def random_places(rng, shape, count=400):
    """Inside, on whole pixels, on the edge and beyond it."""
    x, y = rng.uniform(-2, shape[1] + 1, count), rng.uniform(-2, shape[0] + 1, count)
    x[:60] = np.round(x[:60])
    y[30:90] = np.round(y[30:90])
    return x.reshape(20, -1), y.reshape(20, -1)


@pytest.mark.parametrize("kernel", SMOOTH)
@pytest.mark.parametrize("gaps", [0.0, 0.05, 0.4])
def test_kernels_are_the_textbook_formulas(kernel, gaps):
    rng = np.random.default_rng(1)
    values = rng.uniform(-1, 1, (17, 23)).astype(np.float32)
    values[rng.random(values.shape) < gaps] = np.nan
    x, y = random_places(rng, values.shape)
    found, valid = interpolate(values, None, x, y, kernel)
    expected = np.array([interpolated(values, *place, kernel) for place in zip(x.flat, y.flat, strict=True)])
    assert 50 < np.isfinite(expected).sum() < 400
    np.testing.assert_allclose(found.ravel(), expected, atol=2e-6)
    np.testing.assert_array_equal(valid, np.isfinite(found))


@pytest.mark.parametrize("kernel", SMOOTH)
def test_a_mask_is_the_same_as_nan(kernel):
    rng = np.random.default_rng(2)
    values = rng.integers(0, 65535, (20, 20)).astype(np.uint16)
    usable = rng.random(values.shape) > 0.1
    x, y = random_places(rng, values.shape)
    masked = interpolate(values, usable, x, y, kernel)
    with_nan = interpolate(np.where(usable, values.astype(np.float32), np.nan), None, x, y, kernel)
    np.testing.assert_array_equal(masked[0], with_nan[0])
    np.testing.assert_array_equal(masked[1], with_nan[1])


@pytest.mark.parametrize("kernel", SMOOTH)
def test_whole_places_give_the_pixels_themselves(kernel):
    values = np.random.default_rng(3).uniform(0, 1e4, (12, 15)).astype(np.float32)
    values[4, 6] = np.nan
    y, x = np.mgrid[0:12, 0:15].astype(float)
    found, _ = interpolate(values, None, x, y, kernel)
    np.testing.assert_allclose(found, values, rtol=1e-6)


@pytest.mark.parametrize("kernel", SMOOTH)
def test_a_ramp_stays_a_ramp_and_is_not_shifted_beside_gaps(kernel):
    rows, cols = np.mgrid[0:30, 0:30]
    values = (2 * cols + 3 * rows).astype(np.float32)
    values[10:13, 12:20] = np.nan
    rng = np.random.default_rng(4)
    x, y = rng.uniform(0, 29, (2, 1, 3000))
    found, valid = interpolate(values, None, x, y, kernel)
    corners = [np.isnan(values[np.floor(y + r).astype(int), np.floor(x + c).astype(int)]) for r, c in np.ndindex(2, 2)]
    complete = ~np.any(corners, axis=0)
    assert complete.sum() > 2500
    assert valid[complete].all()
    tolerance = 0.02 * (2 + 3) if kernel == "lanczos" else 1e-4  # normalised Lanczos ripples by a fiftieth of a pixel
    np.testing.assert_allclose(found[complete], (2 * x + 3 * y)[complete], atol=tolerance)


def test_cubic_reproduces_parabolas():
    """What singles out a = -0.5 among Keys' kernels."""
    cols = np.arange(40.0)
    values = np.tile((cols - 17) ** 2, (8, 1)).astype(np.float32)
    x = np.random.default_rng(5).uniform(2, 37, (1, 500))
    found, _ = interpolate(values, None, x, np.full_like(x, 3.3), "cubic")
    np.testing.assert_allclose(found, (x - 17) ** 2, atol=1e-4)


def test_places_are_not_rounded():
    """OpenCV would round to 1/32 pixel, an error of up to 0.016."""
    values = np.tile(np.arange(4000, dtype=np.float32), (4, 1))
    x = 10 + np.arange(1000)[None, :] * 3.001
    for kernel in SMOOTH[:2]:
        found, _ = interpolate(values, None, x, np.full_like(x, 1.5), kernel)
        assert np.abs(found - x).max() < 1e-3


def test_nearest_takes_any_type_and_decides_ties_one_way():
    values = np.arange(16, dtype=np.uint8).reshape(4, 4)
    ties = np.array([[0.5, 1.5, 2.5]])
    noise = np.array([[-1e-9, 0, 1e-9]])
    found, valid = interpolate(values, None, ties + noise, np.zeros((1, 3)), "nearest")
    assert found.tolist() == [[1, 2, 3]]
    assert found.dtype == np.uint8
    assert valid.all()
    found, valid = interpolate(
        values, values != 5, np.array([[1.2, -0.5, -0.6, 3.4, 3.5, np.nan]]), np.ones((1, 6)), "nearest"
    )
    assert valid.tolist() == [[False, True, False, True, False, False]]
    assert found.tolist() == [[0, 4, 0, 7, 0, 0]]
    gaps = np.array([[1.0, np.nan]], np.float32)
    found, valid = interpolate(gaps, None, np.array([[0.0, 1.0, 5.0]]), np.zeros((1, 3)), "nearest")
    np.testing.assert_array_equal(found, [[1.0, np.nan, np.nan]])
    assert valid.tolist() == [[True, False, False]]


@pytest.mark.parametrize("kernel", ["nearest", *SMOOTH])
def test_places_that_are_nowhere_have_no_value(kernel):
    values = np.ones((9, 9), np.float32)
    x = np.array([[np.nan, np.inf, -np.inf, 4.0, 1e300, -1e300, 4.0]])
    y = np.array([[4.0, 4.0, 4.0, np.nan, 4.0, 4.0, 4.0]])
    found, valid = interpolate(values, None, x, y, kernel)
    assert valid.tolist() == [[False] * 6 + [True]]
    assert np.isnan(found[0, :6]).all()


@pytest.mark.parametrize("kernel", ["nearest", *SMOOTH])
def test_sampling_equals_interpolating_and_windows_leave_no_trace(kernel):
    rng = np.random.default_rng(6)
    values = rng.uniform(0, 1, (300, 400)).astype(np.float32)
    values[rng.random(values.shape) < 0.01] = np.nan
    rows, cols = np.mgrid[0:200, 0:250].astype(float)
    x, y = 0.9 * cols + 0.4 * rows - 5.3, 1.1 * rows - 0.3 * cols + 60.7
    whole, valid = interpolate(values, None, x, y, kernel)
    read: list[Window] = []

    def reading(window):
        read.append(window)
        return values[window.slices]

    found, there = sample(reading, values.shape, x, y, kernel)
    np.testing.assert_array_equal(found, whole)
    np.testing.assert_array_equal(there, valid)
    for top, left in [(0, 0), (13, 57), (140, 180)]:
        part = np.s_[top : top + 41, left : left + 63]
        read.clear()
        np.testing.assert_array_equal(sample(reading, values.shape, x[part], y[part], kernel)[0], whole[part])
        assert all(window.height * window.width < 120 * 120 for window in read)


def test_scattered_places_are_read_in_parts():
    values = np.arange(4_000_000, dtype=np.float32).reshape(2000, 2000)
    x = np.tile(np.linspace(0, 1990, 100), (100, 1))
    largest = 0

    def reading(window):
        nonlocal largest
        largest = max(largest, window.height * window.width)
        return values[window.slices]

    found, _ = sample(reading, values.shape, x, x.T.copy(), "bilinear")
    np.testing.assert_array_equal(found, interpolate(values, None, x, x.T.copy(), "bilinear")[0])
    assert largest <= 1100 * 1100


def test_integers_are_rounded_half_up_and_clipped():
    values = np.array([-3.0, -0.5, 0.49, 0.5, 1.5, 2.5, 254.6, 400.0, np.nan], np.float32)
    assert to_integers(values, np.uint8).tolist() == [0, 0, 0, 1, 2, 3, 255, 255, 0]
    assert to_integers(values, np.int16).tolist() == [-3, 0, 0, 1, 2, 3, 255, 400, 0]


def test_kernels_of_the_oracle_are_what_they_are_called():
    for _, weight in WEIGHTS.values():
        assert weight(0) == 1
        assert all(abs(weight(t)) < 1e-12 for t in (-3, -2, -1, 1, 2, 3))
