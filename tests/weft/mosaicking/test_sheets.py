from __future__ import annotations

import re
import time
from collections.abc import Iterable

import numpy as np
import pytest
from shapely.affinity import translate
from shapely.geometry import Polygon, box

from weft.errors import RequestError
from weft.mosaicking import Sheet, covers, distance_to_centre, sheet, sheets_over, tile_grid, track_sheets
from weft.rasters.grid import Grid, transformer
from weft.regions import Mosaic

EUROPE = Mosaic(resolution=25, sheet_km=100)
DEGREES = Mosaic(crs="EPSG:4326", resolution=0.001)


def mosaic(**changes: object) -> Mosaic:
    return Mosaic.model_validate({"resolution": 25, "sheet_km": 100} | changes)


def names(sheets: Iterable[Sheet]) -> set[str]:
    return {found.name for found in sheets}


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
        (mosaic(sheet_km=0.25), "250mE15604N12607", 3_901_000, 3_151_750),
        (mosaic(sheet_km=1.5), "1500mE-1N2400", -1500, 3_600_000),
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


def test_sheets_in_degrees_are_named_by_their_south_western_corner() -> None:
    found = sheet("X-5Y51", DEGREES)
    assert found.grid == Grid("EPSG:4326", -5, 52, 0.001, 0.001, 1000, 1000)
    assert sheets_over([found.grid], DEGREES) == (found,)
    half = mosaic(crs="EPSG:4326", resolution=0.001, sheet_km=None, sheet_deg=0.5)
    assert sheet("X-1Y101", half).grid == Grid("EPSG:4326", -0.5, 51, 0.001, 0.001, 500, 500)
    assert names(sheets_over([tile_grid("31UDS")], DEGREES)) == {"X1Y50", "X1Y51", "X2Y50", "X2Y51", "X3Y50", "X3Y51"}


@pytest.mark.parametrize("name", ["X180Y0", "X-181Y0", "X0Y90", "X0Y-91", "100kmE39N31"])
def test_there_are_no_sheets_beyond_the_antimeridian_and_the_poles(name: str) -> None:
    assert sheet("X-180Y-90", DEGREES).grid.bounds.bottom == -90
    assert sheet("X179Y89", DEGREES).grid.bounds.right == 180
    with pytest.raises(RequestError, match="is none of EPSG:4326 in 1 degrees; write it like X39Y31"):
        sheet(name, DEGREES)


def test_columns_in_degrees_wrap_at_the_antimeridian() -> None:
    across = box(179.5, 10.2, 180.5, 10.8)
    for turn in (-360, 0, 360):
        assert names(sheets_over([translate(across, turn)], DEGREES)) == {"X179Y10", "X-180Y10"}
    columns = {name.partition("Y")[0] for name in names(sheets_over([tile_grid("01KAB")], DEGREES))}
    assert columns == {"X179", "X-180"}
    assert {name.partition("Y")[0] for name in track_sheets(["R029_01KAB"], DEGREES)["R029"]} <= columns


def test_columns_wrap_where_proj_wraps_longitudes_itself() -> None:
    fiji = DEGREES.model_copy(update={"crs": "EPSG:4720"})  # PROJ shifts its datum, and brings 181 to -179 in doing so
    assert names(sheets_over([box(179.5, -17.8, 180.5, -17.2)], fiji)) == {"X179Y-18", "X-180Y-18"}


def test_pixels_in_degrees_close_around_the_globe() -> None:
    settings = mosaic(crs="EPSG:4326", resolution=1 / 3600, sheet_km=None, sheet_deg=1)
    west, east = sheet("X-180Y0", settings).grid.bounds, sheet("X179Y0", settings).grid.bounds
    assert (west.left, east.right) == pytest.approx((-180, 180), abs=1e-9)
    assert sheet("X5Y0", settings).grid.shape == (3600, 3600)


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:32632", "EPSG:3035"])
def test_tiles_of_two_utm_zones_share_sheets(crs: str) -> None:
    settings = mosaic(crs=crs)
    west, east = (names(sheets_over([tile_grid(tile)], settings)) for tile in ("31UGS", "32ULB"))
    assert west & east
    assert names(sheets_over([tile_grid("31UGS"), tile_grid("32ULB")], settings)) == west | east
    for found in sheets_over([tile_grid("31UGS"), tile_grid("32ULB")], settings):
        assert sheet(found.name, settings) == found


def test_zones_1_and_60_share_sheets_of_either_zone() -> None:
    for crs in ("EPSG:32701", "EPSG:32760"):
        settings = mosaic(crs=crs)
        west, east = (names(sheets_over([tile_grid(tile)], settings)) for tile in ("60KXG", "01KAB"))
        assert 1 <= len(west) <= 6
        assert 1 <= len(east) <= 6
        assert west & east


@pytest.mark.parametrize(
    ("area", "crs"),
    [
        (box(-170.1, -52.1, -169.9, -51.9), "EPSG:3035"),  # the antipode
        (box(115, -32, 116, -31), "EPSG:3035"),
        (box(20, 45, 21, 46), "EPSG:32631"),
        (box(20, -45, 21, -44), "EPSG:4258"),
        (box(183, -45, 184, -44), "EPSG:4258"),
    ],
)
def test_an_area_outside_the_domain_of_the_crs_is_refused(area: Polygon, crs: str) -> None:
    settings = mosaic(crs=crs) if crs != "EPSG:4258" else DEGREES.model_copy(update={"crs": crs})
    with pytest.raises(RequestError, match=f"outside the domain of {crs} .* choose a CRS that fits"):
        sheets_over([area], settings)


@pytest.mark.parametrize("settings", [EUROPE, DEGREES], ids=["metres", "degrees"])
def test_an_area_over_a_pole_is_refused(settings: Mosaic) -> None:
    with pytest.raises(RequestError, match="over a pole; cut it off there"):
        sheets_over([box(10, 80, 20, 91)], settings)


def test_a_tile_over_the_seam_of_a_crs_is_refused() -> None:
    web = mosaic(crs="EPSG:3857")
    assert sheets_over([tile_grid("31UDS")], web)
    with pytest.raises(RequestError, match="domain of EPSG:3857, or over its seam"):
        sheets_over([tile_grid("01KAB")], web)


def test_too_many_sheets_are_refused() -> None:
    with pytest.raises(RequestError, match="over 1000000 sheets of 100; raise"):
        sheets_over([box(0, 40, 20, 55)], mosaic(sheet_km=0.1))


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


def test_named_sheets_limit_what_is_made() -> None:
    keys = ["R051_31UDS", "R094_31UES"]
    assert track_sheets(keys, EUROPE, ["100kmE37N31"]) == {"R051": ("100kmE37N31",), "R094": ()}
    with pytest.raises(RequestError, match=r"no tile touches 100kmE10N10, 100kmE11N10; correct or remove"):
        track_sheets(keys, EUROPE, ["100kmE11N10", "100kmE37N31", "100kmE10N10"])
    with pytest.raises(RequestError, match="'X37Y31' is none of EPSG:3035 in 100 km; write it like 100kmE39N31"):
        track_sheets(keys, EUROPE, ["X37Y31"])


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
    start = time.process_time()
    found = track_sheets(keys, EUROPE)
    assert time.process_time() - start < 2.0
    assert len(found) > 3


def _squares(zone: str) -> list[str]:
    columns = "DEF" if zone == "31U" else "UVX"
    return [column + row for column in columns for row in "RSTU"]
