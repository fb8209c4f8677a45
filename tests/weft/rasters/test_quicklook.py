from __future__ import annotations

import base64
import math
import warnings

import numpy as np
import pytest
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from weft.rasters import quicklook as pictures
from weft.rasters.cog import write_layers
from weft.rasters.gdal import UnreadableRaster
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, Product, SourceLayer, SourceProduct

NAN = np.nan


def _decoded(png):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile(png) as memory, memory.open(driver="PNG") as dataset:
            return dataset.read()


def _reflectance(band, statistic="p50"):
    key = f"{band}_{statistic}"
    return LayerSpec(key, key, "uint16", 0, 1e-4, 0.0, unit="1", band=band, statistic=statistic)


COUNT = LayerSpec("count", "Count", "uint16", None)


def _product(folder, arrays):
    height, width = next(iter(arrays.values())).shape
    grid = Grid("EPSG:3035", 3_900_000, 3_100_000, 30, 30, width, height)
    return Product(grid, write_layers(grid, arrays, folder))


def test_rgb_has_a_fixed_stretch_with_gamma():
    red = np.array([[0.0, 0.3, 0.9, 0.15, -0.1]])
    picture = _decoded(pictures.rgb(red, np.zeros_like(red), np.full_like(red, 0.3)))
    half = round(255 * 0.5 ** (1 / 1.5))
    np.testing.assert_array_equal(picture[0, 0], [0, 255, 255, half, 0])
    assert (picture[1] == 0).all()
    assert (picture[2] == 255).all()
    assert (picture[3] == 255).all()


def test_a_pixel_without_all_three_bands_is_transparent():
    full = np.full((1, 4), 0.1)
    red, green, blue = full.copy(), full.copy(), full.copy()
    red[0, 0] = green[0, 1] = blue[0, 2] = NAN
    picture = _decoded(pictures.rgb(red, green, blue))
    np.testing.assert_array_equal(picture[3, 0], [0, 0, 0, 255])
    assert (picture[:, 0, :3] == 0).all()


@pytest.mark.parametrize("ramp", [pictures.COUNT, pictures.DIFFERENCE, pictures.INDEX])
def test_single_shows_the_stops_in_their_colours(ramp):
    values, colours = zip(*ramp.stops, strict=True)
    picture = _decoded(pictures.single(np.array([[*values, values[0] - 9, values[-1] + 9, NAN]]), ramp))
    shown = ["#" + bytes(picture[:3, 0, i]).hex() for i in range(len(values) + 2)]
    assert shown == [*colours, colours[0], colours[-1]]
    np.testing.assert_array_equal(picture[3, 0], [255] * (len(values) + 2) + [0])


def _lightness(colour):
    channels = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16


def test_lightness_tells_the_order():
    def steps(ramp):
        return np.diff([_lightness(colour) for _, colour in ramp.stops])

    assert (steps(pictures.COUNT) > 10).all()
    for diverging in (pictures.DIFFERENCE, pictures.INDEX):
        values = np.array([value for value, _ in diverging.stops])
        assert (np.sign(steps(diverging)) == np.where(values[1:] <= 0, 1, -1)).all()
    below, above = np.split(steps(pictures.DIFFERENCE), 2)
    np.testing.assert_allclose(below, -above[::-1], atol=8)


@pytest.mark.parametrize(
    ("shape", "max_size", "expected"),
    [
        ((40, 30), 512, (40, 30)),
        ((512, 512), 512, (512, 512)),
        ((1000, 400), 100, (100, 40)),
        ((300, 900), 512, (171, 512)),
        ((5000, 1), 50, (50, 1)),
        ((1, 1), 16, (1, 1)),
    ],
)
def test_the_longest_side_is_bounded(shape, max_size, expected):
    picture = _decoded(pictures.single(np.zeros(shape), pictures.INDEX, max_size=max_size))
    assert picture.shape == (4, *expected)


def test_arrays_are_thinned_evenly():
    values = np.repeat(np.arange(4.0), 250)[None, :] * np.ones((1000, 1))
    picture = _decoded(pictures.single(values, pictures.COUNT, max_size=8))
    np.testing.assert_array_equal(picture[:, :, ::2], picture[:, :, 1::2])
    assert len(np.unique(picture[:3].reshape(3, -1), axis=1).T) == 4


def test_files_are_physical_values_with_nodata(tmp_path):
    stored = np.full((4, 6), 1500, np.uint16)
    stored[0, 0] = 0
    product = _product(tmp_path, {_reflectance(band): stored for band in ("red", "green", "blue")})
    reflectance = np.where(stored > 0, stored * 1e-4, NAN)
    assert pictures.rgb(*(f.path for f in product.files)) == pictures.rgb(reflectance, reflectance, reflectance)


