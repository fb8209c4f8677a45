"""The whole mosaic of a region, thinned until it fits one map.

Belongs here: the grid of the overview and filling it from the overviews inside the sheets' files, sheet by sheet. Not
here: the full resolution, which stays in the sheets (``virtual`` joins them), or writing files (``weft.rasters``).

Memory is bounded whatever the area: one layer of one thinned sheet, and pictures of at most :data:`MAX_SIDE` squared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse

from weft.mosaicking.gaps import evenly_spaced
from weft.mosaicking.layers import COUNT
from weft.mosaicking.virtual import window_in
from weft.rasters.gdal import decoding, environment, open_raster
from weft.rasters.grid import Grid, Window
from weft.rasters.picture import NOTHING
from weft.rasters.product import LayerSpec, SourceLayer, SourceProduct
from weft.rasters.quicklook import brightness
from weft.rasters.values import physical

MAX_SIDE = 8192
"""Pixels of the longer side of an overview."""

_COLOURS = (("red", "green", "blue"), ("swir16", "nir", "red"), ("nir", "red", "green"))
_STATISTICS = ("s2gm", "medoid", "geomedian", "p50")
_STRIP = 256  # rows painted at a time


def overview_grid(mosaic: Grid) -> Grid:
    """Grid of the overview: pixels larger by the smallest power of two that brings both sides to :data:`MAX_SIDE`."""
    factor = 1
    while max(mosaic.shape) > factor * MAX_SIDE:
        factor *= 2
    height, width = (max(1, _first(side, factor)) for side in mosaic.shape)
    return Grid(mosaic.crs, mosaic.left, mosaic.top, mosaic.x_size * factor, mosaic.y_size * factor, width, height)


def shown_layers(layers: Sequence[LayerSpec]) -> tuple[LayerSpec, ...]:
    """Layers shown as red, green and blue.

    Natural colours where there are such bands, else the first of the usual false colours, else one band in grey. Of the
    statistics the one that looks most like a scene: S2GM's, the medoid, the geometric median, the median, else the
    first by key. None if no layer has a band.
    """
    bands = sorted((layer for layer in layers if layer.band and layer.statistic), key=_preference)
    by_place = {(layer.band, layer.statistic): layer for layer in bands}
    for colours in _COLOURS:
        for statistic in dict.fromkeys(layer.statistic for layer in bands):
            found = [by_place[band, statistic] for band in colours if (band, statistic) in by_place]
            if len(found) == 3:
                return tuple(found)
    return (bands[0],) * 3 if bands else ()


class Overview:
    """Pictures of the whole mosaic that sheets are painted on, in any order.

    Each pixel belongs to the sheet its centre lies in and is the mean of that sheet's pixels under it, those without a
    value left out, weighted by area.

    Attributes:
        grid: of the overview.
        colour: (3, height, width) uint8, see :mod:`weft.rasters.picture`; natural colours are stretched like every
            quick-look (:func:`weft.rasters.quicklook.brightness`), darkest 1. It is there where all three layers are.
        count: (height, width) uint16, mean number of observations, rounded half up; 0 where no sheet lies.
    """

    def __init__(self, mosaic: Grid, shown: Sequence[LayerSpec]) -> None:
        """An empty overview of ``mosaic`` that shows these three layers; without any it counts only."""
        self.grid = overview_grid(mosaic)
        self.colour = np.full((3, *self.grid.shape), NOTHING, np.uint8)
        self.count = np.zeros(self.grid.shape, np.uint16)
        self._covered = np.zeros(self.grid.shape, np.bool_)
        self._mosaic = mosaic
        self._shown = shown
        self._factor = round(self.grid.x_size / mosaic.x_size)

    def paint(self, sheet: SourceProduct) -> None:
        """Add one sheet, which has ``count`` and the layers shown.

        Raises:
            RequestError: the sheet does not lie on the mosaic's lattice.
            UnreadableRaster: a file cannot be read.
        """
        place = window_in(self._mosaic, sheet.grid)
        owned = _owned(place, self._factor, self.grid)
        shown = [layer.key for layer in self._shown]
        layers = {key: _Thinned.read(sheet.layers[key], place, owned, self._factor) for key in {COUNT, *shown}}
        for window in _strips(owned):
            rows = slice(window.row - owned.row, window.row - owned.row + window.height)
            means = {key: layer.means(rows) for key, layer in layers.items()}
            self.count[window.slices] = np.floor(means[COUNT] + 0.5)
            self._covered[window.slices] = True
            if shown:
                channels = np.stack([means[key] for key in shown])
                there = ~np.isnan(channels.sum(axis=0))
                stretched = np.rint(brightness(np.where(there, channels, 0.0)))
                self.colour[(slice(None), *window.slices)] = np.where(there, np.maximum(stretched, 1), NOTHING)

    def observations(self, size: int) -> npt.NDArray[np.float32]:
        """Counts for a picture of at most ``size`` pixels a side, at evenly spaced pixels; NaN where no sheet lies."""
        thin = np.ix_(*evenly_spaced(self.grid.shape, size))
        return np.where(self._covered[thin], self.count[thin], np.float32(np.nan))


@dataclass(frozen=True, slots=True)
class _Thinned:
    """One layer of a sheet on the way to the pixels of the overview that the sheet owns.

    Attributes:
        layer: what it holds.
        stored: pixels of the file, thinned by its own overviews.
        rows: how much of each row of ``stored`` lies in each row owned, (owned, stored).
        columns: the same for columns.
    """

    layer: LayerSpec
    stored: npt.NDArray[np.generic]
    rows: scipy.sparse.csr_array
    columns: scipy.sparse.csr_array

    @classmethod
    def read(cls, source: SourceLayer, place: Window, owned: Window, factor: int) -> _Thinned:
        """The file at the deepest of its own overviews that is not coarser than the overview."""
        with environment(), open_raster(source.path) as dataset, decoding(source.path):
            level = max([one for one in dataset.overviews(1) if one <= factor], default=1)
            stored = dataset.read(1, out_shape=tuple(-(-side // level) for side in dataset.shape))
        rows = _areas(stored.shape[0], place.row, place.height, owned.row, owned.height, factor)
        columns = _areas(stored.shape[1], place.col, place.width, owned.col, owned.width, factor)
        return cls(source.layer, stored, rows, columns)

    def means(self, rows: slice) -> npt.NDArray[np.float64]:
        """Means of the physical values in some of the rows owned; NaN where there are none."""
        areas = self.rows[rows]
        used = slice(areas.indices.min(), areas.indices.max() + 1)
        layer = self.layer
        values = physical(self.stored[used], scale=layer.scale, offset=layer.offset, nodata=layer.nodata)
        there = ~np.isnan(values)
        total = areas[:, used] @ np.where(there, values, 0.0) @ self.columns.T
        weight = areas[:, used] @ there.astype(np.float64) @ self.columns.T
        means: npt.NDArray[np.float64] = np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
        return means


def _preference(layer: LayerSpec) -> tuple[int, str]:
    known = layer.statistic in _STATISTICS
    return _STATISTICS.index(str(layer.statistic)) if known else len(_STATISTICS), layer.key


def _owned(place: Window, factor: int, overview: Grid) -> Window:
    """Pixels of the overview whose centres lie in a window of the mosaic."""
    row, col = _first(place.row, factor), _first(place.col, factor)
    bottom, right = _first(place.row + place.height, factor), _first(place.col + place.width, factor)
    return Window(row, col, min(bottom, overview.height) - row, min(right, overview.width) - col)


def _first(pixel: int, factor: int) -> int:
    """First pixel of the overview whose centre does not lie before a pixel of the mosaic."""
    return -((factor - 2 * pixel) // (2 * factor))


def _strips(window: Window) -> Iterator[Window]:
    for row in range(0, window.height if window.width else 0, _STRIP):
        yield Window(window.row + row, window.col, min(_STRIP, window.height - row), window.width)


def _areas(read: int, start: int, size: int, first: int, count: int, factor: int) -> scipy.sparse.csr_array:
    """Along one axis: how much of each pixel read lies in each pixel of the overview, (count, read), mosaic pixels.

    Args:
        read: pixels read; they share the ``size`` pixels of the sheet evenly and none is larger than ``factor``.
        start: first pixel of the sheet in the mosaic.
        size: pixels of the sheet.
        first: first pixel of the overview.
        count: pixels of the overview.
        factor: mosaic pixels under a pixel of the overview.
    """
    edges = start + np.arange(read + 1) * size / read
    under = np.floor(edges[:-1] / factor).astype(np.intp)
    inside = np.minimum(edges[1:], (under + 1) * factor) - edges[:-1]
    # What is not inside the first pixel of the overview that it touches lies in the next one.
    areas = np.concatenate([inside, np.diff(edges) - inside])
    pixels, sources = np.concatenate([under, under + 1]) - first, np.tile(np.arange(read), 2)
    # Next to its edge a sheet may reach into a pixel that belongs to its neighbour.
    kept = (areas > 0) & (pixels >= 0) & (pixels < count)
    return scipy.sparse.csr_array((areas[kept], (pixels[kept], sources[kept])), shape=(count, read))
