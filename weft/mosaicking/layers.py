"""Which layers travel from composites to the mosaic.

Belongs here: choosing them and proving that all inputs store them alike. Not here: their pixels.
"""

from __future__ import annotations

from collections.abc import Iterable

from weft.errors import RequestError
from weft.rasters.product import LayerSpec, SourceProduct

COUNT = "count"


def carried_layers(products: Iterable[SourceProduct]) -> tuple[LayerSpec, ...]:
    """Layers that all products share and a mosaic carries on: every statistic of every band, then ``count``.

    Layers without a band are left behind: dates, angles, classes and spreads describe one observation of one track.

    Returns:
        Reflectance layers sorted by key, then ``count``; none if there are no products.

    Raises:
        RequestError: two products differ in the layers they have or in how these are stored, one has no band or
            no ``count``, or a layer is not uint16 with 0 for "nothing here".
    """
    first: SourceProduct | None = None
    layers: dict[str, LayerSpec] = {}
    for product in sorted(products, key=lambda product: product.id):
        found = {
            key: entry.layer for key, entry in product.layers.items() if entry.layer.band and entry.layer.statistic
        }
        if not found:
            raise RequestError(
                f"{product.id} has no band with a statistic, so there is nothing to join; make it again with any method"
            )
        if COUNT not in product.layers:
            raise RequestError(f"{product.id} has no layer {COUNT}; make it again with this version of Weft")
        found[COUNT] = product.layers[COUNT].layer
        if first is None:
            first, layers = product, found
            continue
        missing = sorted(layers.keys() ^ found.keys())
        if missing:
            raise RequestError(
                f"{first.id} and {product.id} differ in the layers {missing}; make both with the same bands and methods"
            )
        for key, layer in found.items():
            if storage(layer) != storage(layers[key]):
                raise RequestError(
                    f"{first.id} and {product.id} store {key} differently, as {storage(layers[key])} and "
                    f"{storage(layer)} (dtype, nodata, scale, offset); make both with the same version of Weft"
                )
    for key, layer in layers.items():
        if (layer.dtype, layer.nodata) != ("uint16", None if key == COUNT else 0):
            raise RequestError(f"layer {key} is {layer.dtype} with nodata {layer.nodata}; mosaics take uint16 with 0")
    return (*(layers[key] for key in sorted(layers.keys() - {COUNT})), *(layers[key] for key in layers if key == COUNT))


def storage(layer: LayerSpec) -> tuple[str, float | None, float, float]:
    """How values are stored: dtype, nodata, scale, offset."""
    return layer.dtype, layer.nodata, layer.scale, layer.offset
