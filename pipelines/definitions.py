"""The Definitions that Dagster loads: one region's production lane and the order lane, assembled.

Belongs here: assembly. Not here: any asset, job, schedule or sensor, or where state lies (``settings``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.orders.family import order_assets, order_checks
from assets.partitions import RegionPartitions
from assets.production import production_assets, region_checks
from pipelines.automation import automated, automation_sensor
from pipelines.jobs import COMPOSITES, order_jobs, region_jobs
from pipelines.orders import inbox_sensor, order_resources
from pipelines.schedules import seasonal_schedule
from pipelines.sensors import archive_sensor
from pipelines.settings import Settings
from resources.archive import ArchiveResource
from resources.region import RegionResource
from weft.regions import load


def build_defs(
    settings: Settings | None = None, *, resource_overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Definitions of one region, and of orders.

    Args:
        settings: its region file and where its products are kept; as the environment says by default.
        resource_overrides: resources by name, instead of the ones built here.

    Raises:
        RequestError: the region file is missing or wrong.
    """
    settings = settings or Settings.of_environment()
    partitions = RegionPartitions(load(settings.region))
    jobs = region_jobs(partitions.region)
    on_demand = list(order_jobs().values())
    assets = automated(production_assets(partitions))
    resources = {
        "region": RegionResource(path=str(settings.region)),
        "archive": ArchiveResource(region_file=str(settings.region)),
        **order_resources(settings),
    }
    return dg.Definitions(
        assets=[*assets, *order_assets()],
        asset_checks=[*region_checks(partitions), *order_checks()],
        jobs=[*jobs.values(), *on_demand],
        schedules=[seasonal_schedule(partitions, jobs[COMPOSITES])],
        sensors=[
            archive_sensor(partitions, jobs[COMPOSITES]),
            automation_sensor(),
            inbox_sensor(on_demand),
        ],
        resources=resources | dict(resource_overrides or {}),
        # A run streams blocks with all threads already; a process for each step would only add its start-up.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster's tools load; only they pay for it, so that a wrong setting cannot break a mere import."""
    return build_defs()
