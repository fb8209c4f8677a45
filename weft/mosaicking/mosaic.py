"""Mosaic: the tracks of one sheet, blended without seams.

Belongs here: streaming orbit mosaics of one sheet through the weights. Not here: the weights themselves (``blending``)
or any resampling: orbit mosaics already lie on the sheet's grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.errors import RequestError
from weft.mosaicking.blending import blend, weights
from weft.mosaicking.byte_scale import byte_layer, byte_table
from weft.mosaicking.contributions import contribution_layer, contributions, strongest
from weft.mosaicking.gaps import GapMeter, Gaps
from weft.mosaicking.layers import COUNT, carried_layers
from weft.mosaicking.levels import Levels, apply
from weft.mosaicking.seams import SeamMeter, SeamReport
from weft.mosaicking.sheets import Sheet
from weft.mosaicking.tracks import CentreDistance, Track
from weft.mosaicking.tracks import track as sentinel2_track
from weft.rasters.cog import LayerWriter
from weft.rasters.grid import Window
from weft.rasters.product import LayerSpec, Product, SourceProduct
from weft.rasters.streaming import OpenRasters, in_order
from weft.regions import Mosaic

_BLOCK = 512
"""Pixels along a block's edge. The weights and values of three tracks then stay in a shared cache while the layers are
blended one after the other: measured, twice as fast as with 1024."""
_FILES = 512
"""Most files kept open, by all threads together."""
_REPORTED_BAND = "red"
"""Seams are measured where the contrast of land is good and clouds do not dominate."""


@dataclass(frozen=True, slots=True)
class Mosaicked:
    """A mosaic of one sheet and what was measured while it was made.

    Attributes:
        product: its layers.
        gaps: pixels by their number of observations.
        seams: what is left at swath edges, measured on the first red layer (the first layer if none is red).
    """

    product: Product
    gaps: Gaps
    seams: SeamReport


def mosaic(
    tracks: Mapping[str, SourceProduct],
    sheet: Sheet,
    settings: Mosaic,
    scratch: Path,
    *,
    levels: Levels | None = None,
    paths: Mapping[str, Track] | None = None,
    area: Window | None = None,
    workers: int = 2,
) -> Mosaicked | None:
    """Blend the orbit mosaics of one sheet.

    Every reflectance layer is the exact weighted mean of the tracks that have a value at the pixel, with one weight per
    track and pixel from the track's ``count`` and centre line. ``count`` is the sum over tracks. ``track_weight_Rnnn``
    is each track's share of the weights, see :func:`weft.mosaicking.contributions.contributions`. With
    ``settings.byte_scale`` each reflectance layer comes in 8 bits as well, see :mod:`weft.mosaicking.byte_scale`.

    ``settings.resampling: nearest`` asks for spectra that were measured, and a mean of two tracks never was: each pixel
    is then left to the one track of the largest weight that has a value, the first by key of equals. Where that changes
    from one track to the next a step may remain, whatever ``settings.blend``; the seam report tells how large it is.

    Args:
        tracks: track key (``R051``) to its orbit mosaic on this sheet; the order does not matter.
        sheet: where the orbit mosaics lie.
        settings: the region's mosaic; its ``blend`` is explained at :func:`weft.mosaicking.blending.weights`.
        scratch: folder for the files.
        levels: gain and offset of each track and layer, applied to its values before they are blended.
        paths: centre lines of the tracks that are not Sentinel-2's.
        area: the part of the sheet that the orbit mosaics cover; all of it by default.
        workers: threads; they do not change the result.

    Returns:
        The product and its reports, or None if no pixel of the sheet is valid. Memory depends on the number of tracks,
        layers and threads, not on the size of the sheet.

    Raises:
        RequestError: an unknown track, orbit mosaics of another sheet or with different layers, or a sheet that reaches
            outside the domain of its CRS.
        UnreadableRaster: a file cannot be read.
    """
    order = sorted(tracks)
    products = [tracks[name] for name in order]
    lines = [paths[name] if paths and name in paths else sentinel2_track(name) for name in order]
    area = area or Window(0, 0, *sheet.grid.shape)
    grid = sheet.grid.of_window(area)
    for name, product in zip(order, products, strict=True):
        if product.grid != grid:
            raise RequestError(
                f"{product.id} of {name} does not lie on sheet {sheet.name} ({product.grid!r}, expected "
                f"{grid!r}); make it again with the region's mosaic settings"
            )
    layers = carried_layers(products)
    if not products:
        return None
    with OpenRasters(max(1, _FILES // workers)) as files:
        blender = _Blender(order, products, lines, sheet, area, layers, settings, levels or {}, files)
        gaps, seams = GapMeter(grid), SeamMeter([line.half_width_km for line in lines])
        made = in_order(blender.block, grid.blocks(_BLOCK, _BLOCK), workers=workers)
        with LayerWriter(grid, blender.outputs, scratch) as writer, closing(made) as blocks:
            for block in blocks:
                writer.write(block.window, block.layers)
                gaps.add(block.window, block.layers[COUNT])
                value = block.layers[blender.reported]
                seams.add(block.window, block.distances, block.counts, block.weights, value, block.values)
            if not gaps.gaps().observed:
                return None
            return Mosaicked(Product(grid, writer.finish(workers=workers)), gaps.gaps(), seams.report())


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of the mosaic, and of the reported layer what it was made of; arrays are (track, y, x)."""

    window: Window
    layers: Mapping[str, npt.NDArray[Any]]
    values: npt.NDArray[np.uint16]
    distances: npt.NDArray[np.float32]
    counts: npt.NDArray[np.uint16]
    weights: npt.NDArray[np.uint32]


