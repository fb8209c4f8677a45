"""Short-term compositing: rules by hand, every rule against the oracles, and what it refuses."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise, permutations
from typing import Any

import numba
import numpy as np
import pytest

from tests.oracles import s2gm as oracle
from tests.oracles import s2gm_blocks
from tests.weft.compositing.random_stacks import BANDS, Observed, observed
from weft.compositing import ShortTermThresholds, short_term
from weft.errors import RequestError

VEGETATION, BARE, WATER, SNOW, DARK, CLOUD = 4, 5, 6, 11, 2, 9

# One observation: class, cloud confidence, and reflectance of the bands that matter (others 1000).
One = tuple[int, int, dict[str, int]]


def choose(observations: list[One], **options: Any) -> int:
    stack = np.array([[one[2].get(band, 1000) for band in BANDS] for one in observations], np.uint16)[:, :, None, None]
    classes = np.array([one[0] for one in observations], np.uint8)[:, None, None]
    cloud = np.array([one[1] for one in observations], np.uint8)[:, None, None]
    return short_term(stack, np.ones(classes.shape, bool), BANDS, classes, cloud, **options).item()


def both(observations: list[One]) -> tuple[int, int]:
    return choose(observations, mode="literal"), choose(observations, mode="intended")


def ndvi(value: float) -> dict[str, int]:
    return {"nir": round(5000 * (1 + value)), "red": round(5000 * (1 - value))}


def test_classes_in_order_of_preference() -> None:
    order = [4, 11, 6, 2, 3, 7, 10, 8, 9, 1, 0]
    for better, worse in pairwise(order):
        # The better class wins though cloudier, wherever it stands.
        assert both([(better, 9, {}), (worse, 0, {})]) == (0, 0)
        assert both([(worse, 0, {}), (better, 9, {})]) == (1, 1)
    assert both([(5, 9, {}), (11, 0, {})]) == (0, 0)


@pytest.mark.parametrize(
    ("scl", "better", "worse"),
    [
        (BARE, {"blue": 500}, {}),
        (SNOW, {"green": 9000}, {}),
        (DARK, {"red": 1500}, {}),
        (3, {"red": 1500}, {}),
        (WATER, {"green": 2000}, {}),
        (WATER, {"swir22": 10}, {}),
        (7, {"blue": 900}, {}),
        (8, {"blue": 900}, {}),
        (CLOUD, {"blue": 900}, {}),
        (10, {"blue": 900}, {}),
        (1, {"blue": 900}, {}),
    ],
)
def test_within_a_class(scl: int, better: dict[str, int], worse: dict[str, int]) -> None:
    assert both([(scl, 0, better), (scl, 0, worse)]) == (0, 0)
    assert both([(scl, 0, worse), (scl, 0, better)]) == (1, 1)
    clouds_count = scl not in (1, 7, 8, 9, 10)
    assert both([(scl, 0, worse), (scl, 1, better)]) == ((0, 0) if clouds_count else (1, 1))


def test_no_data_keeps_the_first() -> None:
    assert both([(0, 1, {}), (0, 0, {"blue": 10})]) == (0, 0)


def test_vegetation_is_literally_the_last_and_meant_to_be_the_greenest() -> None:
    greens = [(VEGETATION, 0, ndvi(value)) for value in (0.5, 0.8, 0.3)]
    assert both(greens) == (2, 1)
    assert both(greens[::-1]) == (2, 1)
    assert both([greens[0], greens[0]]) == (0, 0)
    cloudier = (VEGETATION, 1, ndvi(0.9))
    assert both([greens[0], cloudier]) == (0, 0)
    assert both([cloudier, greens[0]]) == (1, 1)
    undefined = (VEGETATION, 0, {"nir": 0, "red": 0})
    assert both([undefined, greens[0]]) == (0, 1)
    assert both([greens[0], undefined]) == (0, 0)


def test_vegetation_against_bare_is_decided_by_brightness() -> None:
    bright, dark = {"blue": 2000}, {"blue": 200}
    assert both([(VEGETATION, 0, bright), (BARE, 0, dark)]) == (1, 1)
    assert both([(BARE, 0, dark), (VEGETATION, 0, bright)]) == (0, 0)
    assert both([(BARE, 0, bright), (VEGETATION, 0, dark)]) == (1, 1)
    assert both([(BARE, 0, bright), (VEGETATION, 0, bright)]) == (0, 0)


def test_a_clearer_one_beats_a_prettier_one_only_as_intended() -> None:
    assert both([(BARE, 5, {"blue": 500}), (BARE, 0, {})]) == (0, 1)


def test_water_is_literally_either_and_meant_to_be_the_wettest() -> None:
    wet, dark = (WATER, 0, {"green": 3000}), (WATER, 0, {"swir16": 10})
    assert both([wet, dark]) == (1, 0)
    assert both([dark, wet]) == (1, 1)


def test_only_the_literal_fold_depends_on_the_order() -> None:
    seen = observed(21, 4000, times=4)
    winners: dict[str, list[np.ndarray]] = {"literal": [], "intended": []}
    distinct = seen.stack.astype(np.uint64).sum(axis=1) * 1_000_003 + seen.stack[:, 0]  # tells observations apart
    for order in permutations(range(4)):
        taken = list(order)
        for mode, found in winners.items():
            index = short_term(
                seen.stack[taken], seen.valid[taken], BANDS, seen.classes[taken], seen.cloud[taken], mode=mode
            )
            merit = np.take_along_axis(distinct[taken], np.maximum(index, 0)[None].astype(int), 0)[0]
            found.append(np.where(index < 0, 0, merit))
    assert (np.array(winners["literal"]).min(axis=0) != np.array(winners["literal"]).max(axis=0)).mean() > 0.05
    # What is left are pixels of equal merit (all class 0, or equal in every criterion), where the first wins.
    tied = (np.array(winners["intended"]).min(axis=0) != np.array(winners["intended"]).max(axis=0))[0]
    no_data = ((seen.classes == 0) | ~seen.valid).all(axis=0)[0]
    assert (tied & ~no_data).mean() < 0.02


@pytest.mark.parametrize("mode", ["literal", "intended"])
def test_version_1_equals_the_oracles(mode: Any) -> None:
    seen = observed(22, 20_000)
    index = short_term(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud, mode=mode)
    assert index.dtype == np.int16
    bands, valid, classes, cloud = seen.flat()
    np.testing.assert_array_equal(
        index[0], getattr(s2gm_blocks, mode)(bands, valid, classes.astype(np.int64), cloud.astype(np.int64))
    )
    for p in range(600):
        found = oracle.pixel(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud, (0, p))
        assert index[0, p] == (getattr(oracle, mode)(found) if found else -1)


def snowy(seed: int, pixels: int) -> Observed:
    """Snow and near-snow under haze, and bands that have nothing to do with each other."""
    seen = observed(seed, pixels, times=3)
    rng = np.random.default_rng(seed)
    odd = np.exp(rng.uniform(np.log(50), np.log(40_000), seen.stack.shape))
    snow = rng.uniform(3000, 9000, seen.valid.shape)[:, None] * rng.uniform(0.9, 1.1, seen.stack.shape)
    snow[:, BANDS.index("swir16")] = rng.uniform(200, 2000, seen.valid.shape)
    stack = np.where(rng.random(pixels) < 0.5, odd, snow).astype(np.uint16)
    return Observed(stack, np.ones_like(seen.valid), seen.classes, seen.cloud)


def test_version_2_equals_the_oracles_in_every_rule() -> None:
    seen = observed(23, 60_000)
    index = short_term(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud, version=2)
    bands, valid, _, _ = seen.flat()
    expected, rules = s2gm_blocks.version2(bands, valid)
    np.testing.assert_array_equal(index[0], expected)
    assert np.bincount(rules, minlength=9).min() > 20
    assert ((expected < 0) & valid.any(axis=0)).sum() > 20
    picked = np.concatenate([np.flatnonzero(rules == rule)[:60] for rule in range(9)])
    for p in picked:
        found = oracle.pixel(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud, (0, p))
        assert (index[0, p], rules[p]) == (oracle.version2(found) if found else (-1, 0))


def test_version_2_equals_the_oracle_where_the_cloud_test_matters() -> None:
    seen = snowy(30, 400_000)
    index = short_term(seen.stack, seen.valid, BANDS, seen.classes, version=2)
    bands, valid, _, _ = seen.flat()
    np.testing.assert_array_equal(index[0], s2gm_blocks.version2(bands, valid)[0])


def test_snow_of_the_other_coding_is_a_threshold() -> None:
    seen = snowy(24, 2000)
    other = short_term(
        seen.stack, seen.valid, BANDS, seen.classes, version=2, thresholds=ShortTermThresholds(snow_mndwi=0.6)
    )
    standard = short_term(seen.stack, seen.valid, BANDS, seen.classes, version=2)
    assert (other != standard).any()
    for p in range(2000):
        found = oracle.pixel(seen.stack, seen.valid, BANDS, seen.classes, None, (0, p))
        assert standard[0, p] == oracle.version2(found)[0]
        assert other[0, p] == oracle.version2(found, snow_limit="0.6")[0]


def test_every_threshold_is_heard() -> None:
    seen = snowy(25, 200_000)
    standard = short_term(seen.stack, seen.valid, BANDS, seen.classes, version=2)
    for field in fields(ShortTermThresholds):
        results = [
            short_term(
                seen.stack, seen.valid, BANDS, seen.classes, version=2,
                thresholds=ShortTermThresholds(**{field.name: value}),
            )
            for value in (-3.0, 3.0)
        ]  # fmt: skip
        assert any((result != standard).any() for result in results), field.name


def test_version_2_exactly_on_a_threshold() -> None:
    # The darkest is hazy and its brightness is 0.36: 2786 * 7950 + 3029 * b + 5599 * n = 36 000 000 in units of 10^-8.
    dark = dict.fromkeys(BANDS, 0)
    blue, nir08 = next(
        (blue, nir08)
        for nir08 in range(3100)
        for blue, rest in [divmod(36_000_000 - 2786 * 7950 - 5599 * nir08, 3029)]
        if rest == 0
    )
    exact = dark | {"green": 7950, "nir": 1000, "blue": blue, "nir08": nir08}
    below = exact | {"nir08": nir08 - 1}
    green = dict.fromkeys(BANDS, 9000) | {"red": 8000}
    assert choose([(0, 0, below), (0, 0, green)], version=2) == 0  # no snow: rule 5
    assert choose([(0, 0, exact), (0, 0, green)], version=2) == 1  # snow: rule 8


def test_without_cloud_confidence_all_are_equal() -> None:
    seen = observed(26, 2000)
    for mode in ("literal", "intended"):
        none = short_term(seen.stack, seen.valid, BANDS, seen.classes, mode=mode)
        zero = short_term(seen.stack, seen.valid, BANDS, seen.classes, np.full_like(seen.cloud, 7), mode=mode)
        np.testing.assert_array_equal(none, zero)


@pytest.mark.parametrize("options", [{"mode": "literal"}, {"mode": "intended"}, {"version": 2}])
def test_threads_views_and_order_of_bands_change_nothing(options: dict[str, Any]) -> None:
    seen: Observed = observed(27, 5000)
    for layer in (seen.stack, seen.valid, seen.classes, seen.cloud):
        layer.flags.writeable = False
    whole = short_term(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud, **options)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = short_term(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud, **options)
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(alone, whole)
    turned = short_term(seen.stack[:, ::-1], seen.valid, BANDS[::-1], seen.classes, seen.cloud, **options)
    np.testing.assert_array_equal(turned, whole)
    cut = np.s_[..., 1234:3456]
    part = short_term(seen.stack[cut], seen.valid[cut], BANDS, seen.classes[cut], seen.cloud[cut], **options)
    np.testing.assert_array_equal(part, whole[cut])


def test_the_longest_stack() -> None:
    seen = observed(28, 300, times=255)
    bands, valid, classes, cloud = seen.flat()
    index = short_term(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud)
    expected = s2gm_blocks.intended(bands, valid, classes.astype(np.int64), cloud.astype(np.int64))
    np.testing.assert_array_equal(index[0], expected)
    second = short_term(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud, version=2)
    np.testing.assert_array_equal(second[0], s2gm_blocks.version2(bands, valid)[0])


def test_nothing_valid_and_nothing_at_all() -> None:
    for shape in ((0, 8, 3, 4), (3, 8, 3, 4), (3, 8, 0, 4)):
        mask = np.zeros((shape[0], *shape[2:]), bool)
        for version in (1, 2):
            index = short_term(
                np.ones(shape, np.uint16), mask, BANDS, np.full(mask.shape, 255, np.uint8), version=version
            )
            assert index.shape == shape[2:]
            assert (index == -1).all()


STACK, VALID, CLASSES = np.ones((3, 8, 4, 5), np.uint16), np.ones((3, 4, 5), bool), np.full((3, 4, 5), 4, np.uint8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stack": STACK.astype(np.float32)}, "uint16 reflectance x 10000, got float32"),
        ({"stack": np.ones((256, 8, 1, 1), np.uint16), "valid": np.ones((256, 1, 1), bool)}, "at most 255"),
        ({"valid": VALID[:, :3]}, "validity of a stack"),
        ({"bands": BANDS[:7]}, "has 8 bands, got the names"),
        ({"bands": ("azure", *BANDS[1:])}, r"unknown or repeated bands \['azure'\]"),
        ({"bands": ("red", *BANDS[1:])}, "unknown or repeated bands"),
        ({"bands": ("coastal", *BANDS[1:])}, r"short-term version 1 needs the bands \['blue'\]"),
        ({"bands": (*BANDS[:5], "nir09", *BANDS[6:]), "version": 2}, r"version 2 needs the bands \['nir08'\]"),
        ({"classes": CLASSES[:2]}, r"scene classes are uint8 of shape \(3, 4, 5\), got uint8 of shape \(2, 4, 5\)"),
        ({"classes": CLASSES.astype(int)}, "scene classes are uint8 .* got int64"),
        ({"cloud_confidence": CLASSES[..., :2]}, "cloud confidence are uint8"),
        ({"classes": CLASSES + 8}, "a valid pixel has 12"),
        ({"version": 0}, "versions 1 and 2"),
        ({"mode": "fair"}, "'literal' or 'intended'"),
    ],
)
def test_bad_input_is_named(changes: dict[str, Any], message: str) -> None:
    arguments = {"stack": STACK, "valid": VALID, "bands": BANDS, "classes": CLASSES} | changes
    with pytest.raises(RequestError, match=message):
        short_term(**arguments)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_threshold_is_finite(value: float) -> None:
    with pytest.raises(RequestError, match="threshold dense_ndvi is a finite number"):
        ShortTermThresholds(dense_ndvi=value)
