"""Reading windows of a scene's layers on the grid the job works on.

Belongs here: open handles of one scene, header checks against what was declared, decoding at the resolution the job
needs. Not here: which scenes or windows are read (``weft.compositing``), or resampling across CRSs (``warping``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.enums
import rasterio.windows

from weft.errors import RequestError, SceneRejected, Unavailable
from weft.rasters.gdal import UnreadableRaster, open_raster
from weft.rasters.grid import Grid, Window
from weft.scenes.scene import Layer

Place = Callable[[str], str]
"""Turns an href into a place :func:`weft.rasters.gdal.open_raster` may open; raises RequestError if it may not."""

_READ_ATTEMPTS = 2


class SceneReader:
    """Reads one scene's layers window by window; keeps its files open; safe to call from any thread.

    Every failure to read is a :class:`SceneRejected` that names the scene, so that callers can go on without it. A
    remote file that does not answer is :class:`Unavailable` instead: the scene may be sound.
    """

    def __init__(self, scene_id: str, grid: Grid, place: Place) -> None:
        """Read layers of ``scene_id`` on ``grid``, whose top-left corner and CRS the layers share."""
        self._scene_id = scene_id
        self._grid = grid
        self._place = place
        self._open: dict[str, rasterio.DatasetReader] = {}
        self._lock = threading.Lock()  # a GDAL dataset serves one thread at a time

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for dataset in self._open.values():
                dataset.close()
            self._open.clear()

    def numbers(self, layer: Layer, window: Window, out: npt.NDArray[np.uint16]) -> None:
        """Read stored numbers of a measured band into ``out`` (height, width).

        A layer finer than the grid is averaged (decoded at reduced resolution), a coarser one repeated.
        """
        ratio = self._grid.x_size / layer.geolocation.x_size
        if ratio > 1:
            out[...] = self._read(
                layer, self._source(window, ratio), out_shape=out.shape, resampling=rasterio.enums.Resampling.average
            )
        else:
            out[...] = self.labels(layer, window)

    def labels(self, layer: Layer, window: Window, margin: int = 0) -> npt.NDArray[Any]:
        """Read the value nearest to each pixel centre, (height + 2 margin, width + 2 margin).

        Outside of the layer the margin repeats the edge.
        """
        rows = _nearest(window.row, window.height, margin, self._grid.y_size, layer.geolocation.y_size)
        cols = _nearest(window.col, window.width, margin, self._grid.x_size, layer.geolocation.x_size)
        rows = rows.clip(0, layer.geolocation.height - 1)
        cols = cols.clip(0, layer.geolocation.width - 1)
        needed = rasterio.windows.Window(
            int(cols[0]), int(rows[0]), int(cols[-1] - cols[0]) + 1, int(rows[-1] - rows[0]) + 1
        )
        values = self._read(layer, needed)
        if values.shape == (rows.size, cols.size):
            return values
        nearest: npt.NDArray[Any] = values[(rows - rows[0])[:, None], (cols - cols[0])[None, :]]
        return nearest

    def block_shape(self, layer: Layer) -> tuple[int, int]:
        """(rows, columns) of the blocks in which the layer is stored."""
        with self._lock:
            shape: tuple[int, int] = self._dataset(layer).block_shapes[layer.band - 1]
        return shape

    def _source(self, window: Window, ratio: float) -> rasterio.windows.Window:
        return rasterio.windows.Window(
            window.col * ratio, window.row * ratio, window.width * ratio, window.height * ratio
        )

    def _read(self, layer: Layer, window: rasterio.windows.Window, **options: Any) -> npt.NDArray[Any]:
        with self._lock:
            dataset = self._dataset(layer)
            for attempt in range(_READ_ATTEMPTS):
                try:
                    values: npt.NDArray[Any] = dataset.read(layer.band, window=window, **options)
                    return values
                except rasterio.errors.RasterioError as error:
                    if attempt + 1 == _READ_ATTEMPTS:
                        self._fail(layer, str(error.__cause__ or error))
        raise AssertionError("unreachable: _fail raises")

    def _dataset(self, layer: Layer) -> rasterio.DatasetReader:
        if layer.href not in self._open:
            try:
                dataset = open_raster(self._place(layer.href))
            except RequestError as error:
                raise SceneRejected(self._scene_id, str(error)) from error
            except UnreadableRaster as error:
                self._fail(layer, error.reason)
            self._open[layer.href] = dataset
            self._check_header(layer, dataset)
        return self._open[layer.href]

    def _check_header(self, layer: Layer, dataset: rasterio.DatasetReader) -> None:
        declared = layer.geolocation
        same_shape = dataset.shape == declared.shape and dataset.count >= layer.band
        same_place = dataset.transform.almost_equals(declared.transform, precision=1e-3)
        if not (same_shape and same_place and dataset.crs == rasterio.CRS.from_user_input(declared.crs)):
            found = f"{dataset.crs}, {dataset.width} x {dataset.height}, {dataset.count} bands, {dataset.transform[:6]}"
            item = f"{declared.crs}, {declared.width} x {declared.height}, band {layer.band}, {declared.transform[:6]}"
            raise SceneRejected(
                self._scene_id, f"the header of {_name(layer)} ({found}) contradicts the scene's item ({item})"
            )
        if dataset.dtypes[layer.band - 1] not in ("uint8", "uint16"):
            raise SceneRejected(
                self._scene_id, f"{_name(layer)} stores {dataset.dtypes[layer.band - 1]}, expected uint8 or uint16"
            )

    def _fail(self, layer: Layer, reason: str) -> None:
        remote = self._place(layer.href).startswith(("/vsicurl/", "/vsis3/"))
        if remote and any(word in reason for word in ("CURL", "HTTP", "timed out", "Timeout", "resolve host")):
            raise Unavailable(f"{layer.href} does not answer ({reason}); run the same materialisation again later")
        raise SceneRejected(
            self._scene_id, f"{_name(layer)} cannot be read ({reason}); fetch the scene again and update its item"
        )


def _nearest(start: int, count: int, margin: int, size: float, source_size: float) -> npt.NDArray[np.intp]:
    centres = (np.arange(start - margin, start + count + margin) + 0.5) * size
    indices: npt.NDArray[np.intp] = np.floor(centres / source_size).astype(np.intp)
    return indices


def _name(layer: Layer) -> str:
    return layer.href.rsplit("/", 1)[-1]
