"""The Definitions that Dagster loads: one region's production lane, assembled.

Belongs here: assembly and where state lies. Not here: any asset, job, schedule or sensor, nor any other reading of the
environment.

Settings, all optional: ``WEFT_REGION`` region file, ``WEFT_HOME`` folder of local state (``.weft``), ``WEFT_STORE`` and
``WEFT_CATALOG`` where products and items are kept (below ``WEFT_HOME``), ``WEFT_SCRATCH`` folder for unfinished files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.partitions import RegionPartitions
from assets.production import production_assets, region_checks
from pipelines.automation import automated, automation_sensor
from pipelines.jobs import COMPOSITES, region_jobs
from pipelines.schedules import seasonal_schedule
from pipelines.sensors import archive_sensor
from resources.archive import ArchiveResource
from resources.catalogue import CatalogueResource
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from resources.scratch import ScratchResource
from weft.regions import load

SHIPPED_REGION = Path(__file__).resolve().parents[1] / "deploy" / "regions" / "earth-search-flanders.yaml"
"""What a fresh clone shows before there is a demo."""


def build_defs(
    region_file: Path | None = None,
    *,
    home: Path | None = None,
    resource_overrides: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Definitions of one region.

    Args:
        region_file: its region file; by default ``WEFT_REGION``, or else the demo's if there is one, or else a shipped
            one.
        home: folder of local state; by default ``WEFT_HOME``, or else ``.weft``.
        resource_overrides: resources by name, instead of the ones built here.

    Raises:
        RequestError: the region file is missing or wrong.
    """
    home = (home or Path(os.environ.get("WEFT_HOME") or ".weft")).absolute()
    path = (region_file or _region_file(home)).absolute()
    partitions = RegionPartitions(load(path))
    jobs = region_jobs(partitions.region)
    assets = automated(production_assets(partitions))
    resources = {
        "region": RegionResource(path=str(path)),
        "archive": ArchiveResource(region_file=str(path)),
        "store": ObjectStoreResource(url=os.environ.get("WEFT_STORE") or str(home / "store")),
        "catalogue": CatalogueResource(url=os.environ.get("WEFT_CATALOG") or str(home / "catalog.sqlite")),
        "scratch": ScratchResource(directory=os.environ.get("WEFT_SCRATCH") or ""),
    }
    return dg.Definitions(
        assets=assets,
        asset_checks=region_checks(partitions),
        jobs=list(jobs.values()),
        schedules=[seasonal_schedule(partitions, jobs[COMPOSITES])],
        sensors=[
            archive_sensor(partitions, jobs[COMPOSITES]),
            automation_sensor(dg.AssetSelection.groups(partitions.region.region.replace("-", "_"))),
        ],
        resources=resources | dict(resource_overrides or {}),
        # A run streams blocks with all threads already; a process for each step would only add its start-up.
        executor=dg.in_process_executor,
    )


def _region_file(home: Path) -> Path:
    if named := os.environ.get("WEFT_REGION"):
        return Path(named)
    demo = home / "demo" / "region.yaml"
    return demo if demo.is_file() else SHIPPED_REGION


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster's tools load; only they pay for it, so that a wrong setting cannot break a mere import."""
    return build_defs()
