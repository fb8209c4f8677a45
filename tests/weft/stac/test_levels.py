"""Levels of tracks as an item: what is written is read back to the last digit, and cannot be incomplete."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from weft.errors import IntegrityError
from weft.mosaicking.levels import Comparison, Fitted, Level
from weft.periods import window
from weft.rasters.grid import Grid
from weft.stac import Item
from weft.stac.levels import levels_field, levels_item, levels_of
from weft.stac.parts import ItemRef
from weft.stac.products import sources_of
from weft.stac.validation import validate

LEVELS = {
    "R051": {"red_p50": Level(1 + 3 / 65536, -7 / 256), "blue_p50": Level(0.9375, 12.5)},
    "R008": {"red_p50": Level(1.0, 0.0), "blue_p50": Level(1.0625, -0.00390625)},
}
FITTED = Fitted(LEVELS, {("R008", "R051"): {"red_p50": Comparison("offset", 40.25, -0.5)}})
SOURCES = [ItemRef("orbit-mosaics", f"low-lands_2018-03_{track}_100kmE39N31") for track in ("R051", "R008")]


def item_of(fitted: Fitted = FITTED) -> Item:
    return levels_item(
        item_id="low-lands_2018-03",
        fitted=fitted,
        sources=SOURCES,
        grid=Grid("EPSG:3035", 3_900_000, 3_200_000, 100, 100, 1000, 1000),
        window=window("glad-seasons", "2018-03"),
        fingerprint="0" * 64,
        properties={"weft:region": "low-lands", "weft:period": "2018-03"},
    )


def test_levels_come_back_from_json_to_the_last_digit() -> None:
    item = json.loads(json.dumps(item_of()))
    validate(item)
    assert levels_of(item) == LEVELS
    assert item["properties"]["weft:levels"] == levels_field(LEVELS)
    assert [source.id for source in sources_of(item)] == sorted(source.id for source in SOURCES)
    (overlap,) = item["properties"]["weft:overlaps"]
    assert overlap == {"tracks": ["R008", "R051"], "layers": {"red_p50": asdict(Comparison("offset", 40.25, -0.5))}}


def test_an_item_without_levels_or_of_another_kind_is_refused() -> None:
    for name in ("weft:levels", "weft:overlaps", "weft:sources"):
        item = item_of()
        del item["properties"][name]
        with pytest.raises(IntegrityError, match=name):
            levels_of(item)
    negative = item_of(Fitted({"R008": {"red_p50": Level(-1.0, 0.0)}}, {}))
    with pytest.raises(IntegrityError, match="-1"):
        levels_of(negative)
    moved = item_of() | {"collection": "coregistered-stacks"}
    with pytest.raises(IntegrityError):
        levels_of(moved)
