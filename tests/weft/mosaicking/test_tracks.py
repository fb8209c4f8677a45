from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.affinity import translate
from shapely.geometry import LineString, Point, shape

from tests.oracles.mosaicking import GEOD, geodesic_distance_km
from weft.errors import RequestError
from weft.mosaicking import CentreDistance, centre_line, covers, distance_to_centre, swath, tile_grid, track_number
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
    for track in range(1, 144):
        longitude, latitude = np.asarray(centre_line(track).coords).T
        assert (np.diff(latitude) < 0).all()
        assert np.abs(np.diff(longitude)).max() < 1.0
        assert -180 <= np.interp(0, latitude[::-1], longitude[::-1]) < 180
        assert latitude[0] == pytest.approx(81.48, abs=0.01)
        assert latitude[-1] == pytest.approx(-81.48, abs=0.01)


def test_tracks_are_evenly_spaced_and_first_starts_at_its_node() -> None:
    crossings = sorted(centre_line(track).coords[900][0] for track in range(1, 144))
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
    assert centre_line("R051").equals(centre_line(51))


@pytest.mark.parametrize(("track", "tile"), KNOWN_PAIRS)
def test_known_tile_and_track_pairs_meet(track: int, tile: str) -> None:
    assert covers(track, tile_grid(tile))


def test_few_tracks_see_a_tile() -> None:
    assert [track for track in range(1, 144) if covers(track, tile_grid("31UDS"))] == [51, 94]


def test_swath_is_290_km_wide_and_also_found_across_the_antimeridian() -> None:
    for track in (1, 51, 94):
        area = swath(track)
        assert area.is_valid
        line = np.asarray(centre_line(track).coords)[300:1500:100]
        assert all(area.contains(Point(point)) for point in line)
        border = shapely.segmentize(area, 0.1).exterior
        assert geodesic_distance_km(centre_line(track), *border.interpolate(0.2, normalized=True).coords[0]) < 145.3
    assert any(covers(track, tile_grid("01WCP")) for track in range(1, 144))
    assert covers(73, tile_grid("01WCP"))  # a real product of the data folder, R073 over T01WCP
    assert covers(29, tile_grid("01KAB"))


GRIDS = [
    Grid("EPSG:3035", 3_800_000, 3_200_000, 900, 900, 111, 97),
    Grid("EPSG:32631", 399_960, 5_700_000, 600, 600, 183, 183),
    Grid("EPSG:32701", 300_000, 8_200_000, 1700, 1700, 60, 60),  # across the antimeridian
    Grid("EPSG:4326", 3.0, 51.5, 0.01, 0.01, 90, 110),
    Grid("EPSG:3035", 3_000_000, 3_600_000, 20_000, 20_000, 30, 12),  # pixels larger than the node spacing
]


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid.crs}-{grid.x_size}")
@pytest.mark.parametrize("track", [51, 94, 29])
def test_distance_is_within_50_m_of_exact_geodesics(grid: Grid, track: int) -> None:
    distance = distance_to_centre(track, grid)
    assert distance.dtype == np.float32
    assert distance.shape == grid.shape
    rng = np.random.default_rng(track)
    to_degrees = transformer(grid.crs, "EPSG:4326")
    near = np.argwhere(distance < 5)  # the kink at the centre line is where interpolation could fail
    picks = np.concatenate([rng.integers(0, grid.shape, (12, 2)), near[rng.permutation(len(near))[:12]]])
    for row, col in picks:
        x, y = grid.left + (col + 0.5) * grid.x_size, grid.top - (row + 0.5) * grid.y_size
        exact = geodesic_distance_km(centre_line(track), *to_degrees.transform(x, y))
        assert abs(distance[row, col] - exact) < 0.05, (row, col, exact)


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


@pytest.mark.parametrize("latitude", [-30, 0, 30, 45, 55])
def test_lines_lie_in_the_middle_of_the_planned_footprints(latitude: float, shared_data: Path) -> None:
    document = json.loads((shared_data / "sentinel2-grid-and-orbits/sentinel_orbits.geojson").read_text())
    offsets = {}
    for feature in document["features"]:
        track = int(feature["properties"]["OrbitRelative"])
        x = _crossing(track, latitude)
        world = shape(feature["geometry"]).buffer(0)
        cut = shapely.union_all([translate(world, turn) for turn in (-360, 0, 360)]).intersection(
            LineString([(x - 12, latitude), (x + 12, latitude)])
        )
        for part in getattr(cut, "geoms", [cut]):
            west, _, east, _ = part.bounds if not part.is_empty else (0, 0, 0, 0)
            width = GEOD.inv(west, latitude, east, latitude)[2] / 1000
            # Narrower ones are the oblique ends of a data take.
            if part.distance(Point(x, latitude)) < 0.5 and width > 285:
                offsets[track] = GEOD.inv(x, latitude, (west + east) / 2, latitude)[2] / 1000
    assert len(offsets) > 30
    assert max(offsets.values()) < 3.0


def _crossing(track: int, latitude: float) -> float:
    longitudes, latitudes = np.asarray(centre_line(track).coords).T
    return (float(np.interp(latitude, latitudes[::-1], longitudes[::-1])) + 180) % 360 - 180
