"""The production lane end to end, in this process, over a simulated archive."""

from __future__ import annotations

import json
import sys

import dagster as dg
import pytest
import yaml

import assets.composites
from assets.partitions import TILE_TRACK, partition_key
from pipelines.runs import Report
from tests.pipelines.conftest import PERIOD, LaneHarness
from weft.composite_settings import EXTRA_LAYERS
from weft.errors import RequestError

COMPOSITES = ("composites", "coregistered-stacks")


def statuses(report: Report, asset: str) -> dict[str, str]:
    return {one.partition.split("|")[1]: one.status for one in report.partitions if one.asset == asset}


def last_event(lane: LaneHarness) -> int:
    events = lane.catalogue.events(limit=100_000)
    return events[-1].seq if events else 0


def test_everything_is_made_once_shown_and_made_again_only_where_its_input_changed(lane: LaneHarness) -> None:
    first = lane.run()
    assert not first.failures
    assert {one.status for one in first.partitions} == {"done"}
    assert len(statuses(first, "tile_composite")) == 3
    assert len(statuses(first, "orbit_mosaic")) == 2
    assert statuses(first, "mosaic").keys() == statuses(first, "mosaic_expressions").keys() == {*lane.partitions.sheets}
    item = lane.catalogue.get("composites", f"tiny_{PERIOD}_R051_31UFS")
    assert item is not None
    for asset in item["assets"].values():
        assert lane.store.exists(lane.store.key_of(asset["href"]))
    shown = metadata(lane, "tile_composite", f"{PERIOD}|R051_31UFS")
    assert shown["picture"].value.count("](data:image/png;base64,") == 1
    assert len(shown["picture"].value) < 100_000
    assert {row.data["layer"] for row in shown["statistics"].value.records} >= {"red_p50", "count"}
    assert shown["links"].value[item["id"]]["red_p50"] == item["assets"]["red_p50"]["href"]
    assert shown["fingerprint"].value == item["properties"]["weft:fingerprint"]

    _shows_its_gaps_and_seams(lane, lane.partitions.sheets[0])

    before = last_event(lane)
    second = lane.run()
    assert second.unchanged
    assert {one.status for one in second.partitions} == {"unchanged"}
    assert last_event(lane) == before, "nothing may be published twice"
    again = metadata(lane, "tile_composite", f"{PERIOD}|R051_31UFS")
    assert again["status"].value == "unchanged"
    assert again["picture"] == shown["picture"], "an unchanged partition still shows what it is"

    scene = lane.scenes_of("R008", "31UFS")[0]
    document = json.loads(scene.read_text())
    document["properties"]["eo:cloud_cover"] = 12.5
    scene.write_text(json.dumps(document))
    third = lane.run()
    expected = {"R008_31UFS": "done", "R051_31UES": "unchanged", "R051_31UFS": "unchanged"}
    for asset in ("calibrated_datasets", "scene_stack", "tile_composite"):
        assert statuses(third, asset) == expected
    assert statuses(third, "orbit_mosaic") == {"R008": "done", "R051": "unchanged"}
    touched = set(lane.partitions.sheets_of_track["R008"])
    assert {sheet for sheet, status in statuses(third, "mosaic").items() if status == "done"} == touched


def _shows_its_gaps_and_seams(lane: LaneHarness, sheet: str) -> None:
    item = lane.catalogue.get("mosaics", f"tiny_{PERIOD}_{sheet}")
    assert item is not None
    assert lane.store.get(lane.store.key_of(item["assets"]["gaps"]["href"])).startswith(b"\x89PNG")
    shown, said = metadata(lane, "mosaic", f"{PERIOD}|{sheet}"), item["properties"]
    assert shown["picture"].value.count("](data:image/png;base64,") == 2
    assert len(shown["picture"].value) < 100_000
    (row,) = shown["gaps"].value.records
    assert sum(row.data[name] for name in ("0", "1", "2", "3+")) == pytest.approx(100, abs=0.001)
    assert row.data["0"] == pytest.approx(said["weft:gaps"]["0"], abs=0.001)
    assert 0 < row.data["expected"] == said["weft:expected"] <= 100
    # What is observed lies where it was expected, but for the few kilometres between 140 km and the end of a swath.
    assert 100 - row.data["0"] < row.data["expected"] + 10
    assert shown["seams"].value == {item["id"]: said["weft:seams"]}
    assert said["weft:blend"] == "seamless"
    assert said["weft:resampling"]


