from __future__ import annotations

import re
import time

import numpy as np
import pytest
from shapely.geometry import box

from weft.errors import RequestError
from weft.mosaicking import covers, distance_to_centre, sheet, sheets_over, tile_grid, track_sheets
from weft.rasters.grid import Grid, transformer
from weft.regions import Mosaic

EUROPE = Mosaic(resolution=25, sheet_km=100)


def mosaic(**changes: object) -> Mosaic:
    return Mosaic.model_validate({"resolution": 25, "sheet_km": 100} | changes)


def test_a_sheet_is_a_cell_of_the_european_reference_grid() -> None:
    found = sheet("100kmE39N31", EUROPE)
    assert found.name == "100kmE39N31"
    assert found.grid == Grid("EPSG:3035", 3_900_000, 3_200_000, 25, 25, 4000, 4000)
    assert found.grid.bounds.bottom == 3_100_000


@pytest.mark.parametrize(
    ("settings", "name", "left", "bottom"),
    [
        (mosaic(sheet_km=10), "10kmE391N315", 3_910_000, 3_150_000),
        (mosaic(sheet_km=1), "1kmE3911N3155", 3_911_000, 3_155_000),
        (mosaic(sheet_km=0.25), "250mE4N7", 1000, 1750),
        (mosaic(sheet_km=1.5), "1500mE-1N0", -1500, 0),
        (mosaic(sheet_km=99, resolution=30), "99kmE39N31", 3_861_000, 3_069_000),
        (mosaic(crs="EPSG:32631"), "X12Y-3", 1_200_000, -300_000),
    ],
)
def test_names_give_the_sheet_back(settings: Mosaic, name: str, left: float, bottom: float) -> None:
    found = sheet(name, settings)
    assert (found.name, found.grid.bounds.left, found.grid.bounds.bottom) == (name, left, bottom)
    assert found.grid.width * settings.resolution == settings.sheet_km * 1000
    assert sheets_over([found.grid], settings) == (found,)  # neighbours only touch
    assert re.fullmatch(r"[A-Za-z0-9-]+", name)


@pytest.mark.parametrize(
    "name", ["", "100kmE39", "10kmE39N31", "100kmE039N31", "100kmE-0N3", "X1Y2", "100kmE39N31\n", "100kmE99999999N1"]
)
def test_names_of_other_settings_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="write it like 100kmE39N31"):
        sheet(name, EUROPE)


@pytest.mark.parametrize(("resolution", "sheet_km"), [(30, 100), (12.5, 0.09), (7, 100), (30, 0.1)])
def test_neighbours_meet_on_one_lattice_of_pixels(resolution: float, sheet_km: float) -> None:
    settings = mosaic(resolution=resolution, sheet_km=sheet_km)
    label = "100km" if sheet_km == 100 else f"{sheet_km * 1000:.0f}m"
    here, east, north = (sheet(f"{label}{place}", settings).grid for place in ("E39N31", "E40N31", "E39N32"))
    assert here.bounds.right == east.bounds.left
    assert here.bounds.top == north.bounds.bottom
    assert {grid.left % resolution for grid in (here, east, north)} == {0}
    assert abs(here.width * resolution - sheet_km * 1000) < resolution


def test_sheets_are_whole_metres() -> None:
    with pytest.raises(RequestError, match="not a whole number of metres"):
        sheets_over([], mosaic(sheet_km=0.0333))


def test_sheets_over_grids_and_polygons() -> None:
    tile = tile_grid("31UDS")
    expected = ("100kmE37N30", "100kmE37N31", "100kmE38N30", "100kmE38N31")
    assert tuple(found.name for found in sheets_over([tile], EUROPE)) == expected
    assert tuple(found.name for found in sheets_over([tile.footprint(), tile], EUROPE)) == expected
    assert sheets_over([], EUROPE) == ()


