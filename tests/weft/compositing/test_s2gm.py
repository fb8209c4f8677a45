"""The S2GM choice against a plain oracle, and against a vectorised one on a million stacks."""

from __future__ import annotations

import sys
from typing import Any

import numba
import numpy as np
import pytest

from tests.oracles import compositing_kernels, s2gm_blocks
from tests.oracles import s2gm as oracle
from tests.weft.compositing.random_stacks import BANDS, Observed, observed
from weft.compositing import Method, s2gm
from weft.errors import RequestError

VARIANTS: dict[str, dict[str, Any]] = {
    "literal": {"version": 1, "mode": "literal"},
    "intended": {"version": 1, "mode": "intended"},
    "version2": {"version": 2},
}
MEDOID = [BANDS.index(band) for band in oracle.MEDOID]

Layers = tuple[np.ndarray, np.ndarray, np.ndarray]


def by_blocks(seen: Observed, medoid_min: int) -> dict[str, Layers]:
    """Index, method and spread of every variant."""
    bands, valid, classes, cloud = seen.flat()
    central, spread = compositing_kernels.medoid_pairwise(seen.stack[:, MEDOID], seen.valid)
    count = valid.sum(axis=0)
    best = {
        "literal": s2gm_blocks.literal(bands, valid, classes.astype(np.int64), cloud.astype(np.int64)),
        "intended": s2gm_blocks.intended(bands, valid, classes.astype(np.int64), cloud.astype(np.int64)),
        "version2": s2gm_blocks.version2(bands, valid)[0],
    }
    out = {}
    for variant, short in best.items():
        index = np.select([count == 0, count == 1, count < medoid_min], [-1, valid.argmax(axis=0), short], central[0])
        method = np.select([index < 0, count == 1, count < medoid_min], [0, 1, 2], 3)
        out[variant] = index[None], method[None], np.where(method == 3, spread[0], np.nan)[None].astype(np.float32)
    return out


def assert_equal(result: Layers, expected: Layers) -> None:
    assert [layer.dtype for layer in result] == [np.int16, np.uint8, np.float32]
    for layer, wanted in zip(result, expected, strict=True):
        np.testing.assert_array_equal(layer, wanted)


def run(seen: Observed, **options: Any) -> Layers:
    return s2gm(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud, **options)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("medoid_min", [4, 5])
def test_equals_the_plain_oracle(variant: str, medoid_min: int) -> None:
    seen = observed(medoid_min, 1500)
    result = run(seen, medoid_min=medoid_min, **VARIANTS[variant])
    for p in range(seen.stack.shape[-1]):
        observations = oracle.pixel(seen.stack, seen.valid, BANDS, seen.classes, seen.cloud, (0, p))
        expected = oracle.representative(observations, variant, medoid_min, BANDS)
        got = tuple(layer[0, p].item() for layer in result)
        assert got == pytest.approx(expected, rel=0, nan_ok=True), (p, observations)


