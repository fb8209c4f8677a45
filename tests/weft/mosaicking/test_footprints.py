from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Point, Polygon, box, shape

from tests.oracles.mosaicking import GEOD, geodesic_distance_km
from weft.errors import RequestError
from weft.mosaicking import Track, centre_line, covers, distance_to_centre, midline, swath, track
from weft.mosaicking.tracks import signed_distance
from weft.rasters.grid import Grid

LENGTH_KM, WIDTH_KM, STEP_KM = 180.0, 186.0, 160.0


def scene(path: Track, start_km: float, *, aside_km: float = 0.0, skew_km: float = 0.0, north: float = 60.0) -> Polygon:
    """A scene of a path, ``start_km`` along its line from a latitude; skewed as the turning Earth does."""
    line = np.asarray(path.line.coords)
    line = line[line[:, 1] <= north]
    steps = GEOD.inv(*line[:-1].T, *line[1:].T)[2]
    flown = np.concatenate([[0.0], np.cumsum(steps)]) / 1000.0
    corners = []
    for along, across in ((0.0, -1), (0.0, 1), (LENGTH_KM, 1), (LENGTH_KM, -1)):
        at = start_km + along + skew_km * across
        vertex = int(np.clip(np.searchsorted(flown, at) - 1, 0, len(line) - 2))
        azimuth, _, _ = GEOD.inv(*line[vertex], *line[vertex + 1])
        x, y, _ = GEOD.fwd(*line[vertex], azimuth, 1000.0 * (at - flown[vertex]))
        # Looking along the flight, which is southwards, 90 degrees to the left is east.
        corners.append(GEOD.fwd(x, y, azimuth - 90.0, 1000.0 * (across * WIDTH_KM / 2 + aside_km))[:2])
    return Polygon(corners)


@pytest.mark.parametrize("number", [51, 94, 29, 112])
@pytest.mark.parametrize("rows", [1, 2, 5, 40])
def test_midline_of_the_scenes_of_a_path_is_its_line(number: int, rows: int) -> None:
    footprints = [scene(track(number), STEP_KM * row) for row in range(rows)]
    found = midline("P051", footprints)
    assert found.key == "P051"
    line = np.asarray(found.line.coords)
    assert (np.diff(line[:, 1]) < 0).all()
    assert max(GEOD.inv(*line[:-1].T, *line[1:].T)[2]) <= 10_000.001
    inner = line[10:-10]
    # The path bends within a scene, by 0.6 km at 60 degrees north.
    assert np.abs(signed_distance(track(number), *inner.T)).max() < 0.7
    assert found.half_width_km == pytest.approx(WIDTH_KM / 2, abs=1.2)
    assert found.half_width_km <= WIDTH_KM / 2
    assert found.taper_end_km == found.half_width_km - 5


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("number", [1, 51, 112])
def test_near_the_pole_scenes_lie_along_no_meridian(number: int, rows: int) -> None:
    footprints = [scene(track(number), STEP_KM * row, north=79.6) for row in range(rows)]
    found = midline("P051", footprints)
    line = np.asarray(found.line.coords)
    assert GEOD.inv(*line[0], *line[10])[0] % 360 < 240, "flown to the south-west"
    assert np.abs(signed_distance(track(number), *line[10:-10].T)).max() < 2.0
    assert found.half_width_km == pytest.approx(WIDTH_KM / 2, abs=4.0)


def test_every_corner_has_its_foot_on_the_line() -> None:
    footprints = [scene(track(51), STEP_KM * row, skew_km=10.0) for row in range(3)]
    found = midline("P051", footprints)
    ends = [found.line.coords[0], found.line.coords[-1]]
    for corner in shapely.get_coordinates(footprints):
        nearest = abs(signed_distance(found, *corner[:, None])[0])
        assert min(GEOD.inv(*corner, *end)[2] for end in ends) / 1000 > nearest + 1
        assert nearest == pytest.approx(WIDTH_KM / 2, abs=1.2)


def test_half_width_is_that_of_the_nearest_side() -> None:
    footprints = [scene(track(51), STEP_KM * row, aside_km=aside) for row, aside in ((0, 0), (0, 4), (0, -4), (1, 1))]
    found = midline("P051", footprints)
    assert found.half_width_km == pytest.approx(WIDTH_KM / 2 - 4, abs=1.0)
    sides = np.concatenate([np.linspace(a, b, 30) for f in footprints for a, b in _sides(f)])
    assert found.half_width_km == pytest.approx(np.abs(signed_distance(found, *sides.T)).min(), abs=0.05)


