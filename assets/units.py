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

from assets.partitions import PERIOD
from weft.errors import Unavailable, WeftError
from weft.fingerprints import fingerprint

RETRY = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For archives, stores and catalogues that do not answer; :func:`resumable` turns everything else into a final failure."""

_DATA_VERSION_TAGS = ("dagster/data_version", "dagster/data_version_is_user_provided")


class Status(StrEnum):
    """What became of one unit."""

    DONE = "done"
    UNCHANGED = "unchanged"
    EMPTY = "empty"


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
    """One partition key of a run."""

    def __init__(self, key: dg.MultiPartitionKey) -> None:
        """Take the key apart; both dimensions are named in it."""
        dimensions = dict(key.keys_by_dimension)
        self.key = key
        self.period = dimensions.pop(PERIOD)
        (self.place,) = dimensions.values()
        self.outcome: Outcome | None = None

    def finish(self, status: Status, mark: str, metadata: Mapping[str, Any]) -> None:
        """Say what became of the unit."""
        self.outcome = Outcome(status, mark, {"status": str(status), "fingerprint": mark, **metadata})


class Units:
    """All partition keys of a run, in order."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        """Take the keys of one partition or of a range."""
        self._context = context
        self._finished: dict[dg.MultiPartitionKey, Outcome] = {}

    def __iter__(self) -> Iterator[Unit]:
        """Yield the units; each must be finished before the next one is asked for."""
        for key in self._context.partition_keys:
            unit = Unit(key)
            yield unit
            if unit.outcome is None:
                raise AssertionError(f"{self._context.asset_key.to_user_string()} left {key} unfinished")
            self._context.log.info(
                f"{key}: {unit.outcome.status} {unit.outcome.metadata.get('message', '')}".rstrip()
            )
            self._context.add_asset_metadata(unit.outcome.metadata, partition_key=key)
            self._finished[key] = unit.outcome

    def result(self) -> dg.MaterializeResult:
        """The result of the run.

        Dagster keeps one data version a run: the fingerprint of a single unit, a digest of all of them in a range. It
        therefore changes whenever a unit does; the exact fingerprint of each key is in its metadata.
        """
        marks = [outcome.fingerprint for outcome in self._finished.values()]
        version = marks[0] if len(marks) == 1 else fingerprint("range", 1, marks=marks)
        return dg.MaterializeResult(data_version=dg.DataVersion(version))

    def record_finished(self) -> None:
        """Record the finished keys of a run that fails: Dagster itself would record none of them."""
        for key, outcome in self._finished.items():
            tags = dict(zip(_DATA_VERSION_TAGS, (outcome.fingerprint, "true"), strict=True))
            self._context.log_event(
                dg.AssetMaterialization(
                    self._context.asset_key, partition=key, metadata=outcome.metadata, tags=tags
                )
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
