"""Compositing one tile: stream blocks of all observations, reduce each once with every method, write the layers.

Belongs here: the block loop, its memory, and what is done when a scene turns out to be unreadable. Not here: the
reductions (``medoid``, ``percentiles``), the rule of a valid pixel (``weft.calibration``), or reading and writing files
(``weft.rasters``).

Every block of every scene is decoded once and serves all methods; blocks in which a scene has no valid pixel are not
decoded at all. The result does not depend on block size, thread count or the order in which scenes were listed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from weft.bands import BANDS
from weft.calibration.sentinel2 import REFLECTANCE_SCALE, BandCalibration, observe, valid_classes
from weft.compositing.medoid import medoid
from weft.compositing.observations import Observation
from weft.compositing.percentiles import percentiles
from weft.errors import SceneRejected
from weft.rasters.cog import LayerWriter
from weft.rasters.gdal import environment
from weft.rasters.grid import Window
from weft.rasters.product import LayerSpec, Product, Rejected
from weft.rasters.reading import Place, SceneReader
from weft.regions import Composite, Validity
from weft.scenes.scene import Scene

Progress = Callable[[int, int], None]
"""Called with (blocks done, blocks in all)."""

_STACK_SHARE = 5  # of the memory budget one part holds the stack; the rest is interpreter, decoders, outputs


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make of the observations.

    Attributes:
        bands: Common Band Names, in output order.
        validity: which pixels count.
        composite: which reductions.
        resolution: pixel size of the output, CRS units.
    """

    bands: tuple[str, ...]
    validity: Validity
    composite: Composite
    resolution: float

    def layers(self) -> tuple[LayerSpec, ...]:
        """The layers a composite has, in order."""
        layers: list[LayerSpec] = []
        for statistic in self.statistics():
            layers += [reflectance_layer(band, statistic) for band in self.bands]
        if "medoid" in self.composite.methods:
            layers.append(
                LayerSpec(
                    "medoid_spread", "Mean distance of the medoid to all observations", "float32", math.nan, unit="1"
                )
            )
            layers.append(LayerSpec("source_index", "Index of the medoid's observation", "int16", -1, categorical=True))
        layers.append(LayerSpec("count", "Number of valid observations", "uint16", None))
        return tuple(layers)

    def statistics(self) -> tuple[str, ...]:
        """``medoid``, ``p25`` ... in output order."""
        names = ["medoid"] if "medoid" in self.composite.methods else []
        if "percentiles" in self.composite.methods:
            names += [percentile_key(q) for q in self.composite.percentiles]
        return tuple(names)


@dataclass(frozen=True, slots=True)
class Composited:
    """The outcome of compositing.

    Attributes:
        product: layers and rejected scenes; None if no observation was left.
        observations: those that took part; ``source_index`` counts into them.
        rejected: scenes set aside while reading.
    """

    product: Product | None
    observations: tuple[Observation, ...]
    rejected: tuple[Rejected, ...]


def percentile_key(q: float) -> str:
    """``p25`` for 25, ``p2_5`` for 2.5."""
    return f"p{q:g}".replace(".", "_")


def reflectance_layer(band: str, statistic: str) -> LayerSpec:
    """Layer of one band and statistic: uint16 reflectance, scale 0.0001, nodata 0."""
    return LayerSpec(
        f"{band}_{statistic}",
        f"{BANDS[band].title}, {statistic}",
        "uint16",
        0,
        scale=REFLECTANCE_SCALE,
        unit="1",
        band=band,
        statistic=statistic,
    )


def composite(
    observations: Sequence[Observation],
    recipe: Recipe,
    scratch: Path,
    place: Place,
    *,
    memory_bytes: int = 1 << 30,
    threads: int | None = None,
    block: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Composited:
    """Composite the observations of one tile.

    Args:
        observations: from :func:`weft.compositing.observations.plan`: all on one grid, all with the recipe's bands.
        recipe: what to make.
        scratch: an empty folder for the files of the product.
        place: href resolver.
        memory_bytes: budget of the process; decides the block size.
        threads: threads to decode and reduce with; all that numba was given by default.
        block: rows and columns of a block; derived from the budget and the files' own blocks by default.
        progress: called after each block.

    Returns:
        The outcome; scenes that could not be read to the end are set aside as if they had never been there.

    Raises:
        Unavailable: a remote archive does not answer.
    """
    remaining = tuple(observations)
    rejected: list[Rejected] = []
    while remaining:
        job = _Job(remaining, recipe, place, threads or numba.get_num_threads())
        try:
            with environment():
                product = job.run(scratch, block or job.block(memory_bytes), progress)
            return Composited(replace(product, rejected=tuple(rejected)), remaining, tuple(rejected))
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
        Observation(tuple(scene for scene in observation.scenes if scene.id != scene_id))
        for observation in observations
    )
    return tuple(observation for observation in kept if observation.scenes)


