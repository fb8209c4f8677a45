"""Orders and what is made of them, as items: the order with its inputs, the stack, and its expression bands.

Belongs here: :func:`order_item`, :func:`stack_order_item`, :func:`expressions_item`, and the document in which an order
keeps the items of its datasets. Not here: items of the production lane (``products``), or publishing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from weft.errors import IntegrityError, RequestError, SceneRejected
from weft.periods import TimeWindow
from weft.rasters.grid import Grid
from weft.rasters.product import Product
from weft.scenes.fields import Fields
from weft.stac import Item
from weft.stac.parts import (
    ItemRef,
    grid_fields,
    ground_sample_distance,
    lineage_fields,
    make_item,
    period_fields,
    rejected_field,
    value_fields,
)
from weft.stac.products import COG_TYPE, raster_asset, span

ORDERS = "orders"
STACKS = "coregistered-stacks"
EXPRESSIONS = "expression-bands"
COMPOSITES = "composites"

JSON_TYPE = "application/json"
_PARQUET_TYPE = "application/vnd.apache.parquet"
_COLOURS = ("red", "green", "blue")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Input:
    """One dataset of an order as it was when the order was taken.

    Attributes:
        reference: what the order calls it.
        href: where its item is: relative for an item of the catalogue, else absolute.
        item: the item, every href absolute and checked.
    """

    reference: str
    href: str
    item: Item

    @classmethod
    def of_catalogue(cls, reference: str, item: Item) -> Input:
        """An item of the catalogue."""
        return cls(reference, ItemRef(item["collection"], item["id"]).href, item)


def inputs_document(inputs: Sequence[Input]) -> bytes:
    """All inputs of an order as JSON; equal inputs give equal bytes."""
    listed = [{"reference": one.reference, "href": one.href, "item": one.item} for one in inputs]
    return json.dumps({"version": _FORMAT, "inputs": listed}, sort_keys=True, allow_nan=False).encode()


def inputs_of(document: bytes) -> tuple[Input, ...]:
    """Inverse of :func:`inputs_document`.

    Raises:
        IntegrityError: it is a document of another kind.
    """
    parsed = json.loads(document)
    if not isinstance(parsed, dict) or parsed.get("version") != _FORMAT:
        raise IntegrityError("the inputs of the order were written by another version of Weft; make order_inputs again")
    return tuple(Input(one["reference"], one["href"], one["item"]) for one in parsed["inputs"])


def time_span(items: Sequence[Item]) -> TimeWindow:
    """From the first acquisition of any item to the second after the last.

    Raises:
        RequestError: no item has a time, or one has something else instead.
    """
    try:
        moments = [moment for item in items for moment in _moments(item)]
    except SceneRejected as error:
        raise RequestError(f"input_reference: {error.scene_id}: {error.reason}") from error
    if not moments:
        names = ", ".join(str(item["id"]) for item in items)
        raise RequestError(f"input_reference: none of {names} says when it was acquired; add datetime to an item")
    first, last = min(moments).replace(microsecond=0), max(moments).replace(microsecond=0)
    return TimeWindow(first, last + timedelta(seconds=1))


def order_item(*, order_id: str, kind: str, inputs: Sequence[Input], grid: Grid, fingerprint: str) -> Item:
    """Item of an order whose datasets were found; assets ``order`` and ``inputs`` are to be published with it.

    Args:
        order_id: id of the order and of the item.
        kind: ``stack`` or ``composite``.
        inputs: its datasets.
        grid: of what will be made.
        fingerprint: 64 hex digits.
    """
    window = time_span([one.item for one in inputs])
    lineage = f"Order for a {kind} of {len(inputs)} datasets, {span(window)}."
    assets = {
        "order": document_asset("The order, to be placed again"),
        "inputs": document_asset("Items of its datasets"),
    }
    return _item(ORDERS, order_id, grid, window, lineage, fingerprint, {}, assets, _derived(inputs))


def stack_order_item(
    *,
    order_id: str,
    product: Product,
    overview: tuple[Grid, str],
    inputs: Sequence[Input],
    coregistration: Mapping[str, Any],
    indices: Sequence[int],
    fingerprint: str,
) -> Item:
    """Item of a stack that was ordered, ready for publishing.

    Args:
        order_id: id of the order and of the item.
        product: the bands; assets get the keys of the layers.
        overview: grid and pixel digest of asset ``overview``, a colour picture.
        inputs: datasets of the order.
        coregistration: ``weft:coregistration``: ``method``, ``reference``, ``settings`` and one entry for each other
            dataset in ``datasets``.
        indices: datasets that were matched: each has the assets ``flicker_{index}``, ``quiver_{index}``,
            ``magnitude_{index}`` and ``tie_points_{index}``.
        fingerprint: 64 hex digits.
    """
    window = time_span([one.item for one in inputs])
    refused = sum(one["status"] == "refused" for one in coregistration["datasets"])
    lineage = (
        f"{len(product.files)} bands of {len(inputs)} datasets on the grid of {coregistration['reference']}, "
        f"{span(window)}; {len(indices) - refused} datasets were moved by registration, "
        f"{refused} registrations were refused."
    )
    assets = {file.layer.key: raster_asset(file) for file in product.files}
    assets["overview"] = _overview_asset(*overview)
    assets["thumbnail"] = _picture_asset("Quick-look", "image/png", "thumbnail")
    assets["order"] = document_asset("The order, to be placed again")
    assets["registration"] = document_asset("Displacement and quality of each dataset")
    assets["report"] = {"type": "text/html", "roles": ["metadata"], "title": "Report of the registration"}
    for index in indices:
        assets[f"flicker_{index}"] = _picture_asset(
            f"Dataset {index} and the reference in turn, before and after", "image/gif", "overview"
        )
        assets[f"quiver_{index}"] = _picture_asset(f"Tie points of dataset {index}", "image/png", "overview")
        assets[f"magnitude_{index}"] = _picture_asset(f"Displacement of dataset {index}", "image/png", "overview")
        assets[f"tie_points_{index}"] = {
            "type": _PARQUET_TYPE,
            "roles": ["metadata"],
            "title": f"Tie points of dataset {index} as GeoParquet",
        }
    properties = {"weft:coregistration": dict(coregistration)}
    return _item(STACKS, order_id, product.grid, window, lineage, fingerprint, properties, assets, _derived(inputs))


def expressions_item(
    *, order_id: str, product: Product, stack: Item, expressions: Mapping[str, str], fingerprint: str
) -> Item:
    """Item of the expression bands of an order; assets ``order`` and ``thumbnail`` are to be published with it.

    Args:
        order_id: id of the order and of the item.
        product: one layer for each expression.
        stack: item of the stack they are computed from.
        expressions: output name -> s-expression.
        fingerprint: 64 hex digits.
    """
    window = time_span([stack])
    lineage = f"{len(product.files)} expressions over a stack of bands, {span(window)}."
    assets = {file.layer.key: raster_asset(file) for file in product.files}
    assets["thumbnail"] = _picture_asset("Quick-look", "image/png", "thumbnail")
    assets["order"] = document_asset("The order, to be placed again")
    properties = {
        "processing:expression": {"format": "s-expression", "expression": dict(sorted(expressions.items()))},
        "weft:rejected": rejected_field(product.rejected),
    }
    source = ItemRef(stack["collection"], stack["id"])
    links = [_link(source.href, source.id)]
    return _item(EXPRESSIONS, order_id, product.grid, window, lineage, fingerprint, properties, assets, links)


def document_asset(title: str) -> dict[str, Any]:
    """Asset of a JSON document that says something about the item."""
    return {"type": JSON_TYPE, "roles": ["metadata"], "title": title}


def _item(
    collection: str,
    order_id: str,
    grid: Grid,
    window: TimeWindow,
    lineage: str,
    fingerprint: str,
    properties: Mapping[str, Any],
    assets: Mapping[str, Any],
    links: Sequence[Mapping[str, str]],
) -> Item:
    fields = {
        **period_fields(window),
        **ground_sample_distance(grid),
        **lineage_fields(lineage),
        "weft:fingerprint": fingerprint,
        "weft:order": order_id,
        **properties,
    }
    return make_item(collection, order_id, grid, fields, assets, links)


def _derived(inputs: Sequence[Input]) -> list[dict[str, str]]:
    return [_link(one.href, str(one.item["id"])) for one in inputs]


def _link(href: str, title: str) -> dict[str, str]:
    return {"rel": "derived_from", "href": href, "type": "application/geo+json", "title": title}


def _overview_asset(grid: Grid, digest: str) -> dict[str, Any]:
    colours = [{"name": name, "data_type": "uint8", **value_fields(1.0, 0.0, 0, None)} for name in _COLOURS]
    place = {name: value for name, value in grid_fields(grid).items() if name != "proj:code"}
    return {
        "type": COG_TYPE,
        "roles": ["overview", "visual"],
        "title": "Overview in 8-bit colour",
        "bands": colours,
        **place,
        "weft:pixel_sha256": digest,
    }


def _picture_asset(title: str, media_type: str, role: str) -> dict[str, Any]:
    return {"type": media_type, "roles": [role], "title": title}


def _moments(item: Item) -> list[datetime]:
    properties = Fields.of_item(item).object("properties")
    found = [properties.moment(name) for name in ("datetime", "start_datetime", "end_datetime")] if properties else []
    return [moment for moment in found if moment is not None]
