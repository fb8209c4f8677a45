"""Normalisation in the lane: applied and recorded where a region asks for it, without a trace where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import rasterio
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget

from assets.partitions import SHEET, RegionPartitions, partition_key
from pipelines.definitions import build_defs
from pipelines.settings import Settings
from tests.conftest import ROOT
from tests.pipelines.conftest import PERIOD, LaneHarness
from weft.mosaicking.levels import Levels, apply
from weft.regions import load
from weft.stac import Item
from weft.stac.levels import levels_of
from weft.stac.products import sources_of

LAYERS = [f"{band}_p50" for band in ("blue", "green", "nir", "red", "swir16", "swir22")]


def ask(lane: LaneHarness, **normalisation: bool) -> LaneHarness:
    """The same region with other settings, fine enough for an overlap of some hundred pixels."""
    document = yaml.safe_load(lane.region_file.read_text())
    document["mosaic"] |= {"resolution": 900, "sheet_km": 600}
    document["normalisation"] = normalisation
    lane.region_file.write_text(yaml.safe_dump(document))
    defs = build_defs(Settings.of_home(lane.home, lane.region_file))
    return LaneHarness(lane.region_file, lane.home, defs, RegionPartitions(load(lane.region_file)), lane.instance)


def marks(lane: LaneHarness) -> dict[str, str]:
    items = (lane.catalogue.get("mosaics", f"tiny_{PERIOD}_{sheet}") for sheet in lane.partitions.sheets)
    return {item["id"]: item["properties"]["weft:fingerprint"] for item in items if item}


def steps(lane: LaneHarness, layer: str, levels: Levels) -> tuple[float, float]:
    """Median step from one track to the other over every pixel that both observed, before and after."""
    one, other = (
        lane.catalogue.get("orbit-mosaics", f"tiny_{PERIOD}_{track}_{sheet}")
        for track in ("R008", "R051")
        for sheet in lane.partitions.sheets_of_track[track]
    )

    def values(item: Item | None) -> np.ndarray:
        assert item is not None
        with rasterio.open(lane.store.fetch(lane.store.key_of(item["assets"][layer]["href"]), lane.home)) as dataset:
            return dataset.read(1)

    first, second = values(one), values(other)
    both = (first > 0) & (second > 0)
    level, other_level = levels["R008"][layer], levels["R051"][layer]
    differences = second.astype(int) - first, apply(second, other_level).astype(int) - apply(first, level)
    return tuple(float(np.median(one[both])) for one in differences)


def test_the_step_between_tracks_shrinks_tenfold_and_what_was_done_is_recorded(lane: LaneHarness) -> None:
    plain = ask(lane, levels=False)
    assert not plain.run().failures
    former = marks(plain)
    assert plain.catalogue.get("track-levels", f"tiny_{PERIOD}") is None

    lane = ask(lane, levels=True)
    report = lane.run()
    assert not report.failures
    made = {one.asset: one.status for one in report.partitions}
    assert made["orbit_mosaic"] == "unchanged"
    assert made["track_levels"] == made["mosaic"] == "done"
    item = lane.catalogue.get("track-levels", f"tiny_{PERIOD}")
    assert item is not None
    (overlap,) = item["properties"]["weft:overlaps"]
    assert overlap["tracks"] == ["R008", "R051"]
    assert sorted(overlap["layers"]) == LAYERS
    for one in overlap["layers"].values():
        assert one["used"] != "nothing"
        assert abs(one["after"]) < abs(one["before"]) / 10
    assert {source.collection for source in sources_of(item)} == {"orbit-mosaics"}
    levels = levels_of(item)
    before, after = np.abs([steps(lane, layer, levels) for layer in LAYERS]).T
    assert (before > 15).all()
    assert after.sum() < before.sum() / 10, (before, after)
    for sheet in lane.partitions.sheets:
        mosaic = lane.catalogue.get("mosaics", f"tiny_{PERIOD}_{sheet}")
        assert mosaic is not None
        told = mosaic["properties"]["weft:levels"]
        assert told.keys() == {track for track in levels if sheet in lane.partitions.sheets_of_track[track]}
        assert told["R051"]["red_p50"]["gain"] == levels["R051"]["red_p50"].gain
        assert ("track-levels", item["id"]) in {(one.collection, one.id) for one in sources_of(mosaic)}
    assert all(mark != former[mosaic] for mosaic, mark in marks(lane).items())
    assert lane.run().unchanged

    back = ask(lane, levels=False)
    assert not back.run().failures
    assert marks(back) == former, "off is as if there had never been levels"


def composite_of(lane: LaneHarness, tile_track: str) -> tuple[dict[str, object], dict[str, str]]:
    """Properties of a composite, and the digests of its pixels."""
    item = lane.catalogue.get("composites", f"tiny_{PERIOD}_{tile_track}")
    assert item is not None
    return item["properties"], {
        key: asset["weft:pixel_sha256"] for key, asset in item["assets"].items() if "weft:pixel_sha256" in asset
    }


def test_observations_are_brought_to_nadir_view_where_scenes_have_angles_and_counted_where_not(
    lane: LaneHarness,
) -> None:
    for scene in lane.scenes_of("R051", "31UFS"):
        document = json.loads(scene.read_text())
        view = document["assets"]["view_zenith"]
        # The simulator writes no other angle: its layer of the zenith serves for angles that hardly vary.
        for name, degrees in (("sun_zenith", 45), ("sun_azimuth", 150), ("view_azimuth", 150)):
            document["assets"][name] = view | {"raster:scale": 1e-6, "raster:offset": degrees}
        scene.write_text(json.dumps(document))
    tiles = {"tile_tracks": ["R051_31UFS", "R008_31UFS"]}
    plain = ask(lane)
    assert not plain.run(**tiles).failures
    rich, rich_pixels = composite_of(plain, "R051_31UFS")
    poor, poor_pixels = composite_of(plain, "R008_31UFS")
    assert not {"weft:nbar", "weft:nbar_not_applied"} & (rich.keys() | poor.keys())

    lane = ask(lane, nbar=True)
    assert not lane.run(**tiles).failures
    normalised, pixels = composite_of(lane, "R051_31UFS")
    assert normalised["weft:nbar"] is True
    assert normalised["weft:nbar_not_applied"] == {"observations": 0, "bands": []}
    assert {key for key in pixels if pixels[key] != rich_pixels[key]} == set(LAYERS)
    lacking, same_pixels = composite_of(lane, "R008_31UFS")
    assert lacking["weft:nbar"] is False
    assert lacking["weft:nbar_not_applied"] == {"observations": len(lacking["weft:observations"]), "bands": []}
    assert same_pixels == poor_pixels
    assert lacking["weft:fingerprint"] != poor["weft:fingerprint"]


def test_a_mosaic_is_not_made_without_the_levels_it_is_to_apply(lane: LaneHarness) -> None:
    plain = ask(lane, levels=False)
    assert not plain.run().failures
    lane = ask(lane, levels=True)
    result = lane.defs.resolve_job_def("mosaics").execute_in_process(
        partition_key=partition_key(PERIOD, SHEET, lane.partitions.sheets[0]),
        instance=lane.instance,
        raise_on_error=False,
    )
    assert not result.success
    (failure,) = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    assert "materialise that partition first" in failure.user_failure_data.description


def test_a_period_without_scenes_has_no_levels_and_says_so(lane: LaneHarness) -> None:
    report = ask(lane, levels=True).run("2021-09")
    assert not report.failures
    assert {one.status for one in report.partitions} == {"empty"}
    (levels,) = (one for one in report.partitions if one.asset == "track_levels")
    assert levels.message == "no track has an orbit mosaic in 2021-09"


def test_levels_are_of_a_period_and_feed_all_its_sheets_in_a_host_process(
    region_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load(region_file.read_text()) | {"normalisation": {"levels": True}}
    region_file.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("WEFT_REGION", str(region_file))
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    origin = ModuleTarget("pipelines.definitions", None, str(ROOT), "weft")
    with (
        dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance,
        WorkspaceProcessContext(instance, origin) as workspace,
    ):
        graph = workspace.create_request_context().asset_graph
        levels, mosaic = (graph.get(dg.AssetKey(["tiny", name])) for name in ("track_levels", "mosaic"))
        mappings = {**levels.partition_mappings, **mosaic.partition_mappings}
        assert {key.path[-1]: type(mapping) for key, mapping in mappings.items()} == {
            "orbit_mosaic": dg.MultiPartitionMapping,
            "track_levels": dg.MultiToSingleDimensionPartitionMapping,
        }
        (up,) = levels.partition_mappings.values()
        assert isinstance(up, dg.MultiToSingleDimensionPartitionMapping)
        assert up.partition_dimension_name == "period"
        assert isinstance(levels.partitions_def, dg.TimeWindowPartitionsDefinition)
