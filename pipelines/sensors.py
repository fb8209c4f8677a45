"""The sensor on new archive items: which partitions have other scenes than when they were last looked at.

Belongs here: paging through the archive in bounded steps, reporting what changed, asking for runs. Not here: what
identifies the scenes of a partition (``assets.archive``) or what follows from new composites (``automation``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from assets.archive import ARCHIVE_ITEMS, archive_fingerprint
from assets.partitions import TILE_TRACK, RegionPartitions, boxes, partition_key
from resources.archive import ArchiveResource, SceneArchive
from weft.errors import Unavailable
from weft.fingerprints import fingerprint
from weft.periods import window
from weft.regions import Region, tile_of, track_of

if TYPE_CHECKING:
    from pipelines.jobs import AssetJob

KEYS_PER_TICK = 200
SECONDS_PER_TICK = 30  # Dagster gives a tick 60 seconds
_MARK = 8  # hex digits kept of a fingerprint: a tick row of 2000 tile_tracks in 40 seasons stays below 1 MB


@dataclass(slots=True)
class Sweep:
    """Where the sensor stands in its endless round through all partitions, and what it saw; kept as Dagster's cursor.

    Attributes:
        tiles: digest of the region's tile_tracks: marks are by position, and void when the region changes.
        position: number of the partition to look at next, newest period first.
        marks: period -> first digits of the fingerprint of each tile_track, one after the other; blanks if never seen.
    """

    tiles: str
    position: int = 0
    marks: dict[str, str] = field(default_factory=dict)

    @classmethod
    def resume(cls, cursor: str | None, region: Region) -> Sweep:
        """Go on where the last tick stopped."""
        tiles = fingerprint("tiles", 1, tiles=list(region.tiles))[:16]
        kept = json.loads(cursor) if cursor else {}
        return cls(**kept) if kept.get("tiles") == tiles else cls(tiles)

    def cursor(self) -> str:
        """The sweep as text."""
        return json.dumps({"tiles": self.tiles, "position": self.position, "marks": self.marks}, separators=(",", ":"))

    def note(self, period: str, index: int, count: int, mark: str) -> bool:
        """Remember a fingerprint; True if it is new."""
        row = self.marks.get(period, " " * _MARK * count)
        at = slice(index * _MARK, (index + 1) * _MARK)
        self.marks[period] = row[: at.start] + mark[:_MARK] + row[at.stop :]
        return row[at] != mark[:_MARK]


def archive_sensor(partitions: RegionPartitions, composites: AssetJob) -> dg.SensorDefinition:
    """A sensor that observes ``archive_items`` and runs the composites of partitions whose scenes have changed."""
    region = partitions.region
    asset_key = dg.AssetKey([region.region, ARCHIVE_ITEMS])

    @dg.sensor(
        name="new_archive_items",
        job=composites,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Looks at up to {KEYS_PER_TICK} partitions a tick; runs those with new, changed or gone scenes.",
    )
    def new_archive_items(context: dg.SensorEvaluationContext, archive: ArchiveResource) -> dg.SensorResult:
        periods = list(reversed(partitions.period.get_partition_keys()))
        sweep = Sweep.resume(context.cursor, region)
        changed = dict(_changes(sweep, archive.open(), region, periods))
        return dg.SensorResult(
            asset_events=[_observation(asset_key, key, mark) for key, mark in changed.items()],
            run_requests=list(_requests(region, changed)),
            cursor=sweep.cursor(),
            skip_reason=None if changed else f"no scene has changed up to partition {sweep.position}",
        )

    return new_archive_items


def _changes(
    sweep: Sweep, archive: SceneArchive, region: Region, periods: Sequence[str]
) -> Iterator[tuple[tuple[str, str], str]]:
    """(period, tile_track) and fingerprint of changed partitions; moves the sweep on."""
    total = len(periods) * len(region.tiles)
    deadline = time.monotonic() + SECONDS_PER_TICK
    for looked in range(min(KEYS_PER_TICK, total)):
        if time.monotonic() > deadline:
            return
        sweep.position %= total
        period, index = periods[sweep.position // len(region.tiles)], sweep.position % len(region.tiles)
        tile_track = region.tiles[index]
        try:
            items = archive.items(window(region.calendar, period), tile_of(tile_track), track_of(tile_track))
        except Unavailable:
            if looked == 0:
                raise
            return  # what was seen before counts; the next tick tries again from here
        mark = archive_fingerprint(archive, items)
        if sweep.note(period, index, len(region.tiles), mark):
            yield (period, tile_track), mark
        sweep.position += 1


def _observation(asset_key: dg.AssetKey, key: tuple[str, str], mark: str) -> dg.AssetObservation:
    return dg.AssetObservation(
        asset_key, partition=partition_key(key[0], TILE_TRACK, key[1]), tags={"dagster/data_version": mark}
    )


def _requests(region: Region, changed: Mapping[tuple[str, str], str]) -> Iterator[dg.RunRequest]:
    """One request for neighbouring partitions of a period.

    Dagster remembers a run key for ever, so it names the scenes too, or a refresh would never run.
    """
    for period in dict.fromkeys(period for period, _ in changed):
        wanted = [tile_track for changed_period, tile_track in changed if changed_period == period]
        for box in boxes(period, TILE_TRACK, wanted, region.tiles):
            marks = [changed[period, tile_track] for tile_track in box.places]
            mark = marks[0] if len(marks) == 1 else fingerprint("range", 1, marks=marks)
            yield dg.RunRequest(run_key=f"{box.name}:{mark}", tags=dict(box.tags))
