"""S2GM over many pixels at once, one NumPy pass per rule, for large random comparisons.

Arrays are (time, pixel). Held against the plain oracle ``s2gm`` by its own test; nothing is imported from the code
under test.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Bands = dict[str, Array]
"""Reflectance x 10000, int64, (time, pixel)."""

BEST_FIRST = ((4, 5), (11,), (6,), (2,), (3,), (7,), (10,), (8,), (9,), (1,), (0,))
RANKS = np.array([next(i for i, group in enumerate(BEST_FIRST) if scl in group) for scl in range(12)])


def ratio(a: Array, b: Array, empty: float) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(a + b == 0, empty, (a - b) / (a + b))


def literal(bands: Bands, valid: Array, scl: Array, cloud: Array) -> Array:
    """Version 1, the fold."""
    pixels = np.arange(valid.shape[1])
    best = np.full(valid.shape[1], -1)
    visible = bands["blue"] + bands["green"] + bands["red"]
    swir = bands["swir16"] + bands["swir22"]
    ndvi, ndwi = ratio(bands["nir"], bands["red"], np.nan), ratio(bands["green"], bands["nir"], np.nan)
    for t in range(len(valid)):

        def now(layer: Array, t: int = t) -> Array:
            return layer[t]

        def then(layer: Array, best: Array = best) -> Array:
            return layer[best, pixels]

        clear = now(cloud) <= then(cloud)
        darker, brighter = now(visible) < then(visible), now(visible) > then(visible)
        moved = (now(ndvi) > then(ndvi)) | (now(ndvi) < then(ndvi))
        wet = (now(ndwi) > then(ndwi)) | (now(swir) < then(swir))
        both_green = (now(scl) == 4) & (then(scl) == 4)
        among_equals = np.select(
            [
                both_green, np.isin(now(scl), (4, 5)), np.isin(now(scl), (11, 2, 3)), now(scl) == 6,
                np.isin(now(scl), (7, 8, 9, 10, 1)),
            ],
            [clear & moved, clear & darker, clear & brighter, clear & wet, darker],
            False,
        )  # fmt: skip
        rank_now, rank_then = RANKS[now(scl)], RANKS[then(scl)]
        wins = np.where(rank_now == rank_then, among_equals, rank_now < rank_then)
        best = np.where(valid[t] & ((best < 0) | wins), t, best)
    return best


def intended(bands: Bands, valid: Array, scl: Array, cloud: Array) -> Array:
    """Version 1, the order of merit: a key per observation, narrowed down step by step."""
    visible = bands["blue"] + bands["green"] + bands["red"]
    swir = bands["swir16"] + bands["swir22"]
    ndvi, ndwi = ratio(bands["nir"], bands["red"], -9.0), ratio(bands["green"], bands["nir"], -9.0)

    def smallest(left: Array, key: Array) -> Array:
        masked = np.where(left, key, np.inf)
        return left & (masked == masked.min(axis=0))

    left = smallest(valid, RANKS[scl])
    left = smallest(left, np.where(np.isin(scl, (2, 3, 4, 5, 6, 11)), cloud, 0))
    green, bare = left & (scl == 4), left & (scl == 5)
    key = np.select([scl == 4, scl == 6, np.isin(scl, (11, 2, 3)), scl == 0], [-ndvi, -ndwi, -visible, 0], visible)
    heats = smallest(green, key), smallest(bare, key), smallest(left & (scl != 4) & (scl != 5), key)
    first = [heat & (np.cumsum(heat, axis=0) == 1) for heat in heats[:2]]
    others = smallest(heats[2], np.where(scl == 6, swir, 0))
    left = smallest(first[0] | first[1], visible) | others
    return np.where(left.any(axis=0), left.argmax(axis=0), -1)


def version2(bands: Bands, valid: Array) -> tuple[Array, Array]:
    """Chosen times and the rules that fired (0 without an observation)."""
    b, g, r, n, n8, s1, s2 = (bands[k] for k in ("blue", "green", "red", "nir", "nir08", "swir16", "swir22"))
    tcb = 3029 * b + 2786 * g + 4733 * r + 5599 * n8 + 5080 * s1 + 1872 * s2
    haze = (-8239 * b + 849 * g + 4396 * r - 580 * n8 + 2013 * s1 - 2773 * s2) / 1e8
    ndvi, mndwi, drop = ratio(n, r, 0.0), ratio(g, s1, 0.0), ratio(n, s1, 0.0)
    count = np.maximum(valid.sum(axis=0), 1)

    def average(layer: Array) -> Array:
        total = np.zeros(layer.shape[1])
        for values, counts in zip(layer, valid, strict=True):
            total = np.where(counts, total + values, total)
        return total / count

    def position(layer: Array, sign: int) -> Array:
        return np.where(valid, sign * layer, np.inf).argmin(axis=0)

    pixels = np.arange(valid.shape[1])
    greenest, least_green, wettest = position(ndvi, -1), position(ndvi, 1), position(mndwi, -1)
    driest, darkest = position(mndwi, 1), position(tcb, 1)
    mean_ndvi, mean_mndwi = average(ndvi), average(mndwi)
    mean_tcb = np.where(valid, tcb, 0).sum(axis=0) / (count * 1e8)

    v = (b + g + r) / 30000
    cloud = (haze < -0.2) | ((g > s1) & (v > 0.3) & ((haze < -0.1) | ((haze > -0.08) & (drop < 0.4))))
    cloud |= (g > s1) & (v < 0.3) & (haze < -0.055) & (v > 0.12)
    cloud |= ~((g > s1) & (v < 0.3)) & (haze < -0.09) & (v > 0.12)
    cloud |= (s1 > g) & (v < 0.2) & ((haze < -0.1) | ((haze < -0.08) & (drop < 0.4)))
    cloud |= (g > s1) & (v < 0.2) & (haze < -0.055) & (v > 0.12)
    cloud |= ~((g > s1) & (v < 0.2)) & (haze < -0.02) & (v > 0.12)
    snow = (mndwi > 0.7) & (tcb / 1e8 >= 0.36)

    rules = [
        (mean_mndwi < -0.55) & (ndvi[greenest, pixels] - mean_ndvi < 0.05),
        (mean_ndvi < -0.3) & (mean_mndwi - mndwi[driest, pixels] < 0.05),
        (mean_ndvi > 0.6) & (mean_tcb < 0.45),
        ~cloud[darkest, pixels],
        ~snow[darkest, pixels],
        mean_ndvi < -0.2,
        mean_tcb > 0.45,
        np.ones_like(count, bool),
    ]
    unless_white = np.where(tcb[darkest, pixels] > 10**8, -1, darkest)
    outcomes = [greenest, wettest, greenest, darkest, unless_white, wettest, least_green, greenest]
    any_valid = valid.any(axis=0)
    chosen, rule = np.select(rules, outcomes), np.select(rules, range(1, 9))
    return np.where(any_valid, chosen, -1), np.where(any_valid, rule, 0)
