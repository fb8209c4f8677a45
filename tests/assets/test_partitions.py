"""Partitions of a region, their keys, and what feeds what."""

from __future__ import annotations

import ast
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.partitions import SHEET, TILE_TRACK, TRACK, RegionPartitions, boxes, partition_key
from weft.periods import CALENDARS, window
from weft.regions import Archive, Mosaic, Region

ROOT = Path(__file__).resolve().parents[2]
STARTS = {
    "day": "2018-03-21",
    "dekad": "2018-03-21",
    "month": "2018-03",
    "quarter": "2018-04",
    "year": "2018-01",
    "glad-seasons": "2018-03",
}


def region(**changes: object) -> Region:
    return Region(
        **{
            "region": "low-lands",
            "archive": Archive(stac="file:catalog.json", collection="s2"),
            "calendar": "glad-seasons",
            "start": "2018-03",
            "bands": ("red", "green", "blue"),
            "mosaic": Mosaic(resolution=100, sheet_km=100),
            "tiles": ("R051_31UES", "R008_31UFS", "R051_31UFS"),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def partitions() -> RegionPartitions:
    return RegionPartitions(region())


@pytest.mark.parametrize("calendar", CALENDARS)
def test_a_period_exists_from_the_moment_it_has_closed_and_not_before(calendar: str) -> None:
    period = RegionPartitions(region(calendar=calendar, start=STARTS[calendar])).period
    later = period.get_partition_keys(current_time=datetime(2020, 1, 15, tzinfo=UTC))
    assert later[0] == STARTS[calendar]
    for key in later[:40]:
        closing = period.time_window_for_partition_key(key).end
        assert window(calendar, key).end <= closing, "Dagster must not offer a period before its last acquisition"
        assert period.get_partition_keys(current_time=closing)[-1] == key
        assert key not in period.get_partition_keys(current_time=closing - timedelta(seconds=1))


def test_a_season_appears_with_the_tick_after_its_end(partitions: RegionPartitions) -> None:
    keys = partitions.period.get_partition_keys
    assert keys(current_time=datetime(2018, 6, 24, 23, tzinfo=UTC)) == []
    assert keys(current_time=datetime(2018, 6, 25, tzinfo=UTC)) == ["2018-03"]
    assert keys(current_time=datetime(2018, 9, 24, 12, tzinfo=UTC)) == ["2018-03"]
    assert keys(current_time=datetime(2018, 9, 25, tzinfo=UTC)) == ["2018-03", "2018-06"]


def test_a_year_of_any_calendar_is_covered_without_gap_by_windows_of_consecutive_keys() -> None:
    for calendar, start in STARTS.items():
        keys = RegionPartitions(region(calendar=calendar, start=start)).period.get_partition_keys(
            current_time=datetime(2020, 1, 15, tzinfo=UTC)
        )
        windows = [window(calendar, key) for key in keys]
        assert all(one.end == following.start for one, following in itertools.pairwise(windows)), calendar


def test_period_comes_first_in_every_key() -> None:
    for dimension in (TILE_TRACK, TRACK, SHEET):
        assert str(partition_key("2018-03", dimension, "X")) == "2018-03|X"


def test_dimensions_are_static_and_sorted_track_first(partitions: RegionPartitions) -> None:
    places = partitions.period_tile_track.get_partitions_def_for_dimension(TILE_TRACK)
    assert isinstance(places, dg.StaticPartitionsDefinition)
    assert list(places.get_partition_keys()) == ["R008_31UFS", "R051_31UES", "R051_31UFS"]
    tracks = partitions.period_track.get_partitions_def_for_dimension(TRACK)
    assert list(tracks.get_partition_keys()) == ["R008", "R051"]
    sheets = partitions.period_sheet.get_partitions_def_for_dimension(SHEET)
    assert list(sheets.get_partition_keys()) == sorted(partitions.sheets)


def upstream(mapping: dg.PartitionMapping, down: dg.PartitionsDefinition, up: dg.PartitionsDefinition, key: str):
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        down.subset_with_partition_keys([key]), down, up, current_time=datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert not found.required_but_nonexistent_subset.get_partition_keys()
    return sorted(map(str, found.partitions_subset.get_partition_keys()))


def test_a_track_needs_its_tile_tracks_of_the_same_period(partitions: RegionPartitions) -> None:
    found = upstream(
        partitions.tile_track_to_track, partitions.period_track, partitions.period_tile_track, "2018-06|R051"
    )
    assert found == ["2018-06|R051_31UES", "2018-06|R051_31UFS"]


def test_a_sheet_needs_exactly_the_tracks_that_touch_it(partitions: RegionPartitions) -> None:
    for sheet in partitions.sheets:
        found = upstream(
            partitions.track_to_sheet, partitions.period_sheet, partitions.period_track, f"2018-06|{sheet}"
        )
        touching = [track for track, sheets in partitions.sheets_of_track.items() if sheet in sheets]
        assert found == [f"2018-06|{track}" for track in touching]
    assert any(len(set(sheets)) < len(partitions.sheets) for sheets in partitions.sheets_of_track.values())


def test_boxes_cut_wanted_keys_into_ranges_in_their_order() -> None:
    found = list(boxes("2018-03", TRACK, {"e", "a", "b", "d"}, ["a", "b", "c", "d", "e"]))
    assert [box.places for box in found] == [("a", "b"), ("d", "e")]
    assert found[0].tags == {
        "dagster/asset_partition_range_start": "2018-03|a",
        "dagster/asset_partition_range_end": "2018-03|b",
    }
    assert [box.name for box in boxes("2018-03", TRACK, ["c"], ["a", "c"])] == ["2018-03|c"]


def test_the_window_is_never_taken_from_dagster() -> None:
    """Nor is a mapping of our own ever written: host processes would drop it."""
    for folder in ("assets", "pipelines"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute):
                    assert "time_window" not in node.attr, f"{path}:{node.lineno} uses {node.attr}"
                if isinstance(node, ast.ClassDef):
                    assert not any("PartitionMapping" in ast.unparse(base) for base in node.bases), path
