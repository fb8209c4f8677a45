"""Reading a scene whose pixels do not lie where its geolocation puts them.

Belongs here: the value that tells where they lie, and the reader that looks there. Not here: finding it out
(``weft.registration``), the kernels (``interpolation``) or files (``reading``).

What a window needs is decoded, plus the rim that displacement and kernel reach beyond it, and interpolated once:
measured values by a kernel, labels and angles by taking the nearest pixel. What a pixel becomes does not depend on the
window it is read with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from weft.rasters.grid import Grid, Window
from weft.rasters.interpolation import Kernel, sample, to_integers
from weft.rasters.parking import Parking
from weft.rasters.reading import Place, SceneReader
from weft.scenes.scene import Layer

_STRIP_PIXELS = 1 << 15

Floats = npt.NDArray[np.float64]


class Field(Protocol):
    """A displacement for every place of a grid, such as :class:`weft.registration.displacement.Displacement`."""

    def at(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Columns and rows to add to positions (the integer is the centre of a pixel), in their broadcast shape.

        What it gives for a position must depend on nothing else, or products would depend on their blocks.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """How a scene's pixels are displaced, and what its measured values are interpolated with.

    Attributes:
        field: what belongs at ``(x, y)``, the scene shows at ``(x + dx, y + dy)``.
        grid: in whose pixels the field counts; it has the scene's CRS and top-left corner.
        kernel: of measured values.
    """

    field: Field
    grid: Grid
    kernel: Kernel

    def places(self, grid: Grid, window: Window) -> tuple[Floats, Floats]:
        """Where to look for the pixels of a window.

        Args:
            grid: any with the same CRS and top-left corner.
            window: of ``grid``; it may reach beyond it.

        Returns:
            Distances from the top-left corner to the right and downwards, CRS units, float64 (y, x).
        """
        columns = np.arange(window.col, window.col + window.width, dtype=np.float64)
        rows = np.arange(window.row, window.row + window.height, dtype=np.float64)[:, np.newaxis]
        right: Floats = (columns + 0.5) * grid.x_size
        down: Floats = (rows + 0.5) * grid.y_size
        places = np.empty((2, window.height, window.width))
        # In strips, for a field may take some times the memory of what it gives.
        height = max(1, _STRIP_PIXELS // window.width)
        for strip in (slice(top, top + height) for top in range(0, window.height, height)):
            dx, dy = self.field.at(right / self.grid.x_size - 0.5, down[strip] / self.grid.y_size - 0.5)
            np.add(right, dx * self.grid.x_size, out=places[0, strip])
            np.add(down[strip], dy * self.grid.y_size, out=places[1, strip])
        return places[0], places[1]


class MovedReader(SceneReader):
    """A :class:`SceneReader` that looks where the pixels really lie."""

    _overlapping = True
    bytes_reading = 64
    """Memory that a read takes besides its result, for each pixel: positions, what they are made of, and values."""

    def __init__(self, scene_id: str, grid: Grid, place: Place, parking: Parking, keep_open: int, moved: Moved) -> None:
        """As :class:`SceneReader`, of a scene that is ``moved``."""
        super().__init__(scene_id, grid, place, parking, keep_open)
        self._moved = moved

    def on(self, grid: Grid) -> SceneReader:
        """As :meth:`SceneReader.on`."""
        if grid == self._grid:
            return self
        return MovedReader(self._scene_id, grid, self._place, self._parking, 0, self._moved)

    def numbers(
        self, layers: Sequence[Layer], window: Window, out: npt.NDArray[np.uint16], no_measurement: int
    ) -> None:
        """As :meth:`SceneReader.numbers`, interpolated.

        A layer finer than the grid is averaged first; a coarser one is interpolated between its own pixels. Numbers
        that are no measurement take no part; a pixel that the kernel finds too few others for becomes 0, and none
        becomes such a number otherwise.
        """
        places = self._moved.places(self._grid, window)
        for layer, target in zip(layers, out, strict=True):
            finer = self._grid.x_size > layer.geolocation.x_size
            source = self._grid if finer else layer.geolocation

            def read(needed: Window, layer: Layer = layer, finer: bool = finer) -> npt.NDArray[np.float32]:
                stored = np.empty((needed.height, needed.width), np.uint16)
                (self._numbers if finer else self._pixels)(layer, needed, stored)
                return np.where(stored > no_measurement, stored.astype(np.float32), np.float32(np.nan))

            values, found = sample(read, source.shape, *_in_pixels(places, source), self._moved.kernel)
            target[...] = to_integers(values, np.uint16)
            np.maximum(target, no_measurement + 1, out=target, where=found)

    def labels(
        self, layer: Layer, window: Window, margin: int = 0, *, unobserved: int | None = None
    ) -> npt.NDArray[Any]:
        """As :meth:`SceneReader.labels`."""
        around = Window(window.row - margin, window.col - margin, window.height + 2 * margin, window.width + 2 * margin)
        x, y = _in_pixels(self._moved.places(self._grid, around), layer.geolocation)
        height, width = layer.geolocation.shape
        if unobserved is None:
            x, y = x.clip(0, width - 1), y.clip(0, height - 1)

        def read(needed: Window) -> npt.NDArray[Any]:
            stored = np.empty((needed.height, needed.width), self._storage(layer).dtype)
            self._pixels(layer, needed, stored)
            return stored

        labels, found = sample(read, (height, width), x, y, "nearest")
        if unobserved is not None:
            labels[~found] = unobserved
        return labels


def _in_pixels(places: tuple[Floats, Floats], grid: Grid) -> tuple[Floats, Floats]:
    """Columns and rows of places, the integer being the centre of a pixel."""
    return places[0] / grid.x_size - 0.5, places[1] / grid.y_size - 0.5
