from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.scenes import BANDS, GRID, make_scene
from weft.compositing.observations import plan
from weft.errors import RequestError
from weft.scenes.scene import Scene


@pytest.fixture
def scenes(tmp_path: Path) -> list[Scene]:
    return [make_scene(tmp_path, number) for number in range(4)]


def test_scenes_become_observations_in_time_order(scenes: list[Scene]) -> None:
    shuffled = scenes.copy()
    random.Random(1).shuffle(shuffled)
    assert plan(shuffled, BANDS) == plan(scenes, BANDS)
    assert [one.scene_ids for one in plan(shuffled, BANDS).observations] == [(scene.id,) for scene in scenes]
    assert plan(scenes, BANDS).grid == GRID


def test_the_newest_processing_of_a_granule_wins(scenes: list[Scene]) -> None:
    old = scenes[1]
    new = replace(old, id="reprocessed", baseline="05.00", processed=old.processed + timedelta(days=900))
    result = plan([new, *scenes], BANDS)
    assert result.duplicates_collapsed == 1
    assert [(one.scene_id, one.by) for one in result.superseded] == [(old.id, "reprocessed")]
    assert [one.scene_ids for one in result.observations][1] == ("reprocessed",)


def test_a_version_without_processing_time_loses(scenes: list[Scene]) -> None:
    undated = replace(scenes[0], id="zzz", processed=None)
    assert plan([undated, *scenes], BANDS).superseded[0].scene_id == "zzz"


def test_granules_of_one_datatake_are_one_observation(scenes: list[Scene]) -> None:
    late = replace(scenes[2], id="second-half", segment=scenes[2].segment + "Z")
    result = plan([late, *scenes], BANDS)
    assert result.granules_merged == 1
    assert result.duplicates_collapsed == 0
    assert result.observations[2].scene_ids == (scenes[2].id, "second-half")


def test_the_other_satellite_on_the_same_day_is_another_observation(scenes: list[Scene]) -> None:
    other = replace(scenes[0], id="other", platform="sentinel-2b", datatake="GS2B_20180401T105100")
    assert len(plan([other, *scenes], BANDS).observations) == 5


def test_a_scene_on_another_grid_is_set_aside(scenes: list[Scene]) -> None:
    moved = replace(scenes[0], geolocation=replace(GRID, crs="EPSG:32632"))
    result = plan([moved, *scenes[1:]], BANDS)
    assert len(result.observations) == 3
    assert result.rejected[0].scene_id == moved.id
    assert "EPSG:32632" in result.rejected[0].reason
    assert "EPSG:32631" in result.rejected[0].reason


def test_a_scene_without_a_band_is_set_aside_but_a_band_nobody_has_is_an_error(scenes: list[Scene]) -> None:
    poor = replace(scenes[0], bands={band: layer for band, layer in scenes[0].bands.items() if band != "nir"})
    result = plan([poor, *scenes[1:]], BANDS)
    assert result.rejected[0].scene_id == poor.id
    assert "nir" in result.rejected[0].reason
    with pytest.raises(RequestError, match=r"coastal is in none of the 4 scenes .* take it out"):
        plan(scenes, ("blue", "coastal"))


def test_a_scene_without_classes_is_set_aside(scenes: list[Scene]) -> None:
    assert "classification" in plan([replace(scenes[0], classes=None), *scenes[1:]], BANDS).rejected[0].reason


def test_no_scenes_give_an_empty_plan() -> None:
    empty = plan([], BANDS)
    assert empty.grid is None
    assert empty.observations == ()
