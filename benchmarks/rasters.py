"""Raster files for benchmarks, written and read with rasterio alone.

Belongs here: inputs as archives hold them, and GDAL's own bare cost of decoding and encoding. Not here: what is in the
files, or any timing. Reads and writes go around ``weft.rasters`` on purpose: this is what Weft is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import rasterio.features
import rasterio.merge
import rasterio.shutil
import rasterio.windows
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from shapely.geometry import Polygon

from weft.rasters.cog import _cog_options  # the settings that are compared, not a copy of them
from weft.rasters.gdal import environment
from weft.rasters.grid import Grid, Window
from weft.rasters.product import LayerSpec
from weft.rasters.warping import _OPTIONS as _WARP_OPTIONS
from weft.rasters.warping import _TOLERANCE, Kernel

Kind = Literal["cog", "jp2"]

SUFFIX: dict[Kind, str] = {"cog": ".tif", "jp2": ".jp2"}
_OPTIONS: dict[Kind, dict[str, Any]] = {
    # As in the open archive of Sentinel-2 COGs, and as ESA tiles its products: both 1024 x 1024 at 10 m.
    "cog": {"driver": "COG", "COMPRESS": "DEFLATE", "PREDICTOR": "STANDARD", "BLOCKSIZE": 1024},
    "jp2": {"driver": "JP2OpenJPEG", "REVERSIBLE": "YES", "QUALITY": "100", "BLOCKXSIZE": 1024, "BLOCKYSIZE": 1024},
}


def write(path: Path, grid: Grid, values: NDArray[Any], kind: Kind) -> None:
    """Write one array (height, width) as an archive would; nothing is left behind under ``path`` by a broken run."""
    part = path.with_suffix(f".part{path.suffix}")
    with rasterio.Env(GDAL_CACHEMAX=256), _in_memory(grid, values, None) as source:
        rasterio.shutil.copy(source, part, **_OPTIONS[kind])
    part.rename(path)


def write_cog(path: Path, layer: LayerSpec, grid: Grid, values: NDArray[Any]) -> None:
    """Write one array (height, width) as Weft would write that layer; a broken run leaves nothing under ``path``."""
    part = path.with_suffix(f".part{path.suffix}")
    encoding = Encoding(layer, grid, values)
    encoding.run(part)
    encoding.close()
    part.rename(path)


def decode(path: Path, windows: Iterable[Window]) -> int:
    """Read the windows of one file one after the other and drop them; returns the number of pixels read."""
    pixels = 0
    with environment(), rasterio.open(path) as dataset:
        for window in windows:
            pixels += dataset.read(1, window=_window(window)).size
    return pixels


def warp(path: Path, target: Grid, windows: Iterable[Window], kernel: Kernel) -> Iterator[NDArray[Any]]:
    """Decode one file and warp it onto windows of a grid, with the settings of :mod:`weft.rasters.warping`."""
    with environment(), rasterio.open(path) as dataset, WarpedVRT(dataset, **_warp_options(target, kernel)) as warped:
        for window in windows:
            yield warped.read(1, window=_window(window))


def merge(parts: Mapping[Path, Grid], target: Grid, kernel: Kernel) -> NDArray[Any]:
    """Files warped onto parts of a grid and painted over each other as ``rio merge`` does: the first value stays."""
    edges = target.bounds
    with environment(), ExitStack() as stack:
        sources = []
        for path, part in parts.items():
            dataset = stack.enter_context(rasterio.open(path))
            sources.append(stack.enter_context(WarpedVRT(dataset, **_warp_options(part, kernel))))
        bounds = edges.left, edges.bottom, edges.right, edges.top
        values: NDArray[Any] = rasterio.merge.merge(sources, bounds, target.x_size, 0, method="first")[0][0]
    return values


def read(path: Path) -> NDArray[Any]:
    """All pixels of a single-band file."""
    with environment(), rasterio.open(path) as dataset:
        values: NDArray[Any] = dataset.read(1)
    return values


def window(path: Path, rows: Sequence[int], cols: Sequence[int]) -> NDArray[Any]:
    """Pixels of a single-band file, from the first to before the second of ``rows`` and of ``cols``."""
    with rasterio.open(path) as dataset:
        values: NDArray[Any] = dataset.read(
            1, window=rasterio.windows.Window(cols[0], rows[0], cols[1] - cols[0], rows[1] - rows[0])
        )
    return values


def block_shape(path: Path) -> tuple[int, int]:
    """(rows, columns) in which a file is stored."""
    with rasterio.open(path) as dataset:
        rows, columns = dataset.block_shapes[0]
    return rows, columns


def outside(area: Polygon, grid: Grid) -> NDArray[np.bool_]:
    """Pixels of a grid (height, width) whose centre lies outside of an area in the same CRS."""
    mask: NDArray[np.bool_] = rasterio.features.geometry_mask([area], grid.shape, grid.transform)
    return mask


class Encoding:
    """One layer held in memory, ready to be written with the very options of :mod:`weft.rasters.cog`."""

    def __init__(self, layer: LayerSpec, grid: Grid, values: NDArray[Any]) -> None:
        """Hand the array to GDAL; not part of what is timed."""
        self._layer = layer
        self._source = _in_memory(grid, values, layer.nodata)

    def run(self, path: Path) -> None:
        """Write the COG; only this is timed."""
        with environment():
            rasterio.shutil.copy(self._source, path, driver="COG", **_cog_options(self._layer))

    def close(self) -> None:
        """Give the memory back."""
        self._source.close()


def _warp_options(target: Grid, kernel: Kernel) -> dict[str, Any]:
    return {
        "crs": target.crs,
        "transform": target.transform,
        "width": target.width,
        "height": target.height,
        "resampling": Resampling[kernel],
        "src_nodata": 0,
        "nodata": 0,
        "tolerance": _TOLERANCE,
        **_WARP_OPTIONS[kernel],
    }


def _window(window: Window) -> rasterio.windows.Window:
    return rasterio.windows.Window(window.col, window.row, window.width, window.height)


def _in_memory(grid: Grid, values: NDArray[Any], nodata: float | None) -> rasterio.io.DatasetWriter:
    dataset = rasterio.open(
        "",
        "w",
        driver="MEM",
        width=grid.width,
        height=grid.height,
        count=1,
        dtype=np.dtype(values.dtype).name,
        crs=grid.crs,
        transform=grid.transform,
        nodata=nodata,
    )
    dataset.write(values, 1)
    return dataset
