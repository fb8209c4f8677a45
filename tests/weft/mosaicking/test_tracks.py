from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, shape

from tests.oracles.mosaicking import GEOD, geodesic_distance_km
from weft.errors import RequestError
from weft.mosaicking import (
    CentreDistance,
    Track,
    centre_line,
    covers,
    distance_to_centre,
    swath,
    tile_grid,
    track,
    track_number,
)
from weft.mosaicking.tracks import signed_distance
from weft.rasters.grid import Grid, Window, transformer

KNOWN_PAIRS = [
    (65, "32TLS"),
    (51, "30UYV"),
    (6, "37MFR"),
    (49, "37MFR"),
    (11, "19TCF"),
    (111, "19TCF"),
    (51, "31UDS"),
    (94, "31UDS"),
]


def test_line_runs_from_north_to_south_with_continuous_longitudes() -> None:
    for number in range(1, 144):
        longitude, latitude = np.asarray(centre_line(number).coords).T
        assert (np.diff(latitude) < 0).all()
        assert np.abs(np.diff(longitude)).max() < 1.0
        assert -180 <= np.interp(0, latitude[::-1], longitude[::-1]) < 180
        assert latitude[0] == pytest.approx(81.48, abs=0.01)
        assert latitude[-1] == pytest.approx(-81.48, abs=0.01)
        assert max(GEOD.inv(longitude[:-1], latitude[:-1], longitude[1:], latitude[1:])[2]) < 12_000


def test_tracks_are_evenly_spaced_and_first_starts_at_its_node() -> None:
    crossings = sorted(centre_line(number).coords[900][0] for number in range(1, 144))
    assert np.allclose(np.diff(crossings), 360 / 143)
    # Half a revolution after 1.000 E the Earth has turned by half a step, less what the frozen orbit gains.
    assert centre_line(1).coords[900][0] == pytest.approx(1 + 180 - 3600 / 143 / 2 - 360 + 0.0164, abs=1e-3) or (
        centre_line(1).coords[900][0] == pytest.approx(1 + 180 - 3600 / 143 / 2 + 0.0164, abs=1e-3)
    )


@pytest.mark.parametrize("bad", [0, 144, -1, "51", "R51", "R144", "R000", "r051", "R0511", True, 51.0, None, ""])
def test_bad_tracks_are_refused(bad: object) -> None:
    with pytest.raises(RequestError, match="use 1 to 143 or R001 to R143"):
        centre_line(bad)  # type: ignore[arg-type]


def test_number_and_key_name_the_same_track() -> None:
    assert track_number("R051") == track_number(51) == 51
    assert track("R051") is track(51)
    assert centre_line("R051") is centre_line(51) is track(51).line


