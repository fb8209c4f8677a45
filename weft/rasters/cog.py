"""Writing Cloud-Optimised GeoTIFFs and proving that they hold what was meant.

Belongs here: block-wise writing into scratch files, conversion by GDAL's COG driver, strict validation and pixel
read-back. Not here: where the finished file goes (``resources.publishing``).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rio_cogeo.cogeo import cog_validate

from weft.errors import IntegrityError
from weft.rasters.gdal import SETTINGS, UnreadableRaster, decoding, open_raster
from weft.rasters.grid import Grid, Window
from weft.rasters.product import LayerSpec, RasterFile, Statistics
from weft.rasters.tally import Tally

COG_BLOCK = 512
_STRIP_ROWS = 512


class LayerWriter:
    """Writes several layers of one grid block by block, then turns each into a validated COG.

    Use as a context manager; call :meth:`write` for every block exactly once and :meth:`finish` at the end. Without
    :meth:`finish` the scratch files are removed on leaving.
    """

    def __init__(self, grid: Grid, layers: Sequence[LayerSpec], scratch: Path, *, block: int = COG_BLOCK) -> None:
        """Create one scratch file per layer under ``scratch``."""
        self._grid = grid
        self._layers = {layer.key: layer for layer in layers}
        self._scratch = scratch
        self._open: dict[str, rasterio.io.DatasetWriter] = {}
        self._tallies = {layer.key: Tally(layer) for layer in layers}
        scratch.mkdir(parents=True, exist_ok=True)
        block = max(16, block // 16 * 16)
        with rasterio.Env(**SETTINGS):
            for layer in layers:
                self._open[layer.key] = rasterio.open(
                    self._raw(layer.key),
                    "w",
                    driver="GTiff",
                    width=grid.width,
                    height=grid.height,
                    count=1,
                    dtype=layer.dtype,
                    crs=grid.crs,
                    transform=grid.transform,
                    nodata=layer.nodata,
                    tiled=True,
                    blockxsize=block,
                    blockysize=block,
                    BIGTIFF="IF_SAFER",
                )

    def __enter__(self) -> LayerWriter:
        """Nothing more to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close and remove whatever scratch files are left."""
        for key, dataset in self._open.items():
            dataset.close()
            self._raw(key).unlink(missing_ok=True)
        self._open.clear()

    def write(
        self, window: Window, values: Mapping[str, npt.NDArray[Any]], pool: ThreadPoolExecutor | None = None
    ) -> None:
        """Write one block of every layer: arrays (height, width) of the layer's dtype; in ``pool`` side by side."""

        def one(layer: LayerSpec) -> None:
            self._open[layer.key].write(values[layer.key], 1, window=_rasterio_window(window))
            self._tallies[layer.key].add(values[layer.key])

        for _ in (pool.map if pool else map)(one, self._layers.values()):
            pass

    def finish(self, *, workers: int = 2) -> tuple[RasterFile, ...]:
        """Close the scratch files and write one COG each, in the order of the layers.

        Each file comes with the digest of the pixels that were written; publishing reads the COG back against it.
        """
        found = {key: tally.statistics() for key, tally in self._tallies.items()}
        for key, dataset in self._open.items():
            _set_metadata(dataset, self._layers[key], found[key])
            dataset.close()
        layers, statistics = self._layers.values(), found.values()
        if workers == 1:  # every new thread opens PROJ's database for itself
            files = tuple(map(self._finish_one, layers, statistics))
        else:
            with ThreadPoolExecutor(workers) as pool:
                files = tuple(pool.map(self._finish_one, layers, statistics))
        self._open.clear()
        return files

    def _finish_one(self, layer: LayerSpec, statistics: Statistics) -> RasterFile:
        raw, path = self._raw(layer.key), self._scratch / f"{layer.key}.tif"
        with rasterio.Env(**SETTINGS):
            digest = pixel_digest(raw)
            rasterio.shutil.copy(raw, path, driver="COG", **_cog_options(layer))
        raw.unlink()
        return RasterFile(layer, path, statistics, digest)

    def _raw(self, key: str) -> Path:
        return self._scratch / f"{key}.raw.tif"


