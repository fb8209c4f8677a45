"""The observations of one tile brought onto one of them: which one that is, and how the others are displaced to it.

Belongs here: the choice of the reference, and the images that are matched. Not here: matching and judging a pair
(``registration``), what a region may ask for (``weft.regions``), or applying what was found (``weft.compositing``).

The reference is clear and lies in the middle of the period: what grows and what is covered differ least from everything
else there. Its geolocation is kept; nothing here makes it better. Granules of one pass come from one datatake and share
one displacement, found where any of them is clear. An observation that cannot prove that it improved keeps its
geolocation as well, and says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Literal

import numba
import numpy as np
import numpy.typing as npt

from weft.calibration.validity import labelled
from weft.composite_settings import Composite, Validity
from weft.compositing.blocks import BlockReader
from weft.compositing.observations import Observation
from weft.compositing.recipe import Recipe
from weft.errors import SceneRejected
from weft.periods import TimeWindow
from weft.rasters.gdal import environment
from weft.rasters.grid import Grid
from weft.rasters.parking import Parking
from weft.rasters.reading import Place, SceneReader
from weft.regions import Coregistration
from weft.registration.registration import Registration, register
from weft.registration.settings import Matching, Registering
from weft.scenes.scene import Scene

MOST_PIXELS = 6000
"""Edge of the largest grid that is matched: a tile of Sentinel-2 is matched at 20 m, where a fiftieth of a pixel is
0.4 m, in a quarter of the memory."""

_NOON = time(12)
_METHODS: dict[str, Matching] = {"phase": "cross_corr", "multimodal": "multimodal"}
_THINNED = 16  # of so many pixels each way, one is looked at to tell how clear an observation is
_CLEAR_ENOUGH = 0.8  # of the share of the clearest
_LEAST_CLEAR = 0.02
_LEAST_LOOKED_AT = 256  # pixels along the longer side
_BLOCK = 1024
_FILES = 16
_NO_REFERENCE = "no observation of the period is clear enough to be the reference"


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of an observation before its bands are read.

    Attributes:
        acquired: UTC.
        clear: share of the tile's pixels that are valid by their class.
    """

    acquired: datetime
    clear: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one observation.

    Attributes:
        scene_ids: of its granules.
        registration: None where none was tried: of the reference, and where nothing could be compared.
        reason: why it keeps its geolocation; empty if it is displaced.
    """

    scene_ids: tuple[str, ...]
    registration: Registration | None
    reason: str

    @property
    def displaced(self) -> bool:
        """Whether its pixels are to be taken from elsewhere than its geolocation says."""
        return self.registration is not None and not self.reason


@dataclass(frozen=True, slots=True)
class Aligned:
    """The observations of a tile, registered.

    Attributes:
        grid: on which they were matched, and whose pixels displacements are in.
        band: Common Band Name of the band that was matched.
        reference: granules of the reference; None if no observation could be one.
        outcomes: of every observation, in the order they were given.
    """

    grid: Grid
    band: str
    reference: tuple[str, ...] | None
    outcomes: tuple[Outcome, ...]


def candidates(looks: Sequence[Look], window: TimeWindow, wanted: Literal["auto"] | date = "auto") -> list[int]:
    """Who may be the reference, best first.

    ``auto`` chooses among the observations that are nearly as clear as the clearest: the one nearest to the middle of
    the period, of equals the clearer. The others follow, the clearer first. If a date is wanted, all that show more
    than next to nothing come by their distance from its noon.

    Args:
        looks: one per observation.
        window: the period.
        wanted: ``auto`` or a date.

    Returns:
        Indices into ``looks``, without those that show next to nothing.
    """
    if wanted == "auto":
        middle = window.start + (window.end - window.start) / 2
        limit = _CLEAR_ENOUGH * max((look.clear for look in looks), default=0.0)
    else:
        middle, limit = datetime.combine(wanted, _NOON, UTC), 0.0

    def order(index: int) -> tuple[float, ...]:
        look = looks[index]
        away = abs((look.acquired - middle).total_seconds())
        return (0, away, -look.clear, index) if look.clear >= limit else (1, -look.clear, away, index)

    return sorted((index for index, look in enumerate(looks) if look.clear >= _LEAST_CLEAR), key=order)


def matching_grid(finest: Grid, resolution: float) -> Grid:
    """The grid on which a tile is matched: that of its composite, or in whole multiples of its pixel if it is large.

    Args:
        finest: of the tile's scenes.
        resolution: pixel size of the composite, CRS units.
    """
    working = finest.at_resolution(resolution)
    return finest.at_resolution(resolution * math.ceil(max(working.shape) / MOST_PIXELS))


def align(
    observations: Sequence[Observation],
    settings: Coregistration,
    *,
    bands: Sequence[str],
    validity: Validity,
    resolution: float,
    window: TimeWindow,
    place: Place,
    scratch: Path,
    workers: int | None = None,
) -> Aligned:
    """Register the observations of one tile to one of them.

    Args:
        observations: at least one, as :func:`weft.compositing.observations.plan` gives them.
        settings: with a method.
        bands: of the region.
        validity: which pixels may be matched.
        resolution: pixel size of the composite, CRS units.
        window: the period.
        place: href resolver.
        scratch: folder for a temporary file.
        workers: threads, all that numba was given by default; the result does not depend on them.

    Raises:
        Unavailable: a remote archive does not answer.
    """
    band = settings.band or ("red" if "red" in bands else bands[0])
    grid = matching_grid(observations[0].scenes[0].geolocation, resolution)
    threads = workers or numba.get_num_threads()
    scratch.mkdir(parents=True, exist_ok=True)
    parking = Parking(scratch)
    try:
        with environment(), ThreadPoolExecutor(threads) as pool:
            eye = _Eye(grid, Recipe((band,), validity, Composite(methods=("mean",)), grid.x_size), place, parking, pool)
            failures: dict[int, str] = {}
            looks = [_look(eye, observation, index, failures) for index, observation in enumerate(observations)]
            order = candidates(looks, window, settings.reference)
            reference, image = _first_readable(eye, observations, order, failures)
            outcomes = []
            for index, observation in enumerate(observations):
                if index != reference and image is not None and index not in failures:
                    outcomes.append(_match(eye, image, observation, settings, threads))
                else:
                    reason = "" if index == reference else failures.get(index, _NO_REFERENCE)
                    outcomes.append(Outcome(observation.scene_ids, None, reason))
    finally:
        parking.close()
    return Aligned(grid, band, None if reference is None else observations[reference].scene_ids, tuple(outcomes))


@dataclass(frozen=True, slots=True)
class _Image:
    """The matched band of an observation: stored reflectance uint16 (y, x), and where it is one, bool."""

    numbers: npt.NDArray[np.uint16]
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Eye:
    """Reads observations on the grid they are matched on, one at a time."""

    grid: Grid
    recipe: Recipe
    place: Place
    parking: Parking
    pool: ThreadPoolExecutor

    def image(self, observation: Observation) -> _Image:
        """Joined granules with the masks of a composite; raises :class:`SceneRejected`."""
        readers = {scene.id: self._reader(scene, self.grid) for scene in observation.scenes}
        blocks = BlockReader([observation], self.recipe, self.grid, readers)
        image = _Image(np.zeros(self.grid.shape, np.uint16), np.zeros(self.grid.shape, np.bool_))
        try:
            for window in self.grid.blocks(_BLOCK, _BLOCK):
                block, _ = blocks.read(window, self.pool)
                image.valid[window.slices] = block.valid[0]
                np.copyto(image.numbers[window.slices], block.stack[0, 0], where=block.valid[0])
        finally:
            for reader in readers.values():
                reader.close()
        return image

    def clear_share(self, observation: Observation) -> float:
        """Share of the tile that is valid by its class, from pixels here and there; raises :class:`SceneRejected`."""
        step = max(1, min(_THINNED, max(self.grid.shape) // _LEAST_LOOKED_AT))
        coarse = self.grid.at_resolution(self.grid.x_size * step)
        seen = np.zeros(coarse.shape, np.bool_)
        for scene in observation.scenes:
            if scene.classes is None:
                raise SceneRejected(scene.id, "it has no classification layer to decide validity from")
            good = set(self.recipe.validity.classes) - {scene.classes.nodata_class}
            reader = self._reader(scene, coarse)
            try:
                for window in coarse.blocks(_BLOCK // step, _BLOCK // step):
                    seen[window.slices] |= labelled(reader.labels(scene.classes.layer, window), good)
            finally:
                reader.close()
        return float(seen.mean())

    def _reader(self, scene: Scene, grid: Grid) -> SceneReader:
        return SceneReader(scene.id, grid, self.place, self.parking, _FILES)


def _look(eye: _Eye, observation: Observation, index: int, failures: dict[int, str]) -> Look:
    try:
        share = eye.clear_share(observation)
    except SceneRejected as error:
        share, failures[index] = 0.0, str(error)
    return Look(observation.acquired, share)


def _first_readable(
    eye: _Eye, observations: Sequence[Observation], order: Sequence[int], failures: dict[int, str]
) -> tuple[int | None, _Image | None]:
    for index in order:
        try:
            return index, eye.image(observations[index])
        except SceneRejected as error:
            failures[index] = str(error)
    return None, None


def _match(eye: _Eye, reference: _Image, observation: Observation, settings: Coregistration, threads: int) -> Outcome:
    try:
        image = eye.image(observation)
    except SceneRejected as error:
        return Outcome(observation.scene_ids, None, str(error))
    found = register(
        reference.numbers,
        image.numbers,
        Registering(template=settings.template, search=settings.max_shift, coarse_search=0, max_ce90=settings.max_ce90),
        mask_reference=reference.valid,
        mask_secondary=image.valid,
        method=_METHODS[settings.method],
        workers=threads,
    )
    return Outcome(observation.scene_ids, found, "" if found.accepted else found.reason)
