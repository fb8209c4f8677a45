from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import MultiPolygon, box, shape
from shapely.geometry.base import BaseGeometry

from weft import regions
from weft.errors import RequestError
from weft.mosaicking import covers, distance_to_centre, swath, tile_grid, track_sheets
from weft.planning import plan, read_area, region_files, split, template
from weft.rasters.grid import Grid, transformer
from weft.regions import Mosaic, tile_of, track_of

EUROPE = Mosaic()
SHIPPED = Path(__file__).parents[3] / "deploy/regions"


def area(*boxes: BaseGeometry) -> MultiPolygon:
    return MultiPolygon(list(boxes))


def test_a_small_area_needs_each_track_that_sees_it() -> None:
    found = plan(area(box(2.3, 51.2, 2.31, 51.21)), EUROPE)
    # Far inside the one tile: which tracks see it is asked of the distance to their centre lines.
    grid = tile_grid("31UDS", 600)
    x, y = transformer("EPSG:4326", grid.crs).transform(2.305, 51.205)
    row, col = int((grid.top - y) / 600), int((x - grid.left) / 600)
    seeing = [n for n in range(1, 144) if covers(n, grid) and distance_to_centre(n, grid)[row, col] < 145]
    assert sorted({track_of(key) for key in found.tile_tracks}) == [f"R{n:03d}" for n in seeing]
    assert {tile_of(key) for key in found.tile_tracks} >= {"31UDS"}
    assert found.sheets == ("100kmE37N31",)
    assert found.counts["sheets"] == 1


def test_shares_are_parts_of_the_tile_inside_area_and_swath() -> None:
    found = plan(area(box(2.5, 50.5, 5.5, 51.5)), EUROPE).tile_tracks
    for key in ("R008_31UES", "R051_31UDS", "R094_31UES", "R008_31UFS"):
        grid = tile_grid(tile_of(key), 600)
        x, y = np.meshgrid(
            grid.left + (np.arange(grid.width) + 0.5) * 600, grid.top - (np.arange(grid.height) + 0.5) * 600
        )
        longitude, latitude = transformer(grid.crs, "EPSG:4326").transform(x, y)
        inside = (np.abs(longitude - 4) < 1.5) & (np.abs(latitude - 51) < 0.5)
        seen = distance_to_centre(track_of(key), grid) < 145
        assert found[key] == pytest.approx((inside & seen).mean(), abs=0.01), key


def test_no_place_loses_a_track() -> None:
    found = plan(area(box(2.5, 50.5, 5.5, 51.5)), EUROPE)
    outlines = {key: tile_grid(tile_of(key)).footprint() for key in found.tile_tracks}
    rng = np.random.default_rng(3)
    for longitude, latitude in zip(rng.uniform(2.5, 5.5, 15), rng.uniform(50.5, 51.5, 15), strict=True):
        spot = box(longitude, latitude, longitude + 1e-3, latitude + 1e-3)
        alone = plan(area(spot), EUROPE)
        assert {track_of(key) for key in alone.tile_tracks} <= {
            track_of(key) for key, outline in outlines.items() if outline.contains(spot)
        }
        assert set(alone.sheets) <= set(found.sheets)


def up_to(top: float, bottom: float) -> MultiPolygon:
    """50 km of the middle of tile 31UES, from one northing to another."""
    grid = tile_grid("31UES")
    height = round((top - bottom) / 100)
    return area(Grid(grid.crs, grid.left + 30_000, bottom + height * 100, 100, 100, 500, height).footprint())


def test_a_tile_that_adds_nothing_is_left_out() -> None:
    here, above = tile_grid("31UES").bounds, tile_grid("31UET").bounds

    def tiles(polygons: MultiPolygon) -> set[str]:
        return {tile_of(key) for key in plan(polygons, EUROPE).tile_tracks}

    bottom = here.bottom + 20_000
    assert tiles(up_to(above.bottom, bottom)) == {"31UES"}
    assert tiles(up_to(above.bottom + 300, bottom)) == {"31UES"}
    assert tiles(up_to(above.bottom + 5_000, bottom)) == {"31UES", "31UET"}
    # Small, but nobody else has it; or small, but all that is asked for.
    islet = up_to(here.top + 300, here.top + 100)
    assert tiles(area(*up_to(above.bottom, bottom).geoms, *islet.geoms)) == {"31UES", "31UET"}
    assert tiles(up_to(above.bottom + 300, above.bottom)) == {"31UES", "31UET"}


