"""A layer as if it lay on another grid, moved by a displacement: reprojection and displacement in one resampling.

Belongs here: where each pixel of the target lies in the file, and reading what the kernel needs there. Not here: the
kernels (``weft.rasters.interpolation``), GDAL's warper for grids without displacement (``weft.rasters.warping``), or
layers on the grid of their own scene (``weft.rasters.reading``).

Targets coarser than the file: blocks of n x n pixels of the file, n the ratio of pixel sizes rounded to a whole number
(along each axis), are averaged first, and the kernel works on these means at ``(x + 0.5) / n - 0.5``, so nothing moves
by half a pixel. On a grid with the same corner and n times the pixel size the result is exactly the area average. Power
is averaged, not decibels. Labels are never averaged.
"""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.errors import RequestError
from weft.rasters.block_mean import block_mean
from weft.rasters.grid import Grid, Window, transformer
from weft.rasters.interpolation import Kernel, sample
from weft.rasters.layer_file import LayerFile
from weft.registration.displacement import Displacement
from weft.registration.lattice import CELL, Locate, Places, places
from weft.scenes.scene import Layer

PLACE_ERROR = 0.01
"""Largest error of a place in pixels of the finer of the two grids; half of it is what measurement allows."""
_CHUNK = 4 * CELL
_STRIP_PIXELS = 4 << 20
_ALIGNED = 1e-6


