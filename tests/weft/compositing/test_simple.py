"""Maximum NDVI, first valid and mean: by hand, against the oracles, and what they refuse."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import simple_methods as oracle
from weft.compositing import first_valid, max_ndvi, mean
from weft.errors import RequestError

BANDS = ("blue", "red", "nir")


def block(seed: int, times: int, shape: tuple[int, int], top: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, top, (times, 3, *shape)).astype(np.uint16), rng.random((times, *shape)) < share


def assert_all_equal_the_oracles(stack: np.ndarray, valid: np.ndarray) -> None:
    greenest, first = max_ndvi(stack, valid, BANDS), first_valid(stack, valid)
    assert greenest.dtype == first.dtype == np.int16
    np.testing.assert_array_equal(greenest, oracle.max_ndvi(stack, valid, 2, 1))
    np.testing.assert_array_equal(first, oracle.first_valid(stack, valid))
    if stack.dtype == np.uint16:
        for layer, expected in zip(mean(stack, valid), oracle.mean(stack, valid), strict=True):
            assert layer.dtype == np.uint16
            np.testing.assert_array_equal(layer, expected)


def test_three_pixels_by_hand() -> None:
    # Pixels: greenest of three; a tie after an observation without nir and red; nothing valid.
    nir, red = [[10, 0, 5], [30, 20, 5], [20, 40, 5]], [[10, 0, 5], [10, 10, 5], [10, 20, 5]]
    stack = np.array([np.zeros((3, 3)), red, nir], np.uint16).transpose(1, 0, 2)[:, :, None]
    valid = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 0]], bool)[:, None]
    assert max_ndvi(stack, valid, BANDS).tolist() == [[1, 1, -1]]
    assert first_valid(stack, valid).tolist() == [[0, 0, -1]]
    valid[0, 0, 0] = False
    assert first_valid(stack, valid).tolist() == [[1, 0, -1]]
    means, count = mean(stack, valid)
    assert means[:, 0].tolist() == [[0, 0, 0], [10, 10, 0], [25, 20, 0]]
    assert count.tolist() == [[2, 3, 0]]


def test_mean_rounds_half_up() -> None:
    stack = np.array([[0, 1, 65535], [1, 2, 65534], [2, 2, 65535]], np.uint16)[:, None, None]
    valid = np.array([[1, 1, 1], [1, 1, 1], [0, 0, 1]], bool)[:, None]
    assert mean(stack, valid)[0].tolist() == [[[1, 2, 65535]]]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_equals_oracle(data: st.DataObject) -> None:
    stack, valid = block(
        data.draw(st.integers(0, 2**32)), data.draw(st.integers(1, 20)), (3, 4),
        data.draw(st.sampled_from([2, 4, 65536])), data.draw(st.floats(0, 1)),
    )  # fmt: skip
    assert_all_equal_the_oracles(stack, valid)


def test_floats_of_any_scale_and_not_finite_is_not_valid() -> None:
    stack, valid = block(1, 6, (5, 6), 50, 0.8)
    rng = np.random.default_rng(2)
    floats = (stack / np.float32(64)).astype(np.float32) - np.float32(0.25)
    floats[rng.random(floats.shape) < 0.05] = np.nan
    floats[rng.random(floats.shape) < 0.05] = np.inf
    before = valid.copy()
    assert_all_equal_the_oracles(floats, valid)
    np.testing.assert_array_equal(valid, before)


def test_the_longest_stack_and_extremes() -> None:
    rng = np.random.default_rng(3)
    stack = rng.choice(np.array([0, 1, 65534, 65535], np.uint16), (255, 3, 2, 3))
    assert_all_equal_the_oracles(stack, np.ones((255, 2, 3), bool))


def test_threads_cutting_and_views_change_nothing() -> None:
    stack, valid = block(4, 9, (110, 90), 40, 0.5)
    stack.flags.writeable = valid.flags.writeable = False
    methods = (lambda *a: (max_ndvi(*a, BANDS),), lambda *a: (first_valid(*a),), mean)
    threads = numba.get_num_threads()
    cut = np.s_[..., 13:77, 20:81]
    for method in methods:
        whole: Any = method(stack, valid)
        numba.set_num_threads(1)
        try:
            alone: Any = method(stack, valid)
        finally:
            numba.set_num_threads(threads)
        for layer, again, part in zip(whole, alone, method(stack[cut], valid[cut]), strict=True):
            np.testing.assert_array_equal(layer, again)
            np.testing.assert_array_equal(layer[cut], part)
    for view, expected in zip(mean(stack[::-1], valid[::-1]), mean(stack, valid), strict=True):
        np.testing.assert_array_equal(view, expected)


def test_nothing_valid_and_nothing_at_all() -> None:
    for shape in ((0, 3, 2, 4), (3, 3, 2, 4), (3, 3, 0, 4)):
        stack, valid = np.ones(shape, np.uint16), np.zeros((shape[0], *shape[2:]), bool)
        for index in (max_ndvi(stack, valid, BANDS), first_valid(stack, valid)):
            assert index.shape == shape[2:]
            assert (index == -1).all()
        means, count = mean(stack, valid)
        assert means.shape == (3, *shape[2:])
        assert not means.any()
        assert not count.any()


def test_bad_input_is_named() -> None:
    stack, valid = np.ones((3, 3, 4, 5), np.uint16), np.ones((3, 4, 5), bool)
    with pytest.raises(RequestError, match=r"max_ndvi needs the bands \['nir'\]"):
        max_ndvi(stack, valid, ("blue", "red", "nir08"))
    with pytest.raises(RequestError, match="has 3 bands, got the names"):
        max_ndvi(stack, valid, ("red", "nir"))
    with pytest.raises(RequestError, match="unknown or repeated"):
        max_ndvi(stack, valid, ("red", "nir", "B04"))
    with pytest.raises(RequestError, match="uint16 reflectance x 10000, got float32"):
        mean(stack.astype(np.float32), valid)
    long, always = np.ones((256, 3, 1, 1), np.uint16), np.ones((256, 1, 1), bool)
    for method in (lambda *a: max_ndvi(*a, BANDS), first_valid, mean):
        with pytest.raises(RequestError, match="at most 255"):
            method(long, always)
        with pytest.raises(RequestError, match="validity of a stack"):
            method(stack, valid[:, :3])
