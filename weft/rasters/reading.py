"""Reading windows of a scene's layers on the grid the job works on.

Belongs here: open handles of one scene, header checks against what was declared, decoding at the resolution the job
needs. Not here: which scenes or windows are read (``weft.compositing``), scenes that do not lie where their geolocation
says (``moving``), or resampling across CRSs (``warping``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.enums
import rasterio.windows

from weft.errors import RequestError, SceneRejected, Unavailable
from weft.rasters.averaging import area_mean, source_range
from weft.rasters.gdal import UnreadableRaster, lies_on, open_raster
from weft.rasters.grid import Grid, Window
from weft.rasters.parking import Parking
from weft.scenes.scene import Layer

Place = Callable[[str], str]
"""Turns an href into a place :func:`weft.rasters.gdal.open_raster` may open; raises RequestError if it may not."""

_READ_ATTEMPTS = 2
_WAVELETS = "JP2OpenJPEG"
_FINEST_SHARE = 1000  # ratios of pixel sizes are taken to this denominator
_RIM = 8  # pixels that windows of a displaced scene need of the file blocks around them, more or less


class _Storage(NamedTuple):
    """Rows and columns of the blocks in which a layer is stored, the type of its numbers, and whether in wavelets."""

    block: tuple[int, int]
    dtype: str
    wavelets: bool


class SceneReader:
    """Reads one scene's layers window by window; keeps its files open; safe to call from any thread.

    Every failure to read is a :class:`SceneRejected` that names the scene, so that callers can go on without it. A
    remote file that does not answer is :class:`Unavailable` instead: the scene may be sound.
    """

    _overlapping = False
    """Whether the windows that are read overlap, so that even a block within one is asked for again."""

    def __init__(self, scene_id: str, grid: Grid, place: Place, parking: Parking, keep_open: int) -> None:
        """Read layers of ``scene_id`` on ``grid``, whose top-left corner and CRS the layers share.

        What a file block holds beyond the window that is read waits in ``parking`` for the windows that need it. At
        most ``keep_open`` files stay open between two reads: each keeps a compressed block in memory.
        """
        self._scene_id = scene_id
        self._grid = grid
        self._place = place
        self._parking = parking
        self._keep_open = keep_open
        self._open: dict[str, rasterio.DatasetReader] = {}
        self._known: dict[tuple[str, int], _Storage] = {}
        self._lock = threading.Lock()  # a GDAL dataset serves one thread at a time

    def on(self, grid: Grid) -> SceneReader:
        """A reader of the same scene on another grid, with the same top-left corner and CRS; it keeps no file open."""
        return self if grid == self._grid else SceneReader(self._scene_id, grid, self._place, self._parking, 0)

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for dataset in self._open.values():
                dataset.close()
            self._open.clear()

    def numbers(
        self, layers: Sequence[Layer], window: Window, out: npt.NDArray[np.uint16], no_measurement: int
    ) -> None:
        """Read stored numbers of measured bands into ``out`` (layer, height, width).

        A layer finer than the grid is averaged, a coarser one repeated. At a whole ratio of pixel sizes a GeoTIFF is
        decoded at reduced resolution. JPEG 2000 is not: a pixel of its reduced images is centred on the first of the
        pixels it stands for, so that at 20 m it would lie 5 m off.

        Args:
            layers: bands of the scene.
            window: of the grid.
            out: written.
            no_measurement: stored numbers up to this one are none, which matters where pixels are interpolated.
        """
        for layer, target in zip(layers, out, strict=True):
            self._numbers(layer, window, target)

    def _numbers(self, layer: Layer, window: Window, out: npt.NDArray[np.uint16]) -> None:
        ratio = self._grid.x_size / layer.geolocation.x_size
        if ratio > 1 and (self._storage(layer).wavelets or not ratio.is_integer()):
            self._average(layer, window, Fraction(ratio).limit_denominator(_FINEST_SHARE), out)
        elif ratio > 1:
            out[...] = self._read(
                layer, self._source(window, ratio), out_shape=out.shape, resampling=rasterio.enums.Resampling.average
            )
        else:
            self._take_nearest(layer, window, 0, out)

    def labels(
        self, layer: Layer, window: Window, margin: int = 0, *, unobserved: int | None = None
    ) -> npt.NDArray[Any]:
        """Read the value nearest to each pixel centre, (height + 2 margin, width + 2 margin).

        Outside of the layer the margin repeats the edge.

        Args:
            layer: of the scene.
            window: of the grid.
            margin: pixels on every side.
            unobserved: label of what lies beyond the layer, which a window of a displaced scene may need; None repeats
                the edge there too.
        """
        labels = np.empty((window.height + 2 * margin, window.width + 2 * margin), self._storage(layer).dtype)
        self._take_nearest(layer, window, margin, labels)
        return labels

    def block_shape(self, layer: Layer) -> tuple[int, int]:
        """(rows, columns) of the blocks in which the layer is stored."""
        return self._storage(layer).block

    def _average(self, layer: Layer, window: Window, ratio: Fraction, out: npt.NDArray[np.uint16]) -> None:
        row, rows = source_range(window.row, window.height, ratio)
        col, cols = source_range(window.col, window.width, ratio)
        values = np.empty((rows, cols), self._storage(layer).dtype)
        self._pixels(layer, Window(row, col, rows, cols), values)
        area_mean(values, window.row, window.col, ratio, layer.nodata, out)

    def _storage(self, layer: Layer) -> _Storage:
        if (layer.href, layer.band) not in self._known:
            with self._dataset(layer):
                pass
        return self._known[layer.href, layer.band]

    def _source(self, window: Window, ratio: float) -> rasterio.windows.Window:
        return rasterio.windows.Window(
            window.col * ratio, window.row * ratio, window.width * ratio, window.height * ratio
        )

    def _take_nearest(self, layer: Layer, window: Window, margin: int, out: npt.NDArray[Any]) -> None:
        own = layer.geolocation
        if own == self._grid and not margin and window.overlap(Window(0, 0, *own.shape)) == window:
            self._pixels(layer, window, out)
            return
        rows = _nearest(window.row, window.height, margin, self._grid.y_size, own.y_size).clip(0, own.height - 1)
        cols = _nearest(window.col, window.width, margin, self._grid.x_size, own.x_size).clip(0, own.width - 1)
        needed = Window(int(rows[0]), int(cols[0]), int(rows[-1] - rows[0]) + 1, int(cols[-1] - cols[0]) + 1)
        values = np.empty((needed.height, needed.width), self._storage(layer).dtype)
        self._pixels(layer, needed, values)
        # First along the rows, where there are fewer of them: ten times faster than one index of both.
        out[...] = values.take(cols - cols[0], axis=1)[rows - rows[0]]

    def _pixels(self, layer: Layer, window: Window, out: npt.NDArray[Any]) -> None:
        """Read a window at the layer's own resolution into ``out``."""
        rows, cols = range(window.row, window.row + window.height), range(window.col, window.col + window.width)
        high, wide = self._storage(layer).block
        whole = range(0), range(0)
        if not self._overlapping:
            whole = _whole(rows, high, layer.geolocation.height), _whole(cols, wide, layer.geolocation.width)
        if whole == (rows, cols):
            self._read(layer, _rasterio_window(rows, cols), out=out)
            return
        if whole[0] and whole[1]:
            out[_slice(whole[0], rows), _slice(whole[1], cols)] = self._read(layer, _rasterio_window(*whole))
        for top in range(rows.start // high * high, rows.stop, high):
            for left in range(cols.start // wide * wide, cols.stop, wide):
                if top not in whole[0] or left not in whole[1]:
                    down = range(top, min(top + high, layer.geolocation.height))
                    across = range(left, min(left + wide, layer.geolocation.width))
                    some_rows, some_cols = _common(down, rows), _common(across, cols)
                    target = out[_slice(some_rows, rows), _slice(some_cols, cols)]
                    self._part(layer, (down, across), (_slice(some_rows, down), _slice(some_cols, across)), target)

    def _part(self, layer: Layer, block: tuple[range, range], part: tuple[slice, slice], out: npt.NDArray[Any]) -> None:
        """Copy a part of one file block to ``out``; its other pixels are parked."""
        key = self._scene_id, layer.href, layer.band, block[0].start, block[1].start
        if not self._parking.take(key, part, out):
            decoded = self._read(layer, _rasterio_window(*block))
            out[...] = decoded[part]
            again = 2 * _RIM * sum(decoded.shape) if self._overlapping else 0
            self._parking.put(key, decoded, out.size - again)

    def _read(self, layer: Layer, window: rasterio.windows.Window, **options: Any) -> npt.NDArray[Any]:
        with self._dataset(layer) as dataset:
            for attempt in range(_READ_ATTEMPTS):
                try:
                    values: npt.NDArray[Any] = dataset.read(layer.band, window=window, **options)
                    return values
                except rasterio.errors.RasterioError as error:
                    if attempt + 1 == _READ_ATTEMPTS:
                        self._fail(layer, str(error.__cause__ or error))
        raise AssertionError("unreachable: _fail raises")

    @contextmanager
    def _dataset(self, layer: Layer) -> Iterator[rasterio.DatasetReader]:
        with self._lock:
            if layer.href not in self._open:
                self._open[layer.href] = self._opened(layer)
            dataset = self._open[layer.href]
            try:
                if (layer.href, layer.band) not in self._known:
                    self._check_header(layer, dataset)
                    block = dataset.block_shapes[layer.band - 1]
                    dtype = dataset.dtypes[layer.band - 1]
                    self._known[layer.href, layer.band] = _Storage(block, dtype, dataset.driver == _WAVELETS)
                yield dataset
            finally:
                if len(self._open) > self._keep_open:
                    self._open.pop(layer.href).close()

    def _opened(self, layer: Layer) -> rasterio.DatasetReader:
        try:
            return open_raster(self._place(layer.href))
        except RequestError as error:
            raise SceneRejected(self._scene_id, str(error)) from error
        except UnreadableRaster as error:
            self._fail(layer, error.reason)

    def _check_header(self, layer: Layer, dataset: rasterio.DatasetReader) -> None:
        declared = layer.geolocation
        if not lies_on(dataset, declared, layer.band):
            found = f"{dataset.crs}, {dataset.width} x {dataset.height}, {dataset.count} bands, {dataset.transform[:6]}"
            item = f"{declared.crs}, {declared.width} x {declared.height}, band {layer.band}, {declared.transform[:6]}"
            raise SceneRejected(
                self._scene_id, f"the header of {_name(layer)} ({found}) contradicts the scene's item ({item})"
            )
        if dataset.dtypes[layer.band - 1] not in ("uint8", "uint16"):
            raise SceneRejected(
                self._scene_id, f"{_name(layer)} stores {dataset.dtypes[layer.band - 1]}, expected uint8 or uint16"
            )

    def _fail(self, layer: Layer, reason: str) -> NoReturn:
        remote = self._place(layer.href).startswith(("/vsicurl/", "/vsis3/"))
        if remote and any(word in reason for word in ("CURL", "HTTP", "timed out", "Timeout", "resolve host")):
            raise Unavailable(f"{layer.href} does not answer ({reason}); run the same materialisation again later")
        raise SceneRejected(
            self._scene_id, f"{_name(layer)} cannot be read ({reason}); fetch the scene again and update its item"
        )


def _whole(wanted: range, size: int, end: int) -> range:
    """The part of a range that consists of whole file blocks."""
    last = end if wanted.stop == end else wanted.stop // size * size
    return range(-(-wanted.start // size) * size, last)


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _slice(part: range, of: range) -> slice:
    return slice(part.start - of.start, part.stop - of.start)


def _rasterio_window(rows: range, cols: range) -> rasterio.windows.Window:
    return rasterio.windows.Window(cols.start, rows.start, len(cols), len(rows))


def _nearest(start: int, count: int, margin: int, size: float, source_size: float) -> npt.NDArray[np.intp]:
    centres = (np.arange(start - margin, start + count + margin) + 0.5) * size
    indices: npt.NDArray[np.intp] = np.floor(centres / source_size).astype(np.intp)
    return indices


def _name(layer: Layer) -> str:
    return layer.href.rsplit("/", 1)[-1]