def test_files_are_read_through_overviews(tmp_path):
    stored = np.full((1024, 2048), 2000, np.uint16)
    stored[::2, ::2] = 1000
    stored[:256] = 0
    product = _product(tmp_path, {_reflectance("red"): stored})
    picture = _decoded(pictures.single(product.files[0].path, pictures.Ramp(((0, "#000000"), (0.255, "#ffffff")))))
    assert picture.shape == (4, 256, 512)
    assert (picture[3, :64] == 0).all()
    assert (picture[3, 64:] == 255).all()
    assert abs(picture[0, 64:].astype(int) - 175).max() <= 1  # the mean, 0.175


def test_files_without_a_fitting_overview_are_averaged(tmp_path):
    stored = np.tile(np.array([0, 1000, 3000], np.uint16), (300, 100))
    product = _product(tmp_path, {_reflectance("red"): stored})
    picture = _decoded(pictures.single(product.files[0].path, pictures.INDEX, max_size=100))
    expected = _decoded(pictures.single(np.full((100, 100), 0.2), pictures.INDEX))
    np.testing.assert_array_equal(picture, expected)


def test_pictures_of_a_composite(tmp_path):
    size = (20, 30)
    layers = [_reflectance(band, s) for s in ("medoid", "p25") for band in ("blue", "green", "red", "nir")]
    arrays = {layer: np.full(size, 1000, np.uint16) for layer in [*layers, _reflectance("red", "p75")]}
    arrays[LayerSpec("medoid_spread", "Spread", "float32", math.nan)] = np.ones(size, np.float32)
    arrays[COUNT] = np.zeros(size, np.uint16)
    product = _product(tmp_path, arrays)
    found = pictures.quicklook(product)
    assert list(found) == ["rgb_medoid", "rgb_p25", "count"]
    assert found["rgb_p25"] == pictures.rgb(*[np.full(size, 0.1)] * 3)
    assert found["count"] == pictures.single(np.zeros(size), pictures.COUNT)
    source = SourceProduct("x", product.grid, {f.layer.key: SourceLayer(f.layer, f.path) for f in product.files})
    assert pictures.quicklook(source) == found
    assert _decoded(pictures.quicklook(source, max_size=10)["count"]).shape == (4, 7, 10)


def test_pictures_of_expressions_and_of_bands_without_rgb(tmp_path):
    ndvi = LayerSpec("ndvi_p50", "NDVI of the p50 mosaic", "float32", math.nan, unit="1", statistic="p50")
    values = np.array([[-0.5, 0.0, 0.8, NAN]], np.float32)
    found = pictures.quicklook(_product(tmp_path / "index", {ndvi: values}))
    assert found == {"ndvi_p50": pictures.single(values, pictures.INDEX)}
    assert pictures.quicklook(_product(tmp_path / "nir", {_reflectance("nir"): np.ones((2, 2), np.uint16)})) == {}


def test_no_valid_pixel_makes_a_transparent_picture():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        empty = np.full((3, 3), NAN)
        assert (_decoded(pictures.rgb(empty, empty, empty)) == 0).all()
        assert (_decoded(pictures.single(empty, pictures.COUNT)) == 0).all()


def test_pictures_are_deterministic_and_make_no_noise():
    values = np.random.default_rng(0).random((50, 60))
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotGeoreferencedWarning)
        assert pictures.single(values, pictures.INDEX) == pictures.single(values.copy(), pictures.INDEX)


def test_a_damaged_file_is_named(tmp_path):
    rng = np.random.default_rng(0)
    product = _product(tmp_path, {_reflectance("red"): rng.integers(1, 60_000, (400, 400), dtype=np.uint16)})
    path = product.files[0].path
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(UnreadableRaster, match=r"red_p50.tif cannot be read"):
        pictures.single(path, pictures.INDEX)


def test_as_data_uri():
    png = pictures.single(np.zeros((1, 1)), pictures.COUNT)
    head, _, body = pictures.as_data_uri(png).partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == png


def test_finished_colours_are_shown_as_they_are():
    colours = np.array([[[0, 1, 255, 7]], [[0, 2, 254, 0]], [[0, 3, 253, 9]]], np.uint8)
    picture = _decoded(pictures.painted(colours))
    np.testing.assert_array_equal(picture[:3], colours)
    np.testing.assert_array_equal(picture[3], [[0, 255, 255, 255]])
    assert _decoded(pictures.painted(np.ones((3, 90, 40), np.uint8), max_size=30)).shape == (4, 30, 13)
