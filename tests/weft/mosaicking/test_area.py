"""A rectangle is cut out of the mosaic that a region with the same settings would have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.weft.mosaicking.products import COUNT, DATE, INDEX, SPREAD, reflectance, source
from weft.errors import RequestError
from weft.mosaicking import mosaic, orbit_mosaic, sheets_over
from weft.mosaicking.area import area_mosaic, needed_window
from weft.rasters.gdal import environment
from weft.rasters.grid import Grid, Window, transformer
from weft.rasters.product import Product, SourceLayer, SourceProduct
from weft.regions import Mosaic

RED, NIR = reflectance("red_p50"), reflectance("nir_medoid")
# Either side of the border of UTM zones 31 and 32 (6 degrees east), where both tracks see the ground.
TILES = {
    "R008_31UGS": Grid("EPSG:32631", 699_960, 5_700_000, 180, 180, 120, 110),
    "R008_32ULB": Grid("EPSG:32632", 300_000, 5_700_000, 180, 180, 100, 110),
    "R051_31UGS": Grid("EPSG:32631", 699_960, 5_700_000, 180, 180, 120, 110),
}
OBSERVATIONS = {"R008_31UGS": 7, "R008_32ULB": 5, "R051_31UGS": 9}
AUXILIARY = {"source_index", "observation_date", "medoid_spread"}
SETTINGS = Mosaic(crs="EPSG:3035", resolution=300, sheet_km=9)


def pixels(product: Product, key: str) -> np.ndarray:
    with environment(), rasterio.open(product.file(key).path) as dataset:
        return dataset.read(1)


def tile(name: str, grid: Grid, folder: Path, seed: int) -> SourceProduct:
    rng = np.random.default_rng(seed)
    count = np.where(rng.random(grid.shape) < 0.1, 0, rng.integers(1, 20, grid.shape)).astype(np.uint16)
    if name == "R008_31UGS":
        count[:, 50:70] = 0  # clouds all season, so that the other track is seen
    red, nir = (np.where(count > 0, rng.integers(1, 9000, grid.shape), 0).astype(np.uint16) for _ in range(2))
    nir[count < 4] = 0
    index = np.where(count > 0, rng.integers(0, OBSERVATIONS[name], grid.shape), -1).astype(np.int16)
    date = np.where(index >= 0, 1000 * (seed + 1) + index, 0).astype(np.uint16)
    spread = np.where(index >= 0, index / 8, np.nan).astype(np.float32)
    return source(name, grid, {RED: red, NIR: nir, COUNT: count, INDEX: index, DATE: date, SPREAD: spread}, folder)


def cut(product: SourceProduct, window: Window, folder: Path) -> SourceProduct:
    layers = {}
    for entry in product.layers.values():
        with environment(), rasterio.open(entry.path) as dataset:
            layers[entry.layer] = dataset.read(1)[window.slices]
    return source(product.id, product.grid.of_window(window), layers, folder)


def middle(grid: Grid) -> tuple[float, float]:
    to_crs = transformer(grid.crs, SETTINGS.crs)
    x, y = to_crs.transform(grid.left + grid.width * grid.x_size / 2, grid.top - grid.height * grid.y_size / 2)
    return round(x / 300), round(y / 300)


@pytest.fixture
def tiles(tmp_path: Path) -> dict[str, SourceProduct]:
    return {name: tile(name, grid, tmp_path / name, seed) for seed, (name, grid) in enumerate(TILES.items())}


@pytest.fixture
def rectangle() -> Grid:
    left, _ = middle(TILES["R008_31UGS"])
    right, row = middle(TILES["R008_32ULB"])
    assert right > left
    return Grid(SETTINGS.crs, left * 300, (row + 20) * 300, 300, 300, right - left, 37)


def whole_sheets(tiles: dict[str, SourceProduct], rectangle: Grid, folder: Path) -> dict[str, np.ndarray]:
    """The oracle: every sheet as a region makes it, pasted, then cut."""
    out: dict[str, np.ndarray] = {}
    for sheet in sheets_over([rectangle], SETTINGS):
        tracks = {}
        for track in ("R008", "R051"):
            under = [product for name, product in tiles.items() if name.startswith(track)]
            joined = orbit_mosaic(under, sheet, SETTINGS, folder / sheet.name / track)
            if joined:
                layers = {file.layer.key: SourceLayer(file.layer, file.path) for file in joined.files}
                tracks[track] = SourceProduct(track, joined.grid, layers)
        made = mosaic(tracks, sheet, SETTINGS, folder / sheet.name)
        if made is None:
            continue
        down = round((rectangle.top - sheet.grid.top) / 300)
        right = round((sheet.grid.left - rectangle.left) / 300)
        for file in made.product.files:
            target = out.setdefault(file.layer.key, np.zeros(rectangle.shape, file.layer.dtype))
            values = pixels(made.product, file.layer.key)
            for y, x in np.ndindex(*values.shape):
                row, col = y + down, x + right
                if 0 <= row < rectangle.height and 0 <= col < rectangle.width:
                    target[row, col] = values[y, x]
    return out


def test_equals_the_sheets_of_a_region(tiles: dict[str, SourceProduct], rectangle: Grid, tmp_path: Path) -> None:
    expected = whole_sheets(tiles, rectangle, tmp_path / "whole")
    parts = {}
    for name, product in tiles.items():
        window = needed_window(product.grid, rectangle)
        assert window is not None
        assert window.height * window.width < 0.7 * product.grid.height * product.grid.width, "not all of the tile"
        parts[name] = cut(product, window, tmp_path / f"cut-{name}")
    made = area_mosaic(parts, OBSERVATIONS, rectangle, SETTINGS, tmp_path / "area")
    assert made is not None
    assert made.grid == rectangle
    assert len(sheets_over([rectangle], SETTINGS)) > 4
    assert {file.layer.key for file in made.files} == set(expected) | AUXILIARY
    assert {"track_weight_R008", "track_weight_R051"} <= set(expected)
    for key, values in expected.items():
        np.testing.assert_array_equal(pixels(made, key), values, err_msg=key)
    assert (expected["count"] > 0).mean() > 0.8


def test_dates_and_indices_come_from_the_strongest_track(
    tiles: dict[str, SourceProduct], rectangle: Grid, tmp_path: Path
) -> None:
    made = area_mosaic(tiles, OBSERVATIONS, rectangle, SETTINGS, tmp_path / "area")
    assert made is not None
    index, date, spread = (pixels(made, key) for key in ("source_index", "observation_date", "medoid_spread"))
    first = dict(zip(OBSERVATIONS, (0, 7, 12), strict=True))
    found = {}
    for seed, (name, number) in enumerate(OBSERVATIONS.items()):
        found[name] = (index >= first[name]) & (index < first[name] + number)
        own = index[found[name]] - first[name]
        np.testing.assert_array_equal(date[found[name]], 1000 * (seed + 1) + own)
        np.testing.assert_array_equal(spread[found[name]], (own / 8).astype(np.float32))
        assert found[name].sum() > 50
    shares = {track: pixels(made, f"track_weight_{track}") for track in ("R008", "R051")}
    assert (shares["R008"][found["R008_31UGS"] | found["R008_32ULB"]] >= 100).all()
    assert (shares["R051"][found["R051_31UGS"]] >= 100).all()
    np.testing.assert_array_equal(sum(found.values()) == 0, index == -1)
    seen = pixels(made, "count") > 0
    assert (index[~seen] == -1).all()
    assert (index[seen] >= 0).mean() > 0.85, "nearest neighbours may miss where a mean has one"
    np.testing.assert_array_equal(np.isnan(spread), index == -1)


def test_nothing_there(tiles: dict[str, SourceProduct], tmp_path: Path) -> None:
    far = Grid(SETTINGS.crs, 4_200_000, 2_100_000, 300, 300, 20, 20)
    assert all(needed_window(product.grid, far) is None for product in tiles.values())
    assert area_mosaic(tiles, OBSERVATIONS, far, SETTINGS, tmp_path / "far") is None
    assert area_mosaic({}, {}, far, SETTINGS, tmp_path / "none") is None


def test_composites_that_differ_are_refused(tiles: dict[str, SourceProduct], rectangle: Grid, tmp_path: Path) -> None:
    other = tiles["R008_32ULB"]
    poorer = SourceProduct(other.id, other.grid, {key: other.layers[key] for key in ("red_p50", "count")})
    with pytest.raises(RequestError, match="differ in the layers"):
        area_mosaic({**tiles, "R008_32ULB": poorer}, OBSERVATIONS, rectangle, SETTINGS, tmp_path / "area")
