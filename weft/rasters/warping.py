"""The one resampling of a product step: from a file's grid to a target grid.

Belongs here: choosing the kernel and running GDAL's warper on one file. Not here: merging what was warped
(``weft.mosaicking``) or displacement fields (``weft.registration``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio.errors
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from weft.rasters.gdal import UnreadableRaster, environment, open_raster
from weft.rasters.grid import Grid, Window
from weft.rasters.product import LayerSpec

Kernel = Literal["average", "nearest", "bilinear"]

_AVERAGE_BEYOND = 1.5
_EARTH_RADIUS_M = 6_371_007.0
# GDAL approximates the coordinate transform along each row of a block. Its default error, an eighth of a pixel, makes
# the result depend on how the target is cut into blocks; a hundredth is below any geolocation and costs 5 %.
_TOLERANCE = 0.01
# GDAL #7750: when it downsamples, GDAL widens bilinear by its own estimate of the scale. One source pixel is meant.
_OPTIONS: dict[Kernel, dict[str, Any]] = {"average": {}, "nearest": {}, "bilinear": {"XSCALE": 1, "YSCALE": 1}}


def pixel_metres(grid: Grid) -> float:
    """Nominal pixel height in metres, whatever the unit of the CRS (degrees are taken at the equator)."""
    axis = pyproj.CRS.from_user_input(grid.crs).axis_info[0]
    factor = float(axis.unit_conversion_factor)
    return grid.y_size * factor * (_EARTH_RADIUS_M if math.isclose(factor, math.pi / 180) else 1.0)


def kernel_for(layer: LayerSpec, source: Grid, target: Grid, *, wanted: Literal["average", "nearest"]) -> Kernel:
    """Resampling kernel of one layer; what a step used belongs into its item as ``weft:resampling``.

    Nominal pixel sizes decide, not the local scale of the projection: tiles of one mosaic must not differ in kernel.

    Returns:
        ``nearest`` for labels and where it is wanted, ``average`` when the target's pixels are more than 1.5 times
        larger, else ``bilinear``.
    """
    if layer.categorical or wanted == "nearest":
        return "nearest"
    return "average" if pixel_metres(target) > _AVERAGE_BEYOND * pixel_metres(source) else "bilinear"


class Warped:
    """The first band of a file, resampled onto a grid and read by windows; only what lies under a window is decoded.

    Always from the full resolution, also where the target is much coarser. Averaging from 10 m to 100 m through the
    20 m overview takes a seventh of the time, but 60 % of the pixels then differ, by up to 30 stored steps and 0.1 on
    average upwards, because an overview is rounded and weighs the border of a gap like whole pixels; through the 40 m
    overview, which does not divide 100 m, one pixel in a hundred differs by more than 99 steps. A region that wants it
    quick sets its working resolution nearer to that of its mosaic.

    Use as a context manager, from one thread at a time.
    """

    def __init__(self, path: Path, target: Grid, *, kernel: Kernel, nodata: float | None) -> None:
        """Open the file.

        Args:
            path: GeoTIFF or JPEG 2000 file.
            target: grid of the result, in any CRS.
            kernel: see :func:`kernel_for`.
            nodata: stored value that takes no part and fills what the file does not cover. None: every pixel takes part
                and the rest is 0.

        Raises:
            UnreadableRaster: the file cannot be opened.
        """
        self._path = path
        with ExitStack() as stack, environment(), _warping(path):
            dataset = stack.enter_context(open_raster(path))
            self._vrt = stack.enter_context(
                WarpedVRT(
                    dataset,
                    crs=target.crs,
                    transform=target.transform,
                    width=target.width,
                    height=target.height,
                    resampling=Resampling[kernel],
                    src_nodata=nodata,
                    nodata=nodata,
                    tolerance=_TOLERANCE,
                    **_OPTIONS[kernel],
                )
            )
            self._close = stack.pop_all()

    def __enter__(self) -> Warped:
        """Nothing more to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._close.close()

    def read(self, window: Window) -> npt.NDArray[Any]:
        """One window of the target grid.

        GDAL approximates the transform within a window, so how the grid is cut decides about the last hundredth of a
        pixel; the order in which windows are read does not.

        Returns:
            (y, x) array of the file's dtype. Integer results of ``average`` and ``bilinear`` are rounded half up; one
            that would round to ``nodata`` becomes the next value above it.

        Raises:
            UnreadableRaster: the file cannot be decoded.
        """
        with environment(), _warping(self._path):
            part = RasterioWindow(window.col, window.row, window.width, window.height)
            return np.asarray(self._vrt.read(1, window=part))


@contextmanager
def _warping(path: Path) -> Iterator[None]:
    try:
        yield
    except rasterio.errors.RasterioError as error:
        raise UnreadableRaster(str(path), f"it cannot be warped ({error.__cause__ or error})") from error
