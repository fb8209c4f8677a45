"""The one resampling of a product step: from a file's grid to a target grid.

Belongs here: choosing the kernel and running GDAL's warper on one file. Not here: merging what was warped
(``weft.mosaicking``) or displacement fields (``weft.registration``).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio.errors
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from weft.rasters.gdal import UnreadableRaster, environment, open_raster
from weft.rasters.grid import Grid
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


def kernel_for(layer: LayerSpec, source: Grid, target: Grid) -> Kernel:
    """Resampling kernel of one layer; what a step used belongs into its item as ``weft:resampling``.

    Nominal pixel sizes decide, not the local scale of the projection: tiles of one mosaic must not differ in kernel.

    Returns:
        ``nearest`` for labels, ``average`` when the target's pixels are more than 1.5 times larger, else ``bilinear``.
    """
    if layer.categorical:
        return "nearest"
    return "average" if pixel_metres(target) > _AVERAGE_BEYOND * pixel_metres(source) else "bilinear"


def warp(path: Path, target: Grid, *, kernel: Kernel, nodata: float | None) -> npt.NDArray[Any]:
    """Resample the first band of a file onto a grid; only the part under the grid is decoded.

    Args:
        path: GeoTIFF or JPEG 2000 file.
        target: grid of the result, in any CRS.
        kernel: see :func:`kernel_for`.
        nodata: stored value that takes no part and fills what the file does not cover. None: every pixel takes part
            and the rest is 0.

    Returns:
        (y, x) array of the file's dtype. Integer results of ``average`` and ``bilinear`` are rounded half up; one that
        would round to ``nodata`` becomes the next value above it.

    Raises:
        UnreadableRaster: the file cannot be opened or decoded.
    """
    with environment(), open_raster(path) as dataset:
        try:
            with WarpedVRT(
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
            ) as warped:
                return np.asarray(warped.read(1))
        except rasterio.errors.RasterioError as error:
            raise UnreadableRaster(str(path), f"it cannot be warped ({error})") from error
