from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from weft.errors import RequestError
from weft.mosaicking import tile_grid
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
