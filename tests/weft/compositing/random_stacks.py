"""Random observations that reach every branch of the S2GM rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BANDS = ("blue", "green", "red", "rededge075", "nir", "nir08", "swir16", "swir22")

# Reflectance x 10000 in the order of BANDS: vegetation, bare, water, snow, dark, cloud, white cloud, blue haze.
SURFACES = np.array([
    [300, 600, 300, 2500, 4000, 4200, 1500, 700],
    [900, 1200, 1700, 2200, 2600, 2800, 3500, 3000],
    [600, 500, 250, 200, 100, 90, 40, 20],
    [9000, 8900, 8800, 8700, 8200, 8000, 900, 700],
    [200, 180, 150, 200, 260, 280, 200, 120],
    [3600, 3500, 3500, 3700, 3900, 3900, 3000, 2400],
    [9800, 9700, 9600, 9500, 9400, 9400, 6000, 5000],
    [3200, 1900, 1300, 1200, 1200, 1300, 1200, 900],
])  # fmt: skip


@dataclass(frozen=True)
class Observed:
    """A block (…, 1, pixel) as the methods take it."""

    stack: NDArray[np.uint16]
    valid: NDArray[np.bool_]
    classes: NDArray[np.uint8]
    cloud: NDArray[np.uint8]

    def flat(self) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        """As the block oracles take it: (time, pixel)."""
        bands = {band: self.stack[:, b, 0].astype(np.int64) for b, band in enumerate(BANDS)}
        return bands, self.valid[:, 0], self.classes[:, 0], self.cloud[:, 0]


def observed(seed: int, pixels: int, times: int = 12) -> Observed:
    """0 .. ``times`` valid observations of every class; ties, zeros, and mixtures of surfaces within a pixel."""
    rng = np.random.default_rng(seed)
    own = rng.integers(0, len(SURFACES), pixels)
    mixed = rng.integers(0, len(SURFACES), (times, pixels))
    surface = np.where(rng.random(pixels) < 0.5, own, mixed)
    reflectance = SURFACES[surface] * rng.choice([0.3, 0.7, 1.0, 1.3], (times, pixels, 1))
    jitter = rng.integers(-200, 200, reflectance.shape) * (rng.random((1, pixels, 1)) < 0.6)
    noise = rng.integers(0, 65536, reflectance.shape)
    reflectance = np.where(rng.random((times, pixels, 1)) < 0.1, noise, reflectance + jitter)
    reflectance[rng.random(reflectance.shape) < 0.02] = 0
    reflectance[rng.random(reflectance.shape[:2]) < 0.01] = 0
    stack = np.clip(reflectance, 0, 65535).astype(np.uint16).transpose(0, 2, 1)[:, :, None]

    few = rng.integers(0, 12, (2, pixels))
    of_few = np.where(rng.random((times, pixels)) < 0.5, few[0], few[1])
    classes = np.where(rng.random(pixels) < 0.6, of_few, rng.integers(0, 12, (times, pixels)))
    order = rng.permuted(np.tile(np.arange(times), (pixels, 1)), axis=1).T
    valid = order < rng.integers(0, times + 1, pixels)
    cloud = rng.integers(0, 3, (times, pixels))
    return Observed(
        np.ascontiguousarray(stack), valid[:, None], classes.astype(np.uint8)[:, None], cloud.astype(np.uint8)[:, None]
    )
