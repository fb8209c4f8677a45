"""What Weft makes, as items: stacks, composites, orbit mosaics, mosaics and expression bands.

Belongs here: :func:`stack_item`, :func:`product_item` and the way back, :func:`source_product`. Not here: all sheets of
a region together (``region_mosaics``), or storing files and filling in their hrefs and checksums, which is publishing
(``resources``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import IntegrityError, RequestError
from weft.periods import TimeWindow
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, Product, RasterFile, SourceLayer, SourceProduct, Statistics
from weft.stac import Item
from weft.stac.parts import (
    ItemRef,
    grid_of,
    ground_sample_distance,
    lineage_fields,
    make_item,
    nodata_of,
    period_fields,
    rejected_field,
    spectrum_fields,
    value_fields,
)
from weft.stac.validation import validate

if TYPE_CHECKING:  # only its type: importing the room would load the kernels
    from weft.compositing.observations import Plan

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
MAX_SOURCE_LINKS = 100
"""Up to this many inputs are ``derived_from`` links; more are listed in ``weft:sources``, as hrefs of the same form."""

_STACKS = "coregistered-stacks"
_WHITE = 0.3  # surface reflectance shown as white: land keeps contrast, clouds and snow saturate


def stack_item(
    *,
    item_id: str,
    plan: Plan,
    grid: Grid,
    window: TimeWindow,
    fingerprint: str,
    coregistration: Mapping[str, Any],
    properties: Mapping[str, Any],
) -> Item:
    """Item of a stack of scenes in ``coregistered-stacks``; it has no pixels of its own.

    Args:
        item_id: ``{region}_{period}_{tile_track}``.
        plan: observations and what became of the other scenes; may hold no observation at all.
        grid: the tile's grid, which places the stack also when nothing was observed.
        window: the period.
        fingerprint: 64 hex digits.
        coregistration: how its observations lie to each other, see :mod:`weft.stac.coregistration`.
        properties: ``weft:region``, ``weft:period`` and whatever else identifies the stack.
    """
    scenes = [scene_id for observation in plan.observations for scene_id in observation.scene_ids]
    lineage = (
        f"Stack of {len(plan.observations)} observations from {len(scenes)} calibrated scenes, {span(window)}; "
        f"{plan.duplicates_collapsed} older processings and {len(plan.rejected)} unusable scenes are left out."
    )
    fields = {
        **period_fields(window),
        **ground_sample_distance(grid),
        **lineage_fields(lineage),
        "weft:fingerprint": fingerprint,
        "weft:coregistration": dict(coregistration),
        "weft:observations": [list(observation.scene_ids) for observation in plan.observations],
        "weft:superseded": [{"id": scene.scene_id, "by": scene.by} for scene in plan.superseded],
        "weft:rejected": rejected_field(plan.rejected),
        "weft:duplicates_collapsed": plan.duplicates_collapsed,
        "weft:granules_merged": plan.granules_merged,
        **properties,
    }
    links, sources = derivation([ItemRef("calibrated-datasets", scene_id) for scene_id in scenes])
    return make_item(_STACKS, item_id, grid, fields | sources, {}, links)


def product_item(
    *,
    collection: str,
    item_id: str,
    product: Product,
    window: TimeWindow,
    fingerprint: str,
    derived_from: Sequence[ItemRef],
    properties: Mapping[str, Any],
    thumbnail: bool = False,
) -> Item:
    """Item of a raster product, ready for publishing, which adds hrefs, checksums and sizes of the files.

    Args:
        collection: ``composites``, ``orbit-mosaics``, ``mosaics`` or ``expression-bands``.
        item_id: see the catalogue's naming rules.
        product: the finished files; the item gets one asset for each, under the key of its layer.
        window: the period.
        fingerprint: 64 hex digits.
        derived_from: every item the pixels come from.
        properties: ``weft:region``, ``weft:period`` and whatever else identifies the product. An expression goes to
            ``processing:expression``.
        thumbnail: whether a PNG is going to be published with it, as asset ``thumbnail``.
    """
    origins = " and ".join(sorted({source.collection for source in derived_from})) or "nothing"
    lineage = (
        f"Made of {len(derived_from)} items of {origins}, {span(window)}; "
        f"{len(product.rejected)} scenes were set aside."
    )
    renders = _renders([file.layer for file in product.files])
    fields = {
        **period_fields(window),
        **ground_sample_distance(product.grid),
        **lineage_fields(lineage),
        **({"renders": renders} if renders else {}),
        "weft:fingerprint": fingerprint,
        "weft:rejected": rejected_field(product.rejected),
        **properties,
    }
    assets = {file.layer.key: raster_asset(file) for file in product.files}
    if thumbnail:
        assets["thumbnail"] = {"type": "image/png", "roles": ["thumbnail"], "title": "Quick-look"}
    links, sources = derivation(derived_from)
    return make_item(collection, item_id, product.grid, fields | sources, assets, links)


def sources_of(item: Item) -> list[ItemRef]:
    """Every item this one is derived from, however many.

    Raises:
        IntegrityError: a source is not an item of this catalogue.
    """
    linked = [link["href"] for link in item["links"] if link["rel"] == "derived_from"]
    return [ItemRef.from_href(href) for href in [*linked, *item["properties"].get("weft:sources", [])]]


def source_product(item: Item, fetch: Callable[[str], Path], keys: Collection[str] | None = None) -> SourceProduct:
    """A published product as the input of a later step.

    Args:
        item: a published item with raster assets.
        fetch: turns the href of an asset into a local file; called once per layer.
        keys: layers to fetch; all of them if None.

    Raises:
        IntegrityError: the item is not valid.
        RequestError: it has no layer of one of the keys.
    """
    validate(item)
    found = layers_of(item)
    wanted = sorted(found) if keys is None else list(keys)
    if missing := [key for key in wanted if key not in found]:
        raise RequestError(
            f"{item['collection']}/{item['id']} has no layer {', '.join(missing)}; it has {', '.join(sorted(found))}"
        )
    layers = {key: SourceLayer(found[key], fetch(item["assets"][key]["href"])) for key in wanted}
    return SourceProduct(item["id"], grid_of(item["properties"]), layers)


def layers_of(item: Item) -> dict[str, LayerSpec]:
    """What the raster assets of a product hold, by their keys."""
    return {key: _layer(key, asset) for key, asset in item["assets"].items() if asset.get("type") == COG_TYPE}


def derivation(sources: Sequence[ItemRef]) -> tuple[list[dict[str, str]], dict[str, list[str]]]:
    """Links and properties that name the inputs of a product; the inverse of :func:`sources_of`.

    Raises:
        IntegrityError: an input is named twice.
    """
    if len(set(sources)) != len(sources):
        repeated = sorted({source.href for source in sources if sources.count(source) > 1})
        raise IntegrityError(f"inputs are named twice: {', '.join(repeated)}")
    if len(sources) > MAX_SOURCE_LINKS:
        return [], {"weft:sources": [source.href for source in sources]}
    links = [{"rel": "derived_from", "href": s.href, "type": "application/geo+json", "title": s.id} for s in sources]
    return links, {}


def raster_asset(file: RasterFile) -> dict[str, Any]:
    """Asset of one finished layer, for publishing, which adds href, checksum and size."""
    layer = file.layer
    band = {
        "name": layer.key,
        "data_type": layer.dtype,
        **value_fields(layer.scale, layer.offset, layer.nodata, layer.unit),
        **spectrum_fields(layer.band),
        "statistics": _statistics(file.statistics),
    }
    optional = {"weft:cbn": layer.band, "weft:statistic": layer.statistic, "weft:categorical": layer.categorical}
    return {
        "type": COG_TYPE,
        "roles": ["data"],
        "title": layer.title,
        "bands": [band | {name: value for name, value in optional.items() if value}],
        "weft:pixel_sha256": file.pixel_sha256,
    }


def span(window: TimeWindow) -> str:
    """A period in words, for lineages."""
    return f"acquired from {window.start:%Y-%m-%d} to before {window.end:%Y-%m-%d}"


def _layer(key: str, asset: Mapping[str, Any]) -> LayerSpec:
    band = asset["bands"][0]
    return LayerSpec(
        key=key,
        title=asset["title"],
        dtype=band["data_type"],
        nodata=nodata_of(band),
        scale=band.get("raster:scale", 1.0),
        offset=band.get("raster:offset", 0.0),
        unit=band.get("unit"),
        band=band.get("weft:cbn"),
        statistic=band.get("weft:statistic"),
        categorical=band.get("weft:categorical", False),
    )


def _statistics(statistics: Statistics) -> dict[str, float]:
    numbers = {
        "minimum": statistics.minimum,
        "maximum": statistics.maximum,
        "mean": statistics.mean,
        "stddev": statistics.stddev,
        "valid_percent": statistics.valid_percent,
    }
    return {name: number for name, number in numbers.items() if not math.isnan(number)}


def _renders(layers: Sequence[LayerSpec]) -> dict[str, Any]:
    """Natural colour for every statistic that has red, green and blue; in stored values, as tile servers want them."""
    by_place = {(layer.band, layer.statistic): layer for layer in layers}
    renders: dict[str, Any] = {}
    for layer in layers:
        trio = [by_place.get((cbn, layer.statistic)) for cbn in ("red", "green", "blue")]
        rgb = [one for one in trio if one is not None]
        if layer.band != "red" or len(rgb) < 3:
            continue
        statistic = f" ({layer.statistic})" if layer.statistic else ""
        renders[f"rgb{layer.key.removeprefix('red')}"] = {
            "title": f"Natural colour{statistic}",
            "assets": [one.key for one in rgb],
            "rescale": [[(bound - one.offset) / one.scale for bound in (0.0, _WHITE)] for one in rgb],
            **value_fields(1.0, 0.0, layer.nodata, None),
        }
    return renders
