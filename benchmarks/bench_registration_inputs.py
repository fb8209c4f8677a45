"""Pairs of images of which every displacement is known: inputs of the registration benchmark.

Belongs here: the landscape, the displacement, what two sensors see of it, and the files of the large pair. Not here:
who matches them (``bench_registration_matching``, ``bench_registration_pair``).

A periodic landscape of fractal texture is smoothed until a cubic spline knows it between its pixels. The secondary
shows it as it is, the reference as it lies under the displacement; both get noise of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks import rasters
from benchmarks.bench_compositing_inputs import fractal
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec
from weft.scenes.scene import Layer

_PERIOD = 4096
_ROWS = 256
_NOISE = 20.0
_BAND = LayerSpec("red", "Red", "uint16", 0, 0.0001, 0.0, "1", "red")


@dataclass(frozen=True, slots=True)
class Pair:
    """Files of a reference and a secondary on one grid."""

    grid: Grid
    reference: Path
    secondary: Path

    def layer(self, path: Path) -> Layer:
        """One of the two, as catalogues describe it."""
        return Layer(str(path), 1, self.grid, scale=0.0001, nodata=0, unit="1")


def displacement(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the reference shows at (x, y), the secondary shows at (x + dx, y + dy): a shift, a trend and waves."""
    dx = 3.2 + 1e-4 * x + 0.8 * np.sin(2 * np.pi * y / 4000)
    dy = -1.7 - 1e-4 * y + 0.8 * np.cos(2 * np.pi * x / 5000)
    return dx, dy


def images(size: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """A reference and a secondary, (size, size) each."""
    pair = np.empty((2, size, size), np.uint16)
    for rows, strips in _strips(size):
        pair[:, rows] = strips
    return pair[0], pair[1]


def pair_files(folder: Path, size: int) -> Pair:
    """The pair as two COGs of 10 m pixels, written once."""
    grid = Grid("EPSG:32631", 600_000.0, 5_700_000.0, 10.0, 10.0, size, size)
    pair = Pair(grid, folder / f"registration-reference-{size}.tif", folder / f"registration-secondary-{size}.tif")
    if not (pair.reference.exists() and pair.secondary.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        for path, values in zip((pair.reference, pair.secondary), images(size), strict=True):
            rasters.write_cog(path, _BAND, grid, values)
    return pair


def _strips(size: int) -> Iterator[tuple[slice, tuple[NDArray[np.uint16], NDArray[np.uint16]]]]:
    rng = np.random.default_rng(6)
    splines = _splines()
    for start in range(0, size, _ROWS):
        y, x = np.mgrid[start : min(start + _ROWS, size), :size].astype(np.float64)
        dx, dy = displacement(x, y)
        seen = []
        for gain, row, column in ((1.0, y + dy, x + dx), (0.9, y, x)):
            ground = ndimage.map_coordinates(splines, [row, column], order=3, prefilter=False, mode="grid-wrap")
            noisy = gain * ground + _NOISE * rng.standard_normal(ground.shape)
            seen.append(np.clip(np.round(noisy), 1, 20_000).astype(np.uint16))
        yield slice(start, start + _ROWS), (seen[0], seen[1])


@lru_cache(maxsize=1)
def _splines() -> NDArray[np.float32]:
    texture = fractal(np.random.default_rng(5), _PERIOD, 1.0)
    ground = ndimage.gaussian_filter(2500 + 400 * texture.astype(np.float64), 0.8, mode="wrap")
    return ndimage.spline_filter(ground, order=3, output=np.float32, mode="grid-wrap")
