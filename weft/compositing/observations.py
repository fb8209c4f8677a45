"""From scenes to observations: which acquisitions count, and how often.

Belongs here: decisions about whole scenes from their identity (reprocessed duplicates, split granules, grids that do
not fit). Not here: decisions about pixels (``weft.calibration``) or reductions over observations.

One **observation** is what one pass saw of one tile. Archives hold it as one product, as several versions of one
product, or cut into granules by the ground segment (two datastrips, two receiving stations, two datatakes in a row):

* versions of one granule (same pass, tile and segment) collapse to the newest processing: the highest baseline, among
  equals the latest processing time. A segment is a datastrip's sensing start, which reprocessing keeps; an item's
  ``datetime`` it may move by minutes;
* granules of one pass and tile (different segments) are merged: a pixel comes from the first granule, newest
  processing first and then in order of segment, that has it. So even a version under another segment adds no
  observation and hides no newer pixel.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from weft.errors import RequestError
from weft.rasters.grid import Grid
from weft.rasters.moving import Moved
from weft.rasters.product import Rejected
from weft.scenes.scene import Scene

_NEVER = datetime.min.replace(tzinfo=UTC)
# Archives stamp granules with anything from the start of the datatake to their own sensing time, under an hour apart; a
# satellite comes back to a track after ten days or more.
_PASS = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Observation:
    """One pass over one tile.

    Attributes:
        scenes: the granules it was cut into, in the order in which a pixel is looked for.
        moved: where their pixels really lie; None if it is where their geolocation says.
    """

    scenes: tuple[Scene, ...]
    moved: Moved | None = None

    @property
    def acquired(self) -> datetime:
        """Earliest sensing time of its granules, UTC."""
        return min(scene.acquired for scene in self.scenes)

    @property
    def scene_ids(self) -> tuple[str, ...]:
        """Item ids of its granules."""
        return tuple(scene.id for scene in self.scenes)


@dataclass(frozen=True, slots=True)
class Superseded:
    """A scene that a newer processing of the same granule replaces."""

    scene_id: str
    by: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The observations of one tile and track in one period, and what became of every other scene.

    Attributes:
        grid: grid of the finest band, shared by all observations; None if there is no observation.
        observations: in time order.
        superseded: older processings.
        rejected: scenes that cannot be used, with reasons.
    """

    grid: Grid | None
    observations: tuple[Observation, ...]
    superseded: tuple[Superseded, ...]
    rejected: tuple[Rejected, ...]

    @property
    def duplicates_collapsed(self) -> int:
        """Number of scenes replaced by a newer processing."""
        return len(self.superseded)

    @property
    def granules_merged(self) -> int:
        """Number of granules joined to another granule of the same observation."""
        return sum(len(observation.scenes) - 1 for observation in self.observations)


def plan(scenes: Iterable[Scene], bands: Sequence[str]) -> Plan:
    """Decide which scenes make which observations; independent of the order of ``scenes``.

    Args:
        scenes: scenes of one tile and track.
        bands: Common Band Names that every observation must have.

    Returns:
        The plan; every scene given is in exactly one of its parts.

    Raises:
        RequestError: no scene at all has one of the bands, so the request cannot be met.
    """
    ordered = sorted(scenes, key=lambda scene: (scene.acquired, scene.id))
    usable, without_band = _with_bands(ordered, bands)
    on_grid, off_grid = _on_one_grid(usable)
    observations, superseded = [], []
    for candidates in _passes(on_grid):
        granules, older = _newest(candidates)
        observations.append(Observation(granules))
        superseded += older
    return Plan(
        grid=on_grid[0].geolocation if on_grid else None,
        observations=tuple(sorted(observations, key=lambda one: (one.acquired, one.scene_ids))),
        superseded=tuple(sorted(superseded, key=lambda one: one.scene_id)),
        rejected=tuple(sorted([*without_band, *off_grid], key=lambda rejected: rejected.scene_id)),
    )


def _with_bands(scenes: Sequence[Scene], bands: Sequence[str]) -> tuple[list[Scene], list[Rejected]]:
    for band in bands:
        if scenes and not any(band in scene.bands for scene in scenes):
            known = sorted(set.union(*(set(scene.bands) for scene in scenes)))
            raise RequestError(
                f"band {band} is in none of the {len(scenes)} scenes (they have {', '.join(known)}); "
                "take it out of the region's bands or choose another collection"
            )
    usable, rejected = [], []
    for scene in scenes:
        missing = [band for band in bands if band not in scene.bands]
        if missing:
            reason = f"it has no band {', '.join(missing)}; ask the archive for a complete product"
            rejected.append(Rejected(scene.id, reason))
        elif scene.classes is None:
            rejected.append(Rejected(scene.id, "it has no classification layer to decide validity from"))
        else:
            usable.append(scene)
    return usable, rejected


def _on_one_grid(scenes: Sequence[Scene]) -> tuple[list[Scene], list[Rejected]]:
    counts = Counter(scene.geolocation for scene in scenes)
    if not counts:
        return [], []
    # The grid of most scenes; among equals the one of the oldest scene, which Counter keeps first.
    grid = max(counts, key=lambda candidate: counts[candidate])
    fitting = [scene for scene in scenes if scene.geolocation == grid]
    rejected = [
        Rejected(
            scene.id,
            f"it lies on {_describe(scene.geolocation)}, the tile's other scenes on {_describe(grid)}; correct its "
            "proj: fields or take the item out of the archive",
        )
        for scene in scenes
        if scene.geolocation != grid
    ]
    return fitting, rejected


def _describe(grid: Grid) -> str:
    return f"{grid.crs} at {grid.left:g}, {grid.top:g} with {grid.width} x {grid.height} pixels of {grid.x_size:g}"


def _passes(scenes: Sequence[Scene]) -> list[list[Scene]]:
    """Scenes, in time order, of one satellite over one tile on one track, less than ``_PASS`` apart.

    Not by datatake alone: archives name it differently or not at all, and a new one may begin within a tile.
    """
    passes: list[list[Scene]] = []
    latest: dict[tuple[str, str | None, str], list[Scene]] = {}
    for scene in scenes:
        key = (scene.platform, scene.tile, scene.track or scene.datatake)
        if key not in latest or scene.acquired - latest[key][-1].acquired >= _PASS:
            latest[key] = []
            passes.append(latest[key])
        latest[key].append(scene)
    return passes


def _newest(scenes: Sequence[Scene]) -> tuple[tuple[Scene, ...], list[Superseded]]:
    versions: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes:
        versions[scene.segment].append(scene)
    kept, superseded = [], []
    for segment in sorted(versions):
        newest = max(versions[segment], key=lambda scene: (_newness(scene), scene.id))
        kept.append(newest)
        superseded += [Superseded(scene.id, newest.id) for scene in versions[segment] if scene is not newest]
    return tuple(sorted(kept, key=_newness, reverse=True)), superseded


def _newness(scene: Scene) -> tuple[str, datetime]:
    return scene.baseline or "", scene.processed or _NEVER
