"""Layers about the observation each pixel comes from: its class, its angles, how hazy and cloudy it was.

Belongs here: reading them from the scenes that were selected. Not here: the selection (``reduce``), or how the layers
are stored (``layers``).

They are read after the selection, and only of scenes that some pixel of the window comes from: nothing is held for
every observation. A layer that not a single scene has is left out; a scene that lacks it leaves its pixels at the fill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.composite_settings import ExtraLayer
from weft.compositing.layers import EXTRA
from weft.compositing.observations import Observation
from weft.rasters.gdal import environment
from weft.rasters.grid import Window
from weft.rasters.moving import MovedReader
from weft.rasters.product import LayerSpec
from weft.rasters.reading import SceneReader
from weft.rasters.values import physical
from weft.scenes.scene import Layer, Scene

_SOURCES: dict[ExtraLayer, Callable[[Scene], Layer | None]] = {
    "quality_aot": lambda scene: scene.quality.get("aot"),
    "quality_cloud_confidence": lambda scene: scene.quality.get("cloud_confidence"),
    "quality_snow_confidence": lambda scene: scene.quality.get("snow_confidence"),
    "quality_scene_classification": lambda scene: scene.classes.layer if scene.classes else None,
    "view_zenith_mean": lambda scene: scene.angles.get("view_zenith"),
    "view_azimuth_mean": lambda scene: scene.angles.get("view_azimuth"),
    "sun_zenith": lambda scene: scene.angles.get("sun_zenith"),
    "sun_azimuth": lambda scene: scene.angles.get("sun_azimuth"),
}


def not_in(scenes: Iterable[Scene], wanted: Sequence[ExtraLayer]) -> tuple[ExtraLayer, ...]:
    """Those of the wanted layers that would have to be read from a scene, and that no scene has."""
    scenes = list(scenes)
    return tuple(key for key in wanted if key in _SOURCES and not any(map(_SOURCES[key], scenes)))


class ProvenanceReader:
    """Reads layers of the selected observations."""

    def __init__(
        self, observations: Sequence[Observation], wanted: Sequence[ExtraLayer], readers: Mapping[str, SceneReader]
    ) -> None:
        """Read those of the ``wanted`` layers that come from scenes, through ``readers`` (scene id -> reader)."""
        self._observations = observations
        self._keys = [key for key in wanted if key in _SOURCES]
        self._readers = readers

    @property
    def bytes_decoding(self) -> int:
        """Memory that each thread of :meth:`read` takes besides its result, for each pixel of the window."""
        if not self._keys:
            return 0
        moved = any(observation.moved for observation in self._observations)
        return 32 + (MovedReader.bytes_reading if moved else 0)

    def read(
        self,
        window: Window,
        winner: npt.NDArray[np.int16] | None,
        granules: Mapping[int, npt.NDArray[np.uint8]],
        pool: ThreadPoolExecutor,
    ) -> dict[str, npt.NDArray[Any]]:
        """Stored values of the layers.

        Args:
            window: where.
            winner: index of the selected observation (y, x), -1 for none; None if no method selects any.
            granules: for each observation of several granules, which granule each pixel is from.
            pool: reads observations side by side; they write to different pixels.

        Raises:
            SceneRejected: a scene cannot be read.
        """
        specs = {key: EXTRA[key] for key in self._keys}
        layers: dict[str, npt.NDArray[Any]] = {
            key: np.full((window.height, window.width), spec.nodata, spec.dtype) for key, spec in specs.items()
        }
        if winner is None or not layers:
            return layers

        def read(time: int) -> None:
            with environment():
                for number, scene in enumerate(self._observations[time].scenes):
                    mine = winner == time
                    if time in granules:
                        mine &= granules[time] == number
                    for key, spec in specs.items():
                        source = _SOURCES[key](scene)
                        if source is not None and mine.any():
                            stored = _stored(self._readers[scene.id].labels(source, window), source, spec)
                            np.copyto(layers[key], stored, where=mine)

        for _ in pool.map(read, np.unique(winner[winner >= 0]).tolist()):
            pass
        return layers


def _stored(numbers: npt.NDArray[Any], source: Layer, spec: LayerSpec) -> npt.NDArray[Any]:
    values = physical(numbers, scale=source.scale, offset=source.offset, nodata=source.nodata)
    largest, fill = np.iinfo(spec.dtype).max, int(spec.nodata or 0)
    steps = np.clip(np.floor(values / spec.scale + 0.5), 0, largest)
    if fill:
        steps[steps == fill] = fill - 1
    return np.where(np.isnan(steps), fill, steps).astype(spec.dtype)
