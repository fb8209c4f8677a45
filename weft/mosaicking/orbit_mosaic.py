"""Orbit mosaic: the tiles of one track, resampled once onto a sheet and averaged where they overlap.

Tiles of one track show the same observations, so a plain mean leaves no seam. Belongs here: merging tiles of one track.
Not here: joining tracks (``mosaic``).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from weft.mosaicking.layers import carried_layers
from weft.mosaicking.sheets import Sheet
from weft.rasters.cog import LayerWriter
from weft.rasters.grid import Bounds, Grid, transformer
from weft.rasters.product import LayerSpec, Product, SourceProduct
from weft.rasters.warping import Kernel, kernel_for, warp

# GDAL's result depends by up to its tolerance on how the target is cut; this is part of what a sheet looks like.
_BLOCK = 1024


def orbit_mosaic(
    composites: Sequence[SourceProduct], sheet: Sheet, scratch: Path, *, workers: int = 2
) -> Product | None:
    """Mean of one track's composites on one sheet.

    Each reflectance layer is the mean of the composites that have a value at the pixel, ``count`` the mean of those
    that have an observation; sums are exact and rounded half up, so a reflectance never becomes 0. ``source_index`` and
    ``medoid_spread`` are not carried on: an index into one composite's observations means nothing in a mean of several.

    Args:
        composites: products of the tiles of one track, each on its own grid; the order does not matter.
        sheet: where to.
        scratch: folder for the files.
        workers: threads; they do not change the result.

    Returns:
        The product, or None if no pixel of the sheet is valid.

    Raises:
        RequestError: the composites differ in their layers.
        UnreadableRaster: a file cannot be read.
    """
    layers = carried_layers(composites)
    outlines = {composite.id: _bounds_on(composite.grid, sheet.grid) for composite in composites}
    under = [composite for composite in composites if outlines[composite.id].intersects(sheet.grid.bounds)]
    if not under:
        return None
    valid = False
    with LayerWriter(sheet.grid, layers, scratch) as writer, ThreadPoolExecutor(workers) as pool:
        for window in sheet.grid.blocks(_BLOCK, _BLOCK):
            target = sheet.grid.of_window(window)
            here = [composite for composite in under if outlines[composite.id].intersects(target.bounds)]
            means = pool.map(partial(_mean, here, target), layers)
            blocks = {layer.key: mean for layer, mean in zip(layers, means, strict=True)}
            valid = valid or any(block.any() for block in blocks.values())
            writer.write(window, blocks)
        return Product(sheet.grid, writer.finish(workers=workers)) if valid else None


def resampling(composites: Sequence[SourceProduct], sheet: Sheet) -> tuple[Kernel, ...]:
    """Kernels that :func:`orbit_mosaic` uses, for the property ``weft:resampling`` of its item; sorted, distinct."""
    return tuple(sorted({kernel_for(layer, c.grid, sheet.grid) for c in composites for layer in carried_layers([c])}))


def _mean(composites: Sequence[SourceProduct], target: Grid, layer: LayerSpec) -> npt.NDArray[np.uint16]:
    total = np.zeros(target.shape, np.uint32)
    seen = np.zeros(target.shape, np.uint32)
    for composite in composites:
        kernel = kernel_for(layer, composite.grid, target)
        # A count of 0 takes no part either: beside a gap the observed pixels tell how often the place was seen.
        values = warp(composite.layers[layer.key].path, target, kernel=kernel, nodata=0)
        total += values
        seen += values > 0
    return ((2 * total + seen) // np.maximum(2 * seen, 1)).astype(np.uint16)


def _bounds_on(source: Grid, target: Grid) -> Bounds:
    edges = source.bounds
    left, bottom, right, top = transformer(source.crs, target.crs).transform_bounds(
        edges.left, edges.bottom, edges.right, edges.top, densify_pts=21
    )
    return Bounds(left - target.x_size, bottom - target.y_size, right + target.x_size, top + target.y_size)
