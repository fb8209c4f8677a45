"""Writing a colour picture as a Cloud-Optimised GeoTIFF.

Belongs here: one COG of three 8-bit bands. Not here: layers with a physical meaning (``cog``) or what the picture shows
(``weft.mosaicking.overview``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil

from weft.rasters.cog import COG_BLOCK, pixel_digest
from weft.rasters.gdal import environment
from weft.rasters.grid import Grid

NOTHING = 0
"""Stored where there is no picture; every other pixel is 1 to 255 in all three bands."""


def write_picture(grid: Grid, pixels: npt.NDArray[np.uint8], path: Path) -> str:
    """Write a picture.

    Args:
        grid: where it lies.
        pixels: (3, height, width) uint8: red, green and blue, :data:`NOTHING` in all of them where there is none.
        path: file to write.

    Returns:
        Digest of the pixels, see :func:`weft.rasters.cog.pixel_digest`.
    """
    raw = path.with_suffix(".raw.tif")
    with environment():
        with rasterio.open(
            raw,
            "w",
            driver="GTiff",
            width=grid.width,
            height=grid.height,
            count=3,
            dtype="uint8",
            crs=grid.crs,
            transform=grid.transform,
            nodata=NOTHING,
            photometric="RGB",
            tiled=True,
            blockxsize=COG_BLOCK,
            blockysize=COG_BLOCK,
        ) as dataset:
            dataset.write(pixels)
        digest = pixel_digest(raw)
        rasterio.shutil.copy(
            raw,
            path,
            driver="COG",
            # Every program that draws maps reads it; a picture is small enough for the time it takes.
            COMPRESS="DEFLATE",
            PREDICTOR="STANDARD",
            BLOCKSIZE=COG_BLOCK,
            OVERVIEW_RESAMPLING="AVERAGE",
            NUM_THREADS=1,
        )
    raw.unlink()
    return digest
