"""S2GM's short-term compositing, version 2: a cascade over NDVI, mNDWI and tasselled-cap brightness.

Belongs here: the kernel of version 2 and its thresholds. Not here: the checks of its inputs (``short_term``), or
version 1.

The algorithm document (S2GM-SC2-ATBD-BC 1.3.2, Kirches & Brockmann 2019) is known through two third-party codings,
tesselo/pixels ``clouds.py`` and EarthObservation/s2-composite. With NDVI of nir and red, mNDWI of green and swir16, and
brightness TCB = .3029 blue + .2786 green + .4733 red + .5599 nir08 + .508 swir16 + .1872 swir22, the first rule that
fires decides among the valid observations of a pixel (default thresholds):

1. mean mNDWI < -0.55 and largest - mean NDVI < 0.05: largest NDVI
2. mean NDVI < -0.3 and mean - smallest mNDWI < 0.05: largest mNDWI
3. mean NDVI > 0.6 and mean TCB < 0.45: largest NDVI
4. the smallest TCB passes the cloud test: that observation
5. it is no snow: that observation, but none at all if its TCB > 1
6. mean NDVI < -0.2: largest mNDWI
7. mean TCB > 0.45: smallest NDVI
8. largest NDVI

Where the codings disagree:

* rule 2: one takes the smallest NDVI from the mean mNDWI, a slip; mNDWI it is, the mirror of rule 1;
* rule 5: one goes on to rule 6 when TCB > 1; both spell out "no value" in their pseudo-code, and so it is here;
* cloud test: one has high-probability cloud only; the other, which names the document's function, also has
  low-probability cloud, as here, and snow. Snow is left to rule 5, which asks for it: real snow has the haze of a
  high-probability cloud anyway;
* low-probability cloud: one leaves the visible mean > 0.12 out of its last test; its high-probability twin has it;
* snow: "mNDWI > 0.7 and not (green > swir16 and TCB < 0.36)" against "mNDWI > 0.6 and TCB > 0.36". A positive mNDWI
  says green > swir16, so both are one rule, mNDWI over a limit and TCB not below 0.36, up to the limit (and TCB of
  0.36 exactly). 0.7, found in both codings, is the default; ``ShortTermThresholds(snow_mndwi=0.6)`` is the other.

An index of two zeros counts as 0. Of equals the first wins. Sums over time are taken in the order of the stack.
"""

from __future__ import annotations

import math
from collections import namedtuple
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numba as nb
import numpy as np

from weft.compositing.inputs import normalised_difference
from weft.errors import RequestError

NEEDED = ("blue", "green", "red", "nir", "nir08", "swir16", "swir22")
"""The bands the rules read, in the order of the kernel's planes."""
BLOCK = 1024
"""Pixels of one unit of parallel work: their few dates stay in the second-level cache."""

_BLUE, _GREEN, _RED, _NIR, _NIR08, _SWIR16, _SWIR22 = range(7)
# Weights x 10^4 times reflectance x 10^4 are whole numbers: brightness and haze are exact, in units of 10^-8.
_BRIGHTNESS = np.array([3029, 2786, 4733, 0, 5599, 5080, 1872], np.int64)
_HAZE = np.array([-8239, 849, 4396, 0, -580, 2013, -2773], np.int64)
_UNIT = 1e8


