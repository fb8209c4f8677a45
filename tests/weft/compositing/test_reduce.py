"""Every method through the whole engine: against the brute-force oracle, and the same bytes however it is cut."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.oracles import composite as oracle
from tests.weft.compositing.tiles import BANDS, SHAPE, digests, full_scene, make, nearest, pixels_of, recipe
from weft.composite_settings import Composite
from weft.compositing import geomedian
from weft.compositing.reduce import Block, reduce_block
from weft.scenes.scene import Scene

ALL = ("s2gm", "s2gm_v1", "medoid", "short_term", "max_ndvi", "first_valid", "mean", "percentiles")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("full")
    return [full_scene(folder, number) for number in range(8)]


def observed(scenes: list[Scene]) -> dict[str, object]:
    """What the oracle takes: newest first."""
    stack, valid, classes, clouds, days = [], [], [], [], []
    for scene in sorted(scenes, key=lambda scene: scene.acquired, reverse=True):
        bands = {band: oracle.read(one.href, one.band, SHAPE) for band, one in scene.bands.items()}
        scl = oracle.read(scene.classes.layer.href, 1, SHAPE)
        values, seen = oracle.observation(bands, scl, 0.0, range(1, 12))
        stack.append(values)
        valid.append(seen)
        classes.append(scl)
        if "cloud_confidence" in scene.quality:
            clouds.append(nearest(scene.quality["cloud_confidence"]))
        days.append((scene.acquired.date() - date(1970, 1, 1)).days)
    return {
        "stack": np.stack(stack),
        "valid": np.stack(valid),
        "classes": np.stack(classes),
        "clouds": np.stack(clouds) if len(clouds) == len(scenes) else None,
        "days": days,
    }


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"short_term": {"mode": "literal"}, "medoid_min": 6}, {"variant": "literal", "medoid_min": 6}),
        ({}, {"variant": "intended"}),
        (
            {"short_term": {"version": 2}, "percentile_method": "nearest", "percentile_min": 3},
            {"variant": "version2", "nearest": True, "percentile_min": 3},
        ),
    ],
    ids=["literal", "intended", "version 2"],
)
def test_every_pixel_of_every_method_equals_the_oracle(
    scenes: list[Scene], tmp_path: Path, settings: dict[str, object], told: dict[str, object]
) -> None:
    found = pixels_of(make(scenes, recipe(methods=ALL, percentiles=(10, 50), **settings), tmp_path))
    seen = observed(scenes)
    expected = oracle.composite(
        seen.pop("stack"), seen.pop("valid"), list(BANDS), (10, 50), methods=ALL, **seen, **told
    )
    assert set(found) == set(expected)
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values, err_msg=key)
    assert {0, 1, 2, 3, 7} <= set(np.unique(found["count"])), "every choice of s2gm must occur"


def test_cloud_confidence_counts_only_if_every_scene_has_it(scenes: list[Scene], tmp_path: Path) -> None:
    some = [*scenes[:5], full_scene(tmp_path / "without", 5, confidence=False)]
    wanted = recipe(methods=("short_term",), short_term={"mode": "intended"})
    seen = observed(some)
    assert seen["clouds"] is None
    expected = oracle.composite(seen.pop("stack"), seen.pop("valid"), list(BANDS), (), methods=("short_term",), **seen)
    np.testing.assert_array_equal(
        pixels_of(make(some, wanted, tmp_path / "a"))["source_index"], expected["source_index"]
    )
    with_it, without = observed(scenes[:5]), observed(scenes[:5]) | {"clouds": None}
    a, b = (
        oracle.composite(one.pop("stack"), one.pop("valid"), list(BANDS), (), methods=("short_term",), **one)
        for one in (with_it, without)
    )
    assert (a["source_index"] != b["source_index"]).any(), "confidence must matter, or this tests nothing"


WHOLE = recipe(
    methods=ALL, layers="all", short_term={"mode": "literal"}, percentiles=(10, 50), medoid_min=4
)  # fmt: skip


@pytest.fixture(scope="module")
def reference(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return digests(make(scenes, WHOLE, tmp_path_factory.mktemp("reference")))


@pytest.mark.parametrize(
    ("threads", "block"), [(1, (4, 4)), (2, (7, 24)), (4, (20, 5)), (8, (16, 16)), (1, (2048, 2048))]
)
def test_same_bytes_of_all_methods_for_any_threads_blocks_and_order(
    scenes: list[Scene], reference: dict[str, str], tmp_path: Path, threads: int, block: tuple[int, int]
) -> None:
    shuffled = scenes.copy()
    random.Random(threads + block[0]).shuffle(shuffled)
    assert digests(make(shuffled, WHOLE, tmp_path, threads=threads, block=block)) == reference


def test_the_order_of_the_observations_given_does_not_matter(
    scenes: list[Scene], reference: dict[str, str], tmp_path: Path
) -> None:
    from weft.compositing.composite import composite
    from weft.compositing.observations import plan

    planned = list(plan(scenes, BANDS).observations)
    random.Random(1).shuffle(planned)
    outcome = composite(planned, WHOLE, tmp_path, lambda href: href)
    assert digests(outcome) == reference
    assert [one.acquired for one in outcome.observations] == sorted((s.acquired for s in scenes), reverse=True)


def test_v1_is_the_published_script_whatever_the_settings(scenes: list[Scene], tmp_path: Path) -> None:
    told = pixels_of(make(scenes, recipe(methods=("s2gm_v1",)), tmp_path / "a"))
    by_hand = recipe(methods=("s2gm",), medoid_min=4, short_term={"version": 1, "mode": "literal"})
    spelled_out = pixels_of(make(scenes, by_hand, tmp_path / "b"))
    for band in BANDS:
        np.testing.assert_array_equal(told[f"{band}_s2gm_v1"], spelled_out[f"{band}_s2gm"])


def test_geomedian_with_its_deviations(scenes: list[Scene]) -> None:
    pytest.importorskip("geomad")
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 5000, (6, 11, 4, 5)).astype(np.uint16)
    valid = rng.random((6, 4, 5)) < 0.5
    valid[:, 0, 0] = False
    found = reduce_block(Block(stack, valid), recipe(methods=("geomedian",)), range(6))
    expected = geomedian(stack, valid)
    for position, band in enumerate(BANDS):
        stored = np.maximum(np.floor(np.nan_to_num(expected.median[position]).astype(np.float64) + 0.5), 1)
        np.testing.assert_array_equal(found.layers[f"{band}_geomedian"], np.where(valid.any(0), stored, 0))
    np.testing.assert_array_equal(found.layers["geomedian_smad"], expected.smad)
    np.testing.assert_array_equal(found.layers["geomedian_emad"], expected.emad * np.float32(0.0001))
    np.testing.assert_array_equal(found.layers["geomedian_bcmad"], expected.bcmad)
    assert found.winner is None


def test_a_true_zero_is_stored_as_one_by_every_method() -> None:
    stack, valid = np.zeros((3, 11, 1, 2), np.uint16), np.array([[[True, False]]] * 3)
    wanted = recipe(methods=ALL, percentiles=(50,))
    classes = np.full((3, 1, 2), 4, np.uint8)
    found = reduce_block(Block(stack, valid, classes), wanted, [100, 90, 80]).layers
    for method in (*(one for one in ALL if one != "percentiles"), "p50"):
        assert found[f"nir_{method}"].tolist() == [[1, 0]], method
    assert found["observation_date"].tolist() == [[100, 0]]
    assert found["source_index"].tolist() == [[0, -1]]


def test_the_spread_in_steps_is_filled_where_there_is_no_medoid() -> None:
    stack = np.zeros((2, 11, 1, 3), np.uint16)
    stack[1] = 65535
    stack[1, 1:, 0, 0] = 0
    stack[1, 0, 0, 0] = 5
    valid = np.array([[[True, True, False]], [[True, True, False]]])
    found = reduce_block(Block(stack, valid), recipe(methods=("medoid",), layers=("medoid_mos",)), [1, 0]).layers
    assert found["medoid_mos"].tolist() == [[3, 65534, 65535]], "2.5 rounds up, what is too large stays below the fill"
    settings = Composite(methods=("s2gm", "medoid"), layers="all")
    assert "medoid_mos" in settings.extra_layers
