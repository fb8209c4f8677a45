"""Brute-force compositing of a tile: whole arrays, plain NumPy, one pixel after the other where it matters.

Written from the rules in the docstrings of ``weft.calibration.sentinel2`` and ``weft.compositing.observations``, not
from their code. Reads files with rasterio itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import rasterio

VISIBLE = {"blue", "green", "coastal"}


def read(path: str, band: int, shape: tuple[int, int]) -> np.ndarray:
    """Whole band, repeated to ``shape`` if it is coarser."""
    with rasterio.open(path) as dataset:
        values = dataset.read(band)
    return values.repeat(shape[0] // values.shape[0], 0).repeat(shape[1] // values.shape[1], 1)


def observation(
    bands: dict[str, np.ndarray], scl: np.ndarray, offset: float, classes: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """One scene: reflectance DN (band, y, x) and valid (y, x)."""
    valid = np.isin(scl, classes) & (scl != 0)
    for name, numbers in bands.items():
        suspicious = numbers <= 1
        if offset == 0 and name not in VISIBLE:
            suspicious &= scl != 6
        valid &= ~suspicious
    shifted = [np.clip(numbers.astype(np.int64) + round(offset * 10000), 0, 65535) for numbers in bands.values()]
    return np.stack(shifted), valid


def composite(
    stack: np.ndarray, valid: np.ndarray, names: Sequence[str], percentiles: Sequence[float], medoid_min: int
) -> dict[str, np.ndarray]:
    """All layers of a composite from (time, band, y, x) and (time, y, x), pixel by pixel."""
    height, width = stack.shape[2:]
    out: dict[str, np.ndarray] = {
        "count": valid.sum(0).astype("uint16"),
        "source_index": np.full((height, width), -1, "int16"),
        "medoid_spread": np.full((height, width), np.nan, "float32"),
    }
    for name in names:
        out[f"{name}_medoid"] = np.zeros((height, width), "uint16")
        for q in percentiles:
            out[f"{name}_p{q:g}"] = np.zeros((height, width), "uint16")
    for y in range(height):
        for x in range(width):
            seen = np.flatnonzero(valid[:, y, x])
            if not seen.size:
                continue
            pixels = stack[seen, :, y, x].astype(float)
            if seen.size >= medoid_min:
                sums = [
                    sum(math.sqrt(float(((pixels[i] - pixels[j]) ** 2).sum())) for j in range(len(seen)))
                    for i in range(len(seen))
                ]
                best = int(np.argmin(sums))
                out["source_index"][y, x] = seen[best]
                out["medoid_spread"][y, x] = np.float32(sums[best] / len(seen)) * np.float32(0.0001)
                for band, name in enumerate(names):
                    out[f"{name}_medoid"][y, x] = max(1, int(pixels[best, band]))
            for band, name in enumerate(names):
                for q in percentiles:
                    value = np.percentile(pixels[:, band], q)
                    out[f"{name}_p{q:g}"][y, x] = max(1, math.floor(float(np.float32(value)) + 0.5))
    return out