class _Blender:
    """Everything that blending one block needs; blocks may be blended by several threads at once."""

    def __init__(
        self,
        order: list[str],
        products: list[SourceProduct],
        lines: list[Track],
        sheet: Sheet,
        area: Window,
        layers: tuple[LayerSpec, ...],
        settings: Mosaic,
        levels: Levels,
        files: OpenRasters,
    ) -> None:
        self._order, self._products, self._lines = order, products, lines
        self._settings, self._levels, self._files = settings, levels, files
        # Interpolated between nodes of the sheet, whatever part of it is wanted.
        self._distances, self._area = [CentreDistance(line, sheet.grid) for line in lines], area
        self._reflectances = [layer for layer in layers if layer.key != COUNT]
        self._bytes = {
            layer.key: (byte_layer(layer, settings.byte_scale), byte_table(layer, settings.byte_scale))
            for layer in self._reflectances
            if settings.byte_scale is not None
        }
        self._shares = [contribution_layer(name) for name in order]
        self.reported = min(self._reflectances, key=lambda layer: layer.band != _REPORTED_BAND).key
        self.outputs = [*layers, *(layer for layer, _ in self._bytes.values()), *self._shares]

    def block(self, window: Window) -> _Block:
        shape = len(self._order), window.height, window.width
        on_sheet = Window(window.row + self._area.row, window.col + self._area.col, window.height, window.width)
        counts, distances = np.empty(shape, np.uint16), np.empty(shape, np.float32)
        weight = np.empty(shape, np.uint32)
        self._read(COUNT, window, range(len(counts)), counts)
        for k, line in enumerate(self._lines):
            distances[k] = self._distances[k].read(on_sheet)
            weight[k] = weights(self._settings.blend, distances[k], counts[k], half_swath_km=line.taper_end_km)
        seen = [k for k, count in enumerate(counts) if count.any()]
        given = self._left_to_one(counts, weight)
        made: dict[str, npt.NDArray[Any]] = {}
        reported = np.zeros(counts.shape, np.uint16)
        weight_seen = weight[seen] if len(seen) < len(weight) else weight
        for layer in self._reflectances:
            values = np.empty(weight_seen.shape, np.uint16)
            self._read(layer.key, window, seen, values)
            made[layer.key] = blend(values, self._left_to_one(values, weight_seen))
            if layer.key == self.reported:
                reported[seen] = values
            if layer.key in self._bytes:
                small, table = self._bytes[layer.key]
                made[small.key] = table[made[layer.key]]
        total = counts.sum(axis=0, dtype=np.uint32)
        made[COUNT] = np.minimum(total, np.iinfo(np.uint16).max).astype(np.uint16)
        made |= zip((layer.key for layer in self._shares), contributions(given), strict=True)
        return _Block(window, made, reported, distances, counts, given)

    def _left_to_one(self, values: npt.NDArray[np.uint16], weight: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        return strongest(values, weight) if self._settings.resampling == "nearest" else weight

    def _read(self, key: str, window: Window, which: Iterable[int], out: npt.NDArray[np.uint16]) -> None:
        for k, part in zip(which, out, strict=True):
            self._files.read(self._products[k].layers[key].path, window, part)
            level = self._levels.get(self._order[k], {}).get(key)
            if level is not None:
                part[...] = apply(part, level)
