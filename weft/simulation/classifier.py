"""A scene classification that errs the way Sen2Cor does.

Belongs here: Sentinel-2 SCL classes from what is really there, with missed cloud edges, overlooked thin cirrus, shadows
found too small and bright roofs taken for cloud. Not here: what is really there (``landscape``, ``weather``).
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from weft.simulation.noise import gradient_noise, hash_cell, unit

_NODATA, _DARK, _SHADOW, _VEGETATION, _BARE, _WATER = 0, 2, 3, 4, 5, 6
_UNSURE, _CLOUD_MEDIUM, _CLOUD_HIGH, _CIRRUS, _SNOW = 7, 8, 9, 10, 11
CLOUDY = (_CLOUD_MEDIUM, _CLOUD_HIGH, _CIRRUS)
"""Classes that count as cloud cover."""
UNOBSERVED, WATER = _NODATA, _WATER
_BRIGHT_ROOFS = 0.04


@numba.njit(nogil=True, cache=True)
def classify(
    observed: npt.NDArray[np.bool_],
    water: npt.NDArray[np.float32],
    snow: npt.NDArray[np.float32],
    town: npt.NDArray[np.float32],
    ndvi: npt.NDArray[np.float32],
    cloud: npt.NDArray[np.float32],
    shadow: npt.NDArray[np.float32],
    cirrus: npt.NDArray[np.float32],
    seed: np.uint64,
    row: int,
    column: int,
) -> npt.NDArray[np.uint8]:
    """Scene classes of one block.

    Args:
        observed: pixels inside the swath (y, x).
        water: share of water (y, x), as the five that follow.
        snow: share of snow.
        town: share of built-up land.
        ndvi: vegetation index of the clear ground.
        cloud: opacity of cloud.
        shadow: depth of cloud shadow, 0 to 1.
        cirrus: opacity of cirrus.
        seed: of the errors of this granule.
        row: row of the block's first pixel in the whole layer.
        column: the same for columns.

    Returns:
        SCL classes, uint8 (y, x).
    """
    classes = np.empty(water.shape, np.uint8)
    for i in range(water.shape[0]):
        for j in range(water.shape[1]):
            if not observed[i, j]:
                classes[i, j] = _NODATA
                continue
            # Where the classifier is too trusting it is so over a few pixels, not over single ones.
            trust = min(1.5, max(0.4, 1.0 + 0.35 * gradient_noise((column + j) / 5.0, (row + i) / 5.0, seed)))
            fooled = town[i, j] > 0.5 and unit(hash_cell(column + j, row + i, seed), 0) < _BRIGHT_ROOFS
            label = _CLOUD_MEDIUM if fooled else _in_the_sky(cloud[i, j], cirrus[i, j], trust)
            if label == _NODATA:
                label = _on_the_ground(water[i, j], snow[i, j], ndvi[i, j], shadow[i, j], trust)
            classes[i, j] = label
    return classes


@numba.njit(nogil=True, cache=True)
def _in_the_sky(cloud: float, cirrus: float, trust: float) -> int:
    if cloud > 0.62 * trust:
        return _CLOUD_HIGH
    if cloud > 0.22 * trust:
        return _CLOUD_MEDIUM
    if cirrus > 0.06 * trust:
        return _CIRRUS
    return _UNSURE if cloud > 0.14 * trust else _NODATA


@numba.njit(nogil=True, cache=True)
def _on_the_ground(water: float, snow: float, ndvi: float, shadow: float, trust: float) -> int:
    if shadow > 0.35 * trust:
        return _SHADOW
    if snow > 0.45:
        return _SNOW
    if water > 0.5:
        return _WATER
    if shadow > 0.22 * trust:
        return _DARK
    return _VEGETATION if ndvi > 0.35 else _BARE
