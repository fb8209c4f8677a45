"""Levels of tracks: what brings them to one radiometric level before they are blended.

Belongs here: applying a level, and solving for the levels of all tracks of a region at once. Not here: sampling what
tracks share (``overlaps``), comparing two of them (``agreement``), or blending (``blending``).

Neighbouring tracks see the ground from opposite sides, on different days, through different air. What is left of that
in their orbit mosaics is mostly a gain and an offset of each track and layer. For each two tracks that overlap these
are estimated robustly; then one gain and one offset of each track are solved for that agree best with all overlaps,
each weighted by its number of pixels. Differences alone leave the common level open: it is held where the tracks are,
so that the mean over all their pixels stays what it was.

An overlap gives less where it knows less: a gain and an offset, only an offset, or nothing. So does a group of
connected tracks whose solution is beyond belief, for what lies between tracks then is no level. A track without any
usable overlap keeps gain 1 and offset 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse.csgraph
from numba import njit

from weft.mosaicking.agreement import Agreement, agreement
from weft.mosaicking.overlaps import Overlap, Overlaps

MAX_GAIN = 1.25
"""Largest gain, and the inverse of the smallest: between tracks of one season more is no matter of level."""
MAX_SHIFT = 1000.0
"""Largest change of a track's mean in stored units: a reflectance of 0.1."""
MIN_PIXELS = 50
"""Fewest sampled pixels that agree, for an offset."""
MIN_PIXELS_GAIN = 200
"""Fewest sampled pixels that agree, for a gain."""
MAX_GAIN_ERROR = 0.01
"""Largest standard error of a gain; where the ground of an overlap varies too little, the error says so."""

# Binary fractions: products and sums with 16-bit values are exact, numbers survive JSON, and the last digits of linear
# algebra, which differ between machines, are cut off.
_GAIN_STEPS = 1 << 16
_OFFSET_STEPS = 1 << 8

Used = Literal["gain and offset", "offset", "nothing"]


@dataclass(frozen=True, slots=True)
class Level:
    """What is done to the stored values of a layer of a track: ``gain * value + offset``.

    Attributes:
        gain: a factor.
        offset: in stored units, 0.0001 of reflectance.
    """

    gain: float
    offset: float


AS_IT_IS = Level(1.0, 0.0)

