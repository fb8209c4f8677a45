"""Small GeoTIFF files with a layer that describes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from weft.rasters.grid import Grid
from weft.scenes.scene import Layer


def write_layer(path: Path, grid: Grid, values: np.ndarray, **declared) -> Layer:
    """Write stored values as a tiled file."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=grid.width,
        height=grid.height,
        count=1,
        dtype=values.dtype,
        crs=grid.crs,
        transform=grid.transform,
        tiled=True,
        blockxsize=128,
        blockysize=128,
    ) as dataset:
        dataset.write(values, 1)
    return Layer(path.name, 1, grid, **declared)
