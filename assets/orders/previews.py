"""What the materialisation of a stack shows beside its picture: how well each dataset fits, in figures and in motion.

Belongs here: turning a published stack into metadata. Not here: drawing (``weft.stacking``), or what every product
shows (``assets.previews``).
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.previews import describe
from assets.units import Unit
from resources.object_store import ObjectStore
from weft.rasters.quicklook import as_data_uri
from weft.stac import Item

MAX_DATASETS = 3
"""Datasets whose pictures are shown; the report has those of all. The event log keeps them for each run."""

_COLUMNS = {
    "dataset": "int",
    "id": "string",
    "status": "string",
    "method": "string",
    "model": "string",
    "points": "int",
    "inliers": "int",
    "rmse_before": "float",
    "rmse_after": "float",
    "ce90_before": "float",
    "ce90_after": "float",
    "coverage": "float",
    "reason": "string",
}


def describe_stack(unit: Unit, store: ObjectStore) -> dict[str, Any]:
    """Metadata of a unit that holds the stack of an order."""
    shown = describe(unit, store)
    for item in unit.items:
        facts = item["properties"]["weft:coregistration"]["datasets"]
        schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in _COLUMNS.items()])
        rows = [dg.TableRecord({name: one.get(name) for name in _COLUMNS}) for one in facts]
        shown |= {
            "registration": dg.MetadataValue.table(rows, schema=schema),
            "report": dg.MetadataValue.url(item["assets"]["report"]["href"]),
            **{
                kind: dg.MetadataValue.md(_pictures(item, kind, store))
                for kind in ("flicker", "quiver")
                if any(key.startswith(f"{kind}_") for key in item["assets"])
            },
        }
    return shown


def _pictures(item: Item, kind: str, store: ObjectStore) -> str:
    assets = [(key, asset) for key, asset in item["assets"].items() if key.startswith(f"{kind}_")]
    pictures = []
    for key, asset in assets[:MAX_DATASETS]:
        content = store.get(store.key_of(asset["href"]))
        pictures.append(f"{asset['title']}\n\n![{key}]({as_data_uri(content, asset['type'])})")
    return "\n\n".join(pictures)