def metadata(lane: LaneHarness, asset: str, partition: str) -> dict[str, dg.MetadataValue]:
    records = lane.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(["tiny", asset]), asset_partitions=[partition]), limit=1
    ).records
    materialization = records[0].asset_materialization
    assert materialization is not None
    return dict(materialization.metadata)


def test_a_truncated_scene_is_set_aside_and_named_and_the_rest_is_done(lane: LaneHarness) -> None:
    scene = lane.scenes_of("R051", "31UES")[0]
    victim = next(scene.parent.glob("*.tif"))
    victim.write_bytes(victim.read_bytes()[:-100])
    report = lane.run(tile_tracks=["R051_31UES"])
    assert not report.failures
    assert statuses(report, "tile_composite") == {"R051_31UES": "done"}
    assert [one["id"] for one in report.rejected] == [scene.stem]
    assert victim.name in report.rejected[0]["reason"]
    item = lane.catalogue.get("composites", f"tiny_{PERIOD}_R051_31UES")
    assert item is not None
    assert [one["id"] for one in item["properties"]["weft:rejected"]] == [scene.stem]
    assert scene.stem not in str(item["properties"]["weft:observations"])


def test_a_period_without_scenes_is_empty_and_says_where_was_searched(lane: LaneHarness) -> None:
    report = lane.run("2021-09")
    assert not report.failures
    assert {one.status for one in report.partitions} == {"empty"}
    message = next(one.message for one in report.partitions if one.asset == "tile_composite")
    for part in ("sentinel-2-l2a", "file:./archive/catalog.json", "2021-09-13", "R008_31UFS"):
        assert part in message
    assert not lane.catalogue.collections()


def test_one_partition_can_be_run_by_its_key_as_the_ui_does(lane: LaneHarness) -> None:
    key = partition_key("2021-09", TILE_TRACK, "R008_31UFS")
    job = lane.defs.resolve_job_def("composites")
    assert job.execute_in_process(partition_key=key, instance=lane.instance, raise_on_error=False).success
    shown = metadata(lane, "tile_composite", key)
    assert shown["status"].value == "empty"


def test_every_method_and_layer_reaches_the_composite_and_every_reflectance_the_mosaic(lane: LaneHarness) -> None:
    methods = ["s2gm", "s2gm_v1", "medoid", "short_term", "max_ndvi", "first_valid", "mean", "percentiles"]
    composite = {"methods": methods, "percentiles": [50], "layers": "all", "medoid_min": 2}
    document = yaml.safe_load(lane.region_file.read_text())
    document |= {"composite": composite, "validity": {"view_zenith_max": 12, "snow_confidence_max": 50}}
    lane.region_file.write_text(yaml.safe_dump(document))
    report = lane.run(tile_tracks=["R051_31UFS"])
    assert not report.failures
    item = lane.catalogue.get("composites", f"tiny_{PERIOD}_R051_31UFS")
    assert item is not None
    left_out = {"quality_snow_confidence", "view_azimuth_mean", "sun_zenith", "sun_azimuth"}
    assert set(item["properties"]["weft:layers_left_out"]) == left_out
    assert item["properties"]["weft:validity_not_applied"] == ["snow_confidence_max"]
    statistics = [*(method for method in methods if method != "percentiles"), "p50"]
    reflectances = {f"{band}_{statistic}" for band in document["bands"] for statistic in statistics}
    about = {"medoid_spread", "source_index", "observation_date", "count", *(set(EXTRA_LAYERS) - left_out)}
    assert item["assets"].keys() == reflectances | about | {"thumbnail"}
    dates = [one[0].rsplit("_", 3)[1] for one in item["properties"]["weft:observations"]]
    assert dates == sorted(dates, reverse=True)
    mosaic = lane.catalogue.get("mosaics", f"tiny_{PERIOD}_{lane.partitions.sheets_of_track['R051'][0]}")
    assert mosaic is not None
    assert mosaic["assets"].keys() == reflectances | {"count", "track_weight_R051", "thumbnail", "gaps"}


def test_a_method_without_its_package_fails_before_a_partition_is_begun(
    lane: LaneHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "geomad", None)
    document = yaml.safe_load(lane.region_file.read_text()) | {"composite": {"methods": ["geomedian"]}}
    lane.region_file.write_text(yaml.safe_dump(document))
    report = lane.run(tile_tracks=["R008_31UFS"])
    assert [failure.step for failure in report.failures] == ["tile_composite"]
    assert "pip install 'weft[geomedian]'" in report.failures[0].message


