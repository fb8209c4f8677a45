from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from weft.errors import RequestError
from weft.mosaicking import tile_grid
from weft.mosaicking.tiles import _tiles_of_zone, tiles_over
from weft.mosaicking.tracks import continuous_footprint
from weft.rasters.grid import Grid

# EPSG code, left, top from the published tiling grid: both hemispheres, all column sets, odd and even zones, the
# equator from both sides, the southernmost and northernmost bands and the irregular zones of Norway and Svalbard.
TILES = {
    "01KAB": (32701, 99960, 8200000),
    "01WCP": (32601, 300000, 7400040),
    "06VVN": (32606, 399960, 6800040),
    "13CDV": (32713, 399960, 2000020),
    "18NTK": (32618, 199980, 500040),
    "18XVL": (32618, 399960, 8600040),
    "19TCF": (32619, 300000, 4600020),
    "21MTV": (32721, 199980, 10000000),
    "21NTA": (32621, 199980, 100020),
    "28QCH": (32628, 300000, 2300040),
    "29RKH": (32629, 199980, 2800020),
    "30UYV": (32630, 699960, 5500020),
    "31NGF": (32631, 699960, 600000),
    "31UDS": (32631, 399960, 5700000),
    "32TLS": (32632, 300000, 5200020),
    "32VKL": (32632, 199980, 6600000),
    "33XVG": (32633, 399960, 8700000),
    "33XWJ": (32633, 499980, 8900040),
    "34LBQ": (32734, 199980, 9000040),
    "34VEL": (32634, 499980, 6600000),
    "35NRB": (32635, 799980, 200040),
    "35XMF": (32635, 399960, 8600040),
    "36NXM": (32636, 600000, 700020),
    "37NHH": (32637, 799980, 800040),
    "46RER": (32646, 499980, 3100020),
    "60WWT": (32660, 499980, 7300020),
}


@pytest.mark.parametrize("tile", TILES)
def test_known_tiles(tile: str) -> None:
    epsg, left, top = TILES[tile]
    assert tile_grid(tile) == Grid(f"EPSG:{epsg}", left, top, 10, 10, 10980, 10980)


def test_resolution_keeps_the_extent() -> None:
    for resolution, pixels in ((20, 5490), (60, 1830), (30, 3660), (0.5, 219600), (109_800, 1)):
        grid = tile_grid("31UDS", resolution)
        assert grid.shape == (pixels, pixels)
        assert grid.bounds == tile_grid("31UDS").bounds


@pytest.mark.parametrize("resolution", [0, -10, 7, 250_000, 11.5])
def test_a_resolution_that_does_not_divide_the_tile_is_refused(resolution: float) -> None:
    with pytest.raises(RequestError, match="does not divide a tile"):
        tile_grid("31UDS", resolution)


@pytest.mark.parametrize(
    "tile", ["", "T31UDS", "1WCP", "00UDS", "61UDS", "31IDS", "31UOS", "31UDW", "31UJS", "31uds", "31UDS\n", "199030"]
)
def test_unknown_tiles_are_refused(tile: str) -> None:
    with pytest.raises(RequestError, match="write zone, band and square like 31UDS"):
        tile_grid(tile)


