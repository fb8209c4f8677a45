"""Slow, obvious re-implementations of the mosaic's geometry and blending."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pyproj
from shapely.geometry import LineString

GEOD = pyproj.Geod(ellps="WGS84")


def geodesic_distance_km(line: LineString, longitude: float, latitude: float) -> float:
    """Shortest geodesic to a line whose segments are geodesics, by golden-section search in each nearby segment."""
    vertices = np.asarray(line.coords)
    _, _, metres = GEOD.inv(np.full(len(vertices), longitude), np.full(len(vertices), latitude), *vertices.T)
    nearest = int(np.argmin(metres))
    best = metres[nearest]
    for first in range(max(0, nearest - 1), min(len(vertices) - 1, nearest + 1)):
        azimuth, _, length = GEOD.inv(*vertices[first], *vertices[first + 1])

        def at(along: float, first: int = first, azimuth: float = azimuth) -> float:
            x, y, _ = GEOD.fwd(*vertices[first], azimuth, along)
            return GEOD.inv(longitude, latitude, x, y)[2]

        low, high = 0.0, length
        while high - low > 0.1:
            a, b = low + (high - low) * 0.382, low + (high - low) * 0.618
            low, high = (low, b) if at(a) < at(b) else (a, high)
        best = min(best, at((low + high) / 2))
    return float(best) / 1000.0


def weight(method: str, distance_km: float, count: int) -> float:
    """Weight of a track, not yet an integer."""
    if count == 0:
        return 0.0
    if method == "mean":
        return 1.0
    inverse = 1.0 / max(distance_km, 1.0)
    if method == "idw":
        return inverse
    t = (140.0 - distance_km) / 30.0
    taper = 0.0 if t < 0 else 1.0 if t > 1 else 3 * t**2 - 2 * t**3
    return inverse * taper * count / (count + 2)


def integer_weight(method: str, distance_km: float, count: int) -> int:
    """Weight in units of 2^-28, at least one where the track has data."""
    if method == "mean" or count == 0:
        return int(count > 0)
    return max(1, int(weight(method, distance_km, count) * 2**28 + 0.5))


def blend(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean per pixel in rational numbers, rounded half up."""
    out = np.zeros(values.shape[1:], np.uint16)
    for y, x in np.ndindex(*out.shape):
        pairs = [(int(v), int(w)) for v, w in zip(values[:, y, x], weights[:, y, x], strict=True) if v and w]
        if pairs:
            mean = Fraction(sum(v * w for v, w in pairs), sum(w for _, w in pairs))
            out[y, x] = (mean + Fraction(1, 2)).__floor__()
    return out


def neighbours(height: int, width: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Pairs of pixels that share a side, the left or upper one first."""
    for y, x in np.ndindex(height, width):
        if x + 1 < width:
            yield (y, x), (y, x + 1)
        if y + 1 < height:
            yield (y, x), (y + 1, x)


def edge_steps(field: np.ndarray, data: np.ndarray) -> list[float]:
    """Absolute steps of a field (y, x) between neighbours where some track's data (track, y, x) end, another's not."""
    across, down = (data[..., 1:], data[..., :-1]), (data[:, 1:], data[:, :-1])
    steps = []
    for axis, (after, before) in ((1, across), (0, down)):
        edge = (before != after).any(axis=0) & (before & after).any(axis=0)
        steps += np.abs(np.diff(field.astype(float), axis=axis))[edge].tolist()
    return steps


def ending(distance_km: np.ndarray, count: np.ndarray, half_width_km: float, one: tuple, other: tuple) -> list[int]:
    """Tracks whose swath ends between two pixels, if another track has data in both."""
    tracks = range(len(count))
    if not any(count[k][one] and count[k][other] for k in tracks):
        return []
    outside = [min(distance_km[k][one], distance_km[k][other]) - half_width_km for k in tracks]
    return [k for k in tracks if bool(count[k][one]) != bool(count[k][other]) and -15 < outside[k] < 5]


def seam_step(distance_km: np.ndarray, count: np.ndarray, weight: np.ndarray, half_width_km: float) -> float | None:
    """Largest change of an ending track's share of the weights, over all pairs of neighbours."""
    share = weight / np.maximum(weight.sum(axis=0, dtype=float), 1)
    steps = [
        abs(share[k][one] - share[k][other])
        for one, other in neighbours(*count.shape[1:])
        for k in ending(distance_km, count, half_width_km, one, other)
    ]
    return max(steps, default=None)


def seam_index(
    distance_km: np.ndarray, count: np.ndarray, value: np.ndarray, track_values: np.ndarray, half_width_km: float
) -> float | None:
    """Gradient across swath edges over gradient beside them, in the mosaic over the same in the nearest track."""
    tracks = range(len(count))
    groups: dict[tuple, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: {"edge": [], "beside": []})
    for one, other in neighbours(*count.shape[1:]):
        both = [k for k in tracks if count[k][one] and count[k][other]]
        if not both:
            continue
        distance = [min(distance_km[k][one], distance_km[k][other]) for k in tracks]
        ground = track_values[min(both, key=lambda k: distance[k])].astype(int)
        if not (value[one] and value[other] and ground[one] and ground[other]):
            continue
        gradient = abs(int(value[one]) - int(value[other])), abs(ground[one] - ground[other])
        group = groups[other[0] // 32, other[1] // 32, one[0] == other[0]]
        if ending(distance_km, count, half_width_km, one, other):
            group["edge"].append(gradient)
            continue
        whole = all(bool(count[k][one]) == bool(count[k][other]) for k in tracks)
        if other[0] % 32 == 16 and whole and any(-15 < d - half_width_km < 5 for d in distance):
            group["beside"].append(gradient)
    groups = {place: group for place, group in groups.items() if group["edge"] and group["beside"]}
    if not groups:
        return None
    edges = [gradient for group in groups.values() for gradient in group["edge"]]
    # The mean beside the edges of each cell stands as often as the cell has edges.
    beside = [np.mean(group["beside"], axis=0) for group in groups.values() for _ in group["edge"]]
    (edge_mosaic, edge_ground), (mosaic, ground) = np.mean(edges, axis=0) + 1, np.mean(beside, axis=0) + 1
    return float((edge_mosaic / mosaic) / (edge_ground / ground))


def hole_bound(nearness: float, seen: int, other_nearness: float, other_seen: int) -> float:
    """Largest step at the border of a hole in one of two tracks, as a share of the difference between the tracks.

    Where the clouds of a season leave a track no observation, its share of the mosaic falls from what it was at the
    border to nothing, and the mosaic steps by that share of the difference D between the tracks. With n observations
    at the border the track weighs a n / (n + 2), where a holds everything that distance gives, and the other track
    weighs b m / (m + 2). So the step is at most

        D a n / (n + 2) / (a n / (n + 2) + b m / (m + 2)) = D / (1 + (b / a) (1 + 2 / n) / (1 + 2 / m)),

    while ``idw`` steps by D / (1 + b / a), and ``mean`` by D / 2. As n < m wherever clouds thin out one track (at the
    border of a hole n is 1 or 2), the first is smaller than the second, and also than the third unless the track that
    has the hole is much the nearer one. It vanishes with n.
    """
    own, other = nearness * seen / (seen + 2), other_nearness * other_seen / (other_seen + 2)
    return own / (own + other)
