"""Layers that describe one observation, on a grid that several composites share: dates, classes, angles, indices.

Belongs here: taking every pixel of them from one composite. Not here: reflectance and counts, which are blended
(``mosaic``), or which layers a composite has (``weft.compositing.layers``).

A mean of two dates is no date. Every pixel is taken, by nearest neighbour, from the track that gives most to the blend
there, and in it from the first composite by tile that has an observation: the reflectance beside it is mostly, and away
from the overlap of tracks entirely, of that observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.mosaicking.blending import weights
from weft.mosaicking.layers import COUNT
from weft.mosaicking.sheets import Sheet
from weft.mosaicking.tracks import CentreDistance, track
from weft.rasters.cog import COG_BLOCK, LayerWriter
from weft.rasters.grid import Window
from weft.rasters.product import LayerSpec, Product, SourceProduct
from weft.rasters.streaming import OpenRasters
from weft.rasters.warping import Warped
from weft.regions import Mosaic, track_of

SOURCE_INDEX = "source_index"


def auxiliary_layers(composites: Mapping[str, SourceProduct]) -> tuple[LayerSpec, ...]:
    """The layers that all composites have and a mosaic does not carry on, in the order of the first one."""
    found = [
        [entry.layer for entry in product.layers.values() if not entry.layer.statistic and entry.layer.key != COUNT]
        for _, product in sorted(composites.items())
    ]
    common = set[str].intersection(*({layer.key for layer in layers} for layers in found)) if found else set()
    return tuple(replace(layer, categorical=True) for layer in (found[0] if found else ()) if layer.key in common)


def auxiliary_mosaic(
    composites: Mapping[str, SourceProduct],
    joined: Mapping[str, SourceProduct],
    first_index: Mapping[str, int],
    sheet: Sheet,
    area: Window,
    settings: Mosaic,
    scratch: Path,
    *,
    workers: int = 2,
) -> Product:
    """Auxiliary layers of one part of a sheet.

    Args:
        composites: tile_track -> composite.
        joined: track -> its orbit mosaic of the part.
        first_index: tile_track -> what is added to its ``source_index``, so that it counts through all composites.
        sheet: the sheet.
        area: the part of it.
        settings: how tracks are blended.
        scratch: folder for the files.
        workers: threads that write; they do not change the result.

    Raises:
        UnreadableRaster: a file cannot be read.
    """
    layers = auxiliary_layers(composites)
    grid, order = sheet.grid.of_window(area), sorted(joined)
    distances = [CentreDistance(track(name), sheet.grid) for name in order]
    tapers = [track(name).taper_end_km for name in order]
    with (
        OpenRasters(len(order)) as files,
        LayerWriter(grid, layers, scratch) as writer,
        ExitStack() as stack,
    ):
        sources = {
            tile_track: {
                layer.key: stack.enter_context(
                    Warped(product.layers[layer.key].path, sheet.grid, kernel="nearest", nodata=layer.nodata)
                )
                for layer in layers
            }
            for tile_track, product in sorted(composites.items())
        }
        counted = {
            tile_track: stack.enter_context(Warped(product.layers[COUNT].path, sheet.grid, kernel="nearest", nodata=0))
            for tile_track, product in composites.items()
        }
        for window in grid.blocks(COG_BLOCK, COG_BLOCK):
            place = Window(window.row + area.row, window.col + area.col, window.height, window.width)
            weight = np.empty((len(order), window.height, window.width), np.uint32)
            for k, name in enumerate(order):
                count = np.empty((window.height, window.width), np.uint16)
                files.read(joined[name].layers[COUNT].path, window, count)
                weight[k] = weights(settings.blend, distances[k].read(place), count, half_swath_km=tapers[k])
            strongest = np.where(weight.max(axis=0) > 0, weight.argmax(axis=0), -1)
            block = _filled(layers, window)
            left = strongest >= 0
            for tile_track, warped in sources.items():
                mine = left & (strongest == _position(order, tile_track))
                if mine.any():
                    mine &= counted[tile_track].read(place) > 0
                    _take(block, warped, place, mine, first_index[tile_track])
                    left &= ~mine
            writer.write(window, block)
        return Product(grid, writer.finish(workers=workers))


def _position(order: Sequence[str], tile_track: str) -> int:
    name = track_of(tile_track)
    return order.index(name) if name in order else len(order)


def _filled(layers: Sequence[LayerSpec], window: Window) -> dict[str, npt.NDArray[Any]]:
    shape = window.height, window.width
    return {layer.key: np.full(shape, 0 if layer.nodata is None else layer.nodata, layer.dtype) for layer in layers}


def _take(
    block: Mapping[str, npt.NDArray[Any]],
    warped: Mapping[str, Warped],
    place: Window,
    mine: npt.NDArray[np.bool_],
    first: int,
) -> None:
    for key, source in warped.items():
        values = source.read(place)
        if key == SOURCE_INDEX:
            values = np.where(values >= 0, values + first, values).astype(values.dtype)
        block[key][mine] = values[mine]
