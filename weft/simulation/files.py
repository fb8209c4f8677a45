"""Raster files as archives hold them, which the COG writer for single layers does not make.

Belongs here: JPEG 2000 and multi-band copies of finished single-band COGs. Not here: what the pixels mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import rasterio
import rasterio.shutil

from weft.rasters.gdal import environment, open_raster

_ROWS = 512


def as_jp2(cog: Path) -> Path:
    """Lossless JPEG 2000 beside a single-band COG, which is removed; returns its path."""
    path = cog.with_suffix(".jp2")
    with environment():
        rasterio.shutil.copy(
            cog, path, driver="JP2OpenJPEG", REVERSIBLE="YES", QUALITY="100", BLOCKXSIZE=512, BLOCKYSIZE=512
        )
    cog.unlink()
    return path


def as_one_file(cogs: Sequence[Path], path: Path) -> Path:
    """One COG whose bands are those of several single-band COGs, which are removed; returns ``path``.

    All bands get the grid of the first; coarser ones are repeated, not interpolated.
    """
    raw = path.with_suffix(".raw.tif")
    with environment():
        with open_raster(cogs[0]) as first:
            profile = {**first.profile, "count": len(cogs), "tiled": True, "blockxsize": 512, "blockysize": 512}
        profile = {key: profile[key] for key in _KEPT}
        with rasterio.open(raw, "w", driver="GTiff", BIGTIFF="IF_SAFER", **profile) as target:
            for number, cog in enumerate(cogs, start=1):
                with open_raster(cog) as source:
                    _copy_band(source, target, number)
        rasterio.shutil.copy(
            raw, path, driver="COG", COMPRESS="ZSTD", LEVEL=1, PREDICTOR="STANDARD", BLOCKSIZE=512, NUM_THREADS=1
        )
    for leftover in (raw, *cogs):
        leftover.unlink()
    return path


_KEPT = ("width", "height", "count", "dtype", "crs", "transform", "nodata", "tiled", "blockxsize", "blockysize")


def _copy_band(source: rasterio.DatasetReader, target: rasterio.io.DatasetWriter, number: int) -> None:
    ratio = target.height // source.height
    for row in range(0, target.height, _ROWS):
        rows = min(_ROWS, target.height - row)
        strip = source.read(
            1,
            window=rasterio.windows.Window(0, row // ratio, source.width, rows // ratio),
            out_shape=(rows, target.width),
        )
        target.write(strip, number, window=rasterio.windows.Window(0, row, target.width, rows))
