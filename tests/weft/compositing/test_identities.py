"""Product identities with the decision each must get: which offset, whose observation, replaced or refused.

The table is ``identities.csv``; ``product_items`` says what its columns mean up to ``says``. The expectations follow
them and were written by hand and rule of thumb, never with the code under test: the track and tile the product belongs
to, the reflectance offset, and one of

* ``observation``: ``2.1`` is the first granule looked at in the second observation of that track and tile;
* ``by``: the id of the product that replaces it;
* ``reason``: what the refusal must say.

Products named in issue threads of the archives, and their datastrips, are among the rows: ``13SDV`` and ``50HMH`` (the
datastrip's start outlives reprocessing, the item's datetime moves by four minutes), ``50HMH`` of 2019-11-23, ``37MEU``
and ``48SXG`` (two datastrips), ``30SUF`` (sequence numbers 0 and 1 of one granule), ``17NQA`` (the older baseline was
made later), ``56LQM`` (midnight). Neighbours of theirs are made alike.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.weft.compositing.product_items import Row, item
from weft.compositing.observations import Plan, plan
from weft.errors import SceneRejected
from weft.scenes.scene import Scene
from weft.scenes.sentinel2 import scene_of

with (Path(__file__).parent / "identities.csv").open(newline="") as file:
    ROWS: list[Row] = list(csv.DictReader(file))
CASES = {case: list(rows) for case, rows in groupby(ROWS, key=lambda row: row["case"])}
BANDS = ("blue", "nir")


def decide(rows: list[Row]) -> tuple[dict[str, Scene], dict[str, Plan], dict[str, str]]:
    """The rows' scenes by id, the plan of every track and tile, and the reasons of what is no scene."""
    scenes: dict[str, Scene] = {}
    refused: dict[str, str] = {}
    for row in rows:
        try:
            scenes[row["id"]] = scene_of(item(row))
        except SceneRejected as error:
            refused[row["id"]] = error.reason
    by_place: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes.values():
        by_place[f"{scene.track}_{scene.tile}"].append(scene)
    return scenes, {place: plan(members, BANDS) for place, members in by_place.items()}, refused


def decisions(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """What became of every product, in the words of the table."""
    scenes, plans, refused = decide(rows)
    found: dict[str, dict[str, Any]] = {scene_id: {"reason": reason} for scene_id, reason in refused.items()}
    for place, planned in plans.items():
        for number, observation in enumerate(planned.observations, start=1):
            for rank, scene_id in enumerate(observation.scene_ids, start=1):
                found[scene_id] = {"tile_track": place, "observation": f"{number}.{rank}"}
        found |= {one.scene_id: {"tile_track": place, "by": one.by} for one in planned.superseded}
        found |= {one.scene_id: {"reason": one.reason} for one in planned.rejected}
    for scene_id, scene in scenes.items():
        if "blue" in scene.bands:
            found[scene_id]["offset"] = scene.bands["blue"].offset
    return found


def assert_decided(row: Row, found: dict[str, Any]) -> None:
    if row["reason"]:
        assert row["reason"] in found.get("reason", ""), (row, found)
    else:
        wanted = {key: row[key] for key in ("tile_track", "observation", "by") if row[key]}
        assert {key: value for key, value in found.items() if key != "offset"} == wanted, row
    assert found.get("offset") == (float(row["offset"]) if row["offset"] else None), (row, found)


def test_the_table_is_wide_enough() -> None:
    assert len(ROWS) >= 200
    assert sum(len(rows) for rows in CASES.values()) == len(ROWS), "the rows of a case stand together"
    assert all(sum(map(bool, (row["observation"], row["by"], row["reason"]))) == 1 for row in ROWS)
    assert {row["satellite"] for row in ROWS} == set("ABC")
    assert {row["baseline"][:2] for row in ROWS} >= {"02", "03", "04", "05"}
    assert {row["dialect"] for row in ROWS} == {"es-v0", "es-v1", "es-c1", "pc", "stactools", "stac11"}
    assert len({row["station"] for row in ROWS}) > 10


@pytest.mark.parametrize("case", CASES)
def test_decision(case: str) -> None:
    rows = CASES[case]
    found = decisions(rows)
    assert found.keys() == {row["id"] for row in rows}, "every product has a decision"
    for row in rows:
        assert_decided(row, found[row["id"]])
    for seed in range(3):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert decisions(shuffled) == found, "the order in which an archive lists them decides nothing"