def _sides(footprint: Polygon) -> list[tuple[np.ndarray, np.ndarray]]:
    corners = shapely.get_coordinates(footprint)
    return [(corners[0], corners[3]), (corners[1], corners[2])]


def test_order_and_dates_of_the_footprints_do_not_matter() -> None:
    footprints = [scene(track(51), STEP_KM * row, aside_km=aside) for row in range(3) for aside in (-2.0, 0.5, 3.0)]
    expected = midline("P051", footprints)
    rng = np.random.default_rng(1)
    for _ in range(5):
        assert midline("P051", [footprints[k] for k in rng.permutation(9)]) == expected
    turned = [Polygon(np.roll(shapely.get_coordinates(f)[:-1], 2, axis=0)[::-1]) for f in footprints]
    assert midline("P051", turned) == expected


def test_rounded_and_ragged_outlines_have_the_same_corners() -> None:
    exact = [scene(track(51), STEP_KM * row) for row in range(2)]
    expected = midline("P051", exact)
    dense = midline("P051", [shapely.segmentize(footprint, 0.05) for footprint in exact])
    assert dense.line.equals_exact(expected.line, 1e-9)
    ragged = midline("P051", [footprint.buffer(0.01).simplify(0.002) for footprint in exact])
    assert ragged.half_width_km == pytest.approx(expected.half_width_km, abs=1.5)
    assert np.abs(signed_distance(expected, *np.asarray(ragged.line.coords)[10:-10].T)).max() < 0.5


def test_the_antimeridian_is_a_place_like_any_other() -> None:
    plain = [scene(track(29), STEP_KM * row) for row in range(38, 55)]
    outlines = [
        shapely.transform(f, lambda xy: np.column_stack([xy[0, 0] + _turn(xy[:, 0] - xy[0, 0]), xy[:, 1]]))
        for f in plain
    ]
    crossing = [f for f in outlines if f.bounds[0] < -180 < f.bounds[2] or f.bounds[0] < 180 < f.bounds[2]]
    assert crossing
    expected = midline("P029", outlines)
    longitude = np.asarray(expected.line.coords)[:, 0]
    assert np.abs(np.diff(longitude)).max() < 1
    for changed in (
        [translate(f, 360) for f in outlines],
        [shapely.transform(f, lambda xy: np.column_stack([_turn(xy[:, 0]), xy[:, 1]])) for f in outlines],
    ):
        found = midline("P029", changed)
        assert found.half_width_km == pytest.approx(expected.half_width_km, abs=1e-6)
        assert np.abs(signed_distance(expected, *np.asarray(found.line.coords).T)).max() < 1e-6
    cut = [_cut(f) for f in outlines]
    assert any(isinstance(f, MultiPolygon) for f in cut)
    found = midline("P029", cut)
    assert found.half_width_km == pytest.approx(expected.half_width_km, abs=1e-3)
    grid = Grid("EPSG:4326", 179.0, centre_latitude(crossing[0]), 0.02, 0.02, 100, 20)
    assert covers(found, grid)
    assert distance_to_centre(found, grid).max() < 300


def _turn(longitude: np.ndarray) -> np.ndarray:
    return (longitude + 180) % 360 - 180


def _cut(footprint: Polygon) -> MultiPolygon | Polygon:
    """As GeoJSON wants it: in parts, each within [-180, 180]."""
    parts = [shapely.intersection(translate(footprint, turn), box(-180, -90, 180, 90)) for turn in (-360, 0, 360)]
    parts = [part for part in parts if not part.is_empty]
    return MultiPolygon(parts) if len(parts) > 1 else parts[0]


def centre_latitude(footprint: Polygon) -> float:
    return float(footprint.centroid.y)


@settings(max_examples=25, deadline=None)
@given(
    number=st.integers(1, 143),
    first=st.integers(0, 60),
    rows=st.integers(1, 6),
    asides=st.lists(st.floats(-4, 4), min_size=6, max_size=6),
    skew=st.floats(-12, 12),
)
def test_weights_end_before_the_data_do(number: int, first: int, rows: int, asides: list[float], skew: float) -> None:
    footprints = [
        scene(track(number), STEP_KM * (first + row), aside_km=asides[row], skew_km=skew) for row in range(rows)
    ]
    found = midline("P001", footprints)
    border = np.concatenate([np.linspace(a, b, 7) for f in footprints for a, b in _sides(f)])
    for point in border[::6]:
        assert geodesic_distance_km(found.line, *point) > found.taper_end_km + 4


