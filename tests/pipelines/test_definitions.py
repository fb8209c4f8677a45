"""What Dagster's tools load, and the instance they run in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget

from pipelines.definitions import build_defs
from pipelines.instance import open_instance
from pipelines.jobs import JOB_ASSETS, ORDER_JOBS, region_jobs
from pipelines.settings import Settings
from weft.errors import RequestError
from weft.regions import load

ROOT = Path(__file__).resolve().parents[2]
THROUGH_LEVELS = {
    ("orbit_mosaic", "track_levels"): dg.MultiToSingleDimensionPartitionMapping,
    ("track_levels", "mosaic"): dg.MultiToSingleDimensionPartitionMapping,
}
OF_ORDERS = {
    ("order_inputs", "coregistered_stack"): dg.IdentityPartitionMapping,
    ("coregistered_stack", "expression_bands"): dg.IdentityPartitionMapping,
    ("order_inputs", "composite_order"): dg.IdentityPartitionMapping,
}


@pytest.mark.parametrize("levels", [False, True])
def test_every_partitioned_edge_keeps_its_mapping_in_a_host_process(
    levels: bool, region_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webserver and daemon see what a code server sends them; this process is such a host."""
    document = yaml.safe_load(region_file.read_text())
    region_file.write_text(yaml.safe_dump(document | {"normalisation": {"levels": levels}}))
    monkeypatch.setenv("WEFT_REGION", str(region_file))
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    origin = ModuleTarget("pipelines.definitions", None, str(ROOT), "weft")
    with (
        dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance,
        WorkspaceProcessContext(instance, origin) as workspace,
    ):
        graph = workspace.create_request_context().asset_graph
        edges = {
            (parent.path[-1], key.path[-1]): type(mapping)
            for key in graph.get_all_asset_keys()
            for parent, mapping in graph.get(key).partition_mappings.items()
        }
        tracks = graph.get(dg.AssetKey(["tiny", "orbit_mosaic"])).partition_mappings
    assert edges == {
        ("archive_items", "calibrated_datasets"): dg.IdentityPartitionMapping,
        ("calibrated_datasets", "scene_stack"): dg.IdentityPartitionMapping,
        ("scene_stack", "tile_composite"): dg.IdentityPartitionMapping,
        ("tile_composite", "orbit_mosaic"): dg.MultiPartitionMapping,
        ("orbit_mosaic", "mosaic"): dg.MultiPartitionMapping,
        ("mosaic", "mosaic_expressions"): dg.IdentityPartitionMapping,
        ("mosaic", "region_mosaic"): dg.MultiToSingleDimensionPartitionMapping,
        **(THROUGH_LEVELS if levels else {}),
        **OF_ORDERS,
    }
    (mapping,) = tracks.values()
    by_place = mapping.downstream_mappings_by_upstream_dimension["tile_track"].partition_mapping
    assert by_place.downstream_partition_keys_by_upstream_partition_key["R051_31UES"] == "R051"


def test_every_asset_takes_ranges_tries_again_and_belongs_to_its_region_or_to_orders(region_file: Path) -> None:
    defs = build_defs(Settings.of_home(region_file.parent, region_file))
    for asset in defs.resolve_asset_graph().assets_defs:
        if not asset.is_executable or not asset.keys:
            continue
        keys_per_run = {"tiny": 50, "orders": 1}[asset.key.path[0]]
        assert asset.backfill_policy == dg.BackfillPolicy.multi_run(keys_per_run)
        assert asset.op.retry_policy is not None
        assert asset.op.retry_policy.max_retries >= 1


def test_only_composites_and_ordered_stacks_are_stopped_by_their_checks(region_file: Path) -> None:
    defs = build_defs(Settings.of_home(region_file.parent, region_file))
    blocking = {
        (key.asset_key.path[-1], key.name)
        for key in defs.resolve_asset_graph().asset_check_keys
        if defs.resolve_asset_graph().get(key).blocking
    }
    assert blocking == {
        (asset, check) for asset in ("tile_composite", "coregistered_stack") for check in ("stored_bytes", "valid_stac")
    }


@pytest.mark.parametrize("levels", [False, True])
def test_every_asset_is_in_the_jobs_and_what_follows_is_automated(levels: bool, region_file: Path) -> None:
    document = yaml.safe_load(region_file.read_text())
    region_file.write_text(yaml.safe_dump(document | {"normalisation": {"levels": levels}}))
    graph = build_defs(Settings.of_home(region_file.parent, region_file)).resolve_asset_graph()
    lane = {key for key in graph.executable_asset_keys if key.path[0] == "tiny"}
    made = {key.path[-1] for key in lane}
    jobs = region_jobs(load(region_file))
    carried = [asset for job in jobs for asset in JOB_ASSETS[job]]
    assert sorted(carried) == sorted(made)
    assert ("track_levels" in made) == levels
    # In the order of the jobs everything comes after what it is made of.
    for key in lane:
        for parent in graph.get(key).parent_keys & lane:
            assert carried.index(parent.path[-1]) < carried.index(key.path[-1])
    started = {"calibrated_datasets", "scene_stack", "tile_composite"}
    assert {
        key.path[-1] for key in graph.executable_asset_keys if graph.get(key).automation_condition
    } == made - started, "what is ordered is made when it is ordered"
    ordered = {key.path[-1] for key in graph.executable_asset_keys - lane}
    assert ordered == {asset for assets in ORDER_JOBS.values() for asset in assets}


def test_everything_that_starts_work_by_itself_is_off_until_someone_turns_it_on(region_file: Path) -> None:
    repository = build_defs(Settings.of_home(region_file.parent, region_file)).get_repository_def()
    assert {one.name: one.default_status.value for one in repository.sensor_defs} == {
        "new_archive_items": "STOPPED",
        "mosaics_follow_composites": "STOPPED",
        "order_inbox": "STOPPED",
    }
    assert {one.name: one.default_status.value for one in repository.schedule_defs} == {"closed_period": "STOPPED"}


def test_a_region_file_that_is_wrong_says_so(region_file: Path) -> None:
    document = yaml.safe_load(region_file.read_text())
    region_file.write_text(yaml.safe_dump(document | {"colour": "red"}))
    with pytest.raises(RequestError, match="colour"):
        build_defs(Settings.of_home(region_file.parent, region_file))


def test_resources_can_be_overridden(region_file: Path) -> None:
    other = build_defs(
        Settings.of_home(region_file.parent, region_file),
        resource_overrides={"store": "another"},
    )
    assert other.resources["store"] == "another"


def test_a_fresh_clone_loads(tmp_path: Path) -> None:
    """From ``workspace.yaml``, without a demo, a home or any setting."""
    settings = {"WEFT_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")} | settings
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_shipped_instance_settings_are_what_dagster_understands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader refuses unknown keys and wrong types."""
    monkeypatch.setenv("DAGSTER_HOME", "restored after the test, which sets another")
    with open_instance(tmp_path / "dagster") as instance:
        settings, _ = dagster_instance_config(str(tmp_path / "dagster"))
        assert settings == yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert instance.get_concurrency_config().pool_config.pool_granularity.value == "run"
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "dagster.yaml").write_text("run_monitoring: {enabeld: true}\n")
    with pytest.raises(dg.DagsterInvalidConfigError):
        dagster_instance_config(str(broken))
