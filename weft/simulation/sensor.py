"""What the instrument and its processor make of ground and sky: stored numbers, with the flaws real products have.

Belongs here: view-angle effect, clouds in the signal, noise, quantisation, edges. Not here: where the swath lies
(``scenery``), the classification (``classifier``).
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from weft.simulation.noise import normal
from weft.simulation.spectra import CIRRUS, CLOUD, SPECTRA
from weft.simulation.weather import Sky

VIEW_GRADIENT = {"blue": 0.080, "green": 0.070, "red": 0.065, "nir": 0.060, "swir16": 0.055, "swir22": 0.055}
"""Relative brightening from the centre line to the eastern edge of the swath; as much darkening to the western."""
SHADOW_DEPTH = 0.6
"""Share of the light that the darkest cloud shadow takes away."""

OUTSIDE, RIM, INSIDE = np.uint8(0), np.uint8(1), np.uint8(2)
"""Position of a pixel: not observed, on the rim of ones that processors leave at swath edges, observed."""

_NOISE_FLOOR, _NOISE_SHARE = 0.0012, 0.008
_UNITS = 10_000.0  # quantification value of the product
_BRIGHTEST = 20_000


def at_sensor(
    ground: npt.NDArray[np.float32], sky: Sky, swath_position: npt.NDArray[np.float32], gain: float
) -> npt.NDArray[np.float32]:
    """Reflectance that reaches the sensor.

    Args:
        ground: surface reflectance (band, y, x), bands in the order of ``spectra.BANDS``.
        sky: clouds, shadows, cirrus (y, x).
        swath_position: signed distance from the centre line as a share of the half swath (y, x), positive eastwards.
        gain: radiometric gain of this processing.

    Returns:
        Reflectance (band, y, x).
    """
    seen = np.empty_like(ground)
    gradient = np.array(list(VIEW_GRADIENT.values()))
    _see(ground, sky.cloud, sky.shadow, sky.cirrus, swath_position, gradient, SPECTRA[[CLOUD, CIRRUS]], gain, seen)
    return seen


def digitise(
    seen: npt.NDArray[np.float32],
    edge: npt.NDArray[np.uint8],
    water: npt.NDArray[np.bool_],
    *,
    seed: np.uint64,
    row: int,
    column: int,
    offset: int,
) -> npt.NDArray[np.uint16]:
    """Stored numbers of one band: reflectance x 10000 + ``offset`` with noise.

    Args:
        seen: reflectance (y, x).
        edge: OUTSIDE gives 0, RIM gives 1 (y, x).
        water: pixels classified as water (y, x): without offset the noise may take them to a true 0; elsewhere the
            smallest measured number is 1.
        seed: of the noise of this band of this granule.
        row: row of the block's first pixel in the whole band.
        column: the same for columns.
        offset: 1000 for baseline 04.00 on, else 0.

    Returns:
        uint16 (y, x).
    """
    numbers = np.empty(seen.shape, np.uint16)
    _digitise(seen, edge, water, seed, row, column, offset, numbers)
    return numbers


@numba.njit(nogil=True, cache=True)
def _see(
    ground: npt.NDArray[np.float32],
    cloud: npt.NDArray[np.float32],
    shadow: npt.NDArray[np.float32],
    cirrus: npt.NDArray[np.float32],
    swath_position: npt.NDArray[np.float32],
    gradient: npt.NDArray[np.float64],
    clouds: npt.NDArray[np.float64],
    gain: float,
    seen: npt.NDArray[np.float32],
) -> None:
    for b in range(ground.shape[0]):
        for i in range(ground.shape[1]):
            for j in range(ground.shape[2]):
                value = ground[b, i, j] * gain * (1.0 + gradient[b] * swath_position[i, j])
                value *= 1.0 - SHADOW_DEPTH * shadow[i, j]
                value += cirrus[i, j] * (clouds[1, b] - value)
                value += cloud[i, j] * (clouds[0, b] * (0.75 + 0.25 * cloud[i, j]) - value)
                seen[b, i, j] = value


@numba.njit(nogil=True, cache=True)
def _digitise(
    seen: npt.NDArray[np.float32],
    edge: npt.NDArray[np.uint8],
    water: npt.NDArray[np.bool_],
    seed: np.uint64,
    row: int,
    column: int,
    offset: int,
    numbers: npt.NDArray[np.uint16],
) -> None:
    for i in range(seen.shape[0]):
        for j in range(seen.shape[1]):
            if edge[i, j] != INSIDE:
                numbers[i, j] = edge[i, j]
                continue
            value = seen[i, j] + (_NOISE_FLOOR + _NOISE_SHARE * seen[i, j]) * normal(column + j, row + i, seed)
            number = math.floor(value * _UNITS + 0.5) + offset
            lowest = 0 if offset == 0 and water[i, j] else 1
            numbers[i, j] = min(_BRIGHTEST, max(lowest, number))
