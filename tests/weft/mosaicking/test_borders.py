"""Tiles of two UTM zones, and of both sides of the antimeridian, on sheets of one CRS: nothing is lost or doubled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import box

from tests.weft.mosaicking.products import COUNT, reflectance, source
from weft.mosaicking import orbit_mosaic, sheets_over, tile_grid
from weft.rasters.gdal import environment, open_raster
from weft.rasters.grid import Grid, transformer
from weft.rasters.product import Product, SourceProduct
from weft.regions import Mosaic

RED = reflectance("red_p50")
FIJI, RHINE = ("60KYG", "01KAB"), ("31UGS", "32ULB")
# Well inside the two tiles together, across the border.
CORE = {FIJI: box(179.0, -17.1, 180.2, -16.4), RHINE: box(5.95, 50.5, 7.5, 51.3)}


def lonlat(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(
        grid.left + (np.arange(grid.width) + 0.5) * grid.x_size, grid.top - (np.arange(grid.height) + 0.5) * grid.y_size
    )
    return transformer(grid.crs, "EPSG:4326").transform(x, y)


def ground(grid: Grid) -> np.ndarray:
    """A field that is smooth across the antimeridian: 3000 to 7000 over a degree."""
    longitude, latitude = lonlat(grid)
    return 5000 + 1000 * np.sin(np.radians(180 * longitude)) + 1000 * np.sin(np.radians(180 * latitude))


def area_deg(grid: Grid) -> np.ndarray:
    """Square degrees of each pixel, (y, x); metres are taken on a sphere."""
    if grid.crs == "EPSG:4326":
        return np.full(grid.shape, grid.x_size * grid.y_size)
    return grid.x_size * grid.y_size / 111_200**2 / np.cos(np.radians(lonlat(grid)[1]))


def composite(tile: str, folder: Path) -> SourceProduct:
    grid = tile_grid(tile, 600)
    values = np.floor(ground(grid) + 0.5).astype(np.uint16)
    return source(tile, grid, {RED: values, COUNT: np.full(grid.shape, 5, np.uint16)}, folder)


def read(product: Product, key: str) -> np.ndarray:
    (file,) = (file for file in product.files if file.layer.key == key)
    with environment(), open_raster(file.path) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize(
    ("tiles", "settings"),
    [
        (FIJI, Mosaic(crs="EPSG:4326", resolution=0.01)),
        (FIJI, Mosaic(crs="EPSG:32701", resolution=1000)),
        (FIJI, Mosaic(crs="EPSG:32760", resolution=1000)),
        (RHINE, Mosaic(crs="EPSG:4326", resolution=0.01)),
        (RHINE, Mosaic(crs="EPSG:32631", resolution=1000)),
        (RHINE, Mosaic(crs="EPSG:3035", resolution=1000)),
    ],
    ids=lambda value: value.crs if isinstance(value, Mosaic) else value[0],
)
def test_tiles_of_two_zones_make_one_mosaic(tiles: tuple[str, ...], settings: Mosaic, tmp_path: Path) -> None:
    composites = [composite(tile, tmp_path / "tiles") for tile in tiles]
    compared = 0.0
    for sheet in sheets_over(map(tile_grid, tiles), settings):
        product = orbit_mosaic(composites, sheet, settings, tmp_path / sheet.name)
        assert product is not None, sheet.name
        expected, found, count = ground(sheet.grid), read(product, "red_p50"), read(product, "count")
        assert np.abs(found[found > 0] - expected[found > 0]).max() < 40
        assert set(np.unique(count)) <= {0, 5}
        inside = within(sheet.grid, CORE[tiles].bounds)
        assert (found[inside] > 0).all(), sheet.name
        compared += float(area_deg(sheet.grid)[inside].sum())
    assert compared == pytest.approx(CORE[tiles].area, rel=0.03)


def within(grid: Grid, bounds: tuple[float, float, float, float]) -> np.ndarray:
    """Pixels whose centres lie between these longitudes and latitudes."""
    west, south, east, north = bounds
    longitude, latitude = lonlat(grid)
    return ((longitude - west) % 360 < east - west) & (south < latitude) & (latitude < north)
