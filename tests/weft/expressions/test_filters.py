from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tests.oracles import neighbourhoods as oracle
from weft.errors import RequestError
from weft.expressions import parse

NAN = np.nan


def _image(shape, nodata=0.0, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape)
    image[rng.random(shape) < nodata] = NAN
    return image


def _evaluated(text, image):
    return parse(text).evaluate({"1.nir": image})


@pytest.mark.parametrize("shape", [(17, 23), (40, 5), (1, 30)])
def test_without_nodata_they_are_those_of_scipy(shape):
    image = _image(shape)
    for text, expected in (
        ("(median_filter 1.nir 3)", ndimage.median_filter(image, 3)),
        ("(median_filter 1.nir 7)", ndimage.median_filter(image, 7)),
        ("(gaussian 1.nir 1.5)", ndimage.gaussian_filter(image, 1.5)),
        ("(gaussian 1.nir 0.4)", ndimage.gaussian_filter(image, 0.4)),
        ("(sobel 1.nir)", np.hypot(ndimage.sobel(image, 0), ndimage.sobel(image, 1))),
    ):
        np.testing.assert_allclose(_evaluated(text, image), expected, rtol=1e-6, atol=1e-7, err_msg=text)


@pytest.mark.parametrize("shape", [(9, 11), (3, 4), (1, 1)])
@pytest.mark.parametrize("nodata", [0.0, 0.3, 0.9, 1.0])
def test_with_nodata_they_are_what_one_pixel_at_a_time_gives(shape, nodata):
    image = _image(shape, nodata)
    for text, expected in (
        ("(median_filter 1.nir 3)", oracle.median_filter(image, 3)),
        ("(median_filter 1.nir 5)", oracle.median_filter(image, 5)),
        ("(gaussian 1.nir 1.2)", oracle.gaussian(image, 1.2)),
        ("(sobel 1.nir)", oracle.sobel(image)),
    ):
        np.testing.assert_allclose(_evaluated(text, image), expected, rtol=1e-5, atol=1e-6, err_msg=text)


def test_a_speckle_goes_a_hole_stays_and_an_edge_is_found():
    image = np.zeros((5, 6))
    image[:, 3:] = 1
    image[1, 1] = 9
    image[3, 4] = NAN
    expected = np.zeros((5, 6))
    expected[:, 3:] = 1
    expected[3, 4] = NAN
    np.testing.assert_array_equal(_evaluated("(median_filter 1.nir 3)", image), expected)
    slope = _evaluated("(sobel 1.nir)", np.where(image == 9, 0, image))
    np.testing.assert_array_equal(slope[0], [0, 0, 4, 4, 0, 0])
    np.testing.assert_array_equal(np.isnan(slope[2]), [0, 0, 0, 1, 1, 1])
    np.testing.assert_allclose(_evaluated("(gaussian 1.nir 1)", np.where(image == 0, 0.5, NAN))[0, :3], 0.5)


def test_equal_values_and_many_of_them_have_a_median():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 3, (20, 20)).astype(float)
    for size in (3, 9, 31):
        np.testing.assert_array_equal(
            _evaluated(f"(median_filter 1.nir {size})", image), ndimage.median_filter(image, size)
        )


def test_an_overflow_is_nodata_and_keeps_to_its_neighbourhood():
    image = np.full((12, 12), 1e308)
    image[:, 6:] = 1
    found = _evaluated("(sobel 1.nir)", image)
    assert np.isnan(found[:, 5:7]).all()
    assert (found[:, 7:] == 0).all()
    np.testing.assert_array_equal(_evaluated("(isnan (sobel 1.nir))", image), np.isnan(found))


def test_filters_take_what_any_expression_gives():
    image = _image((8, 8)) + 5
    found = _evaluated("(median_filter (+ (* 1.nir 2) (sobel 1.nir)) 3)", image)
    inner = image * 2 + np.hypot(ndimage.sobel(image, 0), ndimage.sobel(image, 1))
    np.testing.assert_allclose(found, ndimage.median_filter(inner, 3), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "halo"),
    [
        ("1.nir", 0),
        ("(norm_diff 1.nir 1.red)", 0),
        ("(median_filter 1.nir 5)", 2),
        ("(gaussian 1.nir 1.5)", 6),
        ("(gaussian 1.nir 0.1)", 0),
        ("(sobel 1.nir)", 1),
        ("(+ (sobel 1.nir) (gaussian 1.nir 2))", 8),
        ("(sobel (median_filter (gaussian 1.nir 1) 3))", 6),
        ("(label (> (sobel 1.nir) 1))", 1),
        ("(gaussian 1.nir 16)", 64),
    ],
)
def test_the_halo_is_what_nested_filters_need_together(text, halo):
    assert parse(text).halo == halo


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("(median_filter nir)", 1, "takes 2 arguments, got 1: (median_filter a 3)"),
        ("(median_filter nir 4)", 20, "an odd whole number from 3 to 31"),
        ("(median_filter nir 1)", 20, "an odd whole number"),
        ("(median_filter nir 3.5)", 20, "an odd whole number"),
        ("(median_filter nir -3)", 20, "an odd whole number"),
        ("(median_filter nir 33)", 20, "an odd whole number"),
        ("(median_filter nir (+ 1 2))", 20, "an odd whole number"),
        ("(median_filter nir red)", 20, "an odd whole number"),
        ("(median_filter nir (asarray 3))", 20, "a value, no table"),
        ("(gaussian nir 0)", 15, "the standard deviation in pixels, a number from 0.1 to 16"),
        ("(gaussian nir 17)", 15, "a number from 0.1 to 16"),
        ("(gaussian nir 1e300)", 15, "a number from 0.1 to 16"),
        ("(sobel nir 0)", 1, "sobel takes 1 argument, got 2"),
        ("(sobel 3)", 8, "uses no band"),
        ("(label (+ 1 2))", 8, "uses no band"),
        ("(sobel (asarray 3))", 8, "a value, no table"),
        ("(gaussian (sobel nir) 16)", 1, "look 65 pixels far together; keep them to 64"),
        ("(label (label (label (label (label nir)))))", 1, "more than 4 calls of fill_holes and label"),
    ],
)
def test_wrong_parameters_are_refused_before_any_pixel(text, place, what):
    with pytest.raises(RequestError) as error:
        parse(text)
    assert f"character {place}:" in str(error.value)
    assert what in str(error.value)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 3)])
def test_neighbours_need_rows_and_columns(shape):
    with pytest.raises(RequestError, match="needs arrays of rows and columns"):
        parse("(+ 1 (sobel nir))").evaluate({"nir": np.zeros(shape)})
