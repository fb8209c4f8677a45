from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.weft.mosaicking.products import COUNT, DATE, INDEX, SPREAD, digests, reflectance, source
from weft.errors import RequestError
from weft.mosaicking import Sheet, orbit_mosaic, resampling
from weft.rasters.gdal import environment
from weft.rasters.grid import Grid
from weft.rasters.product import Product, SourceProduct
from weft.rasters.warping import warp

RED, MEDOID = reflectance("red_p50"), reflectance("red_medoid")
UTM31, UTM32 = "EPSG:32631", "EPSG:32632"
SHEET = Sheet("X10Y5", Grid(UTM31, 600_000, 5_700_000, 30, 30, 40, 40))
# Two tiles of 10 m pixels over the left and the right two thirds.
LEFT = Grid(UTM31, 600_000, 5_700_000, 10, 10, 80, 120)
RIGHT = Grid(UTM31, 600_390, 5_700_000, 10, 10, 81, 120)


def pixels(product: Product, key: str) -> np.ndarray:
    with environment(), rasterio.open(product.file(key).path) as dataset:
        return dataset.read(1)


def tile(name: str, grid: Grid, folder: Path, *, seed: int, missing: float = 0.3) -> SourceProduct:
    rng = np.random.default_rng(seed)
    count = np.where(rng.random(grid.shape) < missing, 0, rng.integers(1, 20, grid.shape)).astype(np.uint16)
    layers = {key: np.where(count > 0, rng.integers(1, 9000, grid.shape), 0).astype(np.uint16) for key in (RED, MEDOID)}
    layers[MEDOID][count < 5] = 0
    types = {SPREAD: np.float32, INDEX: np.int16, DATE: np.uint16}
    more = {layer: np.ones(grid.shape, dtype) for layer, dtype in types.items()}
    return source(name, grid, {**layers, COUNT: count, **more}, folder)


def test_overlapping_tiles_are_averaged_pixel_by_pixel(tmp_path: Path) -> None:
    tiles = [tile("left", LEFT, tmp_path, seed=1, missing=0.9), tile("right", RIGHT, tmp_path, seed=2)]
    product = orbit_mosaic(tiles, SHEET, tmp_path / "out")
    assert product is not None
    assert [file.layer.key for file in product.files] == ["red_medoid", "red_p50", "count"]
    assert product.grid == SHEET.grid
    for key in ("red_medoid", "red_p50", "count"):
        warped = [warp(entry.layers[key].path, SHEET.grid, kernel="average", nodata=0).astype(int) for entry in tiles]
        seen = sum((values > 0).astype(int) for values in warped)
        assert {1, 2} <= set(np.unique(seen))
        mean = np.where(seen, np.floor(sum(warped) / np.maximum(seen, 1) + 0.5), 0)
        assert np.array_equal(pixels(product, key), mean)


def test_a_pixel_is_counted_wherever_it_has_a_reflectance(tmp_path: Path) -> None:
    product = orbit_mosaic([tile("one", LEFT, tmp_path, seed=3, missing=0.95)], SHEET, tmp_path / "out")
    assert product is not None
    assert np.array_equal(pixels(product, "count") > 0, pixels(product, "red_p50") > 0)
    assert 0 < (pixels(product, "count") > 0).mean() < 0.5


def test_any_order_and_any_number_of_threads_give_the_same_pixels(tmp_path: Path) -> None:
    other_zone = Grid(UTM32, 182_500, 5_708_400, 20, 20, 500, 500)  # starts inside the sheet
    tiles = [
        tile("a", LEFT, tmp_path, seed=4),
        tile("b", RIGHT, tmp_path, seed=5),
        tile("c", other_zone, tmp_path, seed=6),
    ]
    found = []
    for k, order in enumerate(itertools.permutations(tiles)):
        product = orbit_mosaic(order, SHEET, tmp_path / f"out{k}", workers=1 + k % 4)
        assert product is not None
        found.append(digests(product))
    assert all(entry == found[0] for entry in found)
    without = orbit_mosaic(tiles[:2], SHEET, tmp_path / "without")
    assert without is not None
    assert digests(without) != found[0]


def test_a_sheet_of_several_blocks_has_no_gap(tmp_path: Path) -> None:
    sheet = Sheet("X1Y1", Grid("EPSG:3035", 3_860_000, 3_100_000, 10, 10, 1500, 1100))
    grid = Grid(UTM31, 510_000, 5_655_000, 60, 60, 1000, 1000)
    flat = np.full(grid.shape, 1234, np.uint16)
    product = orbit_mosaic([source("flat", grid, {RED: flat, COUNT: flat}, tmp_path)], sheet, tmp_path / "out")
    assert product is not None
    assert (pixels(product, "red_p50") == 1234).all()


def test_a_sheet_without_valid_pixels_is_no_product(tmp_path: Path) -> None:
    empty = tile("empty", LEFT, tmp_path, seed=7, missing=1.1)
    away = tile("away", dataclasses.replace(LEFT, left=700_000.0), tmp_path, seed=8)
    for composites in ([], [empty], [away], [empty, away]):
        assert orbit_mosaic(composites, SHEET, tmp_path / "out") is None
    assert not list((tmp_path / "out").glob("*"))


def test_composites_with_different_layers_are_refused(tmp_path: Path) -> None:
    whole = tile("whole", LEFT, tmp_path, seed=9)
    layers = dict(whole.layers)
    less = dataclasses.replace(whole, id="less", layers={key: layers[key] for key in ("red_p50", "count")})
    with pytest.raises(RequestError, match=r"less and whole differ in the layers \['red_medoid'\]"):
        orbit_mosaic([whole, less], SHEET, tmp_path / "out")
    uncounted = dataclasses.replace(whole, layers={"red_p50": layers["red_p50"]})
    with pytest.raises(RequestError, match="whole has no layer count"):
        orbit_mosaic([uncounted], SHEET, tmp_path / "out")
    scaled = dataclasses.replace(layers["red_p50"], layer=dataclasses.replace(RED, scale=2e-4))
    other = dataclasses.replace(whole, id="other", layers={**layers, "red_p50": scaled})
    with pytest.raises(RequestError, match="other and whole store red_p50 differently"):
        orbit_mosaic([whole, other], SHEET, tmp_path / "out")
    floating = dataclasses.replace(layers["red_p50"], layer=dataclasses.replace(RED, dtype="float32"))
    with pytest.raises(RequestError, match="red_p50 is float32"):
        orbit_mosaic([dataclasses.replace(whole, layers={**layers, "red_p50": floating})], SHEET, tmp_path / "out")


def test_resampling_names_what_was_used(tmp_path: Path) -> None:
    fine = tile("fine", LEFT, tmp_path, seed=10)
    coarse = tile("coarse", Grid(UTM31, 600_000, 5_700_000, 20, 20, 40, 60), tmp_path, seed=11)
    assert resampling([fine], SHEET) == ("average",)
    assert resampling([coarse, fine], SHEET) == ("average", "bilinear")
