from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from weft.errors import RequestError
from weft.expressions import parse
from weft.expressions.bands import expression_bands
from weft.rasters.cog import write_layers
from weft.rasters.gdal import UnreadableRaster, open_raster
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, SourceLayer, SourceProduct


def _reflectance(band: str, statistic: str, scale: float = 1e-4, offset: float = 0.0) -> LayerSpec:
    key = f"{band}_{statistic}"
    return LayerSpec(key, key, "uint16", 0, scale, offset, unit="1", band=band, statistic=statistic)


COUNT = LayerSpec("count", "Valid observations", "uint16", None)
SPREAD = LayerSpec("medoid_spread", "Spread", "float32", math.nan, unit="1", statistic="medoid")


def _source(folder, arrays, *, size):
    grid = Grid("EPSG:3035", 3_900_000, 3_100_000, 30, 30, size[1], size[0])
    files = write_layers(grid, arrays, folder / "source")
    return SourceProduct(
        "flanders_2018-03_100kmE39N31", grid, {f.layer.key: SourceLayer(f.layer, f.path) for f in files}
    )


def _random(rng, size):
    stored = rng.integers(1, 6000, size, dtype=np.uint16)
    stored[rng.random(size) < 0.1] = 0
    return stored


def _pixels(file):
    with open_raster(file.path) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize("size", [(7, 5), (513, 530)])
def test_ndvi_of_every_statistic(tmp_path, size):
    rng = np.random.default_rng(1)
    arrays = {
        layer: _random(rng, size)
        for layer in (
            _reflectance("red", "medoid"),
            _reflectance("nir", "medoid"),
            _reflectance("blue", "medoid"),
            _reflectance("red", "p50"),
            _reflectance("nir", "p50", offset=-0.1),
        )
    }
    source = _source(tmp_path, arrays | {COUNT: _random(rng, size), SPREAD: rng.random(size, np.float32)}, size=size)
    product = expression_bands(source, {"ndvi": "(norm_diff nir red)", "bright": "(> red 0.3)"}, tmp_path / "made")
    assert product.grid == source.grid
    assert [f.layer.key for f in product.files] == ["ndvi_medoid", "bright_medoid", "ndvi_p50", "bright_p50"]
    for statistic in ("medoid", "p50"):
        file = product.file(f"ndvi_{statistic}")
        assert file.layer.title == f"NDVI of the {statistic} mosaic"
        assert (file.layer.dtype, file.layer.unit, file.layer.statistic) == ("float32", "1", statistic)
        assert math.isnan(file.layer.nodata)
        stored = {layer.band: array for layer, array in arrays.items() if layer.statistic == statistic}
        valid = (stored["nir"] > 0) & (stored["red"] > 0)
        nir = stored["nir"] * 1e-4 - (0.1 if statistic == "p50" else 0)
        red = stored["red"] * 1e-4
        with np.errstate(all="ignore"):
            expected = np.where(valid & (nir + red != 0), (nir - red) / (nir + red), np.nan).astype(np.float32)
        np.testing.assert_array_equal(_pixels(file), expected)
        np.testing.assert_array_equal(
            _pixels(product.file(f"bright_{statistic}")), np.where(stored["red"] > 0, red > 0.3, np.nan)
        )
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == sorted(f"{f.layer.key}.tif" for f in product.files)


def test_neighbours_and_whole_rasters_across_blocks(tmp_path):
    rng = np.random.default_rng(4)
    stored = _random(rng, (600, 700))
    source = _source(tmp_path, {_reflectance("red", "p50"): stored}, size=(600, 700))
    texts = {"smooth": "(median_filter red 5)", "lakes": "(label (fill_holes (> (gaussian red 2) 0.3)))"}
    product = expression_bands(source, texts, tmp_path / "made")
    red = np.where(stored == 0, np.nan, stored * 1e-4)
    for name, text in texts.items():
        np.testing.assert_array_equal(_pixels(product.file(f"{name}_p50")), parse(text).evaluate({"red": red}))
    assert np.nanmax(_pixels(product.file("lakes_p50"))) > 100
    assert [file.layer.categorical for file in product.files] == [False, True]


def test_nothing_valid_makes_no_product(tmp_path):
    size = (4, 4)
    empty = np.zeros(size, np.uint16)
    full = np.full(size, 1000, np.uint16)
    source = _source(tmp_path, {_reflectance("nir", "p50"): empty, _reflectance("red", "p50"): full}, size=size)
    assert expression_bands(source, {"ndvi": "(norm_diff nir red)"}, tmp_path / "made") is None
    assert list((tmp_path / "made").iterdir()) == []


def test_a_statistic_without_a_value_is_there_as_well_if_another_has_one(tmp_path):
    size = (4, 4)
    empty, full = np.zeros(size, np.uint16), np.full(size, 1000, np.uint16)
    source = _source(tmp_path, {_reflectance("nir", "p25"): empty, _reflectance("nir", "p50"): full}, size=size)
    product = expression_bands(source, {"twice": "(* 2 nir)"}, tmp_path / "made")
    assert np.isnan(_pixels(product.file("twice_p25"))).all()
    np.testing.assert_array_equal(_pixels(product.file("twice_p50")), np.full(size, 0.2, np.float32))


@pytest.mark.parametrize(
    ("expressions", "message"),
    [
        ({"ndvi": "(norm_diff nir red)"}, r"expression ndvi needs \['nir'\]; the p50 layers of .* are \['red'\]"),
        ({"ndvi": "(norm_diff red"}, "never closed"),
        ({"one": "(+ 1 0)"}, "expression one uses no band"),
        ({}, "0 expressions are asked for"),
    ],
)
def test_wrong_requests_write_nothing(tmp_path, expressions, message):
    source = _source(tmp_path, {_reflectance("red", "p50"): np.ones((4, 4), np.uint16)}, size=(4, 4))
    with pytest.raises(RequestError, match=message):
        expression_bands(source, expressions, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_truncated_source_is_named_and_leaves_nothing(tmp_path):
    rng = np.random.default_rng(2)
    arrays = {_reflectance(band, "p50"): _random(rng, (600, 600)) for band in ("nir", "red")}
    source = _source(tmp_path, arrays, size=(600, 600))
    path = source.layers["nir_p50"].path
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UnreadableRaster, match=r"nir_p50.tif cannot be read: it is damaged or cut short"):
        expression_bands(source, {"ndvi": "(norm_diff nir red)"}, tmp_path / "made")
    assert list((tmp_path / "made").iterdir()) == []


def test_a_product_without_bands_is_refused(tmp_path):
    source = _source(tmp_path, {COUNT: np.ones((4, 4), np.uint16)}, size=(4, 4))
    with pytest.raises(RequestError, match="0 statistics of bands"):
        expression_bands(source, {"ndvi": "(norm_diff nir red)"}, tmp_path / "made")


def test_memory_is_that_of_a_few_blocks(tmp_path):
    peaks = []
    for rows in (1200, 6000):
        size = (rows, 600)
        full = np.full(size, 1000, np.uint16)
        source = _source(
            tmp_path / str(rows), {_reflectance("nir", "p50"): full, _reflectance("red", "p50"): full}, size=size
        )
        tracemalloc.start()
        expression_bands(source, {"ndvi": "(norm_diff nir red)"}, tmp_path / str(rows) / "made")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]  # which blocks are in memory at once is a matter of timing
