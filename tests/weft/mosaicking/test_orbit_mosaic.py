from __future__ import annotations

import dataclasses
import itertools
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.weft.mosaicking.products import COUNT, DATE, INDEX, SPREAD, digests, reflectance, source
from weft.errors import RequestError
from weft.mosaicking import Sheet, orbit_mosaic, resampling, tile_grid
from weft.rasters import warping
from weft.rasters.gdal import UnreadableRaster, environment, open_raster
from weft.rasters.grid import Grid, Window, transformer
from weft.rasters.product import Product, SourceProduct
from weft.rasters.warping import Kernel, Warped
from weft.regions import Mosaic

RED, MEDOID = reflectance("red_p50"), reflectance("red_medoid")
AVERAGE, NEAREST = Mosaic(), Mosaic(resampling="nearest")
UTM31, UTM32 = "EPSG:32631", "EPSG:32632"
SHEET = Sheet("X10Y5", Grid(UTM31, 600_000, 5_700_000, 30, 30, 40, 40))
# Two tiles of 10 m pixels over the left and the right two thirds.
LEFT = Grid(UTM31, 600_000, 5_700_000, 10, 10, 80, 120)
RIGHT = Grid(UTM31, 600_390, 5_700_000, 10, 10, 81, 120)


def pixels(product: Product, key: str) -> np.ndarray:
    with environment(), rasterio.open(product.file(key).path) as dataset:
        return dataset.read(1)


def alone(path: Path, kernel: Kernel) -> np.ndarray:
    with Warped(path, SHEET.grid, kernel=kernel, nodata=0) as warped:
        return warped.read(Window(0, 0, *SHEET.grid.shape)).astype(int)


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
    product = orbit_mosaic(tiles, SHEET, AVERAGE, tmp_path / "out")
    assert product is not None
    assert [file.layer.key for file in product.files] == ["red_medoid", "red_p50", "count"]
    assert product.grid == SHEET.grid
    for key in ("red_medoid", "red_p50", "count"):
        warped = [alone(entry.layers[key].path, "average") for entry in tiles]
        seen = sum((values > 0).astype(int) for values in warped)
        assert {1, 2} <= set(np.unique(seen))
        mean = np.where(seen, np.floor(sum(warped) / np.maximum(seen, 1) + 0.5), 0)
        assert np.array_equal(pixels(product, key), mean)


def test_a_pixel_is_counted_wherever_it_has_a_reflectance(tmp_path: Path) -> None:
    product = orbit_mosaic([tile("one", LEFT, tmp_path, seed=3, missing=0.95)], SHEET, AVERAGE, tmp_path / "out")
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
        product = orbit_mosaic(order, SHEET, AVERAGE, tmp_path / f"out{k}", workers=1 + k % 4)
        assert product is not None
        found.append(digests(product))
    assert all(entry == found[0] for entry in found)
    without = orbit_mosaic(tiles[:2], SHEET, AVERAGE, tmp_path / "without")
    assert without is not None
    assert digests(without) != found[0]


def test_a_sheet_of_several_blocks_has_no_gap(tmp_path: Path) -> None:
    sheet = Sheet("X1Y1", Grid("EPSG:3035", 3_860_000, 3_100_000, 10, 10, 1500, 1100))
    grid = Grid(UTM31, 510_000, 5_655_000, 60, 60, 1000, 1000)
    flat = np.full(grid.shape, 1234, np.uint16)
    product = orbit_mosaic([source("flat", grid, {RED: flat, COUNT: flat}, tmp_path)], sheet, AVERAGE, tmp_path / "out")
    assert product is not None
    assert (pixels(product, "red_p50") == 1234).all()


def test_a_sheet_without_valid_pixels_is_no_product(tmp_path: Path) -> None:
    empty = tile("empty", LEFT, tmp_path, seed=7, missing=1.1)
    away = tile("away", dataclasses.replace(LEFT, left=700_000.0), tmp_path, seed=8)
    for composites in ([], [empty], [away], [empty, away]):
        assert orbit_mosaic(composites, SHEET, AVERAGE, tmp_path / "out") is None
    assert not list((tmp_path / "out").glob("*"))


