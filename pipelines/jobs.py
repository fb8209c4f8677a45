"""The jobs of a region: the assets of one partitions definition each, for a run can hold no more than that.

Belongs here: which assets run together. Not here: when (``schedules``, ``sensors``) or over which partitions
(``runs``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

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


def region_jobs(region: Region) -> dict[str, AssetJob]:
    """Name -> job, in the order in which they feed each other; those that the region has a use for."""
    unused = () if region.normalisation.levels else (TRACK_LEVELS,)
    return {name: _job(region, name, assets) for name, assets in JOB_ASSETS.items() if name not in unused}


def _job(region: Region, name: str, assets: tuple[str, ...]) -> AssetJob:
    keys = [dg.AssetKey([region.region, asset]) for asset in assets]
    return dg.define_asset_job(name, selection=dg.AssetSelection.assets(*keys), description=", then ".join(assets))