def test_a_path_covers_its_scenes_and_not_its_neighbours() -> None:
    footprints = [scene(track(51), STEP_KM * row) for row in range(3)]
    found = midline("P051", footprints)
    area = swath(found)
    assert area.is_valid
    assert all(shapely.intersection(area, f).area > 0.98 * f.area for f in footprints)
    assert not area.contains(Point(scene(track(94), STEP_KM).centroid))


SQUARE = scene(track(51), 0.0)


def several_paths() -> list[list[Polygon]]:
    beside = scene(track(51), 0.0, aside_km=130.0)
    return [
        [SQUARE, beside],
        [SQUARE, scene(track(51), STEP_KM, aside_km=130.0)],
        [SQUARE, scene(track(51), 20.0, aside_km=-60.0)],
        [SQUARE, beside, scene(track(51), STEP_KM)],
    ]


@pytest.mark.parametrize("footprints", several_paths(), ids=range(4))
def test_scenes_of_several_paths_are_refused(footprints: list[Polygon]) -> None:
    for order in itertools.permutations(footprints):
        with pytest.raises(
            RequestError, match=r"P051 lie [0-9]+ km beside each other; give the scenes of one path only"
        ):
            midline("P051", order)


def test_a_gap_is_refused() -> None:
    with pytest.raises(RequestError, match=r"P051 leave a gap of 140 km along the flight"):
        midline("P051", [SQUARE, scene(track(51), 2 * STEP_KM)])
    midline("P051", [SQUARE, scene(track(51), 2 * STEP_KM), scene(track(51), STEP_KM)])


def test_no_footprint_is_refused() -> None:
    with pytest.raises(RequestError, match="P051 has no footprint"):
        midline("P051", [])


NO_SCENES = {
    "is no polygon in degrees": [
        Polygon(),
        Polygon([(0, 50), (float("inf"), 51), (2, 51)]),
        Polygon([(500_000, 5_600_000), (600_000, 5_600_000), (600_000, 5_500_000)]),
        Polygon([(0, 89), (1, 89), (1, 91), (0, 91)]),
    ],
    "no quadrilateral along the flight": [
        Polygon([(0, 50), (1, 50), (2, 50)]),
        Polygon([(0, 50), (2, 50), (2.5, 51), (1, 52), (-0.5, 51)]),
        Point(3, 50).buffer(1.0),
        Polygon([(3, 50)] * 4),
    ],
    "larger than 1000 km or beyond 80 degrees": [
        box(-180, -90, 180, 90),
        box(0, 30, 20, 50),
        box(10, 81, 15, 82.5),
    ],
    "blending needs more than 5 km": [
        Polygon([(0, 50), (2, 50), (1, 52)]),
        Polygon([(3.0, 50.0), (3.1, 50.0), (3.1, 49.0), (3.0, 49.0)]),
    ],
}


@pytest.mark.parametrize(
    ("reason", "footprint"), [(reason, footprint) for reason, some in NO_SCENES.items() for footprint in some]
)
def test_what_is_no_scene_is_refused(reason: str, footprint: Polygon) -> None:
    with pytest.raises(RequestError, match=f"P051.*{reason}"):
        midline("P051", [footprint])


def test_midlines_of_real_landsat_footprints(shared_data: Path) -> None:
    """Of Landsat 4 to 9 between 58 degrees south and 73 degrees north; WRS-2 scenes are 185 km wide."""
    found = {}
    for file in sorted([*shared_data.glob("stac-items/*/L*.json"), *shared_data.glob("landsat*/*_SR_stac.json")]):
        item = json.loads(file.read_text())
        footprint = shape(item["geometry"])
        if abs(footprint.centroid.y) < 80:
            found[item["id"]] = midline("P001", [footprint])
            line = found[item["id"]].line
            assert line.distance(footprint.centroid) < 0.03, "the middle lies on the line"
    assert len(found) == 9
    assert all(91.5 < path.half_width_km < 97.5 for path in found.values())


def test_the_heading_of_a_line_tells_the_flight(shared_data: Path) -> None:
    """A real scene at 72 degrees north is flown 26 degrees off the meridian."""
    file = shared_data / "landsat-metadata" / "LC08_L2SP_005009_20150710_20200908_02_T2_SR_stac.json"
    footprint = shape(json.loads(file.read_text())["geometry"])
    line = np.asarray(midline("P005", [footprint]).line.coords)
    azimuth = GEOD.inv(*line[0], *line[-1])[0] % 360
    corners = shapely.get_coordinates(footprint)
    sides = [GEOD.inv(*a, *b)[0] % 180 for a, b in itertools.pairwise(corners)]
    assert min(abs(azimuth - 180 - side) for side in sides) < 3
    assert centre_line(1) is track(1).line
