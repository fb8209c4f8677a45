"""The percentile kernel against hand-made pixels, exact fractions and NumPy."""

from __future__ import annotations

import importlib
import itertools

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import compositing_kernels as oracle
from weft.compositing import percentiles
from weft.errors import RequestError

QUARTILES = (25.0, 50.0, 75.0)


def assert_same(got: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray], ulp: int = 0) -> None:
    assert got[0].dtype == np.float32
    assert got[1].dtype == np.uint16
    np.testing.assert_array_equal(got[1], expected[1])
    np.testing.assert_array_equal(np.isnan(got[0]), np.isnan(expected[0]))
    np.testing.assert_array_max_ulp(np.nan_to_num(got[0]), np.nan_to_num(expected[0]), maxulp=ulp)


def test_four_pixels_by_hand() -> None:
    values = np.array([[[10, 7], [65535, 1]], [[40, 5], [0, 2]], [[20, 9], [65535, 3]]], np.uint16)
    valid = np.array([[[1, 0], [1, 0]], [[1, 1], [1, 0]], [[1, 1], [1, 0]]], bool)
    result, count = percentiles(values, valid, [0, 25, 50, 100])
    assert count.tolist() == [[3, 2], [3, 0]]
    assert result[:, 0, 0].tolist() == [10, 15, 20, 40]
    assert result[:, 0, 1].tolist() == [5, 6, 7, 9]
    assert result[:, 1, 0].tolist() == [0, 32767.5, 65535, 65535]
    assert np.isnan(result[:, 1, 1]).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_every_length_to_128_equals_numpy(dtype: type) -> None:
    rng = np.random.default_rng(1)
    q = (0.0, 2.5, 25.0, 100 / 3, 50.0, 75.0, 99.9, 100.0)
    for time in range(1, 129):
        values = rng.integers(0, 65536, (time, 2, 7)).astype(dtype)
        values[rng.random(values.shape) < 0.1] = 65535
        valid = rng.random(values.shape) < rng.random((1, 2, 7)) * 1.2
        expected = np.full((len(q), 2, 7), np.nan)
        for y, x in np.ndindex(2, 7):
            if valid[:, y, x].any():
                expected[:, y, x] = np.percentile(values[valid[:, y, x], y, x].astype(np.float64), q)
        count = valid.sum(axis=0).astype(np.uint16)
        assert_same(percentiles(values, valid, q), (expected.astype(np.float32), count), ulp=1)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_equals_exact_fractions(data: st.DataObject) -> None:
    time = data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    dtype = data.draw(st.sampled_from([np.uint16, np.float32]))
    low, high = data.draw(st.sampled_from([(0, 2), (65533, 65536), (0, 65536)]))
    values = rng.integers(low, high, (time, 3, 4)).astype(dtype)
    if dtype == np.float32:
        values *= np.float32(data.draw(st.sampled_from([1, -1e-4, 3.1e33])))
        values[rng.random(values.shape) < 0.1] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    valid = rng.random(values.shape) < data.draw(st.floats(0, 1))
    q = data.draw(st.lists(st.floats(0, 100), min_size=1, max_size=4))
    assert_same(percentiles(values, valid, q), oracle.percentiles(values, valid, q), ulp=1)


def test_every_missing_pattern_of_eight_dates() -> None:
    rng = np.random.default_rng(2)
    valid = np.array(list(itertools.product([False, True], repeat=8))).T.reshape(8, 16, 16)
    values = rng.integers(0, 65536, valid.shape, dtype=np.uint16)
    assert_same(percentiles(values, valid, QUARTILES), oracle.percentiles(values, valid, QUARTILES))


def test_nearest_equals_numpy() -> None:
    rng = np.random.default_rng(3)
    for time in range(1, 40):
        values = rng.integers(0, 65536, (time, 1, 5), dtype=np.uint16)
        expected = np.percentile(values, QUARTILES, axis=0, method="nearest").astype(np.float32)
        valid = np.ones(values.shape, bool)
        got = percentiles(values, valid, QUARTILES, method="nearest")
        np.testing.assert_array_equal(got[0], expected)
        assert_same(got, oracle.percentiles(values, valid, QUARTILES, "nearest"))


def test_network_sorts_every_length() -> None:
    """The 0-1 principle (Knuth, TAOCP vol. 3, 5.3.4): what sorts all zeros and ones sorts everything."""
    # `weft.compositing.percentiles` as an attribute is the function, hence the import by name.
    network = importlib.import_module("weft.compositing.percentiles")._network
    for size in (1, 2, 4, 8, 16):
        for length in range(1, size + 1):
            rows = (np.arange(2**length) >> np.arange(length)[:, None]) & 1
            for i, j in network(size):
                if j < length:
                    rows[i], rows[j] = np.minimum(rows[i], rows[j]), np.maximum(rows[i], rows[j])
            assert (np.diff(rows, axis=0) >= 0).all()


