"""What each method leaves at swath edges, on the real geometry of the tracks.

The published pan-European method leaves 35, 24, 6 and 10 % of the difference between tracks at 35, 45, 55 and 65
degrees north, the last one where three tracks overlap and every other one differs.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely

from tests.oracles import mosaicking as oracle
from weft.mosaicking import blend, centre_line, distance_to_centre, largest_edge_step, weights
from weft.rasters.grid import Grid, transformer

PUBLISHED = {35: 0.35, 45: 0.24, 55: 0.06, 65: 0.10}
LOW, OFFSET = 1000, 10_000
PIXEL_M = 100
WIDTH = 3200


class Row:
    """A strip of pixels eastwards from the centre line of a track, with all tracks that see it, west to east."""

    def __init__(self, latitude: float) -> None:
        points = {track: _at(track, latitude) for track in range(1, 144)}
        x, y = transformer("EPSG:4326", "EPSG:3035").transform(
            min(points.values(), key=lambda p: abs(p - 10)), latitude
        )
        self.grid = Grid("EPSG:3035", round(x), round(y), PIXEL_M, PIXEL_M, WIDTH, 2)
        near = [track for track, longitude in points.items() if abs((longitude - 10 + 180) % 360 - 180) < 25]
        near = [track for track in near if (distance_to_centre(track, self.grid) < 145).any()]
        self.tracks = sorted(near, key=lambda track: (points[track] - 10 + 180) % 360)
        self.distance = np.stack([distance_to_centre(track, self.grid) for track in self.tracks])
        self.count = np.where(self.distance < 145, 6, 0).astype(np.uint16)

    def steps(self, method: str, levels: list[int]) -> float:
        """Largest step of the blended field at a swath edge, as a share of the offset between the tracks."""
        weight = np.stack(
            [weights(method, *pair) for pair in zip(self.distance, self.count, strict=True)]  # type: ignore[arg-type]
        )
        values = np.where(self.count > 0, np.asarray(levels, np.uint16)[:, None, None], 0).astype(np.uint16)
        return max(oracle.edge_steps(blend(values, weight), self.count > 0)) / OFFSET


def _at(track: int, latitude: float) -> float:
    longitudes, latitudes = shapely.get_coordinates(centre_line(track)).T
    return (float(np.interp(latitude, latitudes[::-1], longitudes[::-1])) + 180) % 360 - 180


@pytest.fixture(scope="module", params=sorted(PUBLISHED))
def latitude(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def row(latitude: int) -> Row:
    return Row(latitude)


def alternating(row: Row) -> list[int]:
    return [LOW + OFFSET * (k % 2) for k in range(len(row.tracks))]


def test_idw_reproduces_the_published_steps(row: Row, latitude: int) -> None:
    assert len(row.tracks) >= 2
    assert row.steps("idw", alternating(row)) == pytest.approx(PUBLISHED[latitude], abs=0.03)


def test_seamless_leaves_no_step_whatever_the_offsets(row: Row) -> None:
    tracks = len(row.tracks)
    ramps = [[LOW + OFFSET * k // tracks for k in range(tracks)], alternating(row)]
    ones = [[LOW + OFFSET * (k == one) for k in range(tracks)] for one in range(tracks)]
    for levels in (*ramps, *ones):
        assert row.steps("seamless", levels) <= 0.01


def test_seamless_has_no_step_anywhere_else_either(row: Row) -> None:
    weight = np.stack([weights("seamless", *pair) for pair in zip(row.distance, row.count, strict=True)])
    values = np.where(row.count > 0, np.asarray(alternating(row), np.uint16)[:, None, None], 0).astype(np.uint16)
    field = blend(values, weight).astype(int)
    assert np.abs(np.diff(field, axis=1)).max() <= 0.02 * OFFSET


def test_the_report_measures_the_step_of_the_blended_field(row: Row) -> None:
    tracks = len(row.tracks)
    for method in ("mean", "idw", "seamless"):
        ones = [row.steps(method, [LOW + OFFSET * (k == one) for k in range(tracks)]) for one in range(tracks)]
        found = largest_edge_step(method, row.distance, row.count)  # type: ignore[arg-type]
        assert found == pytest.approx(max(ones), abs=0.002)  # the slope between two pixels


def test_mean_leaves_half_of_the_offset_between_two_tracks() -> None:
    row = Row(45)
    assert row.steps("mean", alternating(row)) == pytest.approx(0.5, abs=0.001)


def test_data_that_end_a_little_inside_the_swath_leave_no_step_either() -> None:
    row = Row(45)
    row.count[row.distance > 141] = 0
    assert largest_edge_step("seamless", row.distance, row.count) <= 0.01


def test_seamless_at_the_equator_where_tracks_barely_overlap() -> None:
    latitude_0 = [_at(track, 0.0) for track in range(1, 144)]
    start = min(latitude_0, key=lambda p: abs(p - 3))
    x, _ = transformer("EPSG:4326", "EPSG:32631").transform(start, 0.0)
    grid = Grid("EPSG:32631", round(x), 0, PIXEL_M, PIXEL_M, 2800, 2)
    distance = np.stack([distance_to_centre(track, grid) for track in range(1, 144)])
    distance = distance[(distance < 145).any(axis=(1, 2))]
    count = np.where(distance < 145, 6, 0).astype(np.uint16)
    assert len(distance) == 2
    assert largest_edge_step("seamless", distance, count) <= 0.01
    weight = np.stack([weights("seamless", *pair) for pair in zip(distance, count, strict=True)])
    values = np.where(count > 0, np.uint16([LOW, LOW + OFFSET])[:, None, None], 0).astype(np.uint16)
    assert np.abs(np.diff(blend(values, weight).astype(int), axis=1)).max() <= 0.04 * OFFSET


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
    turned = both.transpose(0, 2, 1)
    assert largest_edge_step("mean", turned, np.stack([track, everywhere]).transpose(0, 2, 1)) == 0.5