def test_a_track_of_sentinel_2() -> None:
    found = track(7)
    assert (found.key, found.half_width_km, found.taper_end_km) == ("R007", 145.0, 140.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.key = "R008"  # type: ignore[misc]
    with pytest.raises(RequestError, match="use 1 to 143"):
        track("P013")


def meridian(longitude: float, north: float = 60.0, south: float = 40.0, half_width_km: float = 90.0) -> Track:
    vertices = [(longitude, latitude) for latitude in np.arange(north, south - 0.05, -0.1)]
    return Track(f"M{longitude:g}", LineString(vertices), half_width_km)


def test_everything_also_takes_a_track_of_another_mission() -> None:
    here, there = meridian(10.0), meridian(10.0, half_width_km=40.0)
    assert centre_line(here) is here.line
    assert here.taper_end_km == 85.0
    grid = Grid("EPSG:32632", 620_000, 5_600_000, 3000, 3000, 30, 30)  # 10.7 to 12.0 degrees east
    assert covers(here, grid)
    assert not covers(there, grid)
    assert not covers(here, dataclasses.replace(grid, left=680_000))
    assert swath(here).area > swath(there).area == swath(here, 40.0).area
    distance = distance_to_centre(here, grid)
    longitude, latitude = transformer(grid.crs, "EPSG:4326").transform(620_000 + 1500, 5_600_000 - 1500)
    assert distance[0, 0] == pytest.approx(geodesic_distance_km(here.line, longitude, latitude), abs=0.005)
    assert np.array_equal(CentreDistance(here, grid).read(Window(0, 0, 30, 30)), distance)
    # Another line under the same key is another track.
    assert distance_to_centre(dataclasses.replace(here, line=meridian(11.0).line), grid)[0, 0] < 25


def test_signed_distances_are_positive_in_the_east() -> None:
    found = signed_distance(meridian(179.95), np.array([-179.95, 179.85, 180.05]), np.full(3, 50.0))
    assert found == pytest.approx([7.17, -7.17, 7.17], abs=0.01)


def test_beyond_its_ends_a_line_is_as_far_as_its_end() -> None:
    found = signed_distance(meridian(10.0), np.array([10.0, 10.0, 11.0]), np.array([61.0, 39.5, 61.0]))
    ends = GEOD.inv([10.0] * 3, [60.0, 40.0, 60.0], [10.0, 10.0, 11.0], [61.0, 39.5, 61.0])[2]
    assert np.abs(found) == pytest.approx(np.array(ends) / 1000)


@pytest.mark.parametrize(("number", "tile"), KNOWN_PAIRS)
def test_known_tile_and_track_pairs_meet(number: int, tile: str) -> None:
    assert covers(number, tile_grid(tile))


def test_few_tracks_see_a_tile() -> None:
    assert [number for number in range(1, 144) if covers(number, tile_grid("31UDS"))] == [51, 94]


def test_every_real_pair_of_tile_and_track_meets(shared_data: Path) -> None:
    pairs = set(_pairs(shared_data))
    assert len(pairs) >= 25
    assert {
        (78, tile) for tile in ("35MNM", "35LNL", "35LNK", "35LNJ", "35LNH", "35LNG", "35LNF", "35LNE", "35LND")
    } < pairs
    assert [(number, tile) for number, tile in sorted(pairs) if not covers(number, tile_grid(tile))] == []


def _pairs(folder: Path) -> Iterator[tuple[int, str]]:
    """All pairs in names of files and in texts; in names of granules the absolute orbit stands for the relative one."""
    shift = {"A": 2, "B": -27}
    for path in sorted(folder.rglob("*")):
        text = path.name
        if path.is_file() and path.suffix.lower() in {".json", ".geojson", ".xml", ".safe", ".csv", ".txt"}:
            text += path.read_text()
        for number, tile in re.findall(r"_R(\d{3})_T(\d{2}[A-Z]{3})", text):
            yield int(number), tile
        for unit, orbit, tile in re.findall(r"S2([AB])_OPER_\w+?_A(\d{6})_T(\d{2}[A-Z]{3})", text):
            yield (int(orbit) + shift[unit]) % 143 + 1, tile


def test_swath_is_290_km_wide_and_also_found_across_the_antimeridian() -> None:
    for number in (1, 51, 94):
        area = swath(number)
        assert area.is_valid
        line = np.asarray(centre_line(number).coords)[300:1500:100]
        assert all(area.contains(Point(point)) for point in line)
        border = shapely.segmentize(area, 0.1).exterior
        assert geodesic_distance_km(centre_line(number), *border.interpolate(0.2, normalized=True).coords[0]) < 145.3
    assert any(covers(number, tile_grid("01WCP")) for number in range(1, 144))
    assert covers(73, tile_grid("01WCP"))  # a real product of the data folder, R073 over T01WCP
    assert covers(29, tile_grid("01KAB"))


GRIDS = [
    Grid("EPSG:3035", 3_800_000, 3_200_000, 900, 900, 111, 97),
    Grid("EPSG:32631", 399_960, 5_700_000, 600, 600, 183, 183),
    Grid("EPSG:32701", 120_000, 8_200_000, 1700, 1700, 60, 60),  # across the antimeridian
    Grid("EPSG:4326", 3.0, 51.5, 0.01, 0.01, 90, 110),
    Grid("EPSG:4326", 179.4, -16.2, 0.01, 0.01, 120, 70),  # across the antimeridian
    Grid("EPSG:4326", -181.0, 79.6, 0.02, 0.005, 150, 160),  # and near the end of the lines
    Grid("EPSG:32633", 450_000, 8_950_000, 900, 900, 120, 120),  # 79.6 to 80.6 degrees north
    Grid("EPSG:32721", 400_000, 1_500_000, 900, 900, 120, 120),  # 76.6 to 77.6 degrees south
    Grid("EPSG:3413", -60_000, -1_100_000, 1000, 1000, 120, 120),  # polar stereographic, 79 to 80 degrees north
    Grid("EPSG:3857", 600_000, 9_000_000, 700, 700, 150, 150),  # metres of Mercator are short
    Grid("EPSG:3035", 3_000_000, 3_600_000, 20_000, 20_000, 30, 12),  # pixels larger than the node spacing
]


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid.crs}-{grid.x_size}")
def test_distance_is_within_50_m_of_exact_geodesics(grid: Grid) -> None:
    rng = np.random.default_rng(5)
    middle = np.array([[grid.left + grid.width * grid.x_size / 2, grid.top - grid.height * grid.y_size / 2]])
    longitude, latitude = transformer(grid.crs, "EPSG:4326").transform(*middle.T)
    away = [abs(signed_distance(track(number), longitude, latitude)[0]) for number in range(1, 144)]
    nearest = np.argsort(away) + 1
    for number in (*nearest[:2], nearest[12]):
        distance = distance_to_centre(int(number), grid)
        assert distance.dtype == np.float32
        assert distance.shape == grid.shape
        near = np.argwhere(distance < 5)  # the kink at the centre line is where interpolation could fail
        assert len(near) or number != nearest[0] or grid.x_size > 10_000
        picks = np.concatenate([rng.integers(0, grid.shape, (12, 2)), near[rng.permutation(len(near))[:12]]])
        for row, col in picks:
            x, y = grid.left + (col + 0.5) * grid.x_size, grid.top - (row + 0.5) * grid.y_size
            exact = geodesic_distance_km(centre_line(int(number)), *transformer(grid.crs, "EPSG:4326").transform(x, y))
            assert abs(distance[row, col] - exact) < 0.05, (number, row, col, exact)


