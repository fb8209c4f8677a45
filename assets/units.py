"""The units of a run: one partition key after the other, recorded so that no finished one is ever lost.

Belongs here: iterating over a range run, what became of each key, which errors a retry can help. Not here: what a unit
makes (the asset files) or what its metadata shows (``previews``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import dagster as dg

from assets.partitions import PERIOD, TILE_TRACK
from weft.errors import Unavailable, WeftError
from weft.fingerprints import fingerprint
from weft.progress import Progress, in_tenths
from weft.rasters.product import Rejected
from weft.regions import Region, tile_of, track_of
from weft.stac import Item

RETRY = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For archives, stores and catalogues that do not answer; :func:`resumable` makes every other failure final."""

_DATA_VERSION_TAGS = ("dagster/data_version", "dagster/data_version_is_user_provided")


class Status(StrEnum):
    """What became of one unit."""

    DONE = "done"
    UNCHANGED = "unchanged"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why there is no product.

    Attributes:
        reason: in one sentence.
        rejected: scenes that were set aside on the way.
    """

    reason: str
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one unit.

    Attributes:
        status: what became of it.
        fingerprint: of its inputs, parameters and code.
        metadata: shown in the Dagster UI.
    """

    status: Status
    fingerprint: str
    metadata: Mapping[str, Any]


class Unit:
    """One partition key of a run, and what has become of it so far.

    Attributes:
        key: the partition key.
        progress: tells in the log of the run how far its work has come.
        period: its period.
        dimension: name of its other dimension; empty for a product of the whole region.
        place: its key in that dimension, e.g. ``R051_31UDS``; empty for the whole region.
        made: items published by this run.
        kept: items published before that are the same work.
        missing: products that could not be made of the inputs.
        outcome: None until the unit is finished.
    """

    def __init__(self, key: dg.MultiPartitionKey | str, progress: Progress = lambda done, total: None) -> None:
        """Take the key apart: both dimensions are named in it, or it is that of a period."""
        dimensions = dict(key.keys_by_dimension) if isinstance(key, dg.MultiPartitionKey) else {PERIOD: key}
        self.key = key
        self.progress = progress
        self.period = dimensions.pop(PERIOD)
        self.dimension, self.place = next(iter(dimensions.items()), ("", ""))
        self.made: list[Item] = []
        self.kept: list[Item] = []
        self.missing: list[Nothing] = []
        self.outcome: Outcome | None = None

    def item_id(self, region: Region, *rest: str) -> str:
        """Id of the item of this unit, or of a part of it."""
        return "_".join(filter(None, (region.region, self.period, self.place, *rest)))

    def identity(self, region: Region) -> dict[str, str]:
        """Item properties that say which unit it is."""
        named = {"weft:region": region.region, "weft:period": self.period}
        if self.dimension:
            named[f"weft:{self.dimension}"] = self.place
        if self.dimension == TILE_TRACK:
            named |= {"weft:track": track_of(self.place), "weft:tile": tile_of(self.place)}
        return named

    @property
    def items(self) -> list[Item]:
        """Everything the unit holds now."""
        return [*self.made, *self.kept]

    def finish(self, mark: str, metadata: Mapping[str, Any]) -> None:
        """Close the unit.

        Args:
            mark: fingerprint of its inputs, parameters and code.
            metadata: shown in the Dagster UI.
        """
        status = Status.DONE if self.made else Status.UNCHANGED if self.kept else Status.EMPTY
        message = {"message": self.missing[0].reason} if status is Status.EMPTY and self.missing else {}
        self.outcome = Outcome(status, mark, {"status": str(status), **message, **metadata, "fingerprint": mark})


class Units:
    """All partition keys of a run, in order."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        """Take the keys of one partition or of a range."""
        self._context = context
        self._finished: dict[dg.MultiPartitionKey | str, Outcome] = {}

    def __iter__(self) -> Iterator[Unit]:
        """Yield the units; each must be finished before the next one is asked for."""
        for key in self._context.partition_keys:
            unit = Unit(key, in_tenths(self._context.log.info, str(key)))
            yield unit
            if unit.outcome is None:
                raise AssertionError(f"{self._context.asset_key.to_user_string()} left {key} unfinished")
            if unit.outcome.status is not Status.UNCHANGED:
                message = unit.outcome.metadata.get("message", "")
                self._context.log.info(f"{key}: {unit.outcome.status}. {message}".rstrip(". ") + ".")
            self._context.add_asset_metadata(unit.outcome.metadata, partition_key=key)
            self._finished[key] = unit.outcome

    def result(self) -> dg.MaterializeResult:
        """The result of the run.

        Dagster keeps one data version a run: the fingerprint of a single unit, a digest of all of them in a range. It
        therefore changes whenever a unit does; the exact fingerprint of each key is in its metadata.
        """
        unchanged = [str(key) for key, outcome in self._finished.items() if outcome.status is Status.UNCHANGED]
        if unchanged:  # one line: an unchanged run costs little but its log
            self._context.log.info(f"Unchanged, nothing to do for {len(unchanged)} partitions: {', '.join(unchanged)}.")
        marks = [outcome.fingerprint for outcome in self._finished.values()]
        version = marks[0] if len(marks) == 1 else fingerprint("range", 1, marks=marks)
        return dg.MaterializeResult(data_version=dg.DataVersion(version))

    def record_finished(self) -> None:
        """Record the finished keys of a run that fails: Dagster itself would record none of them."""
        for key, outcome in self._finished.items():
            tags = dict(zip(_DATA_VERSION_TAGS, (outcome.fingerprint, "true"), strict=True))
            self._context.log_event(
                dg.AssetMaterialization(self._context.asset_key, partition=key, metadata=outcome.metadata, tags=tags)
            )


@contextmanager
def resumable(context: dg.AssetExecutionContext) -> Iterator[Units]:
    """Units of a run that can be stopped anywhere and started again.

    Raises:
        Unavailable, OSError: as they come; Dagster tries again (:data:`RETRY`).
        dagster.Failure: any other error, without retry, for it would fail the same way.
    """
    units = Units(context)
    try:
        yield units
    except BaseException as error:
        # On success Dagster writes an event for each key itself, so these are written in no other case.
        units.record_finished()
        if isinstance(error, (Unavailable, OSError)) or not isinstance(error, Exception):
            raise
        description = str(error) if isinstance(error, WeftError) else f"{type(error).__name__}: {error}"
        raise dg.Failure(description, allow_retries=False) from error
