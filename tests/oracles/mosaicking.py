"""Slow, obvious re-implementations of the mosaic's geometry and blending."""

from __future__ import annotations

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


def edge_steps(field: np.ndarray, data: np.ndarray) -> list[float]:
    """Absolute steps of a field (y, x) between neighbours in a row where some track's data (track, y, x) end."""
    steps = []
    for y, x in np.ndindex(field.shape[0], field.shape[1] - 1):
        before, after = data[:, y, x], data[:, y, x + 1]
        if (before != after).any() and (before & after).any():
            steps.append(abs(float(field[y, x + 1]) - float(field[y, x])))
    return steps
