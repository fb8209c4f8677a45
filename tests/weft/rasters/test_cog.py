from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.windows import Window as RasterioWindow

from weft.errors import IntegrityError
from weft.rasters.cog import LayerWriter, check_cog, pixel_digest, write_layers
from weft.rasters.gdal import UnreadableRaster, open_raster
from weft.rasters.grid import Grid, Window
from weft.rasters.product import LayerSpec

RED = LayerSpec("red_p50", "Red, p50", "uint16", 0, 1e-4, -0.1, unit="1", band="red", statistic="p50")
SPREAD = LayerSpec("medoid_spread", "Spread", "float32", math.nan, unit="1")
SOURCE = LayerSpec("source_index", "Source", "int16", -1, categorical=True)
COUNT = LayerSpec("count", "Count", "uint16", None)


def _grid(size):
    return Grid("EPSG:32631", 499_980, 5_700_000, 10, 10, size[1], size[0])


def _arrays(size, seed=0):
    rng = np.random.default_rng(seed)
    spread = rng.random(size, np.float32)
    spread[rng.random(size) < 0.3] = np.nan
    return {
        RED: rng.integers(0, 4000, size, dtype=np.uint16) * (rng.random(size) < 0.8).astype(np.uint16),
        SPREAD: spread,
        SOURCE: rng.integers(-1, 5, size, dtype=np.int16),
        COUNT: rng.integers(0, 3, size, dtype=np.uint16),
    }


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (512, 512), (513, 1025), (700, 3), (600, 512), (1100, 1024)])
def test_round_trip(tmp_path, size):
    arrays = _arrays(size)
    files = write_layers(_grid(size), arrays, tmp_path)
    assert [file.layer for file in files] == list(arrays)
    for file in files:
        layer = file.layer
        check_cog(file.path, file.pixel_sha256)
        with open_raster(file.path) as dataset:
            np.testing.assert_array_equal(dataset.read(1), arrays[layer])
            assert dataset.crs == rasterio.CRS.from_epsg(32631)
            assert dataset.transform == _grid(size).transform
            assert dataset.dtypes == (layer.dtype,)
            assert (dataset.scales, dataset.offsets) == ((layer.scale,), (layer.offset,))
            assert dataset.descriptions == (layer.key,)
            assert dataset.units == (layer.unit,)
            assert dataset.nodata == layer.nodata or (math.isnan(dataset.nodata) and math.isnan(layer.nodata))
            assert (dataset.overviews(1) != []) == (max(size) > 512)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{layer.key}.tif" for layer in arrays)


@pytest.mark.parametrize("size", [(5, 7), (600, 130)])
def test_statistics_equal_numpy(tmp_path, size):
    arrays = _arrays(size)
    for file in write_layers(_grid(size), arrays, tmp_path):
        stored, layer, found = arrays[file.layer], file.layer, file.statistics
        if layer.nodata is None:
            valid = np.ones(size, bool)
        else:
            valid = ~np.isnan(stored) if math.isnan(layer.nodata) else stored != layer.nodata
        values = stored[valid].astype(np.float64) * layer.scale + layer.offset
        assert (found.minimum, found.maximum) == pytest.approx((values.min(), values.max()), rel=1e-12)
        assert (found.mean, found.stddev) == pytest.approx((values.mean(), values.std()), rel=1e-7)
        assert found.valid_percent == pytest.approx(100 * valid.mean())


@pytest.mark.parametrize(("layer", "blank"), [(RED, 0), (SPREAD, np.nan), (SOURCE, -1)])
def test_a_layer_without_valid_pixels(tmp_path, layer, blank):
    (file,) = write_layers(_grid((600, 600)), {layer: np.full((600, 600), blank, layer.dtype)}, tmp_path)
    assert file.statistics.valid_percent == 0
    assert math.isnan(file.statistics.mean)
    assert math.isnan(file.statistics.minimum)
    check_cog(file.path, file.pixel_sha256)


