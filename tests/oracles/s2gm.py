"""Slow, obvious S2GM: one pixel at a time, in plain Python, by the description of the published script and documents.

Not here: anything fast (``s2gm_blocks``), or anything imported from the code under test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tests.oracles.compositing_kernels import medoid_of_pixel

PREFERENCE = ({4, 5}, {11}, {6}, {2}, {3}, {7}, {10}, {8}, {9}, {1}, {0})
"""Scene classes, best first."""
MEDOID = ("blue", "green", "red", "rededge075", "nir", "swir16", "swir22")


@dataclass(frozen=True)
class Seen:
    """One observation of the pixel: where it is in time, its class, cloud confidence and reflectance by band."""

    time: int
    scl: int
    cloud: int
    reflectance: dict[str, Fraction]

    def __getitem__(self, band: str) -> Fraction:
        return self.reflectance[band]

    @property
    def visible(self) -> Fraction:
        return self["blue"] + self["green"] + self["red"]

    @property
    def swir(self) -> Fraction:
        return (self["swir16"] + self["swir22"]) / 2

    def difference(self, a: str, b: str) -> Fraction | None:
        total = self[a] + self[b]
        return (self[a] - self[b]) / total if total else None

    def rank(self) -> int:
        return next(place for place, classes in enumerate(PREFERENCE) if self.scl in classes)


def pixel(
    stack: Any, valid: Any, bands: Sequence[str], classes: Any, clouds: Any | None, place: tuple[int, int]
) -> list[Seen]:
    """The valid observations of one pixel of a block."""
    return [
        Seen(
            t,
            int(classes[(t, *place)]),
            0 if clouds is None else int(clouds[(t, *place)]),
            {band: Fraction(int(stack[(t, b, *place)]), 10000) for b, band in enumerate(bands)},
        )
        for t in range(len(stack))
        if valid[(t, *place)]
    ]


def literal(observations: list[Seen]) -> int:
    """Version 1 as published: a left fold."""
    best = observations[0]
    for challenger in observations[1:]:
        if challenger_wins(challenger, best):
            best = challenger
    return best.time


def challenger_wins(a: Seen, b: Seen) -> bool:
    """Whether the new sample a takes the place of the current best b."""
    if a.rank() != b.rank():
        return a.rank() < b.rank()
    clear = a.cloud <= b.cloud
    if a.scl == 4 and b.scl == 4:
        ndvi_a, ndvi_b = a.difference("nir", "red"), b.difference("nir", "red")
        return clear and ndvi_a is not None and ndvi_b is not None and ndvi_a != ndvi_b
    if a.scl in (4, 5):
        return clear and a.visible < b.visible
    if a.scl in (11, 2, 3):
        return clear and a.visible > b.visible
    if a.scl == 6:
        ndwi_a, ndwi_b = a.difference("green", "nir"), b.difference("green", "nir")
        wetter = ndwi_a is not None and ndwi_b is not None and ndwi_a > ndwi_b
        return clear and (wetter or a.swir < b.swir)
    if a.scl in (7, 8, 9, 10, 1):
        return a.visible < b.visible
    return False


def intended(observations: list[Seen]) -> int:
    """Version 1 as an order of merit: narrow the observations down, step by step."""
    top = min(one.rank() for one in observations)
    left = [one for one in observations if one.rank() == top]
    scl = left[0].scl
    if scl in (4, 5, 11, 6, 2, 3):
        clearest = min(one.cloud for one in left)
        left = [one for one in left if one.cloud == clearest]
    if scl in (4, 5):
        green = [one for one in left if one.scl == 4]
        bare = [one for one in left if one.scl == 5]
        finalists = []
        if green:
            finalists.append(max(green, key=lambda one: (below_all(one.difference("nir", "red")), -one.time)))
        if bare:
            finalists.append(min(bare, key=lambda one: (one.visible, one.time)))
        return min(finalists, key=lambda one: (one.visible, one.time)).time
    if scl == 6:
        return min(left, key=lambda one: (-below_all(one.difference("green", "nir")), one.swir, one.time)).time
    if scl in (11, 2, 3):
        return min(left, key=lambda one: (-one.visible, one.time)).time
    if scl in (7, 8, 9, 10, 1):
        return min(left, key=lambda one: (one.visible, one.time)).time
    return left[0].time


def below_all(index: Fraction | None) -> Fraction:
    return Fraction(-5) if index is None else index


def brightness(one: Seen) -> Fraction:
    weights = {"blue": ".3029", "green": ".2786", "red": ".4733", "nir08": ".5599", "swir16": ".508", "swir22": ".1872"}
    return sum((Fraction(weight) * one[band] for band, weight in weights.items()), Fraction())


def haze(one: Seen) -> Fraction:
    weights = {
        "blue": "-.8239", "green": ".0849", "red": ".4396", "nir08": "-.058", "swir16": ".2013", "swir22": "-.2773"
    }  # fmt: skip
    return sum((Fraction(weight) * one[band] for band, weight in weights.items()), Fraction())


def index(one: Seen, a: str, b: str) -> float:
    exact = one.difference(a, b)
    return 0.0 if exact is None else float(exact)


def is_snow(one: Seen, limit: str = "0.7") -> bool:
    green_over_swir = one["green"] > one["swir16"]
    return index(one, "green", "swir16") > float(limit) and not (green_over_swir and brightness(one) < Fraction(".36"))


def is_cloud(one: Seen) -> bool:
    r_over_1 = one["green"] > one["swir16"]
    inverse_over_1 = one["swir16"] > one["green"]
    v = one.visible / 3
    h = haze(one)
    d = index(one, "nir", "swir16")

    def f(text: str) -> Fraction:
        return Fraction(text)

    high = (
        (r_over_1 and v > f(".3") and (h < f("-.1") or (h > f("-.08") and d < 0.4)))
        or h < f("-.2")
        or (r_over_1 and v < f(".3") and h < f("-.055") and v > f(".12"))
        or (not (r_over_1 and v < f(".3")) and h < f("-.09") and v > f(".12"))
    )
    low = (
        (inverse_over_1 and v < f(".2") and (h < f("-.1") or (h < f("-.08") and d < 0.4)))
        or h < f("-.2")
        or (r_over_1 and v < f(".2") and h < f("-.055") and v > f(".12"))
        or (not (r_over_1 and v < f(".2")) and h < f("-.02") and v > f(".12"))
    )
    return high or low


def mean(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def version2(observations: list[Seen], snow_limit: str = "0.7") -> tuple[int, int]:
    """The chosen time, -1 for none, and the number of the rule that fired."""
    ndvi = [index(one, "nir", "red") for one in observations]
    mndwi = [index(one, "green", "swir16") for one in observations]
    tcb = [brightness(one) for one in observations]
    mean_tcb = sum(tcb, Fraction()) / len(tcb)
    max_ndvi = observations[ndvi.index(max(ndvi))].time
    min_ndvi = observations[ndvi.index(min(ndvi))].time
    max_mndwi = observations[mndwi.index(max(mndwi))].time
    darkest = observations[tcb.index(min(tcb))]

    if mean(mndwi) < -0.55 and max(ndvi) - mean(ndvi) < 0.05:
        return max_ndvi, 1
    if mean(ndvi) < -0.3 and mean(mndwi) - min(mndwi) < 0.05:
        return max_mndwi, 2
    if mean(ndvi) > 0.6 and mean_tcb < Fraction(".45"):
        return max_ndvi, 3
    if not is_cloud(darkest):
        return darkest.time, 4
    if not is_snow(darkest, snow_limit):
        return (-1 if min(tcb) > 1 else darkest.time), 5
    if mean(ndvi) < -0.2:
        return max_mndwi, 6
    if mean_tcb > Fraction(".45"):
        return min_ndvi, 7
    return max_ndvi, 8


def representative(
    observations: list[Seen], variant: str, medoid_min: int, bands: Sequence[str]
) -> tuple[int, int, float]:
    """Time, method (0 none, 1 single, 2 short-term, 3 medoid) and spread of one pixel."""
    if not observations:
        return -1, 0, float("nan")
    if len(observations) == 1:
        return observations[0].time, 1, float("nan")
    if len(observations) < medoid_min:
        rules = {"literal": literal, "intended": intended, "version2": lambda seen: version2(seen)[0]}
        time = rules[variant](observations)
        return time, 2 if time >= 0 else 0, float("nan")
    vectors = np.array([[float(one[band] * 10000) for band in MEDOID if band in bands] for one in observations])
    best, smallest = medoid_of_pixel(vectors)
    return observations[best].time, 3, float(np.float32(smallest / len(observations)))
