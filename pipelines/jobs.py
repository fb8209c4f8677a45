"""The jobs: the assets of one partitions definition each, for a run can hold no more than that.

Belongs here: which assets run together. Not here: when (``schedules``, ``sensors``) or over which partitions
(``runs``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from assets.orders import lane
from weft.regions import Region

if TYPE_CHECKING:  # Dagster gives the result of `define_asset_job` no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

COMPOSITES = "composites"
ORBIT_MOSAICS = "orbit_mosaics"
TRACK_LEVELS = "track_levels"
MOSAICS = "mosaics"
REGION_MOSAICS = "region_mosaics"

JOB_ASSETS = {
    COMPOSITES: ("calibrated_datasets", "scene_stack", "tile_composite"),
    ORBIT_MOSAICS: ("orbit_mosaic",),
    TRACK_LEVELS: ("track_levels",),
    MOSAICS: ("mosaic", "mosaic_expressions"),
    REGION_MOSAICS: ("region_mosaic",),
}
"""Job -> last parts of the keys of its assets; jobs and assets in the order in which they feed each other."""

STACK_ORDER = "stack_order"
COMPOSITE_ORDER = "composite_order"

ORDER_JOBS = {
    STACK_ORDER: ("order_inputs", "coregistered_stack", "expression_bands"),
    COMPOSITE_ORDER: ("order_inputs", "composite_order"),
}
"""Job -> last parts of the keys of its assets, in the order in which they feed each other; one job a kind of order."""


def region_jobs(region: Region) -> dict[str, AssetJob]:
    """Name -> job, in the order in which they feed each other; those that the region has a use for."""
    unused = () if region.normalisation.levels else (TRACK_LEVELS,)
    return {
        name: _job(name, [dg.AssetKey([region.region, asset]) for asset in assets])
        for name, assets in JOB_ASSETS.items()
        if name not in unused
    }


def order_jobs() -> dict[str, AssetJob]:
    """Name -> job, one for each kind of order."""
    return {name: _job(name, [lane.key(asset) for asset in assets]) for name, assets in ORDER_JOBS.items()}


def _job(name: str, keys: Sequence[dg.AssetKey]) -> AssetJob:
    assets = [key.path[-1] for key in keys]
    return dg.define_asset_job(name, selection=dg.AssetSelection.assets(*keys), description=", then ".join(assets))