@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, 143), vertex=st.integers(30, 1770), east=st.floats(-300, 300), start=st.floats(-180, 180))
def test_distance_of_any_point_is_that_of_exact_geodesics(number: int, vertex: int, east: float, start: float) -> None:
    line = np.asarray(centre_line(number).coords)
    azimuth, _, _ = GEOD.inv(*line[vertex], *line[vertex + 1])
    longitude, latitude, _ = GEOD.fwd(*line[vertex], azimuth - 90.0, 1000.0 * east)
    found = signed_distance(track(number), np.array([longitude + 360.0]), np.array([latitude]))[0]
    assert abs(abs(found) - geodesic_distance_km(centre_line(number), longitude, latitude)) < 0.005
    if abs(latitude) < 78:
        assert abs(found - east) < 1.0


def test_a_grid_over_the_centre_line_reaches_zero() -> None:
    x, y = centre_line(51).coords[430]
    grid = Grid("EPSG:4326", x - 0.05, y + 0.05, 0.0005, 0.0005, 200, 200)
    assert distance_to_centre(51, grid).min() < 0.05


def test_blocks_have_the_bits_of_the_whole() -> None:
    grid = Grid("EPSG:3035", 3_800_000, 3_200_000, 250, 250, 301, 233)
    whole, blocks = distance_to_centre(51, grid), CentreDistance(51, grid)
    for window in grid.blocks(37, 64):
        assert np.array_equal(blocks.read(window), whole[window.slices])
    assert blocks.read(Window(200, 17, 1, 1))[0, 0] == whole[200, 17]


def test_a_grid_outside_its_crs_is_refused() -> None:
    with pytest.raises(RequestError, match="outside the domain"):
        distance_to_centre(51, Grid("EPSG:3035", 5e7, 5e7, 1e5, 1e5, 4, 4))


OVER_A_POLE = [
    Grid("EPSG:3413", -50_000, 50_000, 1000, 1000, 100, 100),
    Grid("EPSG:3413", 0, 100_000, 1000, 1000, 100, 100),  # one of its corners
    Grid("EPSG:3031", -900_000, 10_000, 10_000, 10_000, 100, 100),
    Grid("EPSG:32633", 450_000, 10_000_000, 1000, 1000, 100, 100),
    Grid("EPSG:4326", 10, 90, 0.1, 0.1, 10, 10),
    Grid("EPSG:4326", 10, -85, 0.1, 0.1, 10, 60),
]