@pytest.mark.parametrize("block", [(512, 512), (100, 150), (7, 700), (600, 700)])
def test_the_bytes_do_not_depend_on_the_blocks_written(tmp_path, block):
    size, layers = (600, 700), list(_arrays((1, 1)))
    arrays = _arrays(size)
    whole = write_layers(_grid(size), arrays, tmp_path / "whole")
    with LayerWriter(_grid(size), layers, tmp_path / "parts") as writer:
        for window in reversed(list(_grid(size).blocks(*block))):
            writer.write(window, {layer.key: array[window.slices] for layer, array in arrays.items()})
        parts = writer.finish(workers=1)
    for one, other in zip(whole, parts, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
        assert one.pixel_sha256 == other.pixel_sha256
        assert one.statistics.mean == pytest.approx(other.statistics.mean, rel=1e-12)


def test_without_finish_nothing_is_left(tmp_path):
    arrays = _arrays((5, 7))
    with LayerWriter(_grid((5, 7)), list(arrays), tmp_path) as writer:
        writer.write(Window(0, 0, 5, 7), {layer.key: array for layer, array in arrays.items()})
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_between_leaves_nothing(tmp_path):
    block = {"red_p50": np.ones((5, 7), np.uint16)}
    with pytest.raises(KeyError), LayerWriter(_grid((5, 7)), [RED, COUNT], tmp_path) as writer:
        writer.write(Window(0, 0, 5, 7), block)
    assert list(tmp_path.iterdir()) == []


def test_overviews_average_values_and_never_labels(tmp_path):
    checkers = (np.indices((1024, 1024)).sum(axis=0) % 2).astype(np.uint16) * 100 + 100
    labels = (checkers // 50).astype(np.int16)  # 2 and 4, whose average 3 is another class
    red, source = write_layers(_grid((1024, 1024)), {RED: checkers, SOURCE: labels}, tmp_path)
    with rasterio.open(red.path, overview_level=0) as overview:
        assert set(np.unique(overview.read(1))) == {150}
    with rasterio.open(source.path, overview_level=0) as overview:
        assert set(np.unique(overview.read(1))) <= {2, 4}


def test_overviews_leave_nodata_out_of_averages(tmp_path):
    half = np.zeros((1024, 1024), np.uint16)
    half[::2] = 3000
    holes = np.full((1024, 1024), np.nan, np.float32)
    holes[::2] = 0.3
    for file in write_layers(_grid((1024, 1024)), {RED: half, SPREAD: holes}, tmp_path):
        with rasterio.open(file.path, overview_level=0) as overview:
            np.testing.assert_array_equal(
                np.unique(overview.read(1)), [half.max() if file.layer is RED else holes[0, 0]]
            )


def test_pixel_digest_is_the_documented_one(tmp_path):
    pixels = _arrays((600, 40))[RED]
    (file,) = write_layers(_grid((600, 40)), {RED: pixels}, tmp_path)
    assert file.pixel_sha256 == hashlib.sha256(b"1,600,40,uint16" + pixels.tobytes()).hexdigest()
    striped = tmp_path / "striped.tif"
    rasterio.shutil.copy(file.path, striped, driver="GTiff", COMPRESS="NONE", TILED="NO")
    assert pixel_digest(striped) == file.pixel_sha256


def test_a_blank_file_is_refused(tmp_path):
    (made,) = write_layers(_grid((600, 600)), {RED: _arrays((600, 600))[RED]}, tmp_path / "made")
    (blank,) = write_layers(_grid((600, 600)), {RED: np.zeros((600, 600), np.uint16)}, tmp_path / "blank")
    with pytest.raises(IntegrityError, match=rf"reads back as {blank.pixel_sha256}, expected {made.pixel_sha256}"):
        check_cog(blank.path, made.pixel_sha256)


def test_one_changed_pixel_is_found(tmp_path):
    pixels = _arrays((600, 600))[COUNT]
    (made,) = write_layers(_grid((600, 600)), {COUNT: pixels}, tmp_path / "made")
    pixels[599, 599] += 1
    (other,) = write_layers(_grid((600, 600)), {COUNT: pixels}, tmp_path / "other")
    with pytest.raises(IntegrityError, match="reads back as"):
        check_cog(other.path, made.pixel_sha256)


def test_a_tampered_file_is_refused(tmp_path):
    (file,) = write_layers(_grid((600, 600)), {RED: _arrays((600, 600))[RED]}, tmp_path)
    with rasterio.open(file.path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.write(np.full((1, 1), 1234, np.uint16), 1, window=RasterioWindow(3, 3, 1, 1))
    with pytest.raises(IntegrityError):
        check_cog(file.path, file.pixel_sha256)


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, kept):
    (file,) = write_layers(_grid((600, 600)), {RED: _arrays((600, 600))[RED]}, tmp_path)
    content = file.path.read_bytes()
    file.path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(IntegrityError, match=r"red_p50.tif cannot be read back"):
        check_cog(file.path, file.pixel_sha256)
    with pytest.raises(UnreadableRaster, match=r"red_p50.tif cannot be read"):
        pixel_digest(file.path)


@pytest.mark.parametrize("size", [(600, 600), (600, 512)])
def test_the_right_pixels_in_a_plain_tiff_are_no_cog(tmp_path, size):
    (file,) = write_layers(_grid(size), {RED: _arrays(size)[RED]}, tmp_path)
    plain = tmp_path / "plain.tif"
    rasterio.shutil.copy(file.path, plain, driver="GTiff", TILED="NO")
    with pytest.raises(IntegrityError, match=r"plain.tif is not a strictly valid COG"):
        check_cog(plain, file.pixel_sha256)
