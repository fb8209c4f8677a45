"""Bringing observations to nadir view while they are read.

Belongs here: which scenes have the angles it takes, and reading these around a window. Not here: the correction itself
(``weft.calibration.brdf``).

The nodes between which it interpolates are the pixels of the view angle layer, or those of the job where these are
larger; the other angles are read at the nodes. A scene that lacks one of the angles stays as it was measured, and is
counted: leaving it out would tear holes where nobody expects them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weft.calibration.brdf import bands_without, kernels, to_nadir
from weft.compositing.observations import Observation
from weft.rasters.grid import Grid, Window
from weft.rasters.reading import SceneReader
from weft.rasters.values import physical
from weft.scenes.scene import Layer, Scene

ANGLES = ("sun_zenith", "view_zenith", "sun_azimuth", "view_azimuth")
"""The angle layers a scene needs, in the order of :func:`weft.calibration.brdf.kernels`."""


@dataclass(frozen=True, slots=True)
class Nbar:
    """What the normalisation to nadir view could not reach; it stays as it was measured.

    Attributes:
        observations: how many observations took part.
        without_angles: how many of them have a scene that lacks an angle layer.
        bands_without: bands for which no coefficients are published.
    """

    observations: int
    without_angles: int
    bands_without: tuple[str, ...]

    @classmethod
    def of(cls, observations: Sequence[Observation], bands: Iterable[str]) -> Nbar:
        """Tell it from what the scenes have."""
        poor = sum(not all(map(has_angles, observation.scenes)) for observation in observations)
        return cls(len(observations), poor, bands_without(bands))

    @property
    def applied(self) -> bool:
        """Whether any observation is at nadir view."""
        return self.without_angles < self.observations


def has_angles(scene: Scene) -> bool:
    """Whether a scene has every angle layer."""
    return all(name in scene.angles for name in ANGLES)


def normalise(
    scene: Scene,
    reader: SceneReader,
    grid: Grid,
    window: Window,
    bands: Sequence[str],
    where: npt.NDArray[np.bool_],
    reflectance: npt.NDArray[np.uint16],
) -> None:
    """Bring a scene's pixels of one window to nadir view.

    Args:
        scene: one that :func:`has_angles`.
        reader: reads it on ``grid``.
        grid: of the job.
        window: of ``grid``.
        bands: Common Band Names of ``reflectance``.
        where: the scene's pixels (y, x).
        reflectance: changed in place, uint16 (band, y, x).

    Raises:
        SceneRejected: an angle layer cannot be read.
    """
    view = scene.angles["view_zenith"].geolocation
    lattice = view if view.x_size > grid.x_size else grid
    first_row, rows = _between(window.row, window.height, grid.y_size / lattice.y_size, lattice.height)
    first_col, cols = _between(window.col, window.width, grid.x_size / lattice.x_size, lattice.width)
    nodes = Window(first_row, first_col, _count(rows), _count(cols))
    reader = reader.on(lattice)
    degrees = [_degrees(reader, scene.angles[name], nodes) for name in ANGLES]
    to_nadir(reflectance, where, kernels(*degrees), rows, cols, bands)


def _between(start: int, count: int, ratio: float, nodes: int) -> tuple[int, npt.NDArray[np.float64]]:
    """First node needed, and where pixels lie between the centres of the nodes from there on."""
    centres = ((np.arange(start, start + count) + 0.5) * ratio - 0.5).clip(0.0, nodes - 1.0)
    first = int(centres[0])
    return first, centres - first


def _count(positions: npt.NDArray[np.float64]) -> int:
    return int(np.ceil(positions[-1])) + 1


def _degrees(reader: SceneReader, layer: Layer, nodes: Window) -> npt.NDArray[np.float64]:
    return physical(reader.labels(layer, nodes), scale=layer.scale, offset=layer.offset, nodata=layer.nodata)
