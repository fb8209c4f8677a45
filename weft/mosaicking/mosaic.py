"""Mosaic: the tracks of one sheet, blended without seams.

Belongs here: streaming orbit mosaics of one sheet through the weights. Not here: the weights themselves (``blending``)
or any resampling: orbit mosaics already lie on the sheet's grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio.errors

from weft.errors import RequestError
from weft.mosaicking.blending import Method, weights
from weft.mosaicking.blending import blend as weighted_mean
from weft.mosaicking.layers import COUNT, carried_layers
from weft.mosaicking.sheets import Sheet
from weft.mosaicking.tracks import CentreDistance, track_number
from weft.rasters.cog import LayerWriter
from weft.rasters.gdal import UnreadableRaster, environment, open_raster
from weft.rasters.grid import Window
from weft.rasters.product import LayerSpec, Product, SourceProduct

_BLOCK = 1024


def mosaic(
    tracks: Mapping[str, SourceProduct], sheet: Sheet, blend: Method, scratch: Path, *, workers: int = 2
) -> Product | None:
    """Blend the orbit mosaics of one sheet.

    Every reflectance layer is the exact weighted mean of the tracks that have a value at the pixel, with one weight per
    track and pixel from the track's ``count`` and centre line. ``count`` is the sum over tracks.

    Args:
        tracks: track key (``R051``) to its orbit mosaic on this sheet; the order does not matter.
        sheet: where the orbit mosaics lie.
        blend: ``mean``, ``idw`` or ``seamless``, see :func:`weft.mosaicking.blending.weights`.
        scratch: folder for the files.
        workers: threads; they do not change the result.

    Returns:
        The product, or None if no pixel of the sheet is valid.

    Raises:
        RequestError: an unknown track or blend, orbit mosaics of another sheet or with different layers.
        UnreadableRaster: a file cannot be read.
    """
    order = sorted(tracks, key=track_number)
    products = [tracks[track] for track in order]
    for track, product in zip(order, products, strict=True):
        if product.grid != sheet.grid:
            raise RequestError(
                f"{product.id} of {track} does not lie on sheet {sheet.name} ({product.grid!r}, expected "
                f"{sheet.grid!r}); make it again with the region's mosaic settings"
            )
    layers = carried_layers(products)
    if not products:
        return None
    reflectances = [layer for layer in layers if layer.key != COUNT]
    distances = [CentreDistance(track, sheet.grid) for track in order]
    valid = False
    with LayerWriter(sheet.grid, layers, scratch) as writer, ThreadPoolExecutor(workers) as pool:
        for window in sheet.grid.blocks(_BLOCK, _BLOCK):
            counts = _stack(products, COUNT, window)
            pairs = zip(distances, counts, strict=True)
            weight = np.stack([weights(blend, distance.read(window), count) for distance, count in pairs])
            blended = pool.map(partial(_blended, products, window, weight), reflectances)
            blocks = {layer.key: block for layer, block in zip(reflectances, blended, strict=True)}
            blocks[COUNT] = np.minimum(counts.sum(axis=0, dtype=np.uint32), np.iinfo(np.uint16).max).astype(np.uint16)
            writer.write(window, blocks)
            valid = valid or bool(counts.any())
        return Product(sheet.grid, writer.finish(workers=workers)) if valid else None


def _blended(
    products: list[SourceProduct], window: Window, weight: npt.NDArray[np.uint32], layer: LayerSpec
) -> npt.NDArray[np.uint16]:
    return weighted_mean(_stack(products, layer.key, window), weight)


def _stack(products: list[SourceProduct], key: str, window: Window) -> npt.NDArray[np.uint16]:
    return np.stack([_read(product.layers[key].path, window) for product in products])


def _read(path: Path, window: Window) -> npt.NDArray[np.uint16]:
    with environment(), open_raster(path) as dataset:
        try:
            return np.asarray(dataset.read(1, window=tuple((s.start, s.stop) for s in window.slices)))
        except rasterio.errors.RasterioError as error:
            raise UnreadableRaster(str(path), str(error.__cause__ or error)) from error
