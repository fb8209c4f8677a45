from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from weft.rasters.cog import write_layers
from weft.rasters.gdal import UnreadableRaster, environment
from weft.rasters.grid import Bounds, Grid, Window, transformer
from weft.rasters.product import LayerSpec
from weft.rasters.warping import Kernel, Warped, kernel_for, pixel_metres

RED = LayerSpec("red_p50", "Red", "uint16", 0, 1e-4)
CLASSES = LayerSpec("classes", "Labels", "uint8", 0, categorical=True)
FINE = Grid("EPSG:32631", 399_960, 5_700_000, 10, 10, 90, 60)
COARSE = Grid("EPSG:32631", 399_960, 5_700_000, 30, 30, 30, 20)


def write(values: np.ndarray, grid: Grid, folder: Path, layer: LayerSpec = RED) -> Path:
    return write_layers(grid, {layer: values}, folder)[0].path


def warp(path: Path, target: Grid, *, kernel: Kernel, nodata: float | None) -> np.ndarray:
    with Warped(path, target, kernel=kernel, nodata=nodata) as warped:
        return warped.read(Window(0, 0, *target.shape))


def random_values(grid: Grid, share_missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    values = rng.integers(1, 10_000, grid.shape, dtype=np.uint16)
    values[rng.random(grid.shape) < share_missing] = 0
    return values


@pytest.mark.parametrize("missing", [0.0, 0.6])
def test_average_is_the_mean_of_the_valid_pixels_rounded_half_up(tmp_path: Path, missing: float) -> None:
    values = random_values(FINE, missing)
    nine = values.reshape(20, 3, 30, 3).transpose(0, 2, 1, 3).reshape(20, 30, 9).astype(int)
    seen = (nine > 0).sum(axis=2)
    expected = np.where(seen, (2 * nine.sum(axis=2) + seen) // np.maximum(2 * seen, 1), 0)
    warped = warp(write(values, FINE, tmp_path), COARSE, kernel="average", nodata=0)
    assert warped.dtype == np.uint16
    assert np.array_equal(warped, expected)


def test_nearest_takes_the_centre_pixel(tmp_path: Path) -> None:
    values = random_values(FINE)
    warped = warp(write(values, FINE, tmp_path), COARSE, kernel="nearest", nodata=0)
    assert np.array_equal(warped, values[1::3, 1::3])


def test_bilinear_is_not_widened_when_it_downsamples(tmp_path: Path) -> None:
    # Three source pixels to one with the centres on pixel centres: one source pixel of reach gives it unchanged, GDAL's
    # own widening would blur.
    values = random_values(FINE)
    warped = warp(write(values, FINE, tmp_path), COARSE, kernel="bilinear", nodata=0)
    assert np.array_equal(warped, values[1::3, 1::3])


def test_bilinear_between_pixel_centres(tmp_path: Path) -> None:
    values = random_values(FINE)
    shifted = Grid("EPSG:32631", FINE.left + 5, FINE.top, 10, 10, 89, 60)
    warped = warp(write(values, FINE, tmp_path), shifted, kernel="bilinear", nodata=0)
    assert np.array_equal(warped, (values[:, :-1].astype(int) + values[:, 1:] + 1) // 2)


def test_a_grid_in_another_crs(tmp_path: Path) -> None:
    # The value of every source pixel tells where it lies: 1 + its column.
    source = Grid("EPSG:32631", 399_960, 5_700_000, 100, 100, 300, 300)
    columns = np.broadcast_to(np.arange(1, 301, dtype=np.uint16), source.shape).copy()
    x, y = transformer("EPSG:32631", "EPSG:3035").transform(415_000, 5_685_000)
    target = Grid("EPSG:3035", round(x), round(y), 100, 100, 64, 48)
    warped = warp(write(columns, source, tmp_path), target, kernel="bilinear", nodata=0)
    cols, rows = np.meshgrid(np.arange(64) + 0.5, np.arange(48) + 0.5)
    back_x, _ = transformer("EPSG:3035", "EPSG:32631").transform(target.left + cols * 100, target.top - rows * 100)
    assert np.abs(warped - ((back_x - source.left) / 100 + 0.5)).max() < 0.52


def test_what_the_file_does_not_cover_is_nodata(tmp_path: Path) -> None:
    path = write(random_values(FINE), FINE, tmp_path)
    beside = Grid("EPSG:32631", FINE.left + 600, FINE.top, 10, 10, 60, 60)
    warped = warp(path, beside, kernel="nearest", nodata=0)
    assert (warped[:, :30] > 0).all()
    assert (warped[:, 30:] == 0).all()
    far = Grid("EPSG:3035", 5_000_000, 2_000_000, 30, 30, 8, 8)
    assert not warp(path, far, kernel="average", nodata=0).any()


def test_a_layer_without_nodata_lets_every_pixel_take_part(tmp_path: Path) -> None:
    count = LayerSpec("count", "Valid observations", "uint16", None)
    values = np.zeros(FINE.shape, np.uint16)
    values[::3, ::3] = 9
    path = write(values, FINE, tmp_path, count)
    assert (warp(path, COARSE, kernel="average", nodata=None) == 1).all()
    assert (warp(path, COARSE, kernel="average", nodata=0) == 9).all()


def test_only_the_part_under_the_grid_is_decoded(tmp_path: Path) -> None:
    grid = Grid("EPSG:32631", 399_960, 5_700_000, 10, 10, 2048, 2048)
    path = write(random_values(grid), grid, tmp_path)
    window = Window(0, 0, 100, 100)
    expected = warp(path, grid.of_window(window), kernel="nearest", nodata=0)
    with environment(), rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_3_3", "TIFF", bidx=1))
        size = int(dataset.get_tag_item("BLOCK_SIZE_3_3", "TIFF", bidx=1))
    spoilt = bytearray(path.read_bytes())
    spoilt[offset : offset + size] = bytes(size)
    path.write_bytes(spoilt)
    assert np.array_equal(warp(path, grid.of_window(window), kernel="nearest", nodata=0), expected)
    with pytest.raises(UnreadableRaster):
        warp(path, grid.of_window(Window(1900, 1900, 100, 100)), kernel="nearest", nodata=0)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRaster, match="absent"):
        warp(tmp_path / "absent.tif", COARSE, kernel="average", nodata=0)
    (tmp_path / "text.tif").write_text("<VRTDataset/>")
    with pytest.raises(UnreadableRaster, match=r"text\.tif"):
        warp(tmp_path / "text.tif", COARSE, kernel="average", nodata=0)


@pytest.mark.parametrize(
    ("source_m", "target_m", "kernel"),
    [(10, 30, "average"), (10, 20, "average"), (20, 30, "bilinear"), (30, 30, "bilinear"), (60, 30, "bilinear")],
)
def test_kernel_follows_the_nominal_pixel_sizes(source_m: float, target_m: float, kernel: str) -> None:
    source = Grid("EPSG:32631", 399_960, 5_700_000, source_m, source_m, 10, 10)
    target = Grid("EPSG:3035", 3_900_000, 3_200_000, target_m, target_m, 10, 10)
    assert kernel_for(RED, source, target, wanted="average") == kernel
    assert kernel_for(RED, source, target, wanted="nearest") == "nearest"
    assert kernel_for(CLASSES, source, target, wanted="average") == "nearest"


def test_pixel_size_in_metres_of_any_unit() -> None:
    bounds = Bounds(3, 51, 4, 52)
    assert pixel_metres(Grid.from_bounds("EPSG:4326", bounds, 0.001)) == pytest.approx(111.19, abs=0.01)
    assert pixel_metres(COARSE) == 30
    assert pixel_metres(Grid("EPSG:2263", 0, 0, 100, 100, 1, 1)) == pytest.approx(30.48, abs=0.01)  # US survey feet
