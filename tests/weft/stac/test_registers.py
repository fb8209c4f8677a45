"""Registers: which scenes belong to a tile_track and period, and which were set aside."""

from __future__ import annotations

import pytest

from weft.errors import IntegrityError
from weft.mosaicking.tiles import tile_grid
from weft.periods import window
from weft.rasters.product import Rejected
from weft.stac import Item
from weft.stac.products import sources_of
from weft.stac.registers import register_item
from weft.stac.validation import validate


def register(scene_ids: list[str], rejected: list[Rejected]) -> Item:
    return register_item(
        item_id="low-lands_2018-03_R051_31UES",
        scene_ids=scene_ids,
        rejected=rejected,
        grid=tile_grid("31UES"),
        window=window("glad-seasons", "2018-03"),
        fingerprint="0" * 64,
        properties={"weft:region": "low-lands", "weft:period": "2018-03", "weft:tile_track": "R051_31UES"},
    )


def test_it_gives_its_scenes_back_however_many() -> None:
    ids = [f"S2A_{number:03d}" for number in range(150)]
    item = register(ids, [])
    validate(item)
    assert [source.id for source in sources_of(item)] == ids


def test_scenes_that_were_set_aside_are_named_even_if_they_are_all_there_is() -> None:
    item = register([], [Rejected("bad one", "its id is no id")])
    validate(item)
    assert item["properties"]["weft:rejected"] == [{"id": "bad one", "reason": "its id is no id"}]
    assert sources_of(item) == []


def test_a_register_is_no_way_around_what_scenes_and_products_must_have() -> None:
    item = register(["S2A_001"], [])
    item["assets"] = {"red": {"href": "file:///elsewhere.tif"}}
    with pytest.raises(IntegrityError, match="assets"):
        validate(item)
    moved = register(["S2A_001"], [])
    moved["collection"] = "mosaics"
    with pytest.raises(IntegrityError):
        validate(moved)
