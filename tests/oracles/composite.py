"""Brute-force compositing of a tile: whole arrays, plain NumPy, one pixel after the other where it matters.

Written from the rules in the docstrings of ``weft.calibration`` and ``weft.compositing``, not from their code. Reads
files with rasterio itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio

from tests.oracles import s2gm, simple_methods
from tests.oracles.compositing_kernels import medoid_of_pixel

VISIBLE = {"blue", "green", "coastal"}
SELECTING = ("s2gm", "s2gm_v1", "medoid", "short_term", "max_ndvi", "first_valid")


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


def within(mask: np.ndarray, distance: float) -> np.ndarray:
    """Pixels whose centre lies no farther than ``distance`` pixels from one of the mask."""
    out = np.zeros_like(mask)
    seeds = np.argwhere(mask)
    for y, x in np.ndindex(*mask.shape):
        out[y, x] = seeds.size > 0 and bool((((seeds - (y, x)) ** 2).sum(1) <= distance**2 + 1e-9).any())
    return out


def composite(
    stack: np.ndarray,
    valid: np.ndarray,
    names: Sequence[str],
    percentiles: Sequence[float],
    *,
    methods: Sequence[str] = ("medoid", "percentiles"),
    classes: np.ndarray | None = None,
    clouds: np.ndarray | None = None,
    days: Sequence[int] | None = None,
    variant: str = "intended",
    medoid_min: int = 5,
    percentile_min: int = 1,
    nearest: bool = False,
) -> dict[str, np.ndarray]:
    """All layers of a composite from (time, band, y, x) and (time, y, x), newest first, pixel by pixel."""
    stack = stack.astype(np.uint16)
    count = valid.sum(0)
    out: dict[str, np.ndarray] = {"count": count.astype("uint16")}
    first = next((method for method in methods if method in SELECTING), None)
    for method in methods:
        if method in SELECTING:
            index, spread = select(method, stack, valid, names, classes, clouds, variant, medoid_min)
            out |= selected(method, stack, names, index)
            if method == "medoid":
                out["medoid_spread"] = spread * np.float32(0.0001)
            if method == first:
                out["source_index"] = index
                if days is not None:
                    out["observation_date"] = np.where(index >= 0, np.asarray(days)[index], 0).astype("uint16")
        elif method == "mean":
            means, _ = simple_methods.mean(stack, valid)
            for band, name in enumerate(names):
                out[f"{name}_mean"] = np.where(count > 0, np.maximum(means[band], 1), 0).astype("uint16")
        else:
            for band, name in enumerate(names):
                for q in percentiles:
                    out[f"{name}_p{q:g}"] = percentile(stack[:, band], valid, q, percentile_min, nearest)
    return out


def selected(method: str, stack: np.ndarray, names: Sequence[str], index: np.ndarray) -> dict[str, np.ndarray]:
    """All bands of the observation each pixel comes from, as they are stored."""
    out = {f"{name}_{method}": np.zeros(index.shape, "uint16") for name in names}
    for y, x in np.argwhere(index >= 0):
        for band, values in enumerate(out.values()):
            values[y, x] = max(1, int(stack[index[y, x], band, y, x]))
    return out


def select(
    method: str,
    stack: np.ndarray,
    valid: np.ndarray,
    names: Sequence[str],
    classes: np.ndarray | None,
    clouds: np.ndarray | None,
    variant: str,
    medoid_min: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Index of the observation each pixel comes from, int16, -1 for none; spread of the medoid, float32."""
    spread = np.full(valid.shape[1:], np.nan, "float32")
    if method == "first_valid":
        return simple_methods.first_valid(stack, valid), spread
    if method == "max_ndvi":
        return simple_methods.max_ndvi(stack, valid, names.index("nir"), names.index("red")), spread
    index = np.full(valid.shape[1:], -1, "int16")
    if method == "s2gm_v1":
        variant, medoid_min = "literal", 4
    for place in np.ndindex(*index.shape):
        times = np.flatnonzero(valid[:, *place])
        if not times.size:
            continue
        if method == "medoid":
            best, smallest = medoid_of_pixel(stack[times, :, *place].astype(float))
            index[place], spread[place] = times[best], smallest / len(times)
            continue
        seen = s2gm.pixel(stack, valid, names, classes, clouds, place)
        least = 256 if method == "short_term" else medoid_min
        if method == "short_term" and len(seen) == 1:
            rules: dict[str, Any] = {"literal": s2gm.literal, "intended": s2gm.intended}
            index[place] = rules[variant](seen) if variant in rules else s2gm.version2(seen)[0]
        else:
            index[place], _, spread[place] = s2gm.representative(seen, variant, least, names)
    return index, spread


def percentile(values: np.ndarray, valid: np.ndarray, q: float, least: int, nearest: bool) -> np.ndarray:
    """One percentile of one band as it is stored."""
    out = np.zeros(valid.shape[1:], "uint16")
    for y, x in np.ndindex(*out.shape):
        seen = values[valid[:, y, x], y, x].astype(float)
        if seen.size >= max(1, least):
            value = np.sort(seen)[round((seen.size - 1) * q / 100)] if nearest else np.percentile(seen, q)
            out[y, x] = max(1, math.floor(float(np.float32(value)) + 0.5))
    return out