def test_the_longest_stack() -> None:
    rng = np.random.default_rng(4)
    values = rng.integers(0, 65536, (255, 2, 3), dtype=np.uint16)
    valid = rng.random(values.shape) > [[[-1, 0.1, 0.5], [0.9, 0.99, 1]]]
    assert_same(percentiles(values, valid, QUARTILES), oracle.percentiles(values, valid, QUARTILES))


def test_order_of_observations_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    values = rng.choice(np.array([-1, -0.0, 0.0, 2], np.float32), (9, 20, 30))
    valid = rng.random(values.shape) > 0.4
    shuffled = rng.permutation(9)
    got, expected = percentiles(values[shuffled], valid[shuffled], QUARTILES), percentiles(values, valid, QUARTILES)
    assert got[0].tobytes() == expected[0].tobytes()
    assert got[1].tobytes() == expected[1].tobytes()


def test_nothing_valid_and_nothing_at_all() -> None:
    for time in (0, 3):
        result, count = percentiles(np.ones((time, 4, 5), np.uint16), np.zeros((time, 4, 5), bool), QUARTILES)
        assert result.shape == (3, 4, 5)
        assert np.isnan(result).all()
        assert (count == 0).all()
    assert percentiles(np.ones((3, 0, 5), np.uint16), np.ones((3, 0, 5), bool), [50])[0].shape == (1, 0, 5)


def test_views_and_read_only_inputs() -> None:
    rng = np.random.default_rng(6)
    cube = rng.integers(0, 50, (10, 3, 40, 60), dtype=np.uint16)
    mask = rng.random((10, 40, 60)) > 0.3
    cube.flags.writeable = mask.flags.writeable = False
    before = cube.copy()
    views = (
        (cube[:, 1], mask),
        (cube[::-2, 2], mask[::-2]),
        (cube[:, 0, 3:30, 5:41], mask[:, 3:30, 5:41]),
        (cube[:, 0].transpose(0, 2, 1), mask.transpose(0, 2, 1)),
        (np.broadcast_to(cube[0, 0], mask.shape), mask),
    )
    for values, valid in views:
        assert_same(percentiles(values, valid, [50]), percentiles(values.copy(), valid.copy(), [50]))
        assert_same(percentiles(values, valid, [50]), oracle.percentiles(values, valid, [50]))
    np.testing.assert_array_equal(cube, before)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_threads_and_cutting_change_nothing(dtype: type) -> None:
    rng = np.random.default_rng(7)
    values = rng.integers(0, 65536, (11, 130, 150)).astype(dtype)
    valid = rng.random(values.shape) > 0.4
    whole = percentiles(values, valid, QUARTILES)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        assert_same(percentiles(values, valid, QUARTILES), whole)
    finally:
        numba.set_num_threads(threads)
    cut = (slice(17, 90), slice(40, 149))
    part = percentiles(values[:, *cut], valid[:, *cut], QUARTILES)
    assert_same(part, (whole[0][:, *cut], whole[1][cut]))


@pytest.mark.parametrize("q", [[], [-0.1], [50, 100.1], [float("nan")]])
def test_bad_percentiles_are_named(q: list[float]) -> None:
    with pytest.raises(RequestError, match=r"0\.\.100"):
        percentiles(np.zeros((3, 4, 5), np.uint16), np.ones((3, 4, 5), bool), q)


@pytest.mark.parametrize(
    ("values", "valid", "message"),
    [
        (np.zeros((3, 4, 5), np.uint16), np.zeros((2, 4, 5), bool), "validity of a stack"),
        (np.zeros((3, 4, 5), np.uint16), np.zeros((3, 4, 5), np.uint8), "validity is boolean"),
        (np.zeros((3, 4, 5)), np.zeros((3, 4, 5), bool), "uint16 or float32, got float64"),
        (np.zeros((3, 1, 4, 5), np.uint16), np.zeros((3, 4, 5), bool), "axes"),
        (np.zeros((256, 1, 1), np.uint16), np.zeros((256, 1, 1), bool), "at most 255 observations"),
    ],
)
def test_bad_input_is_named(values: np.ndarray, valid: np.ndarray, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        percentiles(values, valid, QUARTILES)


def test_unknown_method_is_named() -> None:
    with pytest.raises(RequestError, match="'linear' or 'nearest', got 'weird'"):
        percentiles(np.zeros((3, 1, 1), np.uint16), np.ones((3, 1, 1), bool), [50], method="weird")  # type: ignore[arg-type]
