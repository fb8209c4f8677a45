"""One rectangle of the lattice, over whatever tiles, zones and tracks it spans, as one product.

Belongs here: which part of a composite a rectangle needs, and joining composites on it. Not here: making composites
(``weft.compositing``), or which rectangle somebody wants (``weft.orders``).

The rectangle is cut as sheets are, and every part is warped and blended in the blocks of its sheet: its pixels are
those of the mosaic of a region with the same settings, not merely like them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from weft.mosaicking.auxiliary import auxiliary_mosaic
from weft.mosaicking.layers import COUNT
from weft.mosaicking.mosaic import mosaic
from weft.mosaicking.orbit_mosaic import orbit_mosaic
from weft.mosaicking.sheets import Sheet, sheets_over
from weft.rasters.cog import COG_BLOCK, LayerWriter
from weft.rasters.grid import Grid, Window, transformer
from weft.rasters.product import LayerSpec, Product, SourceLayer, SourceProduct
from weft.rasters.streaming import OpenRasters
from weft.rasters.warping import pixel_metres
from weft.regions import Mosaic, track_of

# Blocks of a sheet reach beyond the rectangle, and a kernel reaches beyond the pixels under it. GDAL widens a kernel
# with the ratio of pixel sizes; twice that is beyond any of those used here.
_REACH = 2.0


def needed_window(source: Grid, target: Grid) -> Window | None:
    """Pixels of a source that the pixels of a target are resampled from, with a margin; None if there are none.

    Args:
        source: a tile's grid, in a projected CRS.
        target: a grid in any CRS.
    """
    edges = target.bounds
    left, bottom, right, top = transformer(target.crs, source.crs).transform_bounds(
        edges.left, edges.bottom, edges.right, edges.top, densify_pts=21
    )
    if not all(map(math.isfinite, (left, bottom, right, top))):
        return None
    reach = math.ceil(_REACH * (1 + max(1.0, pixel_metres(target) / pixel_metres(source))))
    row = math.floor((source.top - top) / source.y_size) - reach
    col = math.floor((left - source.left) / source.x_size) - reach
    height = math.ceil((source.top - bottom) / source.y_size) + reach - row
    width = math.ceil((right - source.left) / source.x_size) + reach - col
    return Window(row, col, height, width).overlap(Window(0, 0, *source.shape))


def area_mosaic(
    composites: Mapping[str, SourceProduct],
    observations: Mapping[str, int],
    grid: Grid,
    settings: Mosaic,
    scratch: Path,
    *,
    workers: int = 2,
) -> Product | None:
    """Composites joined on one rectangle: tiles to tracks, tracks blended, sheets side by side.

    Args:
        composites: tile_track -> composite, each on any part of its tile that holds what :func:`needed_window` says.
        observations: tile_track -> number of its observations; ``source_index`` counts through all of them, tile_track
            by tile_track in the order of their names.
        grid: the rectangle, on the lattice of pixels of ``settings``.
        settings: lattice and blending, as of a region.
        scratch: folder for the files.
        workers: threads; they do not change the result.

    Returns:
        Every band and statistic, ``count``, ``track_weight_Rnnn`` of every track, and what describes the observation a
        pixel comes from, see :mod:`weft.mosaicking.auxiliary`; None if no pixel is valid.

    Raises:
        RequestError: as :func:`weft.mosaicking.mosaic` and :func:`weft.mosaicking.orbit_mosaic`.
        UnreadableRaster: a file cannot be read.
    """
    order = sorted(composites)
    before = accumulate((observations[name] for name in order), initial=0)
    job = _Job({name: composites[name] for name in order}, dict(zip(order, before, strict=False)), settings, workers)
    parts = []
    for sheet in sheets_over([grid], settings):
        place = _common(sheet, grid)
        product = _part(job, sheet, place.on_sheet, scratch / sheet.name) if place else None
        if place and product:
            parts.append(_Part(place.on_grid, product))
    return _side_by_side(parts, grid, scratch, workers) if parts else None


@dataclass(frozen=True, slots=True)
class _Job:
    """What is the same for all sheets."""

    composites: Mapping[str, SourceProduct]
    first_index: Mapping[str, int]
    settings: Mosaic
    workers: int


@dataclass(frozen=True, slots=True)
class _Common:
    """What a sheet and the rectangle have in common, in pixels of each."""

    on_sheet: Window
    on_grid: Window


@dataclass(frozen=True, slots=True)
class _Part:
    window: Window
    product: Product


def _common(sheet: Sheet, grid: Grid) -> _Common | None:
    pixel = grid.x_size
    # From pixel numbers, not from coordinates: these are rounded.
    down = round(sheet.grid.top / pixel) - round(grid.top / pixel)
    right = round(grid.left / pixel) - round(sheet.grid.left / pixel)
    on_sheet = Window(down, right, grid.height, grid.width).overlap(Window(0, 0, *sheet.grid.shape))
    if on_sheet is None:
        return None
    return _Common(on_sheet, Window(on_sheet.row - down, on_sheet.col - right, on_sheet.height, on_sheet.width))


def _part(job: _Job, sheet: Sheet, area: Window, scratch: Path) -> Product | None:
    tracks: dict[str, list[SourceProduct]] = defaultdict(list)
    for tile_track, composite in job.composites.items():
        tracks[track_of(tile_track)].append(composite)
    joined: dict[str, SourceProduct] = {}
    for track, composites in tracks.items():
        product = orbit_mosaic(composites, sheet, job.settings, scratch / track, area=area, workers=job.workers)
        if product is not None:
            joined[track] = _source(track, product)
    blended = mosaic(joined, sheet, job.settings, scratch / "blended", area=area, workers=job.workers)
    if blended is None:
        return None
    more = auxiliary_mosaic(
        job.composites, joined, job.first_index, sheet, area, job.settings, scratch / "auxiliary", workers=job.workers
    )
    for source in joined.values():
        for layer in source.layers.values():
            layer.path.unlink()
    return Product(blended.product.grid, blended.product.files + more.files)


def _source(name: str, product: Product) -> SourceProduct:
    return SourceProduct(
        name, product.grid, {file.layer.key: SourceLayer(file.layer, file.path) for file in product.files}
    )


def _side_by_side(parts: list[_Part], grid: Grid, scratch: Path, workers: int) -> Product:
    layers: dict[str, LayerSpec] = {}
    for part in parts:
        layers |= {file.layer.key: file.layer for file in part.product.files if file.layer.key not in layers}
    # A sheet that a track does not touch has no share of it.
    order = sorted(layers.values(), key=lambda layer: (layer.band is None, layer.key != COUNT, layer.key))
    with OpenRasters(len(order) + 1) as files, LayerWriter(grid, order, scratch) as writer:
        filled = {part.window: {file.layer.key: file.path for file in part.product.files} for part in parts}
        for window in grid.blocks(COG_BLOCK, COG_BLOCK):
            block = {
                layer.key: np.full((window.height, window.width), layer.nodata or 0, layer.dtype) for layer in order
            }
            for place, paths in filled.items():
                shared = window.overlap(place)
                if shared:
                    for key, path in paths.items():
                        part_of = np.empty((shared.height, shared.width), layers[key].dtype)
                        files.read(path, shared.relative_to(place), part_of)
                        block[key][shared.relative_to(window).slices] = part_of
            writer.write(window, block)
        return Product(grid, writer.finish(workers=workers))
