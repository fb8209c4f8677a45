"""What the assets of the order lane have in common.

Belongs here: their partitions, keys and options. Not here: any one asset.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.units import RETRY

GROUP = "orders"
ORDER = dg.DynamicPartitionsDefinition(name="order")
"""One partition for each order; its key is the order's id."""


def key(name: str) -> dg.AssetKey:
    """Key of one of the lane's assets."""
    return dg.AssetKey([GROUP, name])


def options(name: str, version: int, *after: str) -> dict[str, Any]:
    """Options of :func:`dagster.asset`; ``after`` are names of the assets it follows, order by order."""
    return {
        "key": key(name),
        "group_name": GROUP,
        "partitions_def": ORDER,
        "deps": [dg.AssetDep(key(one), partition_mapping=dg.IdentityPartitionMapping()) for one in after],
        "code_version": str(version),
        "backfill_policy": dg.BackfillPolicy.multi_run(1),  # one order that fails must not stop the next
        "retry_policy": RETRY,
    }
