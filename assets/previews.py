"""What a materialisation shows in the Dagster UI: picture, statistics, links and counts, all from the published items.

Belongs here: turning items into metadata. Not here: drawing (``weft.rasters.quicklook``). An unchanged partition shows
the same as a new one, because both read what was published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import dagster as dg

from assets.shelf import rejected_of
from assets.units import Unit
from resources.object_store import ObjectStore
from weft.mosaicking.gaps import CLASSES
from weft.rasters.quicklook import GAPS, as_data_uri
from weft.stac import Item
from weft.stac.parts import rejected_field

MAX_PICTURES = 9
_PICTURES = ("thumbnail", "gaps")
_COUNTS = ("duplicates_collapsed", "granules_merged")
_STATISTICS = ("minimum", "maximum", "mean", "stddev", "valid_percent")


def describe(unit: Unit, store: ObjectStore) -> dict[str, Any]:
    """Metadata of one unit: which items it holds, which scenes they do without, and for rasters what they look like."""
    rasters = [item for item in unit.items if "thumbnail" in item["assets"]]
    return {
        "items": dg.MetadataValue.json([f"{item['collection']}/{item['id']}" for item in unit.items]),
        "rejected": dg.MetadataValue.json(_rejected(unit)),
        **_counts(unit.items),
        **(_pictured(rasters, store) if rasters else {}),
    }


def _rejected(unit: Unit) -> list[dict[str, str]]:
    found = [scene for item in unit.items for scene in rejected_of(item)]
    found += [scene for nothing in unit.missing for scene in nothing.rejected]
    return rejected_field(sorted({scene.scene_id: scene for scene in found}.values(), key=lambda one: one.scene_id))


def _counts(items: Sequence[Item]) -> dict[str, int]:
    return {
        name: sum(item["properties"][f"weft:{name}"] for item in items)
        for name in _COUNTS
        if items and all(f"weft:{name}" in item["properties"] for item in items)
    }


def _pictured(items: Sequence[Item], store: ObjectStore) -> dict[str, Any]:
    kinds = {"item": "string", "layer": "string", **dict.fromkeys(_STATISTICS, "float")}
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in kinds.items()])
    hrefs = {item["id"]: {key: asset["href"] for key, asset in item["assets"].items()} for item in items}
    return {
        "picture": dg.MetadataValue.md("\n\n".join(_picture(item, store) for item in items[:MAX_PICTURES])),
        "statistics": dg.MetadataValue.table([row for item in items for row in _rows(item)], schema=schema),
        "links": dg.MetadataValue.json(hrefs),
        "folder": _folder(items[0]),
        **_gaps([item for item in items if "weft:gaps" in item["properties"]]),
    }


def _picture(item: Item, store: ObjectStore) -> str:
    pictures = [
        f"![{item['id']} {key}]({as_data_uri(store.get(store.key_of(item['assets'][key]['href'])))})"
        for key in _PICTURES
        if key in item["assets"]
    ]
    return f"{item['id']}\n\n{' '.join(pictures)}{_legend(item)}"


def _legend(item: Item) -> str:
    shares = item["properties"].get("weft:gaps")
    if not shares:
        return ""
    colours = (colour for _, colour in GAPS.stops)
    classes = zip(shares.items(), colours, strict=True)
    named = [f'<span style="color:{colour}">&#9632;</span> {name}: {share:.2f} %' for (name, share), colour in classes]
    return f"\n\nobservations {', '.join(named)}"


def _gaps(items: Sequence[Item]) -> dict[str, Any]:
    """How often pixels were observed in percent of each sheet, how much was to be expected, and its seams."""
    if not items:
        return {}
    columns = {"item": "string", **dict.fromkeys((*CLASSES, "expected"), "float")}
    rows = []
    for item in items:
        shares = {**item["properties"]["weft:gaps"], "expected": item["properties"]["weft:expected"]}
        rows.append(dg.TableRecord({"item": item["id"], **{name: round(share, 4) for name, share in shares.items()}}))
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])
    return {
        "gaps": dg.MetadataValue.table(rows, schema=schema),
        "seams": dg.MetadataValue.json({item["id"]: item["properties"]["weft:seams"] for item in items}),
    }


def _rows(item: Item) -> Iterator[dg.TableRecord]:
    for key, asset in item["assets"].items():
        for found in [band["statistics"] for band in asset.get("bands", ()) if "statistics" in band]:
            # Dagster wants the same fields in every row; a layer without a valid pixel has only its share of them.
            numbers = {name: float(f"{found[name]:.6g}") if name in found else None for name in _STATISTICS}
            yield dg.TableRecord({"item": item["id"], "layer": key, **numbers})


def _folder(item: Item) -> dg.MetadataValue:
    href = item["assets"]["thumbnail"]["href"].rpartition("/")[0]
    parts = urlsplit(href)
    return dg.MetadataValue.path(unquote(parts.path)) if parts.scheme == "file" else dg.MetadataValue.url(href)