@pytest.mark.parametrize(("start", "stacks"), [(0, 100_000), pytest.param(1, 1_000_000, marks=pytest.mark.slow)])
def test_equals_the_block_oracle(start: int, stacks: int) -> None:
    chunk = 50_000
    methods = np.zeros(4, np.int64)
    for number in range(stacks // chunk):
        seen = observed(1000 * start + number, chunk)
        for variant, expected in by_blocks(seen, 4 + number % 2).items():
            result = run(seen, medoid_min=4 + number % 2, **VARIANTS[variant])
            assert_equal(result, expected)
            methods += np.bincount(result[1].ravel(), minlength=4)
    assert methods.min() > stacks // 20


def test_the_number_of_valid_observations_decides() -> None:
    # Six pixels with 0 .. 5 observations, the last ones valid.
    stack = np.arange(1, 6, dtype=np.uint16)[:, None, None, None] * np.full((1, 8, 1, 6), 100, np.uint16)
    valid = np.arange(5)[:, None, None] >= 5 - np.arange(6)
    classes = np.full(valid.shape, 5, np.uint8)
    index, method, spread = s2gm(stack, valid, BANDS, classes)
    assert index.tolist() == [[-1, 4, 3, 2, 1, 2]]  # bare: darkest; then the medoid
    assert method.tolist() == [[Method.NONE, Method.SINGLE, *3 * [Method.SHORT_TERM], Method.MEDOID]]
    assert np.isnan(spread[0, :5]).all()
    assert spread[0, 5] == np.float32(np.sqrt(7) * 100 * 6 / 5)
    early = s2gm(stack, valid, BANDS, classes, medoid_min=1)
    assert early[0].tolist() == [[-1, 4, 3, 3, 2, 2]]
    assert early[1].tolist() == [[0, 1, 3, 3, 3, 3]]


def test_white_cloud_leaves_nothing() -> None:
    stack = np.full((2, 8, 1, 1), 9000, np.uint16)
    index, method, _ = s2gm(stack, np.ones((2, 1, 1), bool), BANDS, np.zeros((2, 1, 1), np.uint8), version=2)
    assert (index.item(), method.item()) == (-1, Method.NONE)


def test_distances_are_taken_over_the_bands_named() -> None:
    seen = observed(7, 400)
    index, method, spread = run(seen, medoid_min=2, medoid_bands=["swir22", "coastal", "blue"])
    expected = compositing_kernels.medoid_pairwise(seen.stack[:, [7, 0]], seen.valid)
    many = method == Method.MEDOID
    np.testing.assert_array_equal(index[many], expected[0][many])
    np.testing.assert_array_equal(spread[many], expected[1][many])
    np.testing.assert_array_equal(many, seen.valid.sum(axis=0) >= 2)


def test_strips_threads_and_views_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = observed(8, 3000)
    shape = (40, 75)
    stack, valid = seen.stack.reshape(12, 8, *shape), seen.valid.reshape(12, *shape)
    classes, cloud = seen.classes.reshape(12, *shape), seen.cloud.reshape(12, *shape)
    whole = s2gm(stack, valid, BANDS, classes, cloud, mode="literal")
    newest_first = s2gm(
        stack[::-1].copy(), valid[::-1].copy(), BANDS, classes[::-1].copy(), cloud[::-1].copy(), mode="literal"
    )
    assert (11 - newest_first[0] != whole[0])[newest_first[0] >= 0].any()
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    monkeypatch.setattr(sys.modules[s2gm.__module__], "STRIP_BYTES", 7 * 75 * 2 * 12 * 7)
    try:
        assert_equal(s2gm(stack, valid, BANDS, classes, cloud, mode="literal"), whole)
        views = [layer[::-1] for layer in (stack, valid, classes, cloud)]
        assert_equal(s2gm(*views[:2], BANDS, *views[2:], mode="literal"), newest_first)
    finally:
        numba.set_num_threads(threads)
    cut = (slice(3, 30), slice(10, 71))
    part = s2gm(stack[:, :, *cut], valid[:, *cut], BANDS, classes[:, *cut], cloud[:, *cut], mode="literal")
    assert_equal(part, (whole[0][cut], whole[1][cut], whole[2][cut]))


def test_nothing_valid_and_nothing_at_all() -> None:
    for shape in ((0, 8, 3, 4), (3, 8, 3, 4), (3, 8, 0, 4), (3, 8, 3, 0)):
        mask = np.zeros((shape[0], *shape[2:]), bool)
        classes = np.full(mask.shape, 255, np.uint8)
        index, method, spread = s2gm(np.ones(shape, np.uint16), mask, BANDS, classes)
        assert index.shape == method.shape == spread.shape == shape[2:]
        assert (index == -1).all()
        assert (method == 0).all()
        assert np.isnan(spread).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"medoid_min": 0}, "medoid_min lies within"),
        ({"medoid_min": 256}, "medoid_min lies within"),
        ({"medoid_bands": ["coastal"]}, "medoid compares some of the bands"),
        ({"version": 3}, "versions 1 and 2, got 3"),
        ({"mode": "best"}, "'literal' or 'intended', got 'best'"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        run(observed(0, 5), **options)


def test_bands_are_asked_for_even_where_nothing_is_valid() -> None:
    stack = np.ones((3, 2, 4, 5), np.uint16)
    nothing = np.zeros((3, 4, 5), np.uint8)
    with pytest.raises(RequestError, match=r"needs the bands \['blue', 'green', 'swir16', 'swir22'\]"):
        s2gm(stack, nothing.astype(bool), ["red", "nir"], nothing)