@dataclass(frozen=True, slots=True)
class ShortTermThresholds:
    """Thresholds of version 2; reflectance and brightness in units of reflectance, indices without unit.

    Attributes:
        dry_mndwi: rule 1, mean mNDWI below it.
        stable_ndvi: rule 1, largest minus mean NDVI below it.
        water_ndvi: rule 2, mean NDVI below it.
        stable_mndwi: rule 2, mean minus smallest mNDWI below it.
        dense_ndvi: rule 3, mean NDVI above it.
        dense_tcb: rule 3, mean brightness below it.
        white_tcb: rule 5, no value above it.
        wet_ndvi: rule 6, mean NDVI below it.
        bright_tcb: rule 7, mean brightness above it.
        snow_mndwi: snow, mNDWI above it.
        snow_tcb: snow, brightness not below it.
        cloud_haze: cloud, haze below it, whatever else.
        cloud_visible: cloud, visible mean above it, in the tests ``_dark_haze`` and ``_other_haze``.
        cloud_nir_swir: cloud, normalised difference of nir and swir16 below it, in the tests ``_thin_haze``.
        high_visible: high-probability cloud, visible mean that parts bright from dark.
        high_haze: bright with green > swir16, haze below it.
        high_thin_haze: bright with green > swir16, haze above it.
        high_dark_haze: dark with green > swir16, haze below it.
        high_other_haze: all others, haze below it.
        low_visible: low-probability cloud, visible mean that is dark.
        low_haze: dark with swir16 > green, haze below it.
        low_thin_haze: dark with swir16 > green, haze below it.
        low_dark_haze: dark with green > swir16, haze below it.
        low_other_haze: all others, haze below it.
    """

    dry_mndwi: float = -0.55
    stable_ndvi: float = 0.05
    water_ndvi: float = -0.3
    stable_mndwi: float = 0.05
    dense_ndvi: float = 0.6
    dense_tcb: float = 0.45
    white_tcb: float = 1.0
    wet_ndvi: float = -0.2
    bright_tcb: float = 0.45
    snow_mndwi: float = 0.7
    snow_tcb: float = 0.36
    cloud_haze: float = -0.2
    cloud_visible: float = 0.12
    cloud_nir_swir: float = 0.4
    high_visible: float = 0.3
    high_haze: float = -0.1
    high_thin_haze: float = -0.08
    high_dark_haze: float = -0.055
    high_other_haze: float = -0.09
    low_visible: float = 0.2
    low_haze: float = -0.1
    low_thin_haze: float = -0.08
    low_dark_haze: float = -0.055
    low_other_haze: float = -0.02

    def __post_init__(self) -> None:
        """Refuse what is no finite number."""
        for field in fields(self):
            if not math.isfinite(getattr(self, field.name)):
                raise RequestError(f"threshold {field.name} is a finite number, got {getattr(self, field.name)}")

    def limits(self) -> Any:
        """The same as a tuple of named floats, which kernels can read."""
        return _Limits(*(float(getattr(self, field.name)) for field in fields(self)))


_Limits = namedtuple("_Limits", [field.name for field in fields(ShortTermThresholds)])  # type: ignore[misc]


class _Summary(NamedTuple):
    """The valid observations of one pixel; positions in time are -1 without any."""

    mean_ndvi: float
    max_ndvi: float
    mean_mndwi: float
    min_mndwi: float
    mean_tcb: float
    greenest: int
    least_green: int
    wettest: int
    darkest: int


@nb.njit(nogil=True, cache=True)
def _weighted(flat, images, p, weights):  # type: ignore[no-untyped-def]
    total = np.int64(0)
    for band in range(len(weights)):
        total += weights[band] * np.int64(flat[images[band] + p])
    return total


@nb.njit(nogil=True, cache=True)
def _summarise(flat, offsets, mask, mask_offsets, p):  # type: ignore[no-untyped-def]
    count = 0
    sum_ndvi = sum_mndwi = 0.0
    max_ndvi = max_mndwi = -np.inf
    min_ndvi = min_mndwi = np.inf
    sum_tcb = np.int64(0)
    min_tcb = np.int64(np.iinfo(np.int64).max)
    greenest = least_green = wettest = darkest = -1
    for t in range(len(offsets)):
        if mask[mask_offsets[t] + p] == 0:
            continue
        ndvi = normalised_difference(flat[offsets[t, _NIR] + p], flat[offsets[t, _RED] + p], 0.0)
        mndwi = normalised_difference(flat[offsets[t, _GREEN] + p], flat[offsets[t, _SWIR16] + p], 0.0)
        tcb = _weighted(flat, offsets[t], p, _BRIGHTNESS)
        count += 1
        sum_ndvi += ndvi
        sum_mndwi += mndwi
        sum_tcb += tcb
        min_mndwi = min(min_mndwi, mndwi)
        if ndvi > max_ndvi:
            max_ndvi, greenest = ndvi, t
        if ndvi < min_ndvi:
            min_ndvi, least_green = ndvi, t
        if mndwi > max_mndwi:
            max_mndwi, wettest = mndwi, t
        if tcb < min_tcb:
            min_tcb, darkest = tcb, t
    n = np.float64(max(count, 1))
    mean_tcb = np.float64(sum_tcb) / (n * _UNIT)
    return _Summary(sum_ndvi / n, max_ndvi, sum_mndwi / n, min_mndwi, mean_tcb, greenest, least_green, wettest, darkest)