@pytest.mark.parametrize("grid", OVER_A_POLE, ids=lambda grid: f"{grid.crs}-{grid.top}")
def test_a_grid_over_a_pole_is_refused(grid: Grid) -> None:
    with pytest.raises(RequestError, match="reaches a pole, which no track sees; end the area at 84 degrees"):
        CentreDistance(51, grid)
    with pytest.raises(RequestError, match="reaches a pole"):
        covers(51, grid)


def test_a_grid_beside_a_pole_is_not_over_it() -> None:
    for grid in (
        Grid("EPSG:3413", 300_000, 900_000, 1000, 1000, 100, 100),
        Grid("EPSG:4326", 10, 84, 0.1, 0.1, 10, 10),
        Grid("EPSG:3857", 0, 15_000_000, 1000, 1000, 10, 10),
        Grid("EPSG:4326", -180, 80, 1, 1, 360, 160),
    ):
        assert np.isfinite(distance_to_centre(51, grid)).all()
        covers(51, grid)


LATITUDES = (-30, 0, 30, 45, 55)


@pytest.fixture(scope="module")
def planned(shared_data: Path) -> dict[int, MultiPolygon]:
    """Planned footprints of each track, also one turn east and one turn west."""
    document = json.loads((shared_data / "sentinel2-grid-and-orbits/sentinel_orbits.geojson").read_text())
    worlds = {int(f["properties"]["OrbitRelative"]): shape(f["geometry"]).buffer(0) for f in document["features"]}
    return {
        number: MultiPolygon([part for turn in (-360, 0, 360) for part in _polygons(translate(world, turn))])
        for number, world in worlds.items()
    }


def test_lines_lie_in_the_middle_of_the_planned_footprints(planned: dict[int, MultiPolygon]) -> None:
    assert sorted(planned) == list(range(1, 144))
    offsets: dict[int, dict[int, float]] = {number: {} for number in planned}
    for number, world in planned.items():
        offsets[number] = _offsets(number, world, LATITUDES)
    for latitude in LATITUDES:
        assert sum(latitude in found for found in offsets.values()) >= 36, "the others cross water there"
    # Thirteen tracks are never switched on at these latitudes; they are measured where they are.
    elsewhere = [number for number, found in offsets.items() if not found]
    assert len(elsewhere) == 13
    for number in elsewhere:
        offsets[number] = _offsets(number, planned[number], range(-50, 56))
        assert offsets[number], number
    assert max(offset for found in offsets.values() for offset in found.values()) < 3.0


def _offsets(number: int, world: MultiPolygon, latitudes: Iterable[int]) -> dict[int, float]:
    """Kilometres from the line to the middle of the footprint, at the latitudes where all of its width is planned."""
    found = {}
    for latitude in latitudes:
        x = _crossing(number, latitude)
        parallel = LineString([(x - 12, latitude), (x + 12, latitude)])
        expected = _length(_cut(MultiPolygon([translate(swath(number), turn) for turn in (-360, 0, 360)]), parallel, x))
        seen = _cut(world, parallel, x)
        # What is narrower or wider is the oblique end of a data take.
        if abs(_length(seen) - expected) < 3.0:
            west, _, east, _ = seen.bounds
            found[latitude] = GEOD.inv(x, latitude, (west + east) / 2, latitude)[2] / 1000
    return found


def _cut(area: MultiPolygon, parallel: LineString, x: float) -> LineString:
    """The piece of a parallel inside an area that reaches over a longitude; empty if there is none."""
    cut = shapely.intersection(area, parallel)
    pieces = [part for part in getattr(cut, "geoms", [cut]) if not part.is_empty and part.bounds[0] <= x]
    return next((part for part in pieces if part.bounds[2] >= x), LineString())


def _length(piece: LineString) -> float:
    if piece.is_empty:
        return 0.0
    west, latitude, east, _ = piece.bounds
    return float(GEOD.inv(west, latitude, east, latitude)[2]) / 1000


def _polygons(area: Polygon | MultiPolygon) -> list[Polygon]:
    return list(getattr(area, "geoms", [area]))


def _crossing(number: int, latitude: float) -> float:
    longitudes, latitudes = np.asarray(centre_line(number).coords).T
    return (float(np.interp(latitude, latitudes[::-1], longitudes[::-1])) + 180) % 360 - 180