def test_a_track_that_adds_nothing_is_left_out() -> None:
    tile = tile_grid("31UES").footprint()
    for reach, tracks in ((145.5, {"R051"}), (144.9, {"R051"}), (130, {"R051", "R094"})):
        beyond = shapely.difference(tile, swath("R094", reach))
        keys = plan(area(beyond), EUROPE).tile_tracks
        assert {track_of(key) for key in keys if tile_of(key) == "31UES"} - {"R008"} == tracks
    sliver = plan(area(shapely.intersection(tile, swath("R094")).difference(swath("R094", 144.9))), EUROPE)
    assert {"R051_31UES", "R094_31UES"} <= set(sliver.tile_tracks)


def test_an_islet_keeps_all_its_tracks_beside_a_mainland() -> None:
    islet, mainland = box(3.53, 51.62, 3.54, 51.63), box(4.5, 50, 7.5, 51.4)
    alone, both = plan(area(islet), EUROPE), plan(area(islet, mainland), EUROPE)
    tracks = {track_of(key) for key in alone.tile_tracks}
    assert len(tracks) >= 2
    tiles = {tile_of(key) for key in alone.tile_tracks}
    assert {track_of(key) for key in both.tile_tracks if tile_of(key) in tiles} >= tracks


def test_the_plan_depends_on_nothing_but_the_area() -> None:
    first, second = box(3, 50, 4, 51), box(4.5, 50, 5, 51)
    assert plan(area(first, second), EUROPE) == plan(area(second, first), EUROPE)


def test_progress_ends_with_all_tiles() -> None:
    calls: list[tuple[int, int]] = []
    plan(area(box(3, 50, 5, 51)), EUROPE, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1] == len(calls)


def test_an_area_over_the_antimeridian() -> None:
    degrees = Mosaic(crs="EPSG:4326", resolution=0.001)
    found = plan(area(box(179.5, -17.5, 180, -16.5), box(-180, -17.5, -179.5, -16.5)), degrees)
    assert set(found.sheets) == {"X179Y-18", "X179Y-17", "X-180Y-18", "X-180Y-17"}
    assert {tile[:2] for tile in map(tile_of, found.tile_tracks)} == {"01", "60"}
    utm = plan(area(box(179.5, -17.5, 180, -16.5), box(-180, -17.5, -179.5, -16.5)), Mosaic(crs="EPSG:32701"))
    assert utm.tile_tracks == found.tile_tracks
    assert len(utm.sheets) <= 6


def test_where_sentinel_2_never_looks() -> None:
    with pytest.raises(RequestError, match="sees nothing of the area"):
        plan(area(box(10, 83.2, 20, 83.6)), EUROPE)
    with pytest.raises(RequestError, match="sees nothing of the area"):
        plan(area(box(10, 85, 20, 90)), EUROPE)
    with pytest.raises(RequestError, match="outside the domain of EPSG:3035"):
        plan(area(box(115, -32, 115.2, -31.9)), EUROPE)


def test_the_nine_tiles_of_one_pass_are_planned(shared_data: Path) -> None:
    scenes = json.loads((shared_data / "stac-items/odc-stac/site1-20200606-tall-strip-africa.geojson").read_text())
    expected = {
        f"R{f['properties']['sat:relative_orbit']:03d}_{f['properties']['s2:mgrs_tile']}" for f in scenes["features"]
    }
    assert len(expected) == 9
    strip = shapely.union_all([shape(scene["geometry"]) for scene in scenes["features"]])
    found = plan(MultiPolygon([strip]), Mosaic(crs="EPSG:32735"))
    assert expected <= set(found.tile_tracks)


def test_europe_is_planned_as_it_is_shipped_in_well_under_a_minute() -> None:
    start = time.perf_counter()
    whole = plan(read_area(SHIPPED / "europe.geojson"), EUROPE)
    parts = split(whole, EUROPE, regions.MAX_TILE_TRACKS)
    assert time.perf_counter() - start < 30
    assert len(whole.tile_tracks) > regions.MAX_TILE_TRACKS
    out = SHIPPED / "europe.yaml"
    files = region_files(parts, out, template(None, out)[0], name="europe", source="europe.geojson")
    assert {path: path.read_text() for path in SHIPPED.glob("europe-*.yaml")} == files
    page = " ".join((SHIPPED.parents[1] / "docs/planning.md").read_text().split())
    assert " and ".join(f"{len(part.tile_tracks):,}" for part in parts) + " tile_tracks, where the whole needs" in page
    assert "{tile_tracks:,} of {tiles:,} tiles and {tracks} tracks for {sheets} sheets".format(**whole.counts) in page


def test_shipped_regions_have_the_sheets_that_their_tiles_touch() -> None:
    sheets: list[str] = []
    for path in SHIPPED.glob("europe-*.yaml"):
        region = regions.load(path)
        touched = track_sheets(region.tiles, region.mosaic, region.sheets)
        assert region.sheets is not None
        assert set(region.sheets) == {name for names in touched.values() for name in names}
        sheets += region.sheets
    assert len(set(sheets)) == len(sheets)