def test_composites_with_different_layers_are_refused(tmp_path: Path) -> None:
    whole = tile("whole", LEFT, tmp_path, seed=9)
    layers = dict(whole.layers)
    less = dataclasses.replace(whole, id="less", layers={key: layers[key] for key in ("red_p50", "count")})
    with pytest.raises(RequestError, match=r"less and whole differ in the layers \['red_medoid'\]"):
        orbit_mosaic([whole, less], SHEET, AVERAGE, tmp_path / "out")
    uncounted = dataclasses.replace(whole, layers={"red_p50": layers["red_p50"]})
    with pytest.raises(RequestError, match="whole has no layer count"):
        orbit_mosaic([uncounted], SHEET, AVERAGE, tmp_path / "out")
    scaled = dataclasses.replace(layers["red_p50"], layer=dataclasses.replace(RED, scale=2e-4))
    other = dataclasses.replace(whole, id="other", layers={**layers, "red_p50": scaled})
    with pytest.raises(RequestError, match="other and whole store red_p50 differently"):
        orbit_mosaic([whole, other], SHEET, AVERAGE, tmp_path / "out")
    floating = dataclasses.replace(layers["red_p50"], layer=dataclasses.replace(RED, dtype="float32"))
    with pytest.raises(RequestError, match="red_p50 is float32"):
        orbit_mosaic(
            [dataclasses.replace(whole, layers={**layers, "red_p50": floating})], SHEET, AVERAGE, tmp_path / "out"
        )


def spectra(tile: SourceProduct) -> set[tuple[int, ...]]:
    keys = sorted(key for key in tile.layers if key.endswith("_medoid"))
    stacked = np.stack([stored(tile.layers[key].path) for key in keys])
    return set(map(tuple, stacked.reshape(len(keys), -1).T.tolist()))


def stored(path: Path) -> np.ndarray:
    with environment(), rasterio.open(path) as dataset:
        return dataset.read(1)


def colourful(name: str, grid: Grid, folder: Path, *, seed: int) -> SourceProduct:
    rng = np.random.default_rng(seed)
    count = np.where(rng.random(grid.shape) < 0.3, 0, rng.integers(5, 20, grid.shape)).astype(np.uint16)
    layers = {
        reflectance(f"{band}_medoid"): np.where(count > 0, rng.integers(1, 9000, grid.shape), 0).astype(np.uint16)
        for band in ("red", "nir", "blue")
    }
    return source(name, grid, {**layers, COUNT: count}, folder)


@pytest.mark.parametrize("crs", [UTM31, "EPSG:3035"])
def test_nearest_keeps_every_spectrum_as_it_was_measured(crs: str, tmp_path: Path) -> None:
    sheet = SHEET
    if crs != UTM31:
        x, y = transformer(UTM31, crs).transform(600_600, 5_699_400)
        sheet = Sheet("X1Y1", Grid(crs, round(x) - 500, round(y) + 500, 30, 30, 30, 30))
    tiles = [colourful("b", LEFT, tmp_path, seed=1), colourful("a", RIGHT, tmp_path, seed=2)]
    product = orbit_mosaic(tiles, sheet, NEAREST, tmp_path / "out")
    assert product is not None
    keys = ("blue_medoid", "nir_medoid", "red_medoid")
    found = np.stack([pixels(product, key) for key in keys])
    seen = found.any(axis=0)
    assert np.array_equal(seen, pixels(product, "count") > 0)
    assert seen.mean() > 0.3
    measured = spectra(tiles[0]) | spectra(tiles[1])
    assert set(map(tuple, found.reshape(3, -1).T.tolist())) <= measured
    # Where both have a value it is that of the first by id.
    first = orbit_mosaic(tiles[1:], sheet, NEAREST, tmp_path / "first")
    assert first is not None
    alone = np.stack([pixels(first, key) for key in keys])
    assert np.array_equal(np.where(alone.any(axis=0), alone, found), found)
    backwards = orbit_mosaic(tiles[::-1], sheet, NEAREST, tmp_path / "backwards", workers=1)
    assert backwards is not None
    assert digests(backwards) == digests(product)


