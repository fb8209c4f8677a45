"""Interpolation by the textbook formulas, one pixel at a time, and analytic scenes to interpolate."""

from __future__ import annotations

import math

import numpy as np
import pyproj

from weft.rasters.grid import Bounds, Grid


def keys(t: float, a: float = -0.5) -> float:
    """Keys 1981, equation 15 for a = -1/2."""
    t = abs(t)
    if t < 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def sinc(t: float) -> float:
    return 1.0 if t == 0 else math.sin(math.pi * t) / (math.pi * t)


WEIGHTS = {
    "bilinear": (1, lambda t: max(0.0, 1 - abs(t))),
    "cubic": (2, keys),
    "lanczos": (3, lambda t: sinc(t) * sinc(t / 3) if abs(t) < 3 else 0.0),
}


def interpolated(values: np.ndarray, x: float, y: float, kernel: str) -> float:
    """The documented rule: the kernel where all its pixels are there, else bilinear of those that are."""
    reach, weight = WEIGHTS[kernel]
    found = _taps(values, x, y, reach, weight)
    if not any(math.isnan(value) for value, _ in found):
        return sum(value * w for value, w in found) / sum(w for _, w in found)
    there = [(value, w) for value, w in _taps(values, x, y, *WEIGHTS["bilinear"]) if not math.isnan(value)]
    share = sum(w for _, w in there)
    nearest = _pixel(values, math.floor(x + 0.5), math.floor(y + 0.5))
    if math.isnan(nearest) or share < 0.5:
        return math.nan
    return sum(value * w for value, w in there) / share


def _taps(values, x, y, reach, weight):
    columns = range(math.floor(x) - reach + 1, math.floor(x) + reach + 1)
    rows = range(math.floor(y) - reach + 1, math.floor(y) + reach + 1)
    return [(_pixel(values, c, r), weight(x - c) * weight(y - r)) for r in rows for c in columns]


def _pixel(values, column, row):
    inside = 0 <= row < values.shape[0] and 0 <= column < values.shape[1]
    return float(values[row, column]) if inside else math.nan


class Waves:
    """A smooth scene as a function of ground coordinates: sines of 160 m to 700 m, in metres of EPSG:32631."""

    crs = "EPSG:32631"

    def __init__(self, seed: int = 5, count: int = 12):
        rng = np.random.default_rng(seed)
        length, angle = rng.uniform(160, 700, count), rng.uniform(0, 2 * np.pi, count)
        self.kx, self.ky = 2 * np.pi / length * np.cos(angle), 2 * np.pi / length * np.sin(angle)
        self.phase = rng.uniform(0, 2 * np.pi, count)
        self.size = 1.0 / count

    def value(self, east, north):
        return self.size * np.sin(self._angle(east, north)).sum(0)

    def at(self, east, north):
        """Value, and its derivatives by east and north, at ground places."""
        slope = np.cos(self._angle(east, north))
        return (
            self.value(east, north),
            self.size * np.tensordot(self.kx, slope, 1),
            self.size * np.tensordot(self.ky, slope, 1),
        )

    def on(self, grid):
        """Value at the pixel centres of a grid in any CRS."""
        return self.value(*centres(grid, self.crs))

    def shift_of(self, image, grid):
        """Shift (columns, rows) in pixels by which an image on a grid of this CRS lies off, by least squares."""
        assert grid.crs == self.crs
        truth, by_east, by_north = self.at(*centres(grid, self.crs))
        seen = ~np.isnan(image)
        slopes = np.stack([by_east[seen] * grid.x_size, -by_north[seen] * grid.y_size, np.ones(seen.sum())], -1)
        (dx, dy, _), *_ = np.linalg.lstsq(slopes, (image - truth)[seen], rcond=None)
        return dx, dy

    def _angle(self, east, north):
        angle = np.multiply.outer(self.kx, east) + np.multiply.outer(self.ky, north)
        return angle + self.phase.reshape(-1, *[1] * np.ndim(east))


def centres(grid, crs):
    """Coordinates of all pixel centres in another CRS."""
    x = grid.left + (np.arange(grid.width) + 0.5) * grid.x_size
    y = grid.top - (np.arange(grid.height) + 0.5) * grid.y_size
    x, y = np.meshgrid(x, y)
    if grid.crs == crs:
        return x, y
    return pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)


def covering(target, crs, resolution, anchor=0.0):
    """A grid in some CRS that covers a grid of 10 m pixels and 200 m more, its corner moved by ``anchor`` CRS units."""
    rim = Grid(target.crs, target.left - 200, target.top + 200, 10.0, 10.0, target.width + 40, target.height + 40)
    x, y = centres(rim, crs)
    left, top = np.floor(x.min() / resolution) * resolution, np.ceil(y.max() / resolution) * resolution
    return Grid.from_bounds(crs, Bounds(left + anchor, y.min(), x.max(), top + anchor), resolution)
