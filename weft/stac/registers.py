"""The register of a tile_track and period: which calibrated datasets belong to it, and which scenes were set aside.

Belongs here: :func:`register_item`; :func:`weft.stac.products.sources_of` gives the scenes back. Not here: the scenes
themselves (``calibrated``) or how they are combined (``products.stack_item``).

A scene that cannot be read has no item of its own, and items of scenes are shared by regions with other archives. So
what one region found in its archive is an item too, in the same collection, without assets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weft.periods import TimeWindow
from weft.rasters.grid import Grid
from weft.rasters.product import Rejected
from weft.stac import Item
from weft.stac.calibrated import COLLECTION
from weft.stac.parts import ItemRef, lineage_fields, make_item, period_fields, rejected_field


def register_item(
    *,
    item_id: str,
    scene_ids: Sequence[str],
    rejected: Sequence[Rejected],
    grid: Grid,
    window: TimeWindow,
    fingerprint: str,
    properties: Mapping[str, Any],
) -> Item:
    """Item of a register in ``calibrated-datasets``.

    Args:
        item_id: ``{region}_{period}_{tile_track}``.
        scene_ids: ids of the calibrated datasets.
        rejected: scenes that were set aside.
        grid: the tile's grid.
        window: the period.
        fingerprint: 64 hex digits.
        properties: ``weft:region``, ``weft:period`` and whatever else identifies the register.
    """
    sources = [ItemRef(COLLECTION, scene_id).href for scene_id in scene_ids]
    fields = {
        **period_fields(window),
        **lineage_fields(f"Register of {len(scene_ids)} calibrated scenes; {len(rejected)} were set aside."),
        "weft:fingerprint": fingerprint,
        "weft:register": True,
        "weft:rejected": rejected_field(rejected),
        # Never links: a register lists what exists, it is not derived from it.
        **({"weft:sources": sources} if sources else {}),
        **properties,
    }
    return make_item(COLLECTION, item_id, grid, fields, {})
