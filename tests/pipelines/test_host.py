"""A real webserver and daemon: what only host processes can get wrong.

They never import the definitions, they know them from a snapshot: a mapping the snapshot cannot hold is dropped without
a word, and a backfill then "succeeds" with its root assets only. Nothing that runs in one process shows that.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.pipelines.conftest import PERIOD, TILE_TRACKS

ROOT = Path(__file__).resolve().parents[2]
# Twice what it takes on a busy machine: the backfill daemon looks up every 30 s, once for each layer and at the end.
DEADLINE_S = 420
T = TypeVar("T")

COMPOSITES = ("calibrated_datasets", "scene_stack", "tile_composite")
CHAIN = (*COMPOSITES, "orbit_mosaic", "mosaic", "mosaic_expressions", "region_mosaic")
# GraphQL takes an identity mapping, an empty tuple, for none; test_definitions reads those edges in a host process.
IDENTITY, MULTI = None, "MultiPartitionMapping"
EDGES = {
    ("archive_items", "calibrated_datasets"): IDENTITY,
    ("calibrated_datasets", "scene_stack"): IDENTITY,
    ("scene_stack", "tile_composite"): IDENTITY,
    ("tile_composite", "orbit_mosaic"): MULTI,
    ("orbit_mosaic", "mosaic"): MULTI,
    ("mosaic", "mosaic_expressions"): IDENTITY,
    ("mosaic", "region_mosaic"): "MultiToSingleDimensionPartitionMapping",
    ("order_inputs", "coregistered_stack"): IDENTITY,
    ("coregistered_stack", "expression_bands"): IDENTITY,
    ("order_inputs", "composite_order"): IDENTITY,
}

EDGES_QUERY = """{ assetNodes { assetKey { path } isPartitioned
    dependencies { asset { assetKey { path } isPartitioned } partitionMapping { className } } } }"""
LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
PROGRESS_QUERY = """{ assetNodes { assetKey { path }
    partitionStats { numPartitions numMaterialized numFailed } } }"""


class Host:
    """The GraphQL end of a running webserver."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310  (loopback)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  (loopback)
            document = json.load(answer)
        assert "errors" not in document, document["errors"]
        return document["data"]

    def nodes(self) -> list[dict[str, Any]]:
        try:
            return self.ask(EDGES_QUERY)["assetNodes"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return []


def until(what: str, deadline: float, found: Callable[[], T | None]) -> T:
    while time.monotonic() < deadline:
        if (result := found()) is not None:
            return result
        time.sleep(1)
    pytest.fail(f"{what} did not happen in time")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def host(region_file: Path, tmp_path: Path) -> Iterator[Host]:
    dagster_home = tmp_path / "dagster"
    dagster_home.mkdir()
    shutil.copy(ROOT / "deploy" / "dagster.yaml", dagster_home)
    environment = os.environ | {
        "DAGSTER_HOME": str(dagster_home),
        "WEFT_HOME": str(tmp_path / "home"),
        "WEFT_REGION": str(region_file),
        "PYTHONWARNINGS": "ignore",
    }
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    log = tmp_path / "dev.log"
    with log.open("wb") as output:
        # A group of its own, so that nothing it starts can outlive the test.
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield Host(port)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(log.read_text(errors="replace")[-6000:])


@pytest.mark.services
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_backfill_of_the_root_partitions_runs_the_whole_chain_and_every_edge_keeps_its_mapping(host: Host) -> None:
    started = time.monotonic()
    nodes = until("loading the code location", started + 100, lambda: host.nodes() or None)
    edges = {
        (dependency["asset"]["assetKey"]["path"][-1], node["assetKey"]["path"][-1]): dependency["partitionMapping"]
        for node in nodes
        for dependency in node["dependencies"]
        if node["isPartitioned"] and dependency["asset"]["isPartitioned"]
    }
    assert {edge: mapping and mapping["className"] for edge, mapping in edges.items()} == EDGES

    params = {
        "assetSelection": [{"path": ["tiny", name]} for name in CHAIN],
        "partitionNames": [f"{PERIOD}|{tile_track}" for tile_track in TILE_TRACKS],
        "title": "root partitions only",
    }
    launched = host.ask(LAUNCH, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def finished() -> dict[str, int] | None:
        stats = {
            node["assetKey"]["path"][-1]: node["partitionStats"] for node in host.ask(PROGRESS_QUERY)["assetNodes"]
        }
        failed = {name: stats[name]["numFailed"] for name in CHAIN if stats[name]["numFailed"]}
        assert not failed, failed
        made = {name: stats[name]["numMaterialized"] for name in CHAIN}
        return made if made["mosaic_expressions"] and made["region_mosaic"] else None

    made = until("the end of the chain", time.monotonic() + DEADLINE_S, finished)
    assert made["calibrated_datasets"] == made["scene_stack"] == made["tile_composite"] == len(TILE_TRACKS)
    assert made["orbit_mosaic"] == 2
    assert made["mosaic"] == made["mosaic_expressions"] >= 1
    assert made["region_mosaic"] == 1