@pytest.mark.parametrize("settings", [AVERAGE, NEAREST])
@pytest.mark.parametrize("seed", range(3))
def test_blocks_may_be_made_in_any_order(
    settings: Mosaic, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = transformer(UTM31, "EPSG:3035").transform(480_000, 5_650_000)
    sheet = Sheet("X1Y1", Grid("EPSG:3035", round(x), round(y), 30, 30, 150, 130))
    grid = Grid(UTM31, 479_000, 5_651_000, 20, 20, 200, 200)
    beside = Grid(UTM31, 482_000, 5_651_000, 60, 60, 100, 100)
    tiles = [tile("a", grid, tmp_path, seed=1), tile("b", beside, tmp_path, seed=2)]
    monkeypatch.setattr(sys.modules["weft.mosaicking.orbit_mosaic"], "_BLOCK", 64)
    expected = orbit_mosaic(tiles, sheet, settings, tmp_path / "out")
    blocks = Grid.blocks

    def shuffled(grid: Grid, height: int, width: int) -> Iterator[Window]:
        windows = list(blocks(grid, height, width))
        random.Random(seed).shuffle(windows)
        yield from windows

    monkeypatch.setattr(Grid, "blocks", shuffled)
    found = orbit_mosaic(tiles, sheet, settings, tmp_path / "shuffled")
    assert expected is not None
    assert found is not None
    assert digests(found) == digests(expected)


def centres(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    return grid.left + x * grid.x_size, grid.top - y * grid.y_size


def located(name: str, grid: Grid, folder: Path) -> SourceProduct:
    """A tile whose values say where they are: 1 to 60,000 from its left edge to its right, 109.8 km."""
    columns = 1 + np.arange(grid.width) * grid.x_size / 109_800 * 59_999
    values = np.broadcast_to(np.rint(columns).astype(np.uint16), grid.shape).copy()
    return source(name, grid, {RED: values, COUNT: np.ones(grid.shape, np.uint16)}, folder)


@pytest.mark.parametrize(
    ("tiles", "sheet"),
    [
        # UTM zones 31 and 32 meet at 6 degrees east.
        (("31UGS", "32ULB"), Grid("EPSG:3035", 4_035_000, 3_110_000, 300, 300, 200, 200)),
        (("31UGS", "32ULB"), Grid("EPSG:4326", 5.8, 51.2, 0.003, 0.003, 150, 150)),
        (("31UGS", "32ULB"), Grid(UTM31, 690_000, 5_690_000, 300, 300, 200, 200)),
        # Zones 60 and 1 meet at the antimeridian, on one side of which these tiles end and on the other begin.
        (("60KZG", "01KAB"), Grid("EPSG:3832", 3_320_000, -1_820_000, 300, 300, 300, 300)),
        (("60KZG", "01KAB"), Grid("EPSG:4326", 179.6, -16.4, 0.003, 0.003, 133, 150)),
        (("60KZG", "01KAB"), Grid("EPSG:4326", -180.0, -16.4, 0.003, 0.003, 133, 150)),
        (("60KZG", "01KAB"), Grid("EPSG:4326", 179.8, -16.4, 0.003, 0.003, 133, 150)),
        (("60KZG", "01KAB"), Grid("EPSG:32701", 150_000, 8_190_000, 300, 300, 200, 200)),
    ],
)
def test_every_pixel_lies_where_it_was_measured(tiles: tuple[str, str], sheet: Grid, tmp_path: Path) -> None:
    grids = [tile_grid(name, 60) for name in tiles]
    for name, grid in zip(tiles, grids, strict=True):
        product = orbit_mosaic([located(name, grid, tmp_path)], Sheet("X0Y0", sheet), AVERAGE, tmp_path / f"o{name}")
        assert product is not None, name
        x, y = transformer(sheet.crs, grid.crs).transform(*centres(sheet))
        edges = grid.bounds
        inside = (x > edges.left + 600) & (x < edges.right - 600) & (y > edges.bottom + 600) & (y < edges.top - 600)
        outside = (x < edges.left - 600) | (x > edges.right + 600) | (y < edges.bottom - 600) | (y > edges.top + 600)
        found = pixels(product, "red_p50").astype(int)
        assert inside.mean() > 0.05
        assert np.abs(found - (1 + (x - edges.left) / 109_800 * 59_999))[inside].max() < 60_000 / 109_800 * 90
        assert not found[outside].any()


def test_a_composite_far_outside_the_crs_gives_nothing(tmp_path: Path) -> None:
    pacific = located("01KAB", tile_grid("01KAB", 600), tmp_path)
    assert orbit_mosaic([pacific], Sheet("X0Y0", SHEET.grid), AVERAGE, tmp_path / "utm") is None
    laea = Grid("EPSG:3035", 4_000_000, 3_000_000, 1000, 1000, 50, 50)
    assert orbit_mosaic([pacific], Sheet("X0Y0", laea), AVERAGE, tmp_path / "laea") is None


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (Grid("EPSG:3995", -50_000, 50_000, 1000, 1000, 100, 100), "pole"),
        (Grid("EPSG:3035", 3e7, 3e7, 1000, 1000, 50, 50), "domain of EPSG:3035"),
    ],
)
def test_a_sheet_over_the_pole_or_outside_the_domain_is_refused(grid: Grid, message: str, tmp_path: Path) -> None:
    pacific = located("01KAB", tile_grid("01KAB", 600), tmp_path)
    with pytest.raises(RequestError, match=message):
        orbit_mosaic([pacific], Sheet("X0Y0", grid), AVERAGE, tmp_path / "o")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    whole = tile("whole", LEFT, tmp_path, seed=9)
    path = whole.layers["red_p50"].path
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableRaster, match=r"red_p50\.tif"):
        orbit_mosaic([whole], SHEET, AVERAGE, tmp_path / "out")
    path.unlink()
    with pytest.raises(UnreadableRaster, match=r"red_p50\.tif"):
        orbit_mosaic([whole], SHEET, AVERAGE, tmp_path / "out")


