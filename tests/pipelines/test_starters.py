"""What starts work by itself: the schedule, the sensor and the automation conditions."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import dagster as dg
import pytest

import pipelines.sensors
from assets.archive import archive_fingerprint
from pipelines.sensors import Sweep
from resources.archive import SceneArchive
from tests.pipelines.conftest import PERIOD, TILE_TRACKS, LaneHarness
from weft.errors import Unavailable
from weft.periods import window
from weft.regions import Region


def range_of(request: dg.RunRequest) -> tuple[str, str]:
    return request.tags["dagster/asset_partition_range_start"], request.tags["dagster/asset_partition_range_end"]


def test_shortly_after_a_season_closes_its_composites_are_launched_track_by_track(lane: LaneHarness) -> None:
    schedule = lane.defs.resolve_schedule_def("closed_period")
    assert schedule.cron_schedule == "0 6 25 3,6,9,12 *"
    tick = dg.build_schedule_context(lane.instance, scheduled_execution_time=datetime(2021, 9, 25, 6, tzinfo=UTC))
    found = schedule.evaluate_tick(tick).run_requests
    assert found is not None
    assert {request.run_key: range_of(request) for request in found} == {
        "2021-06|R008": ("2021-06|R008_31UFS", "2021-06|R008_31UFS"),
        "2021-06|R051": ("2021-06|R051_31UES", "2021-06|R051_31UFS"),
    }


def test_before_the_first_period_has_closed_the_schedule_says_why_it_does_nothing(lane: LaneHarness) -> None:
    schedule = lane.defs.resolve_schedule_def("closed_period")
    tick = dg.build_schedule_context(lane.instance, scheduled_execution_time=datetime(2021, 6, 25, 6, tzinfo=UTC))
    evaluated = schedule.evaluate_tick(tick)
    assert not evaluated.run_requests
    assert "2021-06" in (evaluated.skip_message or "")


def tick(lane: LaneHarness, cursor: str | None) -> dg.SensorResult:
    sensor = lane.defs.resolve_sensor_def("new_archive_items")
    with dg.build_sensor_context(lane.instance, cursor=cursor) as context:
        return sensor(context, archive=lane.defs.resources["archive"])


def full_round(lane: LaneHarness) -> str:
    """A cursor after every partition has been seen."""
    periods = len(lane.partitions.period.get_partition_keys())
    cursor = None
    for _ in range(-(-periods * len(TILE_TRACKS) // pipelines.sensors.KEYS_PER_TICK)):
        cursor = tick(lane, cursor).cursor
    assert cursor is not None
    return cursor


def test_the_sensor_reports_and_runs_only_what_has_changed(lane: LaneHarness) -> None:
    first = tick(lane, None)
    assert len(first.asset_events) == len(lane.partitions.period.get_partition_keys()) * len(TILE_TRACKS)
    cursor = full_round(lane)
    quiet = tick(lane, cursor)
    assert not quiet.run_requests
    assert not quiet.asset_events
    assert "no scene has changed" in quiet.skip_reason.skip_message

    scene = lane.scenes_of("R051", "31UES")[0]
    document = json.loads(scene.read_text())
    document["properties"]["created"] = "2024-01-01T00:00:00Z"
    scene.write_text(json.dumps(document))
    changed = tick(lane, quiet.cursor)
    (event,) = changed.asset_events
    (request,) = changed.run_requests
    assert isinstance(event, dg.AssetObservation)
    assert event.asset_key == dg.AssetKey(["tiny", "archive_items"])
    assert event.partition == f"{PERIOD}|R051_31UES"
    mark = event.tags["dagster/data_version"]
    assert request.run_key == f"{PERIOD}|R051_31UES:{mark}"
    assert range_of(request) == (f"{PERIOD}|R051_31UES", f"{PERIOD}|R051_31UES")
    assert not tick(lane, changed.cursor).run_requests


def test_neighbours_that_change_together_share_one_run(lane: LaneHarness) -> None:
    found = {range_of(request) for request in tick(lane, None).run_requests}
    assert (f"{PERIOD}|R008_31UFS", f"{PERIOD}|R051_31UFS") in found


def test_a_tick_does_a_bounded_part_of_the_round(lane: LaneHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.sensors, "KEYS_PER_TICK", 2)
    first = tick(lane, None)
    second = tick(lane, first.cursor)
    seen = [{event.partition for event in result.asset_events} for result in (first, second)]
    assert [len(part) for part in seen] == [2, 2]
    assert not seen[0] & seen[1]


def test_an_archive_that_stops_answering_keeps_what_was_seen_before(
    lane: LaneHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, calls = SceneArchive.items, []

    def failing(self: SceneArchive, *args: object) -> object:
        calls.append(args)
        if len(calls) > 1:
            raise Unavailable("the archive does not answer")
        return genuine(self, *args)

    monkeypatch.setattr(SceneArchive, "items", failing)
    first = tick(lane, None)
    assert len(first.asset_events) == 1
    with pytest.raises(Unavailable):
        tick(lane, first.cursor)


def test_marks_are_void_when_the_tile_tracks_of_the_region_change(lane: LaneHarness) -> None:
    region = lane.partitions.region
    sweep = Sweep.resume(None, region)
    assert sweep.note("2021-06", 1, 3, "a" * 64)
    assert not sweep.note("2021-06", 1, 3, "a" * 64)
    assert sweep.note("2021-06", 2, 3, "a" * 64)
    assert not Sweep.resume(sweep.cursor(), region).note("2021-06", 1, 3, "a" * 64)
    other = Region.model_validate(region.model_dump() | {"tiles": region.tiles[:2]})
    assert Sweep.resume(sweep.cursor(), other).note("2021-06", 1, 2, "a" * 64)


def test_the_fingerprint_of_a_partition_sees_a_file_put_right_in_place(lane: LaneHarness) -> None:
    def mark() -> str:
        archive = lane.defs.resources["archive"].open()
        return archive_fingerprint(archive, archive.items(window("glad-seasons", PERIOD), "31UES", "R051"))

    victim = next(lane.scenes_of("R051", "31UES")[0].parent.glob("*.tif"))
    whole, before = victim.read_bytes(), mark()
    victim.write_bytes(whole[:-7])
    assert mark() != before
    victim.write_bytes(whole)
    assert mark() == before


def report(lane: LaneHarness, asset: str, partition: str, version: str) -> None:
    lane.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            dg.AssetKey(["tiny", asset]), partition=partition, tags={"dagster/data_version": version}
        )
    )


def report_checks(lane: LaneHarness, *, passed: bool) -> None:
    for name in ("stored_bytes", "valid_stac"):
        lane.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=dg.AssetKey(["tiny", "tile_composite"]), check_name=name, passed=passed)
        )


class Ticks:
    """Evaluates the automation conditions again and again."""

    def __init__(self, lane: LaneHarness) -> None:
        self.lane = lane
        self.cursor = None

    def requested(self, asset: str = "orbit_mosaic") -> set[str]:
        result = dg.evaluate_automation_conditions(self.lane.defs, self.lane.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {str(key) for key in result.get_requested_partitions(dg.AssetKey(["tiny", asset]))}


def test_a_mosaic_follows_when_all_its_inputs_are_there_and_again_only_when_one_has_changed(lane: LaneHarness) -> None:
    ticks = Ticks(lane)
    report_checks(lane, passed=True)
    report(lane, "tile_composite", f"{PERIOD}|R051_31UES", "one")
    assert ticks.requested() == set(), "its other tile is missing"
    report(lane, "tile_composite", f"{PERIOD}|R051_31UFS", "one")
    assert ticks.requested() == {f"{PERIOD}|R051"}
    assert ticks.requested() == set(), "it was asked for, and must not be again and again if it fails"
    report(lane, "orbit_mosaic", f"{PERIOD}|R051", "one")
    assert ticks.requested() == set()
    report(lane, "tile_composite", f"{PERIOD}|R051_31UES", "one")
    assert ticks.requested() == set(), "the same data made again is no change"
    report(lane, "tile_composite", f"{PERIOD}|R051_31UES", "two")
    assert ticks.requested() == {f"{PERIOD}|R051"}


def test_what_was_there_before_automation_is_turned_on_is_followed_too(lane: LaneHarness) -> None:
    report_checks(lane, passed=True)
    report(lane, "tile_composite", f"{PERIOD}|R008_31UFS", "one")
    report(lane, "tile_composite", f"{PERIOD}|R051_31UES", "one")
    report(lane, "tile_composite", f"{PERIOD}|R051_31UFS", "one")
    report(lane, "orbit_mosaic", f"{PERIOD}|R051", "one")
    ticks = Ticks(lane)
    assert ticks.requested() == {f"{PERIOD}|R008"}, "R051 is made already"
    assert ticks.requested() == set()


def test_nothing_follows_composites_that_failed_their_checks(lane: LaneHarness) -> None:
    report_checks(lane, passed=False)
    report(lane, "tile_composite", f"{PERIOD}|R008_31UFS", "one")
    assert Ticks(lane).requested() == set()
