"""The levels of a region's tracks in one period, as an item.

Belongs here: :func:`levels_item`, its inverse :func:`levels_of`, and the field both write and mosaics repeat. Not here:
finding levels (``weft.mosaicking.levels``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from weft.errors import IntegrityError
from weft.mosaicking.levels import Fitted, Level, Levels
from weft.periods import TimeWindow
from weft.rasters.grid import Grid
from weft.stac import Item
from weft.stac.parts import ItemRef, lineage_fields, make_item, period_fields
from weft.stac.validation import validate

COLLECTION = "track-levels"


def levels_item(
    *,
    item_id: str,
    fitted: Fitted,
    sources: Sequence[ItemRef],
    grid: Grid,
    window: TimeWindow,
    fingerprint: str,
    properties: Mapping[str, Any],
) -> Item:
    """Item of the levels of all tracks; it has no pixels of its own.

    Args:
        item_id: ``{region}_{period}``.
        fitted: levels and what they rest on.
        sources: the orbit mosaics they were fitted to.
        grid: of the whole region.
        window: the period.
        fingerprint: 64 hex digits.
        properties: ``weft:region``, ``weft:period`` and whatever else identifies the item.
    """
    overlaps = len(fitted.comparisons)
    fields = {
        **period_fields(window),
        **lineage_fields(f"Levels of {len(fitted.levels)} tracks, fitted in {overlaps} overlaps of two tracks."),
        "weft:fingerprint": fingerprint,
        "weft:levels": levels_field(fitted.levels),
        "weft:overlaps": [
            {"tracks": list(tracks), "layers": {layer: asdict(one) for layer, one in sorted(layers.items())}}
            for tracks, layers in sorted(fitted.comparisons.items())
        ],
        "weft:sources": sorted(source.href for source in sources),
        **properties,
    }
    return make_item(COLLECTION, item_id, grid, fields, {})


def levels_field(levels: Levels) -> dict[str, dict[str, dict[str, float]]]:
    """``weft:levels``: track -> layer -> ``gain`` and ``offset``, the latter in stored units."""
    return {
        track: {layer: asdict(level) for layer, level in sorted(layers.items())}
        for track, layers in sorted(levels.items())
    }


def levels_of(item: Item) -> Levels:
    """The levels :func:`levels_item` made the item of, to the last digit.

    Raises:
        IntegrityError: the item is not valid or of another collection.
    """
    validate(item)
    if item["collection"] != COLLECTION:
        raise IntegrityError(f"{item['collection']}/{item['id']} holds no levels; look for them in {COLLECTION}")
    return {
        track: {layer: Level(float(level["gain"]), float(level["offset"])) for layer, level in layers.items()}
        for track, layers in item["properties"]["weft:levels"].items()
    }