def test_every_tile_of_the_published_grid(shared_data: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading the published grid needs pyarrow")
    table = parquet.read_table(
        shared_data / "sentinel2-grid-and-orbits/sentinel-2-grid_LAND.parquet", columns=["tile", "epsg", "utm_wkt"]
    ).to_pydict()
    wrong = []
    for tile, epsg, wkt in zip(*table.values(), strict=True):
        left, bottom, right, top = shapely.from_wkt(wkt).bounds
        grid = tile_grid(tile)
        edges = grid.bounds
        if (grid.crs, edges.left, edges.bottom, edges.right, edges.top) != (f"EPSG:{epsg}", left, bottom, right, top):
            wrong.append(tile)
    assert len(table["tile"]) == 20430
    assert not wrong


@pytest.fixture(scope="module")
def published(shared_data: Path) -> dict[str, Polygon]:
    """Outlines of the published tiles, longitudes continuous."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading the published grid needs pyarrow")
    path = shared_data / "sentinel2-grid-and-orbits/sentinel-2-grid_LAND.parquet"
    names = parquet.read_table(path, columns=["tile"]).to_pydict()["tile"]
    return {name: continuous_footprint(tile_grid(name)) for name in names}


def over(area: BaseGeometry, outlines: dict[str, Polygon]) -> set[str]:
    every = np.array(list(outlines.values()), dtype=object)
    shared = [shapely.area(shapely.intersection(every, translate(area, turn))) > 0 for turn in (-360, 0, 360)]
    return {name for name, hit in zip(outlines, np.any(shared, axis=0), strict=True) if hit}


def test_the_closed_form_has_every_published_tile_and_each_square_once(published: dict[str, Polygon]) -> None:
    names = [name for zone in range(1, 61) for name, _, _ in _tiles_of_zone(zone)]
    assert len(names) == len(set(names)) == 56_790  # land and sea
    assert published.keys() <= set(names)
    places = {(grid.crs, grid.left, grid.top) for grid in map(tile_grid, names)}
    assert len(places) == len(names)


# Inland, where no published tile is left out for the sea: Europe, both hemispheres, the equator, far north and south.
INLAND = {
    "Alps to Poland": box(6, 45.5, 24, 52.5),
    "Congo": box(15, -8, 30, 8),
    "Mato Grosso": box(-65, -20, -50, -2),
    "Yakutia": box(95, 62, 125, 70),
    "Outback": box(122, -29, 142, -20),
    "Antarctica": box(40, -82, 110, -74),
    "Greenland": box(-45, 68, -33, 76),
    "Norway": Polygon([(8, 59), (12, 59), (15, 66), (13.5, 66), (8, 62)]),
    "Saskatchewan": box(-112, 49.5, -97, 56),
}


@pytest.mark.parametrize("area", INLAND.values(), ids=INLAND)
def test_inland_the_tiles_are_exactly_the_published_ones(area: BaseGeometry, published: dict[str, Polygon]) -> None:
    assert set(tiles_over(area)) == over(area, published)


COASTS = {
    "Svalbard": box(10, 76, 35, 81),
    "western Norway": box(4, 57.5, 8, 63.5),
    "Fiji": MultiPolygon([box(177, -19, 180, -16), box(-180, -19, -178, -16)]),
    "Chukotka": MultiPolygon([box(177, 64, 180, 72), box(-180, 64, -168, 72)]),
    "Ross Ice Shelf": MultiPolygon([box(170, -83, 180, -78), box(-180, -83, -170, -78)]),
    "Quito": box(-81, -2, -78, 2),
}


@pytest.mark.parametrize("area", COASTS.values(), ids=COASTS)
def test_no_published_tile_of_a_coast_is_missed(area: BaseGeometry, published: dict[str, Polygon]) -> None:
    assert set(tiles_over(area)) >= over(area, published)


def test_tiles_that_only_touch_the_area_are_left_out() -> None:
    outline = continuous_footprint(tile_grid("31UES"))
    first, second = outline.exterior.coords[3:5]
    outside = shapely.centroid(outline)
    mirrored = (first[0] + second[0] - outside.x, first[1] + second[1] - outside.y)
    triangle = Polygon([first, second, mirrored])
    assert shapely.touches(outline, triangle)
    assert "31UES" in tiles_over(outline)
    assert "31UES" not in tiles_over(triangle)
    assert tiles_over(MultiPolygon()) == ()


def test_tiles_across_the_antimeridian_from_either_side() -> None:
    assert "01KAB" in tiles_over(box(179.5, -17, 179.9, -16.6))
    assert "60KZG" in tiles_over(box(-179.9, -17, -179.5, -16.6))


def test_the_pole_has_no_tiles() -> None:
    assert tiles_over(box(-180, 85, 180, 90)) == ()
    assert tiles_over(box(-180, -90, 180, -84.5)) == ()