def write_layers(grid: Grid, layers: Mapping[LayerSpec, npt.NDArray[Any]], scratch: Path) -> tuple[RasterFile, ...]:
    """Write whole arrays (height, width) as COGs; for products small enough to be held in memory."""
    with LayerWriter(grid, list(layers), scratch) as writer:
        writer.write(Window(0, 0, *grid.shape), {layer.key: array for layer, array in layers.items()})
        return writer.finish()


def pixel_digest(path: Path) -> str:
    """SHA-256 (hex) of all stored pixels, band by band in strips of full rows: independent of tiling and compression.

    Raises:
        UnreadableRaster: the file cannot be decoded to its last pixel.
    """
    digest = hashlib.sha256()
    with rasterio.Env(**SETTINGS), open_raster(path) as dataset, decoding(path):
        digest.update(f"{dataset.count},{dataset.height},{dataset.width},{dataset.dtypes[0]}".encode())
        for band in range(1, dataset.count + 1):
            for row in range(0, dataset.height, _STRIP_ROWS):
                rows = min(_STRIP_ROWS, dataset.height - row)
                strip = dataset.read(band, window=_rasterio_window(Window(row, 0, rows, dataset.width)))
                digest.update(np.ascontiguousarray(strip).data)
    return digest.hexdigest()


def check_cog(path: Path, pixel_sha256: str) -> None:
    """Strict COG validation and pixel read-back against a digest.

    Raises:
        IntegrityError: the file cannot be read, its pixels are not the expected ones, or the layout is not a strictly
            valid COG. (Layout validators alone pass blank files.)
    """
    try:
        found = pixel_digest(path)
    except UnreadableRaster as error:
        raise IntegrityError(f"{path.name} cannot be read back: {error.reason}") from error
    if found != pixel_sha256:
        raise IntegrityError(f"{path.name} reads back as {found}, expected {pixel_sha256}: refusing to publish it")
    with rasterio.Env(**SETTINGS), open_raster(path) as dataset:
        _, errors, warnings = cog_validate(str(path), strict=True, quiet=True)
        # The validator takes tiles for strips where one is as wide as the image or an overview: 512 or 1024 columns.
        tiled = set(dataset.block_shapes) == {(COG_BLOCK, COG_BLOCK)}
    faults = [error for error in errors if not (tiled and error.endswith("not tiled"))] + warnings
    if faults:
        raise IntegrityError(f"{path.name} is not a strictly valid COG: {'; '.join(faults)}")


def _set_metadata(dataset: rasterio.io.DatasetWriter, layer: LayerSpec, statistics: Statistics) -> None:
    dataset.scales, dataset.offsets = (layer.scale,), (layer.offset,)
    dataset.set_band_description(1, layer.key)
    if layer.unit:
        dataset.units = (layer.unit,)
    dataset.update_tags(WEFT_LAYER=layer.title)
    if not math.isnan(statistics.mean):
        dataset.update_tags(1, STATISTICS_VALID_PERCENT=f"{statistics.valid_percent:.6g}")


def _cog_options(layer: LayerSpec) -> dict[str, Any]:
    return {
        "COMPRESS": "ZSTD",
        "LEVEL": 1,  # research/ecosystem.md section 3: half the CPU of any other setting at nearly the same size
        "PREDICTOR": "FLOATING_POINT" if np.dtype(layer.dtype).kind == "f" else "STANDARD",
        "BLOCKSIZE": COG_BLOCK,
        "OVERVIEW_RESAMPLING": "NEAREST" if layer.categorical else "AVERAGE",
        "NUM_THREADS": 1,
        "BIGTIFF": "IF_SAFER",
    }


def _rasterio_window(window: Window) -> rasterio.windows.Window:
    return rasterio.windows.Window(window.col, window.row, window.width, window.height)
