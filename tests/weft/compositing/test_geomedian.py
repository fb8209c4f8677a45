"""The geometric median through geomad: against a general minimiser, cut anywhere, and without geomad."""

from __future__ import annotations

import sys

import numba
import numpy as np
import pytest

from tests.oracles import geomedian as oracle
from weft.compositing import Geomedian, geomedian
from weft.errors import RequestError


def block(seed: int, times: int = 7, bands: int = 3, shape: tuple[int, int] = (4, 5)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(100, 6000, (times, bands, *shape)).astype(np.uint16), rng.random((times, *shape)) < 0.6


def layers(result: Geomedian) -> np.ndarray:
    return np.vstack([result.median, [result.smad, result.emad, result.bcmad]])


def test_without_geomad_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geomad", None)
    with pytest.raises(RequestError, match=r"pip install 'weft\[geomedian\]'"):
        geomedian(*block(0))


def test_bad_input_is_named() -> None:
    stack, valid = block(1)
    with pytest.raises(RequestError, match="uint16 reflectance x 10000, got float32"):
        geomedian(stack.astype(np.float32), valid)
    with pytest.raises(RequestError, match="validity of a stack"):
        geomedian(stack, valid[:, :2])
    with pytest.raises(RequestError, match="at most 255"):
        geomedian(np.ones((256, 1, 1, 1), np.uint16), np.ones((256, 1, 1), bool))


def test_no_sum_of_distances_is_smaller() -> None:
    pytest.importorskip("geomad")
    stack, valid = block(2)
    result = geomedian(stack, valid)
    assert result.median.dtype == result.emad.dtype == np.float32
    for y, x in np.ndindex(4, 5):
        observations = stack[valid[:, y, x], :, y, x].astype(np.float64)
        if not len(observations):
            assert np.isnan(layers(result)[:, y, x]).all()
            continue
        found = result.median[:, y, x].astype(np.float64)
        best = oracle.objective(oracle.geomedian(observations), observations)
        assert oracle.objective(found, observations) <= best + 0.1
        smad, emad, bcmad = oracle.deviations(found, observations)
        assert result.smad[y, x] == pytest.approx(smad, abs=1e-6)
        assert result.emad[y, x] == pytest.approx(emad, abs=1e-2)
        assert result.bcmad[y, x] == pytest.approx(bcmad, abs=1e-6)


def test_one_observation_is_its_own_median() -> None:
    pytest.importorskip("geomad")
    stack, valid = block(3, times=4)
    valid[:] = False
    valid[2] = True
    result = geomedian(stack, valid)
    np.testing.assert_array_equal(result.median, stack[2])
    assert not result.emad.any()
    assert not result.bcmad.any()


def test_cutting_strips_and_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("geomad")
    stack, valid = block(4, shape=(30, 40))
    valid[:, 5, 7:20] = False
    whole = layers(geomedian(stack, valid))
    cut = np.s_[..., 3:21, 8:33]
    np.testing.assert_array_equal(layers(geomedian(stack[cut], valid[cut])), whole[cut])
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    monkeypatch.setattr(sys.modules[geomedian.__module__], "STRIP_BYTES", 130 * 4 * 7 * 3)
    try:
        np.testing.assert_array_equal(layers(geomedian(stack, valid)), whole)
    finally:
        numba.set_num_threads(threads)


def test_nothing_valid_and_nothing_at_all() -> None:
    pytest.importorskip("geomad")
    for shape in ((0, 3, 2, 4), (3, 3, 2, 4), (3, 3, 0, 4), (3, 3, 2, 0)):
        result = geomedian(np.ones(shape, np.uint16), np.zeros((shape[0], *shape[2:]), bool))
        assert result.median.shape == (3, *shape[2:])
        assert np.isnan(layers(result)).all()