@nb.njit(nogil=True, cache=True)
def _is_cloud(flat, images, p, limits):  # type: ignore[no-untyped-def]
    blue, green, red = np.int64(flat[images[_BLUE] + p]), np.int64(flat[images[_GREEN] + p]), flat[images[_RED] + p]
    nir, swir = flat[images[_NIR] + p], flat[images[_SWIR16] + p]
    visible = np.float64(blue + green + np.int64(red)) / 30000.0
    haze = np.float64(_weighted(flat, images, p, _HAZE)) / _UNIT
    drop = normalised_difference(nir, swir, 0.0) < limits.cloud_nir_swir
    lit = visible > limits.cloud_visible
    if haze < limits.cloud_haze:
        return True

    bright = green > swir and visible > limits.high_visible
    dark = green > swir and visible < limits.high_visible
    if bright and (haze < limits.high_haze or (haze > limits.high_thin_haze and drop)):
        return True
    if lit and haze < (limits.high_dark_haze if dark else limits.high_other_haze):
        return True

    dull = swir > green and visible < limits.low_visible
    dark = green > swir and visible < limits.low_visible
    if dull and (haze < limits.low_haze or (haze < limits.low_thin_haze and drop)):
        return True
    return lit and haze < (limits.low_dark_haze if dark else limits.low_other_haze)


@nb.njit(nogil=True, cache=True)
def _choose(flat, offsets, mask, mask_offsets, p, limits):  # type: ignore[no-untyped-def]
    seen = _summarise(flat, offsets, mask, mask_offsets, p)
    if seen.darkest < 0:
        return -1
    if seen.mean_mndwi < limits.dry_mndwi and seen.max_ndvi - seen.mean_ndvi < limits.stable_ndvi:
        return seen.greenest
    if seen.mean_ndvi < limits.water_ndvi and seen.mean_mndwi - seen.min_mndwi < limits.stable_mndwi:
        return seen.wettest
    if seen.mean_ndvi > limits.dense_ndvi and seen.mean_tcb < limits.dense_tcb:
        return seen.greenest
    images = offsets[seen.darkest]
    if not _is_cloud(flat, images, p, limits):
        return seen.darkest
    tcb = np.float64(_weighted(flat, images, p, _BRIGHTNESS)) / _UNIT
    mndwi = normalised_difference(flat[images[_GREEN] + p], flat[images[_SWIR16] + p], 0.0)
    if not (mndwi > limits.snow_mndwi and tcb >= limits.snow_tcb):
        return -1 if tcb > limits.white_tcb else seen.darkest
    if seen.mean_ndvi < limits.wet_ndvi:
        return seen.wettest
    if seen.mean_tcb > limits.bright_tcb:
        return seen.least_green
    return seen.greenest


@nb.njit(nogil=True, parallel=True, cache=True)
def reduce_v2(flat, offsets, mask, mask_offsets, limits, index):  # type: ignore[no-untyped-def]
    """Write the winner of every pixel to ``index`` (1-D), -1 where there is none; images as planes, bands NEEDED."""
    for block in nb.prange((len(index) + BLOCK - 1) // BLOCK):
        for p in range(block * BLOCK, min(len(index), (block + 1) * BLOCK)):
            index[p] = _choose(flat, offsets, mask, mask_offsets, p, limits)
