"""The production lane over an archive whose passes lie off by known shifts, in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import yaml

from assets.lane import DECODE_POOL
from assets.partitions import TILE_TRACK, Box, RegionPartitions
from pipelines.definitions import build_defs
from pipelines.jobs import COMPOSITES
from pipelines.runs import Report, run_job
from pipelines.settings import Settings
from tests.pipelines.conftest import PERIOD, LaneHarness
from weft.periods import window
from weft.regions import load
from weft.registration.displacement import Displacement
from weft.simulation import simulate
from weft.simulation.accuracy import accuracy, differences
from weft.simulation.truth import Truth
from weft.stac import Item
from weft.stac.products import source_product

Configured = Callable[..., LaneHarness]
BOX = Box(PERIOD, TILE_TRACK, ("R051_31UFS",))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shifted")
    simulate(folder, preset="shifted", seed=1)
    return folder


@pytest.fixture
def configured(archive: Path, tmp_path: Path) -> Any:
    """Gives the lane over the archive with any settings of ``coregistration``."""
    site = tmp_path / "site"
    shutil.copytree(archive, site)
    path = site / "region.yaml"
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:

        def with_settings(**coregistration: object) -> LaneHarness:
            document = yaml.safe_load(path.read_text()) | {"coregistration": coregistration}
            document["composite"] = {"methods": ["medoid", "percentiles"], "percentiles": [50]}
            path.write_text(yaml.safe_dump(document))
            home = tmp_path / "home"
            defs = build_defs(Settings.of_home(home, path))
            return LaneHarness(path, home, defs, RegionPartitions(load(path)), instance)

        yield with_settings


def run(lane: LaneHarness) -> dict[str, str]:
    """Statuses of the assets up to the composite."""
    report = Report()
    run_job(lane.defs, COMPOSITES, BOX.tags, lane.instance, report)
    assert not report.failures
    return {one.asset: one.status for one in report.partitions}


def item(lane: LaneHarness, collection: str) -> Item:
    found = lane.catalogue.get(collection, f"shifted_{PERIOD}_R051_31UFS")
    assert found is not None
    return found


def marks(lane: LaneHarness) -> list[str]:
    return [item(lane, name)["properties"]["weft:fingerprint"] for name in ("coregistered-stacks", "composites")]


def errors(lane: LaneHarness) -> dict[str, float]:
    """RMSE of every layer against the truth."""
    made = item(lane, "composites")
    keys = [key for key in made["assets"] if key.endswith(("_medoid", "_p50"))]
    product = source_product(made, lambda href: lane.store.fetch(lane.store.key_of(href), lane.home), keys)
    truth = Truth.load(lane.region_file.parent)
    return {spec.key: accuracy(one).rmse for spec, one in differences(product, truth, window("glad-seasons", PERIOD))}


@pytest.mark.slow
def test_scenes_are_found_where_they_lie_and_composites_come_closer_to_the_truth(configured: Configured) -> None:
    plain = configured(method="none")
    run(plain)
    untouched, before = marks(plain), errors(plain)
    assert item(plain, "coregistered-stacks")["properties"]["weft:coregistration"] == {"method": "none"}
    assert "weft:coregistration" not in item(plain, "composites")["properties"]

    lane = configured(method="phase")
    made = run(lane)
    assert (made["calibrated_datasets"], made["scene_stack"], made["tile_composite"]) == ("unchanged", "done", "done")
    field = item(lane, "coregistered-stacks")["properties"]["weft:coregistration"]
    shifts = Truth.load(lane.region_file.parent).document["defects"]["shifted"]
    assert shifts[field["reference"]] == [0.0, 0.0]
    for entry in field["observations"]:
        known = shifts[entry["scenes"][0]]
        if entry["status"] == "registered":
            displacement = Displacement.from_json(entry["displacement"])
            dx, dy = displacement.at(183, 183)
            # The ground changes with the season: nearest to the reference it is found best.
            assert np.hypot(dx - known[0], dy - known[1]) < (0.05 if "20210714" in entry["scenes"][0] else 0.1)
        else:
            assert (entry["status"], known) in (("reference", [0.0, 0.0]), ("in_place", [0.0, 0.0]))
    told = item(lane, "composites")["properties"]["weft:coregistration"]
    assert sorted(told["displaced"]) == sorted(
        scene for entry in field["observations"] if entry["status"] == "registered" for scene in entry["scenes"]
    )
    after = errors(lane)
    assert all(after[key] < 0.95 * before[key] for key in before), (before, after)
    shown = lane.instance.get_latest_materialization_event(dg.AssetKey(["shifted", "scene_stack"]))
    assert shown is not None
    rows = shown.asset_materialization.metadata["displacements"].value.records
    assert [row.data["status"] for row in rows] == [entry["status"] for entry in field["observations"]]
    assert [row.data["ce90_after"] for row in rows] == [
        entry.get("quality", {}).get("ce90_after") for entry in field["observations"]
    ]

    assert set(run(lane).values()) == {"unchanged"}
    found = marks(lane)
    stricter = configured(method="phase", max_ce90=0.01)
    assert run(stricter)["scene_stack"] == "done"
    assert not set(marks(stricter)) & {*found, *untouched}
    refused = item(stricter, "coregistered-stacks")["properties"]["weft:coregistration"]["observations"]
    assert {entry["status"] for entry in refused} == {"reference", "geometry"}
    assert errors(stricter) == before, "without a proof every scene keeps its geolocation"

    back = configured(method="none")
    run(back)
    assert marks(back) == untouched, "off is as if there had never been displacements"


def test_only_a_stack_that_decodes_waits_in_the_pool(configured: Configured) -> None:
    for settings, pool in (({"method": "none"}, None), ({"method": "phase"}, DECODE_POOL)):
        lane = configured(**settings)
        stack = lane.defs.resolve_asset_graph().get(dg.AssetKey(["shifted", "scene_stack"]))
        assert stack.pools == ({pool} if pool else set())
