"""Compositing one tile: stream blocks of all observations, reduce each once with every method, write the layers.

Belongs here: the block loop, its memory, and what is done when a scene turns out to be unreadable. Not here: reading a
block (``blocks``, ``provenance``), reducing it (``reduce``), or writing files (``weft.rasters``).

Observations are taken **newest first**, as the Sentinel-2 Global Mosaic service does, in every method: of equals the
newest wins, ``first_valid`` is the latest clear view, and ``source_index`` 0 is the newest observation.

Every block of every scene is decoded once and serves all methods. The result does not depend on block size, thread
count or the order in which scenes were listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from weft.calibration.validity import limits_not_applied
from weft.composite_settings import ExtraLayer
from weft.compositing.blocks import BlockReader
from weft.compositing.layers import composite_layers
from weft.compositing.nadir import Nbar
from weft.compositing.observations import Observation
from weft.compositing.planes import MAX_OBSERVATIONS
from weft.compositing.provenance import ProvenanceReader, not_in
from weft.compositing.recipe import Recipe
from weft.compositing.reduce import reduce_block
from weft.errors import RequestError, SceneRejected
from weft.progress import Progress
from weft.rasters.cog import LayerWriter
from weft.rasters.gdal import environment
from weft.rasters.grid import Window
from weft.rasters.moving import MovedReader
from weft.rasters.parking import Parking
from weft.rasters.product import Product, Rejected
from weft.rasters.reading import Place, SceneReader

__all__ = ["Composited", "Recipe", "composite"]

_RESIDENT = 610 << 20
"""What a process needs whatever the block: interpreter, compiled kernels, GDAL's cache, open files, writing COGs."""
_FILES = 128
"""Most files kept open, of all scenes: what they hold in memory must not grow with the number of dates."""
_LEAST_SHARE = 4
"""Blocks get this part of a budget that leaves them less beside the resident part."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Composited:
    """The outcome of compositing.

    Attributes:
        product: layers and rejected scenes; None if no observation was left.
        observations: those that took part, newest first; ``source_index`` counts into them.
        rejected: scenes set aside while reading.
        layers_left_out: layers that were asked for and that not one scene can feed.
        validity_not_applied: limits of the validity rule whose layer not one scene has.
        nbar: how far the normalisation to nadir view reached; None if the recipe asks for none.
    """

    product: Product | None
    observations: tuple[Observation, ...]
    rejected: tuple[Rejected, ...]
    layers_left_out: tuple[ExtraLayer, ...] = ()
    validity_not_applied: tuple[str, ...] = ()
    nbar: Nbar | None = None


def composite(
    observations: Sequence[Observation],
    recipe: Recipe,
    scratch: Path,
    place: Place,
    *,
    memory_bytes: int = 1 << 30,
    threads: int | None = None,
    block: tuple[int, int] | None = None,
    area: Window | None = None,
    progress: Progress | None = None,
) -> Composited:
    """Composite the observations of one tile.

    Args:
        observations: from :func:`weft.compositing.observations.plan`, in any order: all on one grid, all with the
            recipe's bands.
        recipe: what to make.
        scratch: an empty folder for the files of the product.
        place: href resolver.
        memory_bytes: budget of the process; decides the block size.
        threads: threads to decode and reduce with; all that numba was given by default.
        block: rows and columns of a block; derived from the budget and the files' own blocks by default.
        area: the part of the tile that is wanted, in pixels of its grid at the recipe's resolution; all of it by
            default. Its pixels are those of the whole tile's composite.
        progress: called after each block.

    Returns:
        The outcome; scenes that could not be read to the end are set aside as if they had never been there.

    Raises:
        RequestError: more than 255 observations, or a valid class that the short-term rules do not know.
        Unavailable: a remote archive does not answer.
    """
    if len(observations) > MAX_OBSERVATIONS:
        raise RequestError(
            f"at most {MAX_OBSERVATIONS} observations are composited, got {len(observations)}; choose a shorter period"
        )
    scratch.mkdir(parents=True, exist_ok=True)
    remaining = tuple(sorted(observations, key=lambda one: (one.acquired, one.scene_ids), reverse=True))
    rejected: list[Rejected] = []
    while remaining:
        job = _Job(remaining, recipe, place, Parking(scratch), threads or numba.get_num_threads(), area)
        try:
            with environment():
                windows = list(job.grid.blocks(*block)) if block else job.windows(memory_bytes)
                product = job.run(scratch, windows, progress)
            return Composited(
                replace(product, rejected=tuple(rejected)),
                remaining,
                tuple(rejected),
                job.left_out,
                limits_not_applied(job.scenes, recipe.validity),
                Nbar.of(remaining, recipe.bands) if recipe.nbar else None,
            )
        except SceneRejected as error:
            # Whole scenes are dropped, and the tile is started over: a scene must not take part above its first bad
            # block only.
            rejected.append(Rejected(error.scene_id, error.reason))
            remaining = _without(remaining, error.scene_id)
        finally:
            job.close()
    return Composited(None, (), tuple(rejected))


def _without(observations: Sequence[Observation], scene_id: str) -> tuple[Observation, ...]:
    kept = (
        replace(observation, scenes=tuple(scene for scene in observation.scenes if scene.id != scene_id))
        for observation in observations
    )
    return tuple(observation for observation in kept if observation.scenes)


class _Job:
    """One pass over the blocks with a fixed set of observations."""

    def __init__(
        self,
        observations: tuple[Observation, ...],
        recipe: Recipe,
        place: Place,
        parking: Parking,
        threads: int,
        area: Window | None,
    ) -> None:
        self.scenes = [scene for observation in observations for scene in observation.scenes]
        self.recipe = recipe
        self.threads = threads
        self.days = [(observation.acquired - _EPOCH).days for observation in observations]
        self.grid = self.scenes[0].geolocation.at_resolution(recipe.resolution)
        self.area = area or Window(0, 0, *self.grid.shape)
        wanted = recipe.composite.extra_layers
        self.left_out = not_in(self.scenes, wanted)
        extra = [key for key in wanted if key not in self.left_out]
        self.layers = composite_layers(recipe, extra)
        self.parking = parking
        keep_open = _FILES // len(self.scenes)
        self.readers = {
            scene.id: MovedReader(scene.id, self.grid, place, parking, keep_open, observation.moved)
            if observation.moved
            else SceneReader(scene.id, self.grid, place, parking, keep_open)
            for observation in observations
            for scene in observation.scenes
        }
        self.blocks = BlockReader(observations, recipe, self.grid, self.readers)
        self.provenance = ProvenanceReader(observations, extra, self.readers)

    def close(self) -> None:
        for reader in self.readers.values():
            reader.close()
        self.blocks.release()
        self.parking.close()

    def windows(self, memory_bytes: int) -> list[Window]:
        """As many whole file blocks at once as the budget allows.

        Where it allows less than one, a block is cut into strips that follow each other, so that what is parked of it
        is soon asked for.
        """
        scene = self.scenes[0]
        layer = min((scene.bands[band] for band in self.recipe.bands), key=lambda one: one.geolocation.x_size)
        rows, cols = self.readers[scene.id].block_shape(layer)
        ratio = self.grid.x_size / layer.geolocation.x_size
        rows = min(self.grid.height, max(1, int(rows / ratio)))
        cols = min(self.grid.width, max(1, int(cols / ratio)))
        budget = max(memory_bytes - _RESIDENT, memory_bytes // _LEAST_SHARE)
        pixels = max(1, budget // self._bytes_per_pixel())
        if rows * cols <= pixels:
            cols = min(self.grid.width, pixels // rows // cols * cols)
            return list(self.grid.blocks(max(rows, pixels // cols // rows * rows), cols))
        strips = -(-rows // max(1, pixels // cols))
        height = -(-rows // strips)  # all alike: no higher than needed, and often whole blocks of what is written
        return [
            Window(row, outer.col, min(height, outer.row + outer.height - row), outer.width)
            for outer in self.grid.blocks(rows, cols)
            for row in range(outer.row, outer.row + outer.height, height)
        ]

    def _bytes_per_pixel(self) -> int:
        results = sum(np.dtype(layer.dtype).itemsize for layer in self.layers)
        # One band's percentiles or the bands of the geomedian as float32, and the masks and counts of a method.
        settings = self.recipe.composite
        passing = max(
            4 * len(settings.percentiles) if "percentiles" in settings.methods else 0,
            4 * len(self.recipe.bands) + 12 if "geomedian" in settings.methods else 0,
            0 if settings.preference == "standard" else 3 * len(self.days),  # masks of all observations
        )
        # Never all at once: a block is read, then reduced, then its layers are completed and written without it.
        return max(
            self.blocks.bytes_held + self.threads * self.blocks.bytes_decoding,
            self.blocks.bytes_held + results + passing + 24,
            results + self.threads * self.provenance.bytes_decoding,
        )

    def run(self, scratch: Path, windows: Sequence[Window], progress: Progress | None) -> Product:
        numba.set_num_threads(min(self.threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        grid = self.grid.of_window(self.area)
        wanted = [part for window in windows if (part := window.overlap(self.area))]
        with (
            LayerWriter(grid, self.layers, scratch) as writer,
            ThreadPoolExecutor(self.threads) as pool,
        ):
            for done, window in enumerate(wanted, start=1):
                writer.write(window.relative_to(self.area), self._layers_of(window, pool), pool)
                if progress:
                    progress(done, len(wanted))
            self.close()  # writing COGs takes memory of its own
            return Product(grid, writer.finish(workers=self.threads))

    def _layers_of(self, window: Window, pool: ThreadPoolExecutor) -> dict[str, npt.NDArray[Any]]:
        # The stack lives no longer than this call, or two of them would be alive while the next block is read.
        block, granules = self.blocks.read(window, pool)
        reduced = reduce_block(block, self.recipe, self.days)
        del block
        return {**reduced.layers, **self.provenance.read(window, reduced.winner, granules, pool)}