def test_a_composite_whose_scenes_have_gone_is_withdrawn(lane: LaneHarness) -> None:
    lane.run(tile_tracks=["R008_31UFS"])
    assert lane.catalogue.get("mosaics", f"tiny_{PERIOD}_{lane.partitions.sheets_of_track['R008'][0]}")
    gone = {scene.name for scene in lane.scenes_of("R008", "31UFS")}
    collection = lane.scenes / "collection.json"
    document = json.loads(collection.read_text())
    document["links"] = [link for link in document["links"] if link["href"].rsplit("/", 1)[-1] not in gone]
    collection.write_text(json.dumps(document))
    report = lane.run(tile_tracks=["R008_31UFS"])
    assert {one.status for one in report.partitions} == {"empty"}
    for name in (*COMPOSITES, "orbit-mosaics", "mosaics", "expression-bands", "region-mosaics"):
        assert name not in {extent.collection for extent in lane.catalogue.collections()}


def test_a_failure_in_the_middle_of_a_range_keeps_what_was_finished(
    lane: LaneHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, calls = assets.composites.composite, []

    def failing(*args: object, **options: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            raise RequestError("band mauve is unknown; take it out")
        return genuine(*args, **options)

    monkeypatch.setattr(assets.composites, "composite", failing)
    report = lane.run()
    assert len(calls) == 2, "a wrong request is not tried again"
    assert [(one.step, one.kind) for one in report.failures] == [("tile_composite", "RequestError")]
    assert "band mauve" in report.failures[0].message
    assert statuses(report, "tile_composite") == {"R008_31UFS": "done"}
    assert not statuses(report, "orbit_mosaic")
    composite = dg.AssetKey(["tiny", "tile_composite"])
    assert lane.instance.get_materialized_partitions(composite) == {f"{PERIOD}|R008_31UFS"}

    resumed = lane.run()
    assert not resumed.failures
    assert statuses(resumed, "tile_composite") == {
        "R008_31UFS": "unchanged",
        "R051_31UES": "done",
        "R051_31UFS": "done",
    }


def test_a_composite_whose_file_was_damaged_in_the_store_stops_the_chain(lane: LaneHarness) -> None:
    lane.run(tile_tracks=["R008_31UFS"])
    item = lane.catalogue.get("composites", f"tiny_{PERIOD}_R008_31UFS")
    assert item is not None
    path = lane.store.fetch(lane.store.key_of(item["assets"]["count"]["href"]), lane.home)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    report = lane.run(tile_tracks=["R008_31UFS"])
    assert [failure.step for failure in report.failures] == ["tile_composite_checks"]
    assert "stored_bytes" in report.failures[0].message
    assert not statuses(report, "orbit_mosaic")
    checks = {
        evaluation.check_name: evaluation
        for record in lane.instance.get_records_for_run(
            lane.instance.get_runs(limit=1)[0].run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
        if (evaluation := record.event_log_entry.asset_check_evaluation)
    }
    assert {name: check.passed for name, check in checks.items()} == {
        "stored_bytes": False,
        "valid_stac": True,
        "enough_valid_pixels": True,
        "plausible_values": True,
    }
    assert list(checks["stored_bytes"].metadata["bad"].value) == [item["id"]]


def test_checks_started_by_themselves_look_at_everything_the_region_has_published(lane: LaneHarness) -> None:
    lane.run(tile_tracks=["R051_31UES", "R051_31UFS"])
    sweep = dg.define_asset_job(
        "sweep", selection=dg.AssetSelection.checks_for_assets(dg.AssetKey(["tiny", "tile_composite"]))
    )
    job = dg.Definitions.merge(lane.defs, dg.Definitions(jobs=[sweep])).resolve_job_def("sweep")
    result = job.execute_in_process(instance=lane.instance)
    found = result.get_asset_check_evaluations()
    assert [check.metadata["checked"].value for check in found] == [2] * 4
    assert all(check.passed for check in found)


@pytest.mark.parametrize(
    ("period", "tile_tracks", "message"),
    [("2021-07", None, "closed so far: 2021-06"), ("2035-03", None, "2035-03"), (PERIOD, ["R051_99ZZZ"], "R051_99ZZZ")],
)
def test_a_period_or_tile_track_that_is_not_there_is_refused_before_any_run(
    lane: LaneHarness, period: str, tile_tracks: list[str] | None, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        lane.run(period, tile_tracks=tile_tracks)
    assert lane.instance.get_runs_count() == 0