def test_a_file_is_opened_once_for_a_strip_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Counter[Path] = Counter()
    monkeypatch.setattr(warping, "open_raster", lambda path: opened.update([path]) or open_raster(path))
    monkeypatch.setattr(sys.modules["weft.mosaicking.orbit_mosaic"], "_BLOCK", 16)
    tiles = [tile("left", LEFT, tmp_path, seed=1), tile("right", RIGHT, tmp_path, seed=2)]
    assert orbit_mosaic(tiles, SHEET, AVERAGE, tmp_path / "out") is not None
    paths = [one.layers[key].path for one in tiles for key in ("red_medoid", "red_p50", "count")]
    assert opened == dict.fromkeys(paths, 3)
    opened.clear()
    assert orbit_mosaic(tiles, SHEET, AVERAGE, tmp_path / "alone", workers=1) is not None
    assert opened == dict.fromkeys(paths, 2)


def test_resampling_names_what_was_used(tmp_path: Path) -> None:
    fine = tile("fine", LEFT, tmp_path, seed=10)
    coarse = tile("coarse", Grid(UTM31, 600_000, 5_700_000, 20, 20, 40, 60), tmp_path, seed=11)
    assert resampling([fine], SHEET, AVERAGE) == ("average",)
    assert resampling([coarse, fine], SHEET, AVERAGE) == ("average", "bilinear")
    assert resampling([coarse, fine], SHEET, NEAREST) == ("nearest",)
