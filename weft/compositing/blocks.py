"""Reading all observations of one window into one block.

Belongs here: which layers of a scene a recipe needs, and joining the granules of an observation. Not here: decoding
(``weft.rasters.reading``), the rules of validity (``weft.calibration``), the way to nadir view (``nadir``), or what is
done with a block (``reduce``).

The bands of a scene without a valid pixel in the window are not decoded at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weft.calibration.sentinel2 import EDGE_VALUE, BandCalibration, observe
from weft.calibration.validity import clear, halo, labelled, limits_of
from weft.compositing.nadir import has_angles, normalise
from weft.compositing.observations import Observation
from weft.compositing.recipe import Recipe
from weft.compositing.reduce import Block
from weft.errors import SceneRejected
from weft.rasters.gdal import environment
from weft.rasters.grid import Grid, Window
from weft.rasters.moving import MovedReader
from weft.rasters.reading import SceneReader
from weft.rasters.values import physical
from weft.scenes.scene import Layer, Scene

CLOUD_CONFIDENCE = "cloud_confidence"
_PERCENT_FILL = 255


class BlockReader:
    """Reads blocks of a fixed set of observations."""

    def __init__(
        self, observations: Sequence[Observation], recipe: Recipe, grid: Grid, readers: Mapping[str, SceneReader]
    ) -> None:
        """Read ``observations`` on ``grid`` through ``readers`` (scene id -> reader)."""
        self._observations = observations
        self._recipe = recipe
        self._grid = grid
        self._readers = readers
        self._memory = np.empty(0, np.uint16)
        scenes = [scene for observation in observations for scene in observation.scenes]
        self._judges_more_than_classes = bool(halo(recipe.validity, grid) or limits_of(scenes[0], recipe.validity))
        # Compared between observations: unless all have it, it would favour those that do not.
        self._with_confidence = recipe.needs_classes and all(CLOUD_CONFIDENCE in scene.quality for scene in scenes)

    @property
    def bytes_held(self) -> int:
        """Memory of a block for each pixel of its window."""
        held = 2 * len(self._recipe.bands) + 1 + int(self._recipe.needs_classes) + int(self._with_confidence)
        granules = sum(len(observation.scenes) > 1 for observation in self._observations)
        return held * len(self._observations) + granules

    @property
    def bytes_decoding(self) -> int:
        """Memory that each thread of :meth:`read` takes besides the block, for each pixel of the window."""
        # Classes, masks, and float64 of one limit or the counters of one dilation.
        held = 4 + (16 if self._judges_more_than_classes else 0)
        if any(len(observation.scenes) > 1 for observation in self._observations):
            held += 2 * len(self._recipe.bands)
        # What a coarser band is repeated from, or a finer one averaged.
        bands = self._observations[0].scenes[0].bands
        finest = min(bands[band].geolocation.x_size for band in self._recipe.bands)
        held += 2 * math.ceil(max(1.0, self._grid.x_size / finest)) ** 2
        if any(observation.moved for observation in self._observations):
            held += MovedReader.bytes_reading
        # Four angles and four kernels as float64, should the archive's angles be as fine as its bands.
        return held + (64 if self._recipe.nbar else 0)

    def release(self) -> None:
        """Give the memory of the stack back; nothing is read afterwards."""
        self._memory = np.empty(0, np.uint16)

    def read(self, window: Window, pool: ThreadPoolExecutor) -> tuple[Block, dict[int, npt.NDArray[np.uint8]]]:
        """All observations of a window.

        The stack is overwritten by the next read: fresh memory for each would cost as much as some methods do.

        Returns:
            The block, whose stack holds anything where nothing is valid; and for each observation of several granules,
            by its index, which granule each pixel is from.

        Raises:
            SceneRejected: a scene cannot be read.
        """
        shape = len(self._observations), window.height, window.width
        bands = len(self._recipe.bands)
        numbers = bands * math.prod(shape)
        if self._memory.size < numbers:
            self._memory = np.zeros(numbers, np.uint16)
        block = Block(
            self._memory[:numbers].reshape(shape[0], bands, *shape[1:]),
            np.zeros(shape, bool),
            np.zeros(shape, np.uint8) if self._recipe.needs_classes else None,
            np.zeros(shape, np.uint8) if self._with_confidence else None,
        )
        granules = {
            time: np.zeros(shape[1:], np.uint8)
            for time, observation in enumerate(self._observations)
            if len(observation.scenes) > 1
        }

        def read(time: int) -> None:
            with environment():
                for number, scene in enumerate(self._observations[time].scenes):
                    gained = self._read_scene(scene, window, _Place(block, time))
                    if number and gained is not None:
                        granules[time][gained] = number

        for _ in pool.map(read, range(shape[0])):
            pass
        return block, granules

    def _read_scene(self, scene: Scene, window: Window, place: _Place) -> npt.NDArray[np.bool_] | None:
        """Add a scene's pixels where the observation has none yet; which those are, None if there are none."""
        if scene.classes is None:
            raise SceneRejected(scene.id, "it has no classification layer to decide validity from")
        reader, validity, observed = self._readers[scene.id], self._recipe.validity, place.block.valid[place.time]
        margin = halo(validity, self._grid)
        classes = reader.labels(scene.classes.layer, window, margin, unobserved=scene.classes.nodata_class)
        classes = classes.astype(np.uint8, copy=False)
        valid: npt.NDArray[np.bool_] = clear(
            classes, validity, nodata_class=scene.classes.nodata_class, grid=self._grid
        )
        for limit in limits_of(scene, validity):
            if limit.layer is not None and valid.any():
                valid = valid & (_physical(reader, limit.layer, window) <= limit.maximum)
        valid = valid & ~observed
        if not valid.any():
            return None
        classes = classes[margin : margin + window.height, margin : margin + window.width]
        water = labelled(classes, scene.classes.water_classes)
        bands = self._recipe.bands
        stack = place.block.stack[place.time]
        joined = observed.any()  # by an earlier granule, whose pixels must stay
        numbers = np.empty(stack.shape, np.uint16) if joined else stack
        reader.numbers([scene.bands[band] for band in bands], window, numbers, EDGE_VALUE)
        observe(numbers, valid, water, [BandCalibration(b, scene.bands[b].scale, scene.bands[b].offset) for b in bands])
        if joined:
            np.copyto(stack, numbers, where=valid)
        observed |= valid
        if self._recipe.nbar and has_angles(scene):
            normalise(scene, reader, self._grid, window, bands, valid, stack)
        if place.block.classes is not None:
            np.copyto(place.block.classes[place.time], classes, where=valid)
        if place.block.cloud_confidence is not None:
            percent = _percent(_physical(reader, scene.quality[CLOUD_CONFIDENCE], window))
            np.copyto(place.block.cloud_confidence[place.time], percent, where=valid)
        return valid


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a block an observation goes."""

    block: Block
    time: int


def _physical(reader: SceneReader, layer: Layer, window: Window) -> npt.NDArray[np.float64]:
    return physical(reader.labels(layer, window), scale=layer.scale, offset=layer.offset, nodata=layer.nodata)


def _percent(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    # Without a value a pixel is taken for the cloudiest: it wins only where nothing else is there.
    known = np.where(np.isnan(values), _PERCENT_FILL, np.floor(values + 0.5))
    return np.clip(known, 0, _PERCENT_FILL).astype(np.uint8)
