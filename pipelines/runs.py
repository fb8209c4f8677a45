"""Running jobs in this process: what the command line and the demo call.

Belongs here: running one job, which of them carry one period through the production lane, and what became of every
partition. Not here: orders (``orders``), or printing (``cli``). The runs go through the project's own definitions and
instance, so the Dagster UI shows what they did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterEvent

from assets.partitions import SHEET, TILE_TRACK, TRACK, RegionPartitions, boxes
from pipelines.jobs import COMPOSITES, JOB_ASSETS, MOSAICS, ORBIT_MOSAICS, ORDER_JOBS, region_jobs
from weft.errors import IntegrityError, RequestError, SceneRejected, Unavailable
from weft.regions import track_of

if TYPE_CHECKING:  # Dagster gives it no public name
    from dagster._utils.error import SerializableErrorInfo

_OUR_ERRORS = {kind.__name__ for kind in (RequestError, SceneRejected, Unavailable, IntegrityError)}
_LANE = [asset for assets in (JOB_ASSETS | ORDER_JOBS).values() for asset in assets]
# Failures come back in the report; as Dagster logs them, each would be a traceback of a hundred lines on the terminal.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class PartitionReport:
    """What became of one partition of one asset.

    Attributes:
        asset: last part of the asset key, e.g. ``tile_composite``.
        partition: key string, e.g. ``2018-03|R051_31UDS``.
        status: ``done``, ``unchanged`` or ``empty``.
        message: why it is empty, or else a remark; may be empty.
        rejected: scenes set aside, each with ``id`` and ``reason``.
    """

    asset: str
    partition: str
    status: str
    message: str
    rejected: tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed.

    Attributes:
        step: last part of the asset key, or the name of a check.
        kind: class name of Weft's error, e.g. ``RequestError``, or else of the error at the root.
        message: what it says.
    """

    step: str
    kind: str
    message: str


@dataclass(slots=True)
class Report:
    """Everything one call of :func:`materialize` did, in order."""

    partitions: list[PartitionReport] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def rejected(self) -> tuple[dict[str, str], ...]:
        """Every scene set aside, once, sorted by id."""
        found = {scene["id"]: scene for partition in self.partitions for scene in partition.rejected}
        return tuple(found[scene_id] for scene_id in sorted(found))

    @property
    def unchanged(self) -> bool:
        """Whether there was nothing to do."""
        return not self.failures and all(partition.status != "done" for partition in self.partitions)


def materialize(
    defs: dg.Definitions,
    partitions: RegionPartitions,
    instance: dg.DagsterInstance,
    *,
    period: str,
    tile_tracks: Sequence[str] | None = None,
    notify: Callable[[PartitionReport], None] = lambda report: None,
) -> Report:
    """Carry one period through the whole lane: composites, the orbit mosaics of their tracks, the sheets they touch.

    What is made of the whole region follows from what is there, also where only some of its tile_tracks are carried on.

    Args:
        defs: from :func:`pipelines.definitions.build_defs`.
        partitions: of the same region.
        instance: where runs and events are kept.
        period: key of a period that has closed.
        tile_tracks: keys like ``R051_31UDS``; all of the region by default.
        notify: called for each partition after its run.

    Returns:
        The report. A lane that fails stops there; what was finished before stays published and recorded.

    Raises:
        RequestError: the period has not closed or is not one of the region's, or a tile_track is not in the region.
    """
    report = Report()
    for job, tags in _ranges(partitions, period, _checked(partitions, period, tile_tracks)):
        if not run_job(defs, job, tags, instance, report, notify=notify):
            break
    return report


def run_job(
    defs: dg.Definitions,
    job: str,
    tags: Mapping[str, str],
    instance: dg.DagsterInstance,
    report: Report,
    *,
    notify: Callable[[PartitionReport], None] = lambda report: None,
) -> bool:
    """Run one job in this process.

    Args:
        defs: that hold the job.
        job: its name.
        tags: that select its partitions.
        instance: where the run and its events are kept.
        report: takes what became of every partition, and what failed.
        notify: called for each partition after the run.

    Returns:
        Whether nothing failed.
    """
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance, run_config=_QUIET, tags=dict(tags), raise_on_error=False
    )
    # Dagster emits the partitions of a range in any order. The events come from the instance, for the result does not
    # hold those of keys that were finished before the run failed.
    recorded = instance.get_records_for_run(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    found = [_partition_report(record.asset_materialization) for record in recorded.records]
    for partition in sorted(found, key=lambda one: (_LANE.index(one.asset), one.partition)):
        report.partitions.append(partition)
        notify(partition)
    report.failures += [_failure(event) for event in result.all_events if event.is_step_failure]
    return result.success


def _checked(partitions: RegionPartitions, period: str, tile_tracks: Sequence[str] | None) -> Sequence[str]:
    region = partitions.region
    periods = partitions.period.get_partition_keys()
    if period not in periods:
        closed = f"closed so far: {periods[0]} to {periods[-1]}" if periods else "none has closed so far"
        raise RequestError(f"period {period!r} is not one of {region.region} ({region.calendar}); {closed}")
    unknown = sorted(set(tile_tracks or ()) - set(region.tiles))
    if unknown:
        raise RequestError(f"{', '.join(unknown)} not in region {region.region}; it has {', '.join(region.tiles)}")
    return tile_tracks or region.tiles


def _ranges(
    partitions: RegionPartitions, period: str, tile_tracks: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Jobs and the tags that select their partitions."""
    region = partitions.region
    tracks = {track_of(tile_track) for tile_track in tile_tracks}
    sheets = {sheet for track in tracks for sheet in partitions.sheets_of_track[track]}
    places = {
        COMPOSITES: (TILE_TRACK, tile_tracks, region.tiles),
        ORBIT_MOSAICS: (TRACK, tracks, region.tracks),
        MOSAICS: (SHEET, sheets, partitions.sheets),
    }
    for job in region_jobs(region):
        if job in places:
            for box in boxes(period, *places[job]):
                yield job, box.tags
        else:
            yield job, {"dagster/partition": period}


def _partition_report(made: dg.AssetMaterialization) -> PartitionReport:
    metadata: dict[str, Any] = {name: value.value for name, value in made.metadata.items()}
    return PartitionReport(
        asset=made.asset_key.path[-1],
        partition=str(made.partition),
        status=metadata["status"],
        message=metadata.get("message", ""),
        rejected=tuple(metadata.get("rejected", ())),
    )


def _failure(event: DagsterEvent) -> Failure:
    data = event.step_failure_data
    chain = list(_causes(data.error))
    # What Weft raised explains more than what it was raised from.
    error = next((one for one in chain if one.cls_name in _OUR_ERRORS), chain[-1] if chain else None)
    described = data.user_failure_data.description if data.user_failure_data else None
    message = described or (error.message.strip() if error else "no reason given")
    return Failure((event.step_key or "run").split("__")[-1], error.cls_name or "" if error else "", message)


def _causes(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause
