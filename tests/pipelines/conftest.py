"""A small region over a simulated archive, and everything needed to run its lane."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import yaml

from assets.partitions import RegionPartitions
from pipelines.definitions import build_defs
from pipelines.runs import Report, materialize
from pipelines.settings import Settings
from resources.catalogue import Catalogue
from resources.object_store import ObjectStore
from weft.regions import load

TILE_TRACKS = ("R008_31UFS", "R051_31UES", "R051_31UFS")
PERIOD = "2021-06"


@dataclass(frozen=True)
class LaneHarness:
    """One region with its own archive, home and Dagster instance."""

    region_file: Path
    home: Path
    defs: dg.Definitions
    partitions: RegionPartitions
    instance: dg.DagsterInstance

    @property
    def catalogue(self) -> Catalogue:
        return self.defs.resources["catalogue"].open()

    @property
    def store(self) -> ObjectStore:
        return self.defs.resources["store"].open()

    @property
    def scenes(self) -> Path:
        return self.region_file.parent / "archive" / "sentinel-2-l2a"

    def scenes_of(self, track: str, tile: str) -> list[Path]:
        """Item files of one tile_track."""
        return sorted(path for path in self.scenes.glob("*/*.json") if _is_of(path, track, tile))

    def run(self, period: str = PERIOD, **options: object) -> Report:
        return materialize(self.defs, self.partitions, self.instance, period=period, **options)


def _is_of(path: Path, track: str, tile: str) -> bool:
    properties = json.loads(path.read_text())["properties"]
    return (properties["sat:relative_orbit"], properties["s2:mgrs_tile"]) == (int(track[1:]), tile)


@pytest.fixture
def region_file(tiny_archive: Path, tmp_path: Path) -> Path:
    """Three of the tile_tracks, on one or two sheets."""
    shutil.copytree(tiny_archive, tmp_path / "site")
    path = tmp_path / "site" / "region.yaml"
    document = yaml.safe_load(path.read_text())
    document |= {"tiles": list(TILE_TRACKS), "composite": {"methods": ["percentiles"], "percentiles": [50]}}
    document["mosaic"] |= {"resolution": 3000, "sheet_km": 600}
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def lane(region_file: Path, tmp_path: Path) -> Iterator[LaneHarness]:
    home = tmp_path / "home"
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        defs = build_defs(Settings.of_home(home, region_file))
        yield LaneHarness(region_file, home, defs, RegionPartitions(load(region_file)), instance)


def told(instance: dg.DagsterInstance, key: str) -> list[str]:
    """How far the work on a partition had come, as the logs of all runs tell it."""
    logs = [entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    return [entry.user_message for entry in logs if re.fullmatch(re.escape(key) + r": \d+ of \d+", entry.user_message)]


def check_results(instance: dg.DagsterInstance, order_id: str, asset: str) -> dict[str, bool]:
    """Whether each check of an asset passed in the last run of an order."""
    run = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": order_id}), limit=1)[0]
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    events = [record.event_log_entry.dagster_event for record in records.records]
    found = [event.asset_check_evaluation_data for event in events if event]
    return {one.check_name: one.passed for one in found if one.asset_key.path[-1] == asset}
