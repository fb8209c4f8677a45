"""The medoid kernel against hand-made pixels and a float64 brute force."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import compositing_kernels as oracle
from weft.compositing import medoid
from weft.errors import RequestError


def assert_equal(stack: np.ndarray, valid: np.ndarray, expected: tuple[np.ndarray, np.ndarray]) -> None:
    index, spread = medoid(stack, valid)
    assert index.dtype == np.int16
    assert spread.dtype == np.float32
    np.testing.assert_array_equal(index, expected[0])
    np.testing.assert_array_equal(spread, expected[1])


def test_four_pixels_by_hand() -> None:
    # One band; pixels: middle value wins; two valid tie, the first wins; one valid; none.
    stack = np.array([[[10, 7], [1, 1]], [[90, 5], [8, 2]], [[20, 9], [3, 3]]], np.uint16)[:, None]
    valid = np.array([[[1, 0], [0, 0]], [[1, 1], [1, 0]], [[1, 1], [0, 0]]], bool)
    index, spread = medoid(stack, valid)
    assert index.tolist() == [[2, 1], [1, -1]]
    assert spread[0].tolist() == [np.float32(80 / 3), 2.0]
    assert spread[1, 0] == 0
    assert np.isnan(spread[1, 1])


def test_distance_is_euclidean_over_all_bands() -> None:
    stack = np.array([[0, 0], [3, 4], [6, 8]], np.uint16)[:, :, None, None]
    index, spread = medoid(stack, np.ones((3, 1, 1), bool))
    assert index.item() == 1
    assert spread.item() == np.float32(10 / 3)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_equals_brute_force_on_many_random_pixels(dtype: type) -> None:
    rng = np.random.default_rng(3)
    stack = rng.integers(0, 12000, (12, 4, 250, 400)).astype(dtype)
    valid = rng.random((12, 250, 400)) > 0.45
    assert_equal(stack, valid, oracle.medoid_pairwise(stack, valid))


@pytest.mark.slow
def test_equals_brute_force_on_a_million_pixels() -> None:
    # Ten lengths of 100,000 pixels each; every other one of values so few that most sums tie.
    rng = np.random.default_rng(6)
    compared = 0
    for observations in (1, 2, 3, 5, 8, 12, 13, 16, 20, 24):
        top = 10_000 if observations % 2 == 0 else 4
        stack = rng.integers(0, top, (observations, 7, 100, 1000)).astype(np.uint16)
        valid = rng.random((observations, 100, 1000)) > 0.45
        assert_equal(stack, valid, oracle.medoid_pairwise(stack, valid))
        compared += valid[0].size
    assert compared == 1_000_000


def test_ties_and_near_ties_fall_as_in_brute_force() -> None:
    # Few distinct values make most sums tie, mathematically or within the last bits.
    rng = np.random.default_rng(4)
    for top, bands in ((2, 3), (3, 2), (5, 7)):
        stack = rng.integers(0, top, (9, bands, 100, 200), dtype=np.uint16)
        valid = rng.random((9, 100, 200)) > 0.3
        assert_equal(stack, valid, oracle.medoid_pairwise(stack, valid))


def test_extremes_do_not_overflow() -> None:
    rng = np.random.default_rng(5)
    stack = rng.choice(np.array([0, 1, 65534, 65535], np.uint16), (7, 12, 5, 7))
    valid = rng.random((7, 5, 7)) > 0.2
    assert_equal(stack, valid, oracle.medoid(stack, valid))
    huge = rng.choice(np.array([-9e37, -1e-45, 0, 1e-30, 9e37], np.float32), (7, 3, 5, 7))
    assert_equal(huge, valid, oracle.medoid(huge, valid))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_equals_oracle(data: st.DataObject) -> None:
    time, bands = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 8))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    top = data.draw(st.sampled_from([2, 100, 65536]))
    stack = rng.integers(0, top, (time, bands, 3, 4)).astype(data.draw(st.sampled_from([np.uint16, np.float32])))
    valid = rng.random((time, 3, 4)) < data.draw(st.floats(0, 1))
    assert_equal(stack, valid, oracle.medoid(stack, valid))


def test_the_longest_stack() -> None:
    rng = np.random.default_rng(6)
    stack = rng.integers(0, 4, (255, 2, 2, 3), dtype=np.uint16)
    valid = rng.random((255, 2, 3)) > [[[0.0, 0.1, 0.5], [0.9, 0.99, -1]]]
    assert_equal(stack, valid, oracle.medoid_pairwise(stack, valid))


def test_not_finite_is_not_valid() -> None:
    rng = np.random.default_rng(7)
    stack = rng.normal(size=(6, 3, 4, 5)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.1] = np.nan
    stack[rng.random(stack.shape) < 0.1] = np.inf
    valid = np.ones((6, 4, 5), bool)
    assert_equal(stack, valid, oracle.medoid(stack, valid))
    assert valid.all()


def test_nothing_valid_and_nothing_at_all() -> None:
    for time in (0, 3):
        index, spread = medoid(np.ones((time, 2, 4, 5), np.uint16), np.zeros((time, 4, 5), bool))
        assert (index == -1).all()
        assert index.shape == (4, 5)
        assert np.isnan(spread).all()
    assert medoid(np.ones((3, 2, 0, 5), np.uint16), np.ones((3, 0, 5), bool))[0].shape == (0, 5)


def test_views_and_read_only_inputs() -> None:
    rng = np.random.default_rng(8)
    cube = rng.integers(0, 50, (10, 6, 40, 60), dtype=np.uint16)
    mask = rng.random((10, 40, 60)) > 0.3
    cube.flags.writeable = mask.flags.writeable = False
    before = cube.copy()
    views = (
        (cube[::-1], mask[::-1]),
        (cube[::2, 1::2], mask[::2]),
        (cube[:, ::-1, 3:30, 5:41], mask[:, 3:30, 5:41]),
        (cube.transpose(0, 1, 3, 2), mask.transpose(0, 2, 1)),
        (np.broadcast_to(cube[:1], cube.shape), mask),
    )
    for stack, valid in views:
        assert_equal(stack, valid, medoid(stack.copy(), valid.copy()))
        assert_equal(stack, valid, oracle.medoid_pairwise(stack, valid))
    np.testing.assert_array_equal(cube, before)


def test_threads_and_cutting_change_nothing() -> None:
    rng = np.random.default_rng(9)
    stack = rng.integers(0, 30, (8, 3, 130, 150), dtype=np.uint16)
    valid = rng.random((8, 130, 150)) > 0.4
    whole = medoid(stack, valid)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        assert_equal(stack, valid, whole)
    finally:
        numba.set_num_threads(threads)
    cut = (slice(17, 90), slice(40, 149))
    assert_equal(stack[:, :, *cut], valid[:, *cut], (whole[0][cut], whole[1][cut]))


@pytest.mark.parametrize(
    ("stack", "valid", "message"),
    [
        (np.zeros((3, 2, 4, 5), np.uint16), np.zeros((3, 5, 4), bool), "validity of a stack"),
        (np.zeros((3, 2, 4, 5), np.uint16), np.zeros((3, 4, 5), np.uint8), "validity is boolean"),
        (np.zeros((3, 2, 4, 5), np.int16), np.zeros((3, 4, 5), bool), "uint16 or float32, got int16"),
        (np.zeros((3, 4, 5), np.uint16), np.zeros((3, 4, 5), bool), "axes"),
        (np.zeros((3, 0, 4, 5), np.uint16), np.zeros((3, 4, 5), bool), "at least one band"),
        (np.zeros((256, 1, 1, 1), np.uint16), np.zeros((256, 1, 1), bool), "at most 255 observations"),
    ],
)
def test_bad_input_is_named(stack: np.ndarray, valid: np.ndarray, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        medoid(stack, valid)