class Remapped:
    """One layer on a target grid, read by windows. Use as a context manager; windows may be read by any thread.

    The pixel of the target at ground position P shows what the layer has at D(P), where D moves by the displacement.
    Values do not depend on how the target is cut into windows. Memory is that of the window and about 100 MiB.
    """

    def __init__(
        self,
        place: str,
        layer: Layer,
        target: Grid,
        *,
        kernel: Kernel,
        displacement: Displacement | None = None,
        displacement_grid: Grid | None = None,
    ) -> None:
        """Open the file of the layer.

        Args:
            place: where the file lies, see :func:`weft.rasters.gdal.open_raster`.
            layer: what was declared of it; its header is held to that.
            target: grid of the result: any CRS, pixel size and anchor.
            kernel: see :data:`weft.rasters.interpolation.Kernel`. Where the target's pixels are pixels of the layer and
                nothing is displaced, they are copied, whatever the kernel.
            displacement: from places of ``displacement_grid`` to places of the layer, both on that grid.
            displacement_grid: the grid on which it was found; by default ``target``. The target may be a window of it,
                another resolution or another CRS.

        Raises:
            RequestError: the file cannot be used, see :class:`weft.rasters.layer_file.LayerFile`; the displacement is
                not of its grid; or the layer has no place in the target's CRS.
            Unavailable: the file is remote and does not answer.
        """
        self.target = target
        source = layer.geolocation
        moved = displacement if displacement is not None and displacement.moves else None
        grid = displacement_grid or target
        if moved is not None and moved.shape != grid.shape:
            raise RequestError(
                f"a displacement of shape {moved.shape} is not of its grid, which has {grid.shape}; register again"
            )
        self._source = source
        self._locate = _displaced(source, target, moved, grid) if moved else _undisplaced(source, target)
        self.kernel: Kernel = "nearest" if not moved and _aligned(source, target) else kernel
        ratio_x, ratio_y = ratios(layer, target)
        self._tolerance = PLACE_ERROR * min(1.0, ratio_x, ratio_y)
        self._power = layer.unit == "dB"
        self._fill = 0.0 if layer.nodata is None else layer.nodata
        #: (rows, columns) of the file that are averaged before the kernel is applied.
        self.averaged = (1, 1)
        if self.kernel != "nearest":
            self.averaged = max(1, math.floor(ratio_y + 0.5)), max(1, math.floor(ratio_x + 0.5))
        self._file = LayerFile(place, layer)

    def __enter__(self) -> Remapped:
        """Nothing more to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, window: Window) -> npt.NDArray[np.float32]:
        """Physical values of a window of the target, float32 (height, width); NaN where there is none.

        Raises:
            RequestError: the file cannot be decoded.
            Unavailable: it is remote and does not answer.
        """
        high, wide = self.averaged
        shape = -(-self._source.height // high), -(-self._source.width // wide)
        out = np.empty((window.height, window.width), np.float32)
        for part, slices in _chunks(window):
            x, y = places(self.target, part, self._locate, self._tolerance)
            if self.averaged == (1, 1):
                out[slices], _ = sample(self._file.read, shape, x, y, self.kernel)
            else:
                x, y = (x + 0.5) / wide - 0.5, (y + 0.5) / high - 0.5
                out[slices], _ = sample(self._means, shape, x, y, self.kernel)
        return out

    def read_stored(self, window: Window) -> npt.NDArray[Any]:
        """Stored values nearest to the pixel centres of a window, (height, width) in the type of the file.

        For labels, and for exact copies of layers that lie on the target's pixels. What the layer does not cover is its
        ``nodata``, or 0 if it has none. Raises like :meth:`read`.
        """
        parts: list[tuple[tuple[slice, slice], npt.NDArray[Any]]] = []
        for part, slices in _chunks(window):
            x, y = places(self.target, part, self._locate, self._tolerance)
            values, valid = sample(self._file.read_stored, self._source.shape, x, y, "nearest")
            values[~valid] = self._fill
            parts.append((slices, values))
        out = np.empty((window.height, window.width), parts[0][1].dtype)
        for slices, values in parts:
            out[slices] = values
        return out

    def _means(self, window: Window) -> npt.NDArray[np.float32]:
        """A window of the averaged layer, made from strips of the file."""
        high, wide = self.averaged
        out = np.empty((window.height, window.width), np.float32)
        col = window.col * wide
        cols = min(self._source.width, (window.col + window.width) * wide) - col
        step = max(1, _STRIP_PIXELS // (cols * high))
        for first in range(0, window.height, step):
            count = min(step, window.height - first)
            row = (window.row + first) * high
            rows = min(self._source.height, row + count * high) - row
            values = self._file.read(Window(row, col, rows, cols))
            out[first : first + count] = self._mean(values)
        return out

    def _mean(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if not self._power:
            return block_mean(values, *self.averaged)
        decibel = np.float32(math.log(10) / 10)
        means = block_mean(np.exp(values * decibel), *self.averaged)
        np.log(means, out=means)
        means /= decibel
        return means


def _undisplaced(source: Grid, target: Grid) -> Locate:
    def locate(column: Places, row: Places) -> tuple[Places, Places]:
        return _pixels(source, *_projected(target.crs, source.crs, *_ground(target, column, row)))

    return locate


def _displaced(source: Grid, target: Grid, displacement: Displacement, grid: Grid) -> Locate:
    def locate(column: Places, row: Places) -> tuple[Places, Places]:
        x, y = _pixels(grid, *_projected(target.crs, grid.crs, *_ground(target, column, row)))
        dx, dy = displacement.at(x, y)
        return _pixels(source, *_projected(grid.crs, source.crs, *_ground(grid, x + dx, y + dy)))

    return locate


def _ground(grid: Grid, column: Places, row: Places) -> tuple[Places, Places]:
    return grid.left + (column + 0.5) * grid.x_size, grid.top - (row + 0.5) * grid.y_size


def _pixels(grid: Grid, x: Places, y: Places) -> tuple[Places, Places]:
    return (x - grid.left) / grid.x_size - 0.5, (grid.top - y) / grid.y_size - 0.5


def _projected(one: str, other: str, x: Places, y: Places) -> tuple[Places, Places]:
    if one == other:
        return x, y
    projected: tuple[Places, Places] = transformer(one, other).transform(x, y)
    return projected


def _aligned(source: Grid, target: Grid) -> bool:
    if source.crs != target.crs:
        return False
    ends = np.array([0.0, target.width - 1.0]), np.array([0.0, target.height - 1.0])
    return all(
        abs(found[0] - round(found[0])) <= _ALIGNED and abs(found[1] - found[0] - end[1]) <= _ALIGNED
        for found, end in zip(_pixels(source, *_ground(target, *ends)), ends, strict=True)
    )


def ratios(layer: Layer, target: Grid) -> tuple[float, float]:
    """Columns and rows of the layer per pixel of the target, at the centre of the layer.

    There, and not at the centre of the target, so that all targets of one pixel size are treated alike.
    """
    source = layer.geolocation
    centre = _ground(source, np.array([source.width / 2 - 0.5]), np.array([source.height / 2 - 0.5]))
    x, y = _projected(source.crs, target.crs, *centre)
    steps_x, steps_y = np.array([-0.5, 0.5, 0.0, 0.0]), np.array([0.0, 0.0, -0.5, 0.5])
    ground = x + steps_x * target.x_size, y + steps_y * target.y_size
    columns, rows = _pixels(source, *_projected(target.crs, source.crs, *ground))
    ratios = tuple(math.hypot(found[1] - found[0], found[3] - found[2]) for found in (columns, rows))
    if not all(math.isfinite(ratio) and ratio > 0 for ratio in ratios):
        raise RequestError(f"{layer.href} in {source.crs} has no place in {target.crs}; choose a CRS that covers it")
    return ratios[0], ratios[1]


def _chunks(window: Window) -> list[tuple[Window, tuple[slice, slice]]]:
    """Parts of a window, and where they lie in it."""
    whole = Grid("", 0.0, 0.0, 1.0, 1.0, window.width, window.height)
    return [
        (Window(window.row + part.row, window.col + part.col, part.height, part.width), part.slices)
        for part in whole.blocks(_CHUNK, _CHUNK)
    ]
