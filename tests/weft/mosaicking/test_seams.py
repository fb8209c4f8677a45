"""What each method leaves at swath edges, on the real geometry of the tracks, and the meter that says so.

The published pan-European method leaves 35, 24, 6 and 10 % of the difference between tracks at 35, 45, 55 and 65
degrees north, the last one where three tracks overlap and every other one differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from tests.oracles import mosaicking as oracle
from tests.weft.mosaicking.products import COUNT, reflectance, source
from weft.mosaicking import Sheet, blend, distance_to_centre, largest_edge_step, mosaic, weights
from weft.mosaicking.blending import Method
from weft.mosaicking.seams import SeamMeter, SeamReport
from weft.mosaicking.tracks import HALF_SWATH_KM
from weft.rasters.gdal import environment, open_raster
from weft.rasters.grid import Grid, Window
from weft.regions import Mosaic
from weft.simulation.landscape import Landscape
from weft.simulation.landscape import reflectance as seen_from_above
from weft.simulation.offset_fields import LATITUDES, OFFSET, OffsetField, alternating, eastwards, seeing, strip

PUBLISHED = {35: 0.35, 45: 0.24, 55: 0.06, 65: 0.10}
METHODS: tuple[Method, ...] = get_args(Method)
RED = reflectance("red_p50")


def consecutive(latitude: float, number: int) -> tuple[Grid, tuple[int, ...]]:
    """Two or three neighbouring tracks, and a strip with their tilted edges from before the first to past the last."""
    start = strip(latitude, start_km=0, width_km=1, height_km=1, pixel_m=100)
    order = eastwards(latitude)
    first = min(range(len(order)), key=lambda k: distance_to_centre(order[k], start).min())
    tracks = order[first : first + number]
    apart = float(distance_to_centre(tracks[-1], start).mean())
    return strip(latitude, start_km=-60, width_km=apart + 120, height_km=4, pixel_m=100), tracks


def level_sets(tracks: int) -> list[tuple[float, ...]]:
    """Every other track higher, a staircase, and each track alone higher."""
    ones = [tuple(float(k == one) for k in range(tracks)) for one in range(tracks)]
    return [alternating(tracks), tuple(k / (tracks - 1) for k in range(tracks)), *ones]


@pytest.fixture(scope="module", params=LATITUDES)
def latitude(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def everything(latitude: int) -> OffsetField:
    """All tracks that see a strip of 320 km."""
    grid = strip(latitude, start_km=0, width_km=320, height_km=0.2, pixel_m=100)
    return OffsetField.over(grid, seeing(grid, latitude))


@pytest.fixture(scope="module", params=[2, 3])
def neighbours(request: pytest.FixtureRequest, latitude: int) -> tuple[Grid, OffsetField]:
    grid, tracks = consecutive(latitude, request.param)
    return grid, OffsetField.over(grid, tracks)


def test_idw_reproduces_the_published_steps(everything: OffsetField, latitude: int) -> None:
    blended = everything.blended("idw", alternating(len(everything.tracks)))
    assert everything.largest_step(blended) == pytest.approx(PUBLISHED[latitude], abs=0.03)


def test_seamless_leaves_no_step_whatever_the_offsets(everything: OffsetField) -> None:
    for levels in level_sets(len(everything.tracks)):
        assert everything.largest_step(everything.blended("seamless", levels)) <= 0.01


def test_seamless_has_no_step_anywhere_else_either(everything: OffsetField) -> None:
    blended = everything.blended("seamless", alternating(len(everything.tracks))).astype(int)
    assert np.abs(np.diff(blended, axis=1)).max() <= 0.02 * OFFSET


def test_two_and_three_tracks_with_tilted_edges(neighbours: tuple[Grid, OffsetField]) -> None:
    _, field = neighbours
    data = field.count > 0
    columns = [np.flatnonzero(np.diff(row.astype(int))) for row in data[0][[0, -1]]]
    assert all(abs(int(a) - int(b)) >= 3 for a, b in zip(*columns, strict=True))  # the edge is tilted by some pixels
    edges = (data[:, 1:] != data[:, :-1]).any(axis=0)
    assert edges.any()
    for levels in level_sets(len(field.tracks)):
        assert field.largest_step(field.blended("seamless", levels)) <= 0.01
    for method in ("mean", "idw"):
        assert field.largest_step(field.blended(method, alternating(len(field.tracks)))) > 0.05


def test_two_and_three_tracks_through_the_files_of_a_mosaic(
    neighbours: tuple[Grid, OffsetField], tmp_path: Path
) -> None:
    grid, field = neighbours
    keys = [f"R{track:03d}" for track in field.tracks]
    said = field.values(alternating(len(keys)))
    products = {
        key: source(key, grid, {RED: values, COUNT: count}, tmp_path)
        for key, values, count in zip(keys, said, field.count, strict=True)
    }
    for method in ("idw", "seamless"):
        made = mosaic(products, Sheet("strip", grid), Mosaic(blend=method), tmp_path / method)
        assert made is not None
        assert made.seams.step is not None
        assert made.seams.index is not None
        with environment(), open_raster(made.product.file("red_p50").path) as dataset:
            steps = oracle.edge_steps(dataset.read(1), field.count > 0)
        step = max(steps) / OFFSET
        if method == "idw":
            # A track with both neighbours higher steps by its own share; one with higher and equal ones by less.
            assert step > 0.05
            assert made.seams.step >= step - 1 / OFFSET
            assert made.seams.index > 100  # the ground is flat
        else:
            assert step <= 0.01
            assert made.seams.step <= 0.01
            assert made.seams.index == pytest.approx(1, abs=0.05)


def test_largest_step_agrees_with_the_oracle(neighbours: tuple[Grid, OffsetField]) -> None:
    _, field = neighbours
    for method in METHODS:
        blended = field.blended(method, alternating(len(field.tracks)))
        assert field.largest_step(blended) == max(oracle.edge_steps(blended, field.count > 0)) / OFFSET


def test_the_step_of_the_weights_is_that_of_the_blended_field(everything: OffsetField) -> None:
    ones = level_sets(len(everything.tracks))[2:]
    for method in METHODS:
        steps = [everything.largest_step(everything.blended(method, levels)) for levels in ones]
        found = largest_edge_step(method, everything.distance_km, everything.count)
        assert found == pytest.approx(max(steps), abs=0.002)  # the slope between two pixels


def test_mean_leaves_half_of_the_offset_between_two_tracks() -> None:
    grid, tracks = consecutive(45, 2)
    field = OffsetField.over(grid, tracks)
    assert field.largest_step(field.blended("mean", (0, 1))) == 0.5


def test_data_that_end_a_little_inside_the_swath_leave_no_step_either() -> None:
    grid, tracks = consecutive(45, 2)
    field = OffsetField.over(grid, tracks)
    early = np.where(field.distance_km > 141, 0, field.count).astype(np.uint16)
    assert largest_edge_step("seamless", field.distance_km, early) <= 0.01


def test_seamless_at_the_equator_where_tracks_barely_overlap() -> None:
    grid = Grid("EPSG:32631", 300_000, 0, 100, 100, 2800, 2)
    tracks = seeing(grid, 0.0)
    field = OffsetField.over(grid, tracks)
    assert len(tracks) >= 2
    assert largest_edge_step("seamless", field.distance_km, field.count) <= 0.01
    blended = field.blended("seamless", alternating(len(tracks))).astype(int)
    assert np.abs(np.diff(blended, axis=1)).max() <= 0.04 * OFFSET


def test_clouds_and_lonely_edges_are_not_swath_edges() -> None:
    distance = np.broadcast_to(np.float32([60, 100, 140, 144, 146]), (1, 5)).copy()
    track = np.uint16([[3, 3, 3, 3, 0]])
    other_distance = (200 - distance).astype(np.float32)
    everywhere = np.full((1, 5), 3, np.uint16)
    both = np.stack([distance, other_distance])
    # The only neighbour ends at the same pixel: nothing to compare with.
    assert math.isnan(largest_edge_step("mean", both, np.stack([track, track])))
    # A hole in the clouds at 100 km is not the end of a swath.
    hole = np.uint16([[3, 0, 3, 3, 3]])
    assert math.isnan(largest_edge_step("mean", both, np.stack([hole, everywhere])))
    assert largest_edge_step("mean", both, np.stack([track, everywhere])) == 0.5
    # Also from north to south.
    turned = np.ascontiguousarray(both.transpose(0, 2, 1))
    assert largest_edge_step("mean", turned, np.stack([track, everywhere]).transpose(0, 2, 1)) == 0.5


def metered(blocks: Sequence[Window], half_width_km: float, value: np.ndarray, *tracks: np.ndarray) -> SeamReport:
    distance, count, weight, track_values = tracks
    meter = SeamMeter([half_width_km] * len(count))
    for window in blocks:
        place = (slice(None), *window.slices)
        meter.add(window, distance[place], count[place], weight[place], value[window.slices], track_values[place])
    return meter.report()


@pytest.mark.parametrize("seed", range(3))
def test_the_meter_agrees_with_the_oracle_for_any_size_of_blocks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = Grid("EPSG:3035", 3_860_000, 3_120_000, 3000, 3000, 83, 75)
    distance = np.stack([distance_to_centre(track, grid) for track in (8, 51, 94)])
    seen = (distance < 145 - 3 * rng.random((75, 1))) & (rng.random(distance.shape) < 0.97)
    count = np.where(seen, rng.integers(1, 9, seen.shape), 0).astype(np.uint16)
    said = np.where(seen, rng.integers(0, 300, seen.shape), 0).astype(np.uint16)
    weight = np.stack([weights(METHODS[seed], *pair) for pair in zip(distance, count, strict=True)])
    value = blend(said, weight)
    half = HALF_SWATH_KM
    found = metered(list(grid.blocks(*grid.shape)), half, value, distance, count, weight, said)
    assert found.step == pytest.approx(oracle.seam_step(distance, count, weight, half), abs=1e-12)
    assert found.index == pytest.approx(oracle.seam_index(distance, count, value, said, half), abs=1e-4)
    assert found.step == pytest.approx(largest_edge_step(METHODS[seed], distance, count), abs=1e-12)
    for rows, columns in ((75, 1), (1, 3), (32, 32), (31, 50)):
        blocks = list(grid.blocks(rows, columns))
        assert metered(blocks, half, value, distance, count, weight, said) == found
    # Edges that run from east to west.
    turned = [np.ascontiguousarray(array.swapaxes(-1, -2)) for array in (value, distance, count, weight, said)]
    one, many = (list(Grid("EPSG:3035", 0, 0, 1, 1, 75, 83).blocks(*block)) for block in ((83, 75), (1, 3)))
    assert metered(many, half, *turned) == metered(one, half, *turned)


def test_a_mosaic_without_swath_edges_has_no_numbers() -> None:
    distance = np.full((2, 20, 30), 60, np.float32)
    count = np.full((2, 20, 30), 3, np.uint16)
    ones = np.ones_like(count, np.uint32)
    report = metered([Window(0, 0, 20, 30)], HALF_SWATH_KM, count[0], distance, count, ones, count)
    assert report == SeamReport(None, None)


def test_edges_of_narrower_swaths_are_found_where_they_are() -> None:
    distance = np.stack([np.tile(np.linspace(70, 110, 40, dtype=np.float32), (40, 1)), np.full((40, 40), 30)])
    distance = distance.astype(np.float32)
    count = np.where(distance < 92, 3, 0).astype(np.uint16)
    ones = (count > 0).astype(np.uint32)
    said = (count * 100).astype(np.uint16)
    window = [Window(0, 0, 40, 40)]
    assert metered(window, 92.5, said[1], distance, count, ones, said) == SeamReport(0.5, 1.0)
    assert metered(window, HALF_SWATH_KM, said[1], distance, count, ones, said) == SeamReport(None, None)


@pytest.fixture(scope="module")
def landscape() -> dict[str, Any]:
    """Two tracks over the invented ground; one sees it brighter by 0.02, each has noise of its own."""
    rng = np.random.default_rng(7)
    grid = Grid("EPSG:3035", 3_870_000, 3_150_000, 300, 300, 700, 400)
    ground, _ = seen_from_above(Landscape(1, 180).cover(grid), np.array([210.0]))
    distance = np.stack([distance_to_centre(track, grid) for track in (8, 51)])
    count = np.where(distance < 144.5, 8, 0).astype(np.uint16)
    seen = 10_000 * ground[0, 2] + np.array([0, 200])[:, None, None] + rng.normal(0, 15, distance.shape)
    said = np.where(count > 0, np.clip(np.rint(seen), 1, 65_535), 0).astype(np.uint16)
    return {"grid": grid, "distance": distance, "count": count, "said": said}


def report_of(landscape: dict[str, Any], method: Method) -> SeamReport:
    distance, count, said = landscape["distance"], landscape["count"], landscape["said"]
    weight = np.stack([weights(method, *pair) for pair in zip(distance, count, strict=True)])
    blocks = list(landscape["grid"].blocks(256, 256))
    return metered(blocks, HALF_SWATH_KM, blend(said, weight), distance, count, weight, said)


def test_the_index_is_one_for_a_seamless_mosaic_and_larger_for_others(landscape: dict[str, Any]) -> None:
    found = {method: report_of(landscape, method).index for method in METHODS}
    assert found["seamless"] == pytest.approx(1, abs=0.01)
    assert found["idw"] is not None
    assert found["mean"] is not None
    assert 1.05 < found["idw"] < found["mean"]


def test_the_index_of_idw_and_mean_is_one_if_the_tracks_agree(landscape: dict[str, Any]) -> None:
    same = np.where(landscape["count"] > 0, landscape["said"].max(axis=0), 0).astype(np.uint16)
    for method in METHODS:
        assert report_of({**landscape, "said": same}, method).index == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize(("seen", "other_seen"), [(1, 8), (2, 6), (4, 5)])
def test_the_border_of_a_hole_steps_by_no_more_than_the_counts_allow(seen: int, other_seen: int) -> None:
    """One track is cloudy all season in a place; see ``oracle.hole_bound`` for the bound and where it comes from."""
    # Half way between two centre lines and before the taper: the worst place for a hole.
    away = np.broadcast_to(np.linspace(85, 95, 400, dtype=np.float32), (40, 400))
    distance = np.stack([away + 10, 190 - away])
    count = np.full(distance.shape, other_seen, np.uint16)
    count[0, 5:35, 20:380] = seen  # clouds thin the track out ...
    count[0, 15:25, 100:300] = 0  # ... until nothing is left of it
    said = np.where(count > 0, np.uint16([1000, 1000 + OFFSET])[:, None, None], 0).astype(np.uint16)
    steps, data = {}, count > 0
    for method in METHODS:
        weight = np.stack([weights(method, *pair) for pair in zip(distance, count, strict=True)])
        steps[method] = max(oracle.edge_steps(blend(said, weight), data)) / OFFSET
    rim = (count[0] == seen)[None] & np.ones_like(data)
    own, other = (1 / distance[k][rim[k]] for k in (0, 1))
    bound = max(oracle.hole_bound(a, seen, b, other_seen) for a, b in zip(own, other, strict=True))
    assert steps["seamless"] <= bound + 1e-3
    assert steps["seamless"] < steps["idw"]
    assert steps["seamless"] < steps["mean"] == 0.5
