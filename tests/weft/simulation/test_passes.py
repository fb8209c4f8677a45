from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from weft.periods import window
from weft.simulation.passes import passes, sun_position, view_zenith


def test_passes_of_a_season_are_five_days_apart_and_alternate() -> None:
    found = passes("R051", window("glad-seasons", "2021-06"))
    assert [item.sensed.strftime("%m%d") for item in found[:3]] == ["0629", "0704", "0709"]
    assert [item.platform for item in found[:3]] == ["sentinel-2b", "sentinel-2a", "sentinel-2b"]
    assert len(found) == 16


@pytest.mark.parametrize("track", ["R001", "R008", "R051", "R094", "R143"])
def test_absolute_orbits_belong_to_their_track(track: str) -> None:
    for item in passes(track, window("glad-seasons", "2021-06")):
        shift = 2 if item.platform == "sentinel-2a" else -27  # research/compositing.md section 6
        assert (item.absolute_orbit + shift) % 143 + 1 == int(track[1:])


def test_real_acquisitions_fall_on_simulated_passes(shared_data: Path) -> None:
    with (shared_data / "belgium-s2-s1-l8-stack" / "s2_scenes.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["date"] >= "2018"]
    real = {(f"R{int(row['relative_orbit_derived']):03d}", row["date"]) for row in rows}
    span = window("year", "2018-01")
    ours = {(item.track, f"{item.sensed:%Y-%m-%d}") for track in ("R051", "R094") for item in passes(track, span)}
    assert len(real & ours) > 0.97 * len(real) > 50


def test_sun_stands_where_real_scenes_say(shared_data: Path) -> None:
    with (shared_data / "belgium-s2-s1-l8-stack" / "s2_scenes.csv").open() as file:
        for row in list(csv.DictReader(file))[::10]:
            moment = datetime.fromisoformat(f"{row['date']}T{row['time_utc']}").replace(tzinfo=UTC)
            sun = sun_position(moment, longitude=3.02, latitude=50.81)
            assert sun.zenith == pytest.approx(float(row["sun_zenith"]), abs=1.0)
            # The file gives the angles of the tile's middle, up to 0.7 degrees of longitude away.
            assert sun.azimuth == pytest.approx(float(row["sun_azimuth"]), abs=3.0)


def test_view_zenith_at_the_swath_edge() -> None:
    angles = view_zenith(np.array([0.0, 136_000.0, 145_000.0], np.float32))
    np.testing.assert_allclose(angles, [0.0, 11.0, 11.7], atol=0.1)
