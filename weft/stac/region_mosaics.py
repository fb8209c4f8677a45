"""The whole region over one period as one item: virtual mosaics, overview and what all sheets together are like.

Belongs here: the item, and summing up what the items of the sheets say. Not here: pixels (``weft.mosaicking``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from weft.periods import TimeWindow
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec
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
from weft.stac.products import COG_TYPE, derivation, span

COLLECTION = "region-mosaics"
VRT = "vrt"
GTI = "gti"
_GEOPACKAGE_TYPE = "application/geopackage+sqlite3"
_VIRTUAL = {
    VRT: ("application/xml", ["virtual"], "as a GDAL virtual raster"),
    GTI: (_GEOPACKAGE_TYPE, ["virtual", "index"], "as a GDAL tile index"),
}


def region_mosaic_item(
    *,
    item_id: str,
    grid: Grid,
    layers: Sequence[LayerSpec],
    shown: Sequence[LayerSpec],
    overview: Grid,
    digests: Mapping[str, str],
    sheets: Mapping[str, Item],
    missing: Sequence[str],
    window: TimeWindow,
    fingerprint: str,
    properties: Mapping[str, Any],
) -> Item:
    """Item in ``region-mosaics``, ready for publishing.

    Args:
        item_id: ``{region}_{period}``.
        grid: of the mosaic at full resolution.
        layers: layers that have virtual mosaics, assets ``{key}_vrt`` and ``{key}_gti``.
        shown: layers that the overview shows as red, green and blue.
        overview: grid of the overviews.
        digests: pixel digest of the assets ``overview`` and ``overview_count``, those of them that there are.
        sheets: name of each sheet to its published item.
        missing: names of the sheets that have no item.
        window: the period.
        fingerprint: 64 hex digits.
        properties: ``weft:region``, ``weft:period``.
    """
    items = list(sheets.values())
    lineage = f"{len(items)} of {len(items) + len(missing)} sheets of a mosaic joined, {span(window)}."
    fields = {
        **period_fields(window),
        **ground_sample_distance(grid),
        **lineage_fields(lineage),
        "weft:fingerprint": fingerprint,
        "weft:rejected": rejected_field([]),
        "weft:sheets": sorted(sheets),
        "weft:sheets_missing": sorted(missing),
        **summary(sheets),
        **properties,
    }
    pictures = {
        "thumbnail": _picture("Quick-look", "thumbnail"),
        "gaps": _picture("Where observations are few", "overview"),
    }
    assets = {
        **{f"{layer.key}_{kind}": _virtual(layer, kind, items) for layer in layers for kind in _VIRTUAL},
        **_overviews(shown, overview, digests),
        **pictures,
    }
    links, sources = derivation([ItemRef(item["collection"], item["id"]) for item in items])
    return make_item(COLLECTION, item_id, grid, fields | sources, assets, links)


def summary(sheets: Mapping[str, Item]) -> dict[str, Any]:
    """Gaps and seams of all sheets together, as far as their items tell.

    Returns:
        ``weft:gaps``: percent of the pixels of the sheets by number of observations; ``weft:expected``: percent that
        the region's tracks can see; ``weft:seams``: the largest ``step`` and ``index``, each with its ``{name}_sheet``,
        None where no sheet has one.
    """
    found: dict[str, Any] = {}
    told = [item["properties"] for item in sheets.values()]
    pixels = [math.prod(one["proj:shape"]) for one in told]
    if told and all("weft:gaps" in one for one in told):
        names = told[0]["weft:gaps"]
        found["weft:gaps"] = {name: _weighted((one["weft:gaps"][name] for one in told), pixels) for name in names}
    if told and all("weft:expected" in one for one in told):
        found["weft:expected"] = _weighted((one["weft:expected"] for one in told), pixels)
    seams = {
        name: item["properties"]["weft:seams"] for name, item in sheets.items() if "weft:seams" in item["properties"]
    }
    if seams:
        found["weft:seams"] = _worst("step", seams) | _worst("index", seams)
    return found


def _worst(measure: str, seams: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any]:
    known = {name: value for name, one in sorted(seams.items()) if (value := one[measure]) is not None}
    sheet = max(known, key=known.__getitem__, default=None)
    return {measure: None if sheet is None else known[sheet], f"{measure}_sheet": sheet}


def _weighted(values: Iterable[float], weights: Sequence[float]) -> float:
    return math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / math.fsum(weights)


def _virtual(layer: LayerSpec, kind: str, sheets: Sequence[Item]) -> dict[str, Any]:
    media_type, roles, form = _VIRTUAL[kind]
    parts = [item for item in sheets if layer.key in item["assets"]]
    asset = {"type": media_type, "roles": list(roles), "title": f"{layer.title}, all sheets {form}"}
    if kind == VRT:
        band = deepcopy(parts[0]["assets"][layer.key]["bands"][0])
        asset["bands"] = [band | {"statistics": _statistics(layer, parts)}]
    return asset


def _statistics(layer: LayerSpec, sheets: Sequence[Item]) -> dict[str, float]:
    """Of all sheets together, from their own: exact but for rounding."""
    found = [item["assets"][layer.key]["bands"][0]["statistics"] for item in sheets]
    pixels = [math.prod(item["properties"]["proj:shape"]) for item in sheets]
    share = _weighted((one["valid_percent"] for one in found), pixels)
    valued = [(one, size * one["valid_percent"]) for one, size in zip(found, pixels, strict=True) if "mean" in one]
    if not valued:
        return {"valid_percent": share}
    parts, weights = [one for one, _ in valued], [weight for _, weight in valued]
    mean = _weighted((one["mean"] for one in parts), weights)
    variance = _weighted((one["stddev"] ** 2 + (one["mean"] - mean) ** 2 for one in parts), weights)
    return {
        "minimum": min(one["minimum"] for one in parts),
        "maximum": max(one["maximum"] for one in parts),
        "mean": mean,
        "stddev": math.sqrt(variance),
        "valid_percent": share,
    }


def _overviews(shown: Sequence[LayerSpec], grid: Grid, digests: Mapping[str, str]) -> dict[str, Any]:
    place = {name: value for name, value in grid_fields(grid).items() if name != "proj:code"}
    colours = [
        {"name": name, "description": layer.title, "data_type": "uint8", **value_fields(1.0, 0.0, 0, None)}
        for name, layer in zip(("red", "green", "blue"), shown, strict=False)
    ]
    assets = {
        "overview": {"roles": ["overview", "visual"], "title": "Overview in 8-bit colour", "bands": colours},
        "overview_count": {
            "roles": ["overview"],
            "title": "Mean number of valid observations",
            "bands": [{"name": "count", "data_type": "uint16"}],
        },
    }
    return {
        key: {"type": COG_TYPE, **asset, **place, "weft:pixel_sha256": digests[key]}
        for key, asset in assets.items()
        if key in digests
    }


def _picture(title: str, role: str) -> dict[str, Any]:
    return {"type": "image/png", "roles": [role], "title": title}
