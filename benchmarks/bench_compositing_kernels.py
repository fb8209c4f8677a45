"""Weft's kernels beside those of others on the same arrays, one thread each: `make bench-compositing` starts it.

Belongs here: the contestants and their inputs. Not here: turns, ratios and result files (``harness``).

Every contestant gets the stack in the form it likes best, made before the clock starts: float32 with NaN for NumPy,
bottleneck and numbagg (for numbagg with time as the fastest axis), uint16 with 0 as no data for odc-algo. All of them
but the median also count the valid observations. Results are compared once before anything is timed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Run, interleave, timed
from weft.compositing import medoid, percentiles

QUANTILES = (25, 50, 75)
BANDS = 7
MISSING = 0.45
SIDE = 384
"""Rows and columns of the images, for all contestants."""
_STRIP = 8192


def main(rounds: int) -> None:
    """Print the runs of every contestant at every number of dates, as JSON."""
    if os.environ.get("NUMBA_NUM_THREADS") != "1":
        raise SystemExit("start this through benchmarks.bench_compositing, which gives every contestant one thread")
    figures: dict[str, Any] = {"pixels": SIDE * SIDE, "rounds": rounds}
    for times in (12, 24, 36):
        figures[f"percentiles T={times}"] = _measured(_percentiles(times), rounds)
        figures[f"medoid T={times}"] = _measured(_medoids(times), rounds)
    print(json.dumps(figures))  # noqa: T201


def _measured(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[dict[str, Any]]]:
    contestants["weft"]()  # compiled or loaded before the clock starts; the others were called for comparison
    runs = interleave({name: _timing(work) for name, work in contestants.items()}, rounds)
    return {name: [asdict(run) for run in some] for name, some in runs.items()}


def _timing(work: Callable[[], object]) -> Callable[[], Run]:
    return lambda: timed(work)


def _stack(times: int, bands: int) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    rng = np.random.default_rng(times)
    valid = rng.random((times, SIDE, SIDE)) >= MISSING
    stack = rng.integers(1, 5000, (times, bands, SIDE, SIDE)).astype(np.uint16)
    stack[~np.broadcast_to(valid[:, None], stack.shape)] = 0
    return stack, valid


def _percentiles(times: int) -> dict[str, Callable[[], Any]]:
    import bottleneck
    import numbagg
    import xarray
    from odc.algo._percentile import xr_quantile_bands

    stack, valid = _stack(times, 1)
    values = stack[:, 0]
    floats = np.where(valid, values, np.nan).astype(np.float32)
    time_last = np.ascontiguousarray(np.moveaxis(floats, 0, -1))
    dataset = xarray.Dataset({"band": (("time", "y", "x"), values)})
    shares = [q / 100 for q in QUANTILES]

    def weft() -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
        return percentiles(values, valid, QUANTILES)

    def numpy() -> tuple[Any, Any]:
        return np.nanpercentile(floats, QUANTILES, axis=0), valid.sum(axis=0)

    def with_numbagg() -> tuple[Any, Any]:
        return numbagg.nanquantile(time_last, np.array(shares), axis=-1), valid.sum(axis=0)

    def odc() -> tuple[Any, Any]:
        return xr_quantile_bands(dataset, shares, 0), valid.sum(axis=0)

    ours, count = weft()
    theirs, their_count = numpy()
    np.testing.assert_array_equal(count, their_count)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    np.testing.assert_allclose(ours, with_numbagg()[0], rtol=1e-6)
    nearest, _ = percentiles(values, valid, (50,), method="nearest")
    np.testing.assert_array_equal(np.where(count >= 3, nearest[0], 0), odc()[0]["band_pc_50"].values)
    return {
        "weft": weft,
        "numpy.nanpercentile": numpy,
        "numbagg.nanquantile": with_numbagg,
        "odc-algo xr_quantile_bands": odc,
        "bottleneck.nanmedian, the median alone": lambda: bottleneck.nanmedian(floats, axis=0),
    }


def _medoids(times: int) -> dict[str, Callable[[], Any]]:
    import geomad

    stack, valid = _stack(times, BANDS)
    vectors = np.where(valid[:, None], stack, np.nan).astype(np.float32)
    vectors = np.ascontiguousarray(np.moveaxis(vectors, (0, 1), (3, 2)))  # y, x, band, time

    index, spread = medoid(stack, valid)
    for other in (one_date_with_all, pair_by_pair_tuned):
        their_index, their_spread = other(stack, valid)
        np.testing.assert_allclose(spread, their_spread, rtol=1e-5)
        if (their_index != index).mean() > 1e-3:
            raise SystemExit(f"{other.__name__} does not find the medoid")
    return {
        "weft": lambda: medoid(stack, valid),
        "NumPy, one date with all the others at a time": lambda: one_date_with_all(stack, valid),
        "NumPy, tuned: pairs once, strips that fit the cache": lambda: pair_by_pair_tuned(stack, valid),
        "geomad nangeomedian_pcm, another statistic": lambda: geomad.nangeomedian_pcm(
            vectors, eps=1e-1, num_threads=1, nocheck=True
        ),
    }


def one_date_with_all(
    stack: NDArray[np.uint16], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """The medoid as one writes it in NumPy: float32, one broadcast for every date."""
    vectors = stack.astype(np.float32)
    smallest = np.full(valid.shape[1:], np.inf, np.float32)
    index = np.full(valid.shape[1:], -1, np.int16)
    for time in range(len(stack)):
        distances = np.sqrt(((vectors - vectors[time]) ** 2).sum(axis=1))
        total = np.where(valid, distances, 0).sum(axis=0)
        better = valid[time] & (total < smallest)
        index[better], smallest[better] = time, total[better]
    count = valid.sum(axis=0)
    return index, np.where(count > 0, smallest / np.maximum(count, 1), np.nan).astype(np.float32)


def pair_by_pair_tuned(
    stack: NDArray[np.uint16], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """The medoid as fast as we could make NumPy find it: float32, each pair once, no temporary, strips in the cache."""
    times, bands = stack.shape[:2]
    pixels = valid[0].size
    source, mask = stack.reshape(times, bands, pixels), valid.reshape(times, pixels)
    index, spread = np.empty(pixels, np.int16), np.empty(pixels, np.float32)
    for start in range(0, pixels, _STRIP):
        vectors = source[:, :, start : start + _STRIP].astype(np.float32)
        usable = mask[:, start : start + _STRIP]
        weight = usable.astype(np.float32)
        sums = np.zeros(usable.shape, np.float32)
        difference, distance = np.empty_like(vectors[0]), np.empty_like(vectors[0, 0])
        for i in range(times):
            for j in range(i + 1, times):
                np.subtract(vectors[i], vectors[j], out=difference)
                np.multiply(difference, difference, out=difference)
                np.add.reduce(difference, axis=0, out=distance)
                np.sqrt(distance, out=distance)
                distance *= weight[i]
                distance *= weight[j]
                sums[i] += distance
                sums[j] += distance
        sums[~usable] = np.inf
        count = usable.sum(axis=0)
        index[start : start + _STRIP] = np.where(count > 0, sums.argmin(axis=0), -1)
        spread[start : start + _STRIP] = np.where(count > 0, sums.min(axis=0) / np.maximum(count, 1), np.nan)
    return index.reshape(valid.shape[1:]), spread.reshape(valid.shape[1:])


if __name__ == "__main__":
    main(int(sys.argv[1]))
