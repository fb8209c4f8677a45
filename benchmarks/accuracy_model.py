"""Pixel stacks with a known truth, for the accuracy of compositing methods: the simulator's physics without its files.

Belongs here: positions, days, leaked cloud, shadow and haze, and the stacks they make. Not here: methods or scores.

The ground is the simulator's, looked at on a lattice of positions kilometres apart, so that neighbours share little but
the climate. Every pixel is seen by one track at its own view angle and has up to 20 observations on random days of one
season. Some of them are spoiled by what the scene classification overlooked, which no mask can take out any more.
The truth of a pixel is what :mod:`weft.simulation.truth` takes it for: the median over the season of the clear ground
seen from above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from weft.compositing import percentiles
from weft.periods import TimeWindow, window
from weft.rasters.grid import Grid
from weft.simulation.classifier import classify
from weft.simulation.landscape import GROUND_CRS, Cover, Landscape, reflectance
from weft.simulation.noise import seed_of
from weft.simulation.sensor import INSIDE, at_sensor, digitise
from weft.simulation.spectra import BANDS
from weft.simulation.weather import Sky

Leak = Literal["mixed", "bright", "dark"]
"""What is overlooked: cloud edges, shadows and haze in equal parts; cloud edges and haze alone; shadows alone."""

SEASONS = ("2020-12", "2021-03", "2021-06", "2021-09")
"""All four GLAD seasons of one year."""
OBSERVATIONS = 20
"""Most observations of a pixel."""
STACK_BANDS = (*BANDS, "nir08")
"""Bands of a stack: the simulator's, and its near infrared once more, with noise of its own, for the rules that ask."""

CLOUD_EDGE = (0.05, 0.40)
"""Opacity of an overlooked cloud edge: the share of the ground's light that cloud replaces."""
SHADOW = (0.30, 0.90)
"""Depth of an overlooked shadow, of which the sensor model takes 60 %: 18 to 54 % of the light is gone."""
HAZE = (0.02, 0.15)
"""Opacity of overlooked haze, with the spectrum of cirrus."""

_PIXEL = 10.0
_LEFT, _TOP, _WIDTH, _HEIGHT = 3_870_000.0, 3_180_000.0, 260_000.0, 190_000.0  # sea, plains, towns and mountains
_TRUTH_EVERY = timedelta(days=5)
_KINDS: dict[Leak, tuple[int, ...]] = {"mixed": (0, 1, 2), "bright": (0, 2), "dark": (1,)}
_UNNOTICED = 0.5  # share of the spoiled observations whose label and cloud confidence give no hint at all
_CLEAR_CONFIDENCE = 5
_DARK_AREA = 2


@dataclass(frozen=True, slots=True)
class Site:
    """The ground of one season at a lattice of positions.

    Attributes:
        cover: what lies there.
        daily: clear nadir reflectance of each day of the season, float32 (day, band, y, x), bands of ``spectra.BANDS``.
        truth: its median over the season, float32 (band, y, x).
        settled: bool (y, x), False where snow lies on any day: of two states of the ground no median is the truth.
        seed: of everything random about the observations.
    """

    cover: Cover
    daily: NDArray[np.float32]
    truth: NDArray[np.float32]
    settled: NDArray[np.bool_]
    seed: np.uint64


@dataclass(frozen=True, slots=True)
class Sample:
    """Pixels side by side in one line, their observations newest first, and what they should come out as.

    Attributes:
        values: reflectance x 10000, uint16 (time, band, 1, pixel), bands of ``STACK_BANDS``.
        draw: int (time, 1, pixel): the observation was drawn as the pixel's ``draw``-th, so ``draw < n`` are n random
            ones; those are the same for every share and kind of leak.
        classes: scene classes, uint8 (time, 1, pixel); all of them count as valid.
        cloud_confidence: percent, uint8 (time, 1, pixel).
        spoiled: bool (time, 1, pixel): holds overlooked cloud, shadow or haze.
        truth: reflectance, float32 (band, 1, pixel), bands of ``spectra.BANDS``.
    """

    values: NDArray[np.uint16]
    draw: NDArray[np.intp]
    classes: NDArray[np.uint8]
    cloud_confidence: NDArray[np.uint8]
    spoiled: NDArray[np.bool_]
    truth: NDArray[np.float32]


def site(seed: int, season: str, side: int) -> Site:
    """The ground of a season at ``side`` x ``side`` positions; another seed is another country.

    Args:
        seed: everything follows from it.
        season: key of a GLAD season.
        side: positions in each direction.
    """
    shift = np.random.default_rng(int(seed_of(seed, "lattice", season))).random(2)
    step_x, step_y = _WIDTH / side, _HEIGHT / side
    lattice = Grid(GROUND_CRS, _LEFT - shift[0] * step_x, _TOP + shift[1] * step_y, step_x, step_y, side, side)
    cover = Landscape(seed, _PIXEL).cover(lattice)
    when = window("glad-seasons", season)
    daily, snow = reflectance(cover, _every_day(when))
    return Site(cover, daily, truth(cover, when), snow.max(axis=0) == 0, seed_of(seed, "accuracy", season))