Levels = Mapping[str, Mapping[str, Level]]
"""Track -> layer -> level; what is not in it stays as it is."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an overlap of two tracks gave to the level of one layer, and what became of the step between them.

    Attributes:
        used: what it gave.
        before: mean of the second track less that of the first where both agree, stored units.
        after: the same, once levels are applied.
    """

    used: Used
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The outcome of a fit.

    Attributes:
        levels: one for every track and layer, also for those that stay as they are.
        comparisons: (first track, second track) -> layer -> comparison; a layer in which an overlap has not a single
            pixel is left out.
    """

    levels: Levels
    comparisons: Mapping[tuple[str, str], Mapping[str, Comparison]]


def apply(values: npt.NDArray[np.uint16], level: Level) -> npt.NDArray[np.uint16]:
    """Bring stored values of a track to its level.

    Args:
        values: (y, x) uint16, 0 where there is no value.
        level: of the track and layer.

    Returns:
        (y, x) uint16, rounded half up: 0 stays 0, all others become 1 to 65535. Exact for levels of :func:`fit`.
    """
    out = np.empty_like(values)
    _apply(values, level.gain, level.offset, out)
    return out


def fit(overlaps: Overlaps) -> Fitted:
    """Levels of all tracks of a region.

    Args:
        overlaps: from :class:`weft.mosaicking.overlaps.OverlapSampler`.

    Returns:
        Levels and what they rest on; the same for any order in which sheets and tracks were sampled. Over the sampled
        pixels of a group of connected tracks the mean of all values is what it was, but for 1/256 of a stored unit.
    """
    levels: dict[str, dict[str, Level]] = {track: {} for track in sorted(overlaps.tracks)}
    comparisons: dict[tuple[str, str], dict[str, Comparison]] = {pair.tracks: {} for pair in overlaps.pairs}
    for layer in overlaps.layers:
        solution = _solve(overlaps, layer)
        for track, level in solution.levels.items():
            levels[track][layer] = level
        for tracks, comparison in solution.comparisons.items():
            comparisons[tracks][layer] = comparison
    return Fitted(levels, comparisons)


@dataclass(frozen=True, slots=True)
class _Solution:
    levels: Mapping[str, Level]
    comparisons: Mapping[tuple[str, str], Comparison]


@dataclass(frozen=True, slots=True)
class _Edge:
    """Two tracks, by their numbers, and how they agree."""

    tracks: tuple[str, str]
    first: int
    second: int
    weight: float
    found: Agreement


def _solve(overlaps: Overlaps, layer: str) -> _Solution:
    tracks = sorted(overlaps.tracks)
    pixels = np.array([overlaps.tracks[track][layer].pixels for track in tracks], float)
    means = np.array([overlaps.tracks[track][layer].mean for track in tracks])
    edges = [edge for pair in overlaps.pairs if (edge := _edge(pair, layer, tracks)) is not None]
    credible = [edge for edge in edges if edge.found.pixels >= MIN_PIXELS and _mild(edge.found)]
    gains, with_gain = _gains([edge for edge in credible if _has_gain(edge.found)], pixels)
    offsets, with_offset = _offsets(credible, gains, pixels, means)
    gains = np.where(np.isnan(offsets), 1.0, gains)
    offsets = np.nan_to_num(offsets, nan=0.0)
    levels = {track: Level(float(g), float(o)) for track, g, o in zip(tracks, gains, offsets, strict=True)}
    compared = {}
    for edge in edges:
        a, b = edge.found.first_mean, edge.found.second_mean
        one, other = levels[tracks[edge.first]], levels[tracks[edge.second]]
        used: Used = "nothing"
        if edge in with_offset:
            used = "gain and offset" if edge in with_gain else "offset"
        compared[edge.tracks] = Comparison(used, b - a, other.gain * b + other.offset - one.gain * a - one.offset)
    return _Solution(levels, compared)


def _edge(pair: Overlap, layer: str, tracks: Sequence[str]) -> _Edge | None:
    first, second = pair.values[layer]
    both = (first > 0) & (second > 0)
    if not both.any():
        return None
    share = float(both.mean())
    one, other = pair.tracks
    found = agreement(first[both].astype(float), second[both].astype(float))
    return _Edge(pair.tracks, tracks.index(one), tracks.index(other), pair.pixels * share, found)


def _mild(found: Agreement) -> bool:
    return abs(found.second_mean - found.first_mean) <= 2 * MAX_SHIFT


def _has_gain(found: Agreement) -> bool:
    return (
        found.pixels >= MIN_PIXELS_GAIN
        and found.gain_error <= MAX_GAIN_ERROR
        and 1 / MAX_GAIN <= found.gain <= MAX_GAIN
    )


def _gains(edges: Sequence[_Edge], pixels: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], list[_Edge]]:
    """Gains of all tracks, and the edges they rest on.

    If second = gain * first where they overlap, levels meet when gain = gain of first / gain of second: logarithms are
    differences.
    """
    logarithms, groups = _potentials(edges, [-math.log(edge.found.gain) for edge in edges], len(pixels))
    for group in groups:
        logarithms[group] -= np.average(logarithms[group], weights=pixels[group])
        if np.abs(logarithms[group]).max() > math.log(MAX_GAIN):
            logarithms[group] = 0.0
            edges = [edge for edge in edges if edge.first not in group]
    return np.rint(np.exp(logarithms) * _GAIN_STEPS) / _GAIN_STEPS, list(edges)


def _offsets(
    edges: Sequence[_Edge],
    gains: npt.NDArray[np.float64],
    pixels: npt.NDArray[np.float64],
    means: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], list[_Edge]]:
    """Offsets of all tracks, NaN in groups to be left as they are, and the edges they rest on."""
    steps = [gains[e.first] * e.found.first_mean - gains[e.second] * e.found.second_mean for e in edges]
    offsets, groups = _potentials(edges, steps, len(gains))
    for group in groups:
        drift = (gains[group] - 1.0) * means[group] + offsets[group]
        drift -= np.average(drift, weights=pixels[group])
        offsets[group] = drift - (gains[group] - 1.0) * means[group]
        if np.abs(drift).max() > MAX_SHIFT:
            offsets[group] = np.nan
            edges = [edge for edge in edges if edge.first not in group]
    return np.rint(offsets * _OFFSET_STEPS) / _OFFSET_STEPS, list(edges)


def _potentials(
    edges: Sequence[_Edge], steps: Sequence[float], count: int
) -> tuple[npt.NDArray[np.float64], list[npt.NDArray[np.intp]]]:
    """Numbers whose differences, second less first, are nearest to ``steps``, and the groups that edges connect.

    Each group is known up to a constant; tracks without an edge are 0 and in no group.
    """
    potentials = np.zeros(count)
    if not edges:
        return potentials, []
    rows = np.arange(len(edges))
    first, second = (np.array(ends) for ends in zip(*((edge.first, edge.second) for edge in edges), strict=True))
    roots = np.sqrt([edge.weight for edge in edges])
    equations = np.zeros((len(edges), count))
    equations[rows, first], equations[rows, second] = -roots, roots
    potentials = np.linalg.lstsq(equations, roots * np.array(steps), rcond=None)[0]
    graph = scipy.sparse.coo_array((np.ones(len(edges)), (first, second)), (count, count))
    _, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return potentials, [group for group in groups if len(group) > 1]


@njit(nogil=True, cache=True)
def _apply(values: npt.NDArray[np.uint16], gain: float, offset: float, out: npt.NDArray[np.uint16]) -> None:
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            value = np.floor(values[y, x] * gain + offset + 0.5)
            out[y, x] = np.uint16(np.int32(min(max(value, 1.0), 65535.0))) if values[y, x] else np.uint16(0)
