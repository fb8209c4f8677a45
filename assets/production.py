"""The production lane of one region: all its assets and checks, in the order in which they feed each other.

Belongs here: the list. Not here: any one asset, or what starts work (``pipelines``).
"""

from __future__ import annotations

import dagster as dg

from assets.archive import archive_items
from assets.calibrated import calibrated_datasets
from assets.checks import production_checks
from assets.composites import tile_composite
from assets.expressions import mosaic_expressions
from assets.lane import Lane
from assets.levels import track_levels
from assets.mosaics import mosaic
from assets.orbit_mosaics import orbit_mosaic
from assets.partitions import RegionPartitions
from assets.region_mosaics import region_mosaic
from assets.stacks import scene_stack


def production_assets(partitions: RegionPartitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Assets of the region that the partitions belong to."""
    lane = Lane(partitions)
    return [
        archive_items(lane),
        calibrated_datasets(lane),
        scene_stack(lane),
        tile_composite(lane),
        orbit_mosaic(lane),
        *([track_levels(lane)] if lane.partitions.region.normalisation.levels else []),
        mosaic(lane),
        mosaic_expressions(lane),
        region_mosaic(lane),
    ]


def region_checks(partitions: RegionPartitions) -> list[dg.AssetChecksDefinition]:
    """Checks of those assets."""
    return production_checks(Lane(partitions))