def truth(cover: Cover, when: TimeWindow) -> NDArray[np.float32]:
    """Median over a period of the clear ground taken every five days, float32 (band, y, x); as ``Truth`` defines it."""
    count = max(1, round((when.end - when.start) / _TRUTH_EVERY))
    step = (when.end - when.start) / count
    days = [(when.start + step * (index + 0.5)).timetuple().tm_yday for index in range(count)]
    seen, _ = reflectance(cover, np.array(days, np.float64))
    valid = np.ones((count, *cover.crop.shape), bool)
    return np.stack([percentiles(seen[:, band], valid, (50,))[0][0] for band in range(len(BANDS))])


def sample(sites: Sequence[Site], share: float, leak: Leak = "mixed") -> Sample:
    """The settled pixels of some sites, each observation spoiled with the probability ``share``.

    Args:
        sites: from :func:`site`.
        share: 0 to 1; a larger one spoils more of the same observations.
        leak: what spoils them.
    """
    parts = [_observe(place, share, leak) for place in sites]
    joined = [
        np.concatenate([layer[..., place.settled] for layer, place in zip(layers, sites, strict=True)], axis=-1)
        for layers in zip(*parts, strict=True)
    ]
    return Sample(*(np.ascontiguousarray(layer[..., None, :]) for layer in joined))


def _observe(place: Site, share: float, leak: Leak) -> tuple[NDArray[Any], ...]:
    rng = np.random.default_rng(int(place.seed))
    shape = place.cover.crop.shape
    drawn = rng.random((len(place.daily), *shape)).argsort(axis=0)[:OBSERVATIONS]
    draw = np.argsort(-drawn, axis=0)
    days = np.take_along_axis(drawn, draw, axis=0)
    position = rng.uniform(-1, 1, shape).astype(np.float32)
    spoiled = rng.random(draw.shape) < share
    unnoticed = rng.random(draw.shape) < _UNNOTICED
    confidence = rng.integers(0, _CLEAR_CONFIDENCE + 1, draw.shape)
    sky = _sky(rng, spoiled, leak)
    confidence += np.where(unnoticed, 0, np.floor(100 * np.maximum(sky.cloud, sky.cirrus))).astype(int)
    water = place.cover.water > 0.5
    values = np.empty((OBSERVATIONS, len(STACK_BANDS), *shape), np.uint16)
    classes = np.empty(draw.shape, np.uint8)
    for time in range(OBSERVATIONS):
        ground = np.take_along_axis(place.daily, days[time][None, None], axis=0)[0]
        now = Sky(sky.cloud[time], sky.shadow[time], sky.cirrus[time])
        seen = dict(zip(BANDS, at_sensor(ground, now, position, gain=1.0), strict=True))
        seen["nir08"] = seen["nir"]
        for index, band in enumerate(STACK_BANDS):
            noise = seed_of(int(place.seed), "noise", time, band)
            values[time, index] = digitise(
                seen[band], np.full(shape, INSIDE), water, seed=noise, row=0, column=0, offset=0
            )
        classes[time] = _classes(place, seen["red"], seen["nir"], (now.shadow > 0) & ~unnoticed[time])
    return values, draw, classes, confidence.astype(np.uint8), spoiled, place.truth


def _every_day(when: TimeWindow) -> NDArray[np.float64]:
    dates = [when.start + timedelta(days=day) for day in range((when.end - when.start).days)]
    return np.array([date.timetuple().tm_yday for date in dates], np.float64)


def _sky(rng: np.random.Generator, spoiled: NDArray[np.bool_], leak: Leak) -> Sky:
    kind = rng.choice(_KINDS[leak], spoiled.shape)
    strength = rng.random(spoiled.shape)
    layers = [
        np.where(spoiled & (kind == index), low + (high - low) * strength, 0).astype(np.float32)
        for index, (low, high) in enumerate((CLOUD_EDGE, SHADOW, HAZE))
    ]
    return Sky(*layers)


def _classes(
    place: Site, red: NDArray[np.float32], nir: NDArray[np.float32], suspected: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    # What is overlooked is taken for ground: the classification sees a clear sky, but the spoiled colours. A shadow
    # that it half suspects becomes a dark area, which counts as valid too.
    none = np.zeros_like(red)
    observed, ndvi = np.ones(red.shape, bool), (nir - red) / (nir + red)
    labels = classify(observed, place.cover.water, none, none, ndvi, none, none, none, place.seed, 0, 0)
    return np.where(suspected, np.uint8(_DARK_AREA), labels)
