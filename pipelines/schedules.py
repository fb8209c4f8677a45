"""The seasonal schedule: when a period has closed, its composites are made.

Belongs here: the tick and the ranges it launches. Not here: mosaics, which follow by ``automation``, or late scenes,
which ``sensors`` watches for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets.partitions import TILE_TRACK, RegionPartitions, boxes
from weft.periods import CADENCES
from weft.regions import track_of

if TYPE_CHECKING:
    from pipelines.jobs import AssetJob

_HOURS_AFTER_CLOSING = 6  # archives need some hours to show the last acquisition of a period


def seasonal_schedule(partitions: RegionPartitions, composites: AssetJob) -> dg.ScheduleDefinition:
    """A schedule that launches the composites of the period that has just closed, one run for each track.

    An ordinary schedule: the one Dagster derives from a partitioned job takes no custom cron.
    """
    region = partitions.region
    midnight = CADENCES[region.calendar].cron
    cron = f"0 {_HOURS_AFTER_CLOSING} {midnight.split(maxsplit=2)[2]}"

    @dg.schedule(
        name="closed_period",
        cron_schedule=cron,
        job=composites,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Makes the composites of the period that has just closed, one run for each track.",
    )
    def closed_period(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        periods = partitions.period.get_partition_keys(current_time=context.scheduled_execution_time)
        if not periods:
            return dg.SkipReason(f"no period has closed since {region.start}, where the region starts")
        return [
            dg.RunRequest(run_key=f"{periods[-1]}|{track}", tags=dict(box.tags))
            for track in region.tracks
            for box in boxes(periods[-1], TILE_TRACK, _tiles_of(region.tiles, track), region.tiles)
        ]

    return closed_period


def _tiles_of(tiles: tuple[str, ...], track: str) -> list[str]:
    return [tile_track for tile_track in tiles if track_of(tile_track) == track]
