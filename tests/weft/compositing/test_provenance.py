"""Layers of the observation each pixel comes from: read from the right scene, stored as documented, never invented."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.weft.compositing.tiles import SHAPE, digests, full_scene, layer, make, nearest, pixels_of, recipe
from weft.composite_settings import EXTRA_LAYERS
from weft.compositing.layers import EXTRA
from weft.scenes.scene import Scene

SOURCES = {
    "quality_aot": lambda scene: (scene.quality.get("aot"), 0.0001),
    "quality_cloud_confidence": lambda scene: (scene.quality.get("cloud_confidence"), 1),
    "quality_snow_confidence": lambda scene: (scene.quality.get("snow_confidence"), 1),
    "quality_scene_classification": lambda scene: (scene.classes.layer, 1),
    "view_zenith_mean": lambda scene: (scene.angles.get("view_zenith"), 0.01),
    "view_azimuth_mean": lambda scene: (scene.angles.get("view_azimuth"), 0.01),
    "sun_zenith": lambda scene: (scene.angles.get("sun_zenith"), 0.01),
    "sun_azimuth": lambda scene: (scene.angles.get("sun_azimuth"), 0.01),
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("full")
    return [full_scene(folder, number, confidence=number != 2) for number in range(4)]


@pytest.mark.parametrize("method", ["s2gm", "medoid", "short_term", "max_ndvi", "first_valid"])
def test_every_layer_is_that_of_the_selected_observation(scenes: list[Scene], tmp_path: Path, method: str) -> None:
    outcome = make(scenes, recipe(methods=("percentiles", method), layers="all"), tmp_path)
    found = pixels_of(outcome)
    newest_first = {one.scene_ids[0]: place for place, one in enumerate(outcome.observations)}
    for key, source in SOURCES.items():
        expected = np.full(SHAPE, EXTRA[key].nodata)
        for scene in scenes:
            one, step = source(scene)
            if one is not None:
                values = np.floor(nearest(one) * one.scale / step + 0.5)
                expected = np.where(found["source_index"] == newest_first[scene.id], values, expected)
        np.testing.assert_array_equal(found[key], expected, err_msg=key)
    np.testing.assert_array_equal(found["valid_obs"], found["count"])
    assert outcome.layers_left_out == ()
    lacking = found["source_index"] == newest_first[scenes[2].id]
    assert lacking.any()
    assert (found["quality_cloud_confidence"][lacking] == 255).all(), "a scene without the layer leaves the fill"
    assert (found["quality_aot"][lacking] != 65535).all()


def test_types_scales_and_fills_are_those_of_the_mosaic_service(scenes: list[Scene], tmp_path: Path) -> None:
    outcome = make(scenes, recipe(methods=("s2gm",), layers="all"), tmp_path)
    stored = {
        file.layer.key: (file.layer.dtype, round(1 / file.layer.scale), file.layer.nodata)
        for file in outcome.product.files
        if file.layer.band is None
    }
    assert stored == {
        "source_index": ("int16", 1, -1),
        "observation_date": ("uint16", 1, 0),
        "quality_aot": ("uint16", 10000, 65535),
        "quality_cloud_confidence": ("uint8", 1, 255),
        "quality_snow_confidence": ("uint8", 1, 255),
        "quality_scene_classification": ("uint8", 1, 0),
        "view_zenith_mean": ("uint16", 100, 32768),
        "view_azimuth_mean": ("uint16", 100, 32768),
        "sun_zenith": ("uint16", 100, 32768),
        "sun_azimuth": ("uint16", 100, 32768),
        "valid_obs": ("uint8", 1, None),
        "medoid_mos": ("uint16", 10000, 65535),
        "count": ("uint16", 1, None),
    }
    reflectances = [file.layer for file in outcome.product.files if file.layer.band]
    assert len(reflectances) == 11
    assert {(one.dtype, one.scale, one.nodata) for one in reflectances} == {("uint16", 0.0001, 0)}
    assert set(EXTRA) == set(EXTRA_LAYERS)


def test_a_layer_no_scene_has_is_left_out_and_named(scenes: list[Scene], tmp_path: Path) -> None:
    poor = [replace(scene, angles={"sun_zenith": scene.angles["sun_zenith"]}, quality={}) for scene in scenes]
    outcome = make(
        poor, recipe(methods=("medoid",), layers=("quality_aot", "sun_zenith", "view_zenith_mean")), tmp_path
    )
    assert outcome.layers_left_out == ("quality_aot", "view_zenith_mean")
    keys = set(digests(outcome))
    assert "sun_zenith" in keys
    assert not keys & {"quality_aot", "view_zenith_mean"}
    everything = make(poor, recipe(methods=("medoid",), layers="all"), tmp_path / "all")
    assert len(everything.layers_left_out) == 6


def test_the_layers_follow_the_first_method_that_selects(scenes: list[Scene], tmp_path: Path) -> None:
    asked = recipe(methods=("mean", "first_valid", "medoid"), layers=("quality_aot",))
    first = pixels_of(make(scenes, asked, tmp_path / "a"))
    alone = pixels_of(make(scenes, recipe(methods=("first_valid",), layers=("quality_aot",)), tmp_path / "b"))
    for key in ("source_index", "observation_date", "quality_aot"):
        np.testing.assert_array_equal(first[key], alone[key])


def test_granules_of_one_pass_give_their_own_layers(tmp_path: Path) -> None:
    one = full_scene(tmp_path, 1)
    same = {"datatake": one.datatake, "acquired": one.acquired, "processed": one.processed}
    two = replace(full_scene(tmp_path / "b", 2), segment="later", **same)
    outcome = make([one, two], recipe(methods=("first_valid",), layers=("quality_aot",)), tmp_path / "out")
    (observation,) = outcome.observations
    assert observation.scene_ids == (one.id, two.id)
    found = pixels_of(outcome)
    alone = pixels_of(make([one], recipe(methods=("first_valid",)), tmp_path / "alone"))["count"] > 0
    of_two = (found["count"] > 0) & ~alone
    assert alone.any()
    assert of_two.any()
    for mask, scene in ((alone, one), (of_two, two)):
        np.testing.assert_array_equal(found["quality_aot"][mask], nearest(scene.quality["aot"])[mask] * 10)


def test_a_value_that_would_read_as_fill_is_pushed_aside_and_missing_ones_are_fill(tmp_path: Path) -> None:
    scene = full_scene(tmp_path, 1)
    azimuth = np.full((4, 5), 32768, np.uint16)
    azimuth[2:] = 65535
    scene = replace(
        scene,
        angles={"view_azimuth": layer(tmp_path, "az", azimuth, 50, scale=0.01, nodata=65535)},
        quality={"aot": layer(tmp_path, "high", np.full((10, 12), 60000, np.uint16), 20, scale=0.001)},
    )
    asked = recipe(methods=("first_valid",), layers=("view_azimuth_mean", "quality_aot"))
    found = pixels_of(make([scene], asked, tmp_path / "out"))
    seen = found["count"] > 0
    assert set(np.unique(found["view_azimuth_mean"][:10][seen[:10]])) == {32767}
    assert set(np.unique(found["view_azimuth_mean"][10:])) == {32768}
    assert set(np.unique(found["quality_aot"][seen])) == {65534}