def test_sheets_over_a_tile_across_the_antimeridian() -> None:
    found = sheets_over([tile_grid("01KAB")], mosaic(crs="EPSG:3832"))  # Pacific Mercator, centred on 150 E
    assert 1 < len(found) <= 4
    corners = [entry.grid.bounds.left for entry in found]
    assert max(corners) - min(corners) <= 100_000


def test_an_area_outside_the_domain_of_the_crs_is_refused() -> None:
    with pytest.raises(RequestError, match="outside the domain of EPSG:3035"):
        sheets_over([box(-170.0001, -52.0001, -169.9999, -51.9999)], mosaic(crs="EPSG:3035"))


def test_a_track_needs_the_sheets_its_tiles_touch_inside_its_swath() -> None:
    found = track_sheets(["R094_31UDS", "R051_31UDS"], EUROPE)
    assert list(found) == ["R051", "R094"]
    all_four = ("100kmE37N30", "100kmE37N31", "100kmE38N30", "100kmE38N31")
    assert found["R051"] == all_four
    assert set(found["R094"]) <= set(all_four)
    assert found == track_sheets(["R051_31UDS", "R094_31UDS"], EUROPE)


def test_a_swath_that_ends_inside_a_tile_limits_the_sheets() -> None:
    small = mosaic(sheet_km=10)
    tile = tile_grid("32TLS", 600)
    over_tile = {found.name for found in sheets_over([tile], small)}
    planned = set(track_sheets(["R065_32TLS"], small)["R065"])
    assert planned < over_tile
    rows, cols = np.nonzero(distance_to_centre("R065", tile) < 145)
    x, y = transformer(tile.crs, "EPSG:3035").transform(tile.left + (cols + 0.5) * 600, tile.top - (rows + 0.5) * 600)
    with_data = {f"10kmE{int(e // 10_000)}N{int(n // 10_000)}" for e, n in zip(x, y, strict=True)}
    assert len(with_data) > 10
    assert with_data <= planned


def test_an_area_limits_the_sheets() -> None:
    assert track_sheets(["R051_31UDS"], EUROPE, (3.0, 51.0, 3.2, 51.2)) == {"R051": ("100kmE38N31",)}
    with pytest.raises(RequestError, match="touches none of the tiles R051_31UDS"):
        track_sheets(["R051_31UDS"], EUROPE, (10.0, 51.0, 11.0, 51.2))
    pacific = mosaic(crs="EPSG:3832")
    everywhere = track_sheets(["R029_01KAB"], pacific)["R029"]
    assert track_sheets(["R029_01KAB"], pacific, (170.0, -20.0, -170.0, -10.0))["R029"] == everywhere
    with pytest.raises(RequestError, match="west, south, east, north"):
        track_sheets(["R051_31UDS"], EUROPE, (3.0, 52.0, 4.0, 51.0))


def test_a_tile_that_its_track_never_sees_is_refused() -> None:
    with pytest.raises(RequestError, match="remove R052_31UDS"):
        track_sheets(["R051_31UDS", "R052_31UDS"], EUROPE)
    with pytest.raises(RequestError, match="31IDS"):
        track_sheets(["R051_31IDS"], EUROPE)
    with pytest.raises(RequestError, match="R144"):
        track_sheets(["R144_31UDS"], EUROPE)


def test_two_thousand_tile_tracks_are_planned_in_two_seconds() -> None:
    keys = [
        f"R{track:03d}_{tile}"
        for tile in (f"{zone}{square}" for zone in ("31U", "33U") for square in _squares(zone))
        for track in range(1, 144)
        if covers(track, tile_grid(tile))
    ]
    keys = (keys * (1 + 2000 // len(keys)))[:2000]
    start = time.perf_counter()
    found = track_sheets(keys, EUROPE)
    assert time.perf_counter() - start < 2.0
    assert len(found) > 3


def _squares(zone: str) -> list[str]:
    columns = "DEF" if zone == "31U" else "UVX"
    return [column + row for column in columns for row in "RSTU"]