class _Job:
    """One pass over the blocks with a fixed set of observations."""

    def __init__(self, observations: tuple[Observation, ...], recipe: Recipe, place: Place, threads: int) -> None:
        self.observations = observations
        self.recipe = recipe
        self.threads = threads
        self.grid = observations[0].scenes[0].geolocation.at_resolution(recipe.resolution)
        self.readers = {
            scene.id: SceneReader(scene.id, self.grid, place)
            for observation in observations
            for scene in observation.scenes
        }

    def close(self) -> None:
        for reader in self.readers.values():
            reader.close()

    def block(self, memory_bytes: int) -> tuple[int, int]:
        """Largest block of whole file blocks whose stack fits the budget, so that nothing is decoded twice."""
        scene = self.observations[0].scenes[0]
        layer = min((scene.bands[band] for band in self.recipe.bands), key=lambda one: one.geolocation.x_size)
        rows, cols = self.readers[scene.id].block_shape(layer)
        ratio = self.grid.x_size / layer.geolocation.x_size
        rows, cols = max(1, int(rows / ratio)), max(1, int(cols / ratio))
        pixel_bytes = len(self.observations) * (2 * len(self.recipe.bands) + 1)
        pixels = max(1, memory_bytes // _STACK_SHARE // pixel_bytes)
        cols = min(self.grid.width, max(1, pixels // rows // cols) * cols)
        if rows * cols > pixels:
            return max(1, min(self.grid.height, pixels // cols)), cols
        return min(self.grid.height, pixels // cols // rows * rows), cols

    def run(self, scratch: Path, block: tuple[int, int], progress: Progress | None) -> Product:
        windows = list(self.grid.blocks(*block))
        numba.set_num_threads(min(self.threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        with (
            LayerWriter(self.grid, self.recipe.layers(), scratch) as writer,
            ThreadPoolExecutor(self.threads) as pool,
        ):
            for done, window in enumerate(windows, start=1):
                # No name may hold on to the stack, or two of them would be alive while the next block is read.
                writer.write(window, self._reduce(*self._read(window, pool)))
                if progress:
                    progress(done, len(windows))
            return Product(self.grid, writer.finish(workers=self.threads))

    def _read(self, window: Window, pool: ThreadPoolExecutor) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.bool_]]:
        times, bands = len(self.observations), len(self.recipe.bands)
        stack = np.zeros((times, bands, window.height, window.width), np.uint16)
        valid = np.zeros((times, window.height, window.width), bool)

        def read(time: int) -> None:
            with environment():
                for scene in self.observations[time].scenes:
                    self._read_scene(scene, window, stack[time], valid[time])

        for _ in pool.map(read, range(times)):
            pass
        return stack, valid

    def _read_scene(
        self, scene: Scene, window: Window, reflectance: npt.NDArray[np.uint16], observed: npt.NDArray[np.bool_]
    ) -> None:
        if scene.classes is None:
            raise SceneRejected(scene.id, "it has no classification layer to decide validity from")
        reader, validity = self.readers[scene.id], self.recipe.validity
        margin = math.ceil(validity.dilate_m / self.grid.x_size)
        classes = reader.labels(scene.classes.layer, window, margin).astype(np.uint8, copy=False)
        valid = valid_classes(classes, validity, nodata_class=scene.classes.nodata_class, dilate_pixels=margin)
        zenith = scene.angles.get("view_zenith")
        if validity.view_zenith_max is not None and zenith is not None:
            angle = reader.labels(zenith, window) * zenith.scale + zenith.offset
            valid = valid & (angle <= validity.view_zenith_max)
        if not (valid & ~observed).any():
            return  # nothing to gain from decoding the bands
        inner = classes[margin : margin + window.height, margin : margin + window.width]
        numbers = np.empty((len(self.recipe.bands), window.height, window.width), np.uint16)
        for index, band in enumerate(self.recipe.bands):
            reader.numbers(scene.bands[band], window, numbers[index])
        calibrations = [
            BandCalibration(band, scene.bands[band].scale, scene.bands[band].offset) for band in self.recipe.bands
        ]
        water = np.isin(inner, scene.classes.water_classes)
        observe(numbers, valid, water, calibrations, reflectance, observed)

    def _reduce(self, stack: npt.NDArray[np.uint16], valid: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[Any]]:
        settings = self.recipe.composite
        count = valid.sum(axis=0, dtype=np.uint16)
        out: dict[str, npt.NDArray[Any]] = {"count": count}
        if "medoid" in settings.methods:
            index, spread = medoid(stack, valid)
            given = (index >= 0) & (count >= settings.medoid_min)
            out["source_index"] = np.where(given, index, -1).astype(np.int16)
            out["medoid_spread"] = np.where(given, spread * np.float32(REFLECTANCE_SCALE), np.nan).astype(np.float32)
            chosen = np.take_along_axis(stack, np.maximum(index, 0)[None, None].astype(np.intp), axis=0)[0]
            for band, values in zip(self.recipe.bands, chosen, strict=True):
                out[f"{band}_medoid"] = _stored(values, given)
        if "percentiles" in settings.methods:
            for position, band in enumerate(self.recipe.bands):
                results, _ = percentiles(stack[:, position], valid, settings.percentiles)
                for q, values in zip(settings.percentiles, results, strict=True):
                    out[f"{band}_{percentile_key(q)}"] = _stored(values, count > 0)
        return out


def _stored(values: npt.NDArray[Any], given: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint16]:
    """Round half up; a true zero becomes 1 (an error of 0.0001), because 0 says that nothing is there."""
    rounded = np.floor(np.where(given, values, 0).astype(np.float64) + 0.5)
    return np.where(given, np.maximum(rounded, 1), 0).astype(np.uint16)
