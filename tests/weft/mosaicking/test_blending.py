from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import mosaicking as oracle
from weft.errors import RequestError
from weft.mosaicking import CentreDistance, blend, share, weights
from weft.mosaicking.blending import TAPER_END_KM
from weft.rasters.grid import Grid, Window

METHODS = ("mean", "idw", "seamless")


def one(method: str, distance: float, count: int, **options: float) -> int:
    found = weights(method, np.float32([[distance]]), np.uint16([[count]]), **options)  # type: ignore[arg-type]
    assert found.dtype == np.uint32
    return int(found[0, 0])


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_those_of_the_oracle(method: str) -> None:
    rng = np.random.default_rng(1)
    distance = rng.uniform(0, 200, (40, 50)).astype(np.float32)
    count = rng.integers(0, 30, (40, 50)).astype(np.uint16)
    found = weights(method, distance, count)
    for y, x in np.ndindex(*found.shape):
        exact = oracle.weight(method, float(distance[y, x]), int(count[y, x])) * (1 if method == "mean" else 2**28)
        expected = 0 if count[y, x] == 0 else max(1.0, exact)
        assert abs(int(found[y, x]) - expected) <= 1


@pytest.mark.parametrize("method", METHODS)
def test_a_track_keeps_some_weight_wherever_it_has_data(method: str) -> None:
    assert one(method, 500.0, 1) >= 1
    assert one(method, 0.0, 65535) <= 2**28
    assert one(method, 10.0, 0) == 0


def test_options_of_the_weights() -> None:
    assert TAPER_END_KM == 140.0
    assert one("idw", 50, 3, exponent=2) == round(2**28 / 2500)
    assert one("idw", 0.2, 3, exponent=2) == 2**28
    assert one("seamless", 100, 2, half_swath_km=100) == 1
    assert one("seamless", 95, 2, half_swath_km=100, taper_km=10) == round(2**28 / 95 / 4)


def test_seamless_trusts_a_track_that_was_seen_more_often() -> None:
    seen = [one("seamless", 50, n) for n in range(1, 40)]
    assert seen == sorted(set(seen))
    assert seen[1] == pytest.approx(2**28 / 50 / 2, abs=1)


def test_unknown_methods_and_exponents_are_refused() -> None:
    with pytest.raises(RequestError, match="use mean, idw or seamless"):
        one("feather", 1, 1)
    for exponent in (0, -1, 3.5, float("nan")):
        with pytest.raises(RequestError, match="exponent"):
            one("idw", 1, 1, exponent=exponent)


def random_tracks(tracks: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 65536, (tracks, 17, 23)).astype(np.uint16)
    values[rng.random(values.shape) < 0.4] = 0
    # Small weights make halves, where rounding shows; large ones show lost precision.
    weights = np.where(rng.random(values.shape) < 0.5, rng.integers(0, 4, values.shape), rng.integers(0, 2**28 + 1))
    return values, weights.astype(np.uint32)


@pytest.mark.parametrize("tracks", [1, 2, 3, 9])
def test_blend_is_the_exact_mean_rounded_half_up(tracks: int) -> None:
    values, weights = random_tracks(tracks, seed=tracks)
    assert np.array_equal(blend(values, weights), oracle.blend(values, weights))


def test_blend_of_many_heavy_tracks_is_exact() -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(65000, 65536, (200, 2, 9)).astype(np.uint16)
    weights = rng.integers(2**28 - 5, 2**28 + 1, values.shape).astype(np.uint32)
    assert np.array_equal(blend(values, weights), oracle.blend(values, weights))
    # Half a unit above and just below, with the largest weights there are.
    assert blend(np.uint16([[[7]], [[8]]]), np.uint32([[[2**28]], [[2**28]]]))[0, 0] == 8
    assert blend(np.uint16([[[7]], [[8]]]), np.uint32([[[2**28]], [[2**28 - 1]]]))[0, 0] == 7


def test_blend_has_the_same_bits_for_any_order_and_any_cut() -> None:
    values, weights = random_tracks(4, seed=5)
    whole = blend(values, weights)
    for order in itertools.permutations(range(4)):
        assert np.array_equal(blend(values[list(order)], weights[list(order)]), whole)
    for size in (1, 5, 16):
        for y, x in itertools.product(range(0, 17, size), range(0, 23, size)):
            cut = (slice(None), slice(y, y + size), slice(x, x + size))
            part = blend(np.ascontiguousarray(values[cut]), np.ascontiguousarray(weights[cut]))
            assert np.array_equal(part, whole[cut[1:]])


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    tracks=st.permutations([8, 51, 94, 137]),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    seed=st.integers(0, 1000),
)
def test_tracks_and_blocks_in_any_order_give_the_same_pixels(
    method: str, tracks: list[int], height: int, width: int, seed: int
) -> None:
    grid = Grid("EPSG:3035", 3_700_000, 3_100_000, 7000, 7000, 47, 53)
    rng = np.random.default_rng(7)
    values = {number: rng.integers(0, 9000, grid.shape).astype(np.uint16) for number in sorted(tracks)}
    counts = {number: rng.integers(0, 6, grid.shape).astype(np.uint16) for number in sorted(tracks)}
    distances = {number: CentreDistance(number, grid) for number in tracks}

    def blended(order: list[int], window: Window) -> np.ndarray:
        weight = [
            weights(method, distances[number].read(window), counts[number][window.slices])  # type: ignore[arg-type]
            for number in order
        ]
        return blend(np.stack([values[number][window.slices] for number in order]), np.stack(weight))

    whole = blended(sorted(tracks), Window(0, 0, *grid.shape))
    windows = list(grid.blocks(height, width))
    for k in np.random.default_rng(seed).permutation(len(windows))[:50]:
        assert np.array_equal(blended(tracks, windows[k]), whole[windows[k].slices])


def test_nodata_neither_gives_nor_fills() -> None:
    values = np.uint16([[[0, 0, 5, 5]], [[0, 9, 0, 9]]])
    weights = np.uint32([[[7, 7, 7, 0]], [[3, 3, 3, 3]]])
    assert blend(values, weights).tolist() == [[0, 9, 5, 9]]
    assert blend(values, np.zeros_like(weights)).tolist() == [[0, 0, 0, 0]]


def test_shares_sum_to_one_where_there_is_data() -> None:
    _, weights = random_tracks(3, seed=6)
    shares = share(weights)
    assert shares.dtype == np.float32
    assert np.allclose(shares.sum(axis=0), weights.any(axis=0))
    assert share(np.uint32([[[1]], [[3]]])).ravel().tolist() == [0.25, 0.75]
