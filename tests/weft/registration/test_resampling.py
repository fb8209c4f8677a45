from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from weft.errors import RequestError
from weft.registration.displacement import Displacement
from weft.registration.resampling import resample

AFFINE = Displacement("affine", (150, 1300), ((1.3, 2.0, -0.7), (-2.1, 0.4, 1.5)))


def scene(shape=(150, 1300)):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return cols, rows, smooth(cols, rows)


def smooth(x, y):
    return np.sin(x / 7) + np.cos(y / 5) + np.sin((x + y) / 9)


@pytest.mark.parametrize(
    ("order", "error"), [("nearest", 0.3), ("bilinear", 0.02), ("cubic", 2e-3), ("lanczos", 0.015)]
)
def test_the_result_is_the_secondary_at_the_displaced_place(order, error):
    cols, rows, values = scene()
    moved = resample(values.astype(np.float32), AFFINE, order)
    dx, dy = AFFINE.at(cols, rows)
    assert moved.shape == values.shape
    assert moved.dtype == np.float32
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(moved - smooth(cols + dx, rows + dy))[inner].max() < error
    assert np.isnan(moved).mean() < 0.1


def test_against_splines_of_scipy():
    _, _, values = scene((90, 90))
    shift = Displacement.shift(2.37, -1.62, (90, 90))
    expected = ndimage.shift(values, (1.62, -2.37), order=5)
    assert np.abs(resample(values, shift) - expected)[8:-8, 8:-8].max() < 2e-3


def test_outside_is_nan_or_zero_and_integers_stay_integers():
    values = np.full((20, 30), 65535, np.uint16)
    values[:, 10:] = 7
    shift = Displacement.shift(-3.4, 2.0, (20, 30))
    moved = resample(values, shift)
    assert moved.dtype == np.uint16
    assert (moved[18:] == 0).all()
    assert (moved[:18, :3] == 0).all()
    assert (moved[:18, 3:11] == 65535).all()  # the overshoot is clipped
    assert (moved[:18, 17:] == 7).all()
    floats = resample(values.astype(np.float32), shift)
    np.testing.assert_array_equal(np.isnan(floats), np.isnan(resample(values.astype(np.float32), shift, "bilinear")))
    assert np.isnan(floats[18:]).all()
    assert np.isnan(floats[:18, :3]).all()
    assert np.isfinite(floats[:18, 3:]).all()
    assert floats[0, 3:].min() < 0
    assert floats[0, 3:].max() > 65535


def test_rounding_is_half_up():
    values = np.array([[0, 1, 2, 3, 4, 5, 6, 7]], np.int16).repeat(8, 0)
    moved = resample(values - 4, Displacement.shift(0.5, 0.0, (8, 8)), "bilinear")
    assert moved[3, :7].tolist() == [-3, -2, -1, 0, 1, 2, 3]


def test_nan_is_no_value_and_does_not_spread():
    _, _, values = scene((60, 60))
    values = values.astype(np.float32)
    values[30, 30] = np.nan
    moved = resample(values, Displacement.shift(0.25, 0.25, (60, 60)))
    assert np.argwhere(np.isnan(moved[:59, :59])).tolist() == [[30, 30]]


def test_masked_arrays_stay_masked():
    values = np.ma.masked_equal(np.full((20, 20), 9, np.uint8), 0)
    values[5:8, 5:8] = np.ma.masked
    moved = resample(values, Displacement.shift(1.0, 0.0, (20, 20)))
    assert moved.mask[5:8, 4:7].all()
    assert moved.mask.sum() == 9 + 20
    assert (moved.compressed() == 9).all()


def test_nearest_keeps_labels():
    labels = np.arange(400, dtype=np.int64).reshape(20, 20)
    moved = resample(labels, Displacement.shift(2.0, 1.0, (20, 20)), "nearest")
    assert moved.dtype == np.int64
    np.testing.assert_array_equal(moved[:19, :18], labels[1:, 2:])
    assert (moved[19] == 0).all()


@pytest.mark.parametrize(
    ("array", "order", "message"),
    [
        (np.ones((5, 6), np.float32), "cubic", r"shape \(5, 6\) .* shape \(5, 5\)"),
        (np.ones((5, 5, 3), np.float32), "cubic", r"shape \(5, 5, 3\)"),
        (np.ones((5, 5), np.float32), "quintic", "'quintic' is none of nearest"),
        (np.ones((5, 5), np.int32), "cubic", "int32 cannot be interpolated exactly"),
        (np.ones((5, 5), np.complex64), "bilinear", "complex64 cannot"),
        (np.ones((5, 5), np.bool_), "bilinear", "bool cannot"),
    ],
)
def test_what_cannot_be_done_is_said(array, order, message):
    with pytest.raises(RequestError, match=message):
        resample(array, Displacement.none((5, 5)), order)
