"""What the assets of one region's production lane have in common.

Belongs here: keys, dependencies and options of a partitioned asset. Not here: any one asset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets.partitions import RegionPartitions
from assets.units import RETRY

KEYS_PER_RUN = 50
DECODE_POOL = "decode"
"""Pool of the assets that hold a worker's whole memory budget."""


@dataclass(frozen=True)
class Lane:
    """The production lane of one region; every asset key begins with the region's name."""

    partitions: RegionPartitions

    @property
    def group(self) -> str:
        """Asset group of the region; group names take no hyphen."""
        return self.partitions.region.region.replace("-", "_")

    def key(self, name: str) -> dg.AssetKey:
        """Key of one of the lane's assets."""
        return dg.AssetKey([self.partitions.region.region, name])

    def after(self, name: str, mapping: dg.PartitionMapping | None = None) -> dg.AssetDep:
        """Dependency on another asset of the lane, partition by partition unless a mapping is given."""
        # The identity is spelled out, so that what the host processes see of every edge can be checked.
        return dg.AssetDep(self.key(name), partition_mapping=mapping or dg.IdentityPartitionMapping())

    def options(
        self, name: str, partitions: dg.PartitionsDefinition, version: int, *after: dg.AssetDep
    ) -> dict[str, Any]:
        """Options of :func:`dagster.asset` for an asset whose runs take a range of partitions."""
        return {
            "key": self.key(name),
            "group_name": self.group,
            "partitions_def": partitions,
            "deps": after,
            "code_version": str(version),
            "backfill_policy": dg.BackfillPolicy.multi_run(KEYS_PER_RUN),
            "retry_policy": RETRY,
        }
