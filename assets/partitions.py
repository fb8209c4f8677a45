"""Partitions of one region and the mappings between them.

Belongs here: which periods, tile_tracks, tracks and sheets exist, and which feeds which. Not here: when a period really
starts and ends. Dagster's window only names a period and says when it has closed; ask :func:`weft.periods.window`.

Only built-in mappings are used: the webserver and the daemon drop every subclass of ``PartitionMapping`` without a
word, and a backfill then runs the root assets only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from weft.mosaicking.sheets import track_sheets
from weft.periods import CADENCES
from weft.regions import Region, track_of

PERIOD = "period"
TILE_TRACK = "tile_track"
TRACK = "track"
SHEET = "sheet"


@dataclass(frozen=True)
class RegionPartitions:
    """Every partitions definition of a region, computed from its file.

    ``period`` sorts before the other dimension names, so it comes first in every key string.
    """

    region: Region

    @cached_property
    def sheets_of_track(self) -> Mapping[str, tuple[str, ...]]:
        """Track -> names of the sheets that its tiles touch and the region makes, sorted."""
        return track_sheets(self.region.tiles, self.region.mosaic, self.region.sheets)

    @cached_property
    def sheets(self) -> tuple[str, ...]:
        """Names of all sheets, sorted."""
        return tuple(sorted({sheet for sheets in self.sheets_of_track.values() for sheet in sheets}))

    @cached_property
    def period(self) -> dg.TimeWindowPartitionsDefinition:
        """Periods that have closed, from the region's first one on; grows by itself."""
        cadence = CADENCES[self.region.calendar]
        return dg.TimeWindowPartitionsDefinition(
            start=self.region.start, cron_schedule=cadence.cron, fmt=cadence.key_format
        )

    @cached_property
    def period_tile_track(self) -> dg.MultiPartitionsDefinition:
        """One tile of one track over one period."""
        return self._with_period(TILE_TRACK, self.region.tiles)

    @cached_property
    def period_track(self) -> dg.MultiPartitionsDefinition:
        """One track over one period."""
        return self._with_period(TRACK, self.region.tracks)

    @cached_property
    def period_sheet(self) -> dg.MultiPartitionsDefinition:
        """One sheet of the mosaic over one period."""
        return self._with_period(SHEET, self.sheets)

    @cached_property
    def tile_track_to_track(self) -> dg.MultiPartitionMapping:
        """A track needs all its tile_tracks of the same period."""
        return _same_period(TILE_TRACK, TRACK, {tile_track: track_of(tile_track) for tile_track in self.region.tiles})

    @cached_property
    def track_to_sheet(self) -> dg.MultiPartitionMapping:
        """A sheet needs all tracks whose tiles touch it, of the same period."""
        return _same_period(TRACK, SHEET, self.sheets_of_track)

    def _with_period(self, dimension: str, keys: Sequence[str]) -> dg.MultiPartitionsDefinition:
        return dg.MultiPartitionsDefinition({PERIOD: self.period, dimension: dg.StaticPartitionsDefinition(keys)})


@dataclass(frozen=True, slots=True)
class Box:
    """Neighbouring partitions of one period that one run can take as a range.

    Attributes:
        period: period key.
        dimension: name of the other dimension.
        places: neighbouring keys of that dimension, in its order.
    """

    period: str
    dimension: str
    places: tuple[str, ...]

    @property
    def first(self) -> dg.MultiPartitionKey:
        """Key of the first partition."""
        return partition_key(self.period, self.dimension, self.places[0])

    @property
    def last(self) -> dg.MultiPartitionKey:
        """Key of the last partition."""
        return partition_key(self.period, self.dimension, self.places[-1])

    @property
    def name(self) -> str:
        """``2018-03|R051_31UDS`` for one partition, first and last joined by ``...`` for several."""
        return str(self.first) if len(self.places) == 1 else f"{self.first}...{self.last}"

    @property
    def tags(self) -> Mapping[str, str]:
        """Run tags that select the range."""
        return {
            "dagster/asset_partition_range_start": self.first,
            "dagster/asset_partition_range_end": self.last,
        }


def partition_key(period: str, dimension: str, place: str) -> dg.MultiPartitionKey:
    """Key of one partition."""
    return dg.MultiPartitionKey({PERIOD: period, dimension: place})


def boxes(period: str, dimension: str, wanted: Iterable[str], order: Sequence[str]) -> Iterator[Box]:
    """Cut ``wanted`` keys of a dimension into as few ranges as possible.

    Args:
        period: period key.
        dimension: name of the dimension the keys belong to.
        wanted: keys, any order.
        order: all keys of the dimension in its order.
    """
    chosen = set(wanted)
    run: list[str] = []
    for place in order:
        if place in chosen:
            run.append(place)
        elif run:
            yield Box(period, dimension, tuple(run))
            run = []
    if run:
        yield Box(period, dimension, tuple(run))


def _same_period(upstream: str, downstream: str, keys: Mapping[str, str | tuple[str, ...]]) -> dg.MultiPartitionMapping:
    return dg.MultiPartitionMapping(
        {
            PERIOD: dg.DimensionPartitionMapping(PERIOD, dg.IdentityPartitionMapping()),
            upstream: dg.DimensionPartitionMapping(downstream, dg.StaticPartitionMapping(keys)),
        }
    )
