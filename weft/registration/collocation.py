"""Two datasets on one grid, ready to be matched.

Belongs here: the grid that matching works on, and the images on it. Not here: comparing them (``tie_points``), or the
resampling of products, which starts from the files again (``remapping``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weft.rasters.grid import Grid, Window
from weft.rasters.interpolation import Kernel
from weft.rasters.streaming import in_order
from weft.registration.remapping import Remapped, ratios
from weft.scenes.scene import Layer

_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Labels:
    """Class labels that say which pixels of a band are usable.

    Attributes:
        place: where the file lies, see :func:`weft.rasters.gdal.open_raster`.
        layer: the labels.
        usable: those under which a pixel may be matched.
    """

    place: str
    layer: Layer
    usable: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A band to be matched.

    Attributes:
        place: where the file lies, see :func:`weft.rasters.gdal.open_raster`.
        layer: the band, in any CRS and pixel size, of reflectance, dB or any other unit.
        labels: which of its pixels are usable; None: all that have a value.
    """

    place: str
    layer: Layer
    labels: Labels | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Collocated:
    """Images of one place on one grid.

    Attributes:
        grid: the reference grid of matching; displacements that are found between the images belong to it.
        images: physical values, float32 (height, width), in the order of the sources; NaN where a pixel is not usable.
    """

    grid: Grid
    images: tuple[npt.NDArray[np.float32], ...]


def matching_grid(target: Grid, layers: Sequence[Layer]) -> Grid:
    """The grid on which layers are matched: that of the product, at the pixel size of the coarsest of them.

    Finer pixels would show nothing that both images have. The size is rounded to a whole multiple of the target's, the
    top-left corner is the same; the last row and column may reach beyond, so that no pixel of the target is left out.

    Raises:
        RequestError: a layer has no place in the target's CRS.
    """
    coarsest = max(1.0 / min(ratios(layer, target)) for layer in layers)
    times = max(1, math.floor(coarsest + 0.5))
    return Grid(
        target.crs,
        target.left,
        target.top,
        target.x_size * times,
        target.y_size * times,
        -(-target.width // times),
        -(-target.height // times),
    )


def collocate(sources: Sequence[Source], target: Grid, *, kernel: Kernel = "cubic", workers: int = 2) -> Collocated:
    """Read bands on their common matching grid.

    Memory is 4 bytes per pixel and image, and about 100 MiB for each worker: two bands of 10980 x 10980 pixels take
    0.9 GiB.

    Args:
        sources: the reference first, then what is matched with it.
        target: grid of the product; see :func:`matching_grid` for the one that comes of it.
        kernel: of the bands; labels take the nearest.
        workers: threads.

    Raises:
        RequestError: a file cannot be used, see :class:`weft.registration.remapping.Remapped`.
        Unavailable: a remote file does not answer.
    """
    grid = matching_grid(target, [source.layer for source in sources])
    return Collocated(grid, tuple(_image(source, grid, kernel, workers) for source in sources))


def _image(source: Source, grid: Grid, kernel: Kernel, workers: int) -> npt.NDArray[np.float32]:
    image = np.empty(grid.shape, np.float32)
    with ExitStack() as stack:
        band = stack.enter_context(Remapped(source.place, source.layer, grid, kernel=kernel))
        labels: Remapped | None = None
        if source.labels is not None:
            labels = Remapped(source.labels.place, source.labels.layer, grid, kernel="nearest")
            stack.enter_context(labels)

        def work(window: Window) -> None:
            values = band.read(window)
            if source.labels is not None and labels is not None:
                values[~np.isin(labels.read_stored(window), source.labels.usable)] = np.nan
            image[window.slices] = values

        for _ in in_order(work, grid.blocks(_BLOCK, _BLOCK), workers=workers):
            pass
    return image
