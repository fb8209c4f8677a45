"""Sentinel-2 L2A: stored numbers to reflectance, and the per-pixel rule of what is an observation.

Belongs here: the rule for products with a scene classification (SCL), as a pure function over one block. Not here:
reading blocks, or choosing between scenes.

A pixel of a scene is an observation when all of these hold:

1. its SCL class is one of the valid classes (never 0, no data);
2. its view zenith angle is not above the limit, where limit and angle are known;
3. no band holds an **edge value**, a stored number of 0 or 1. At swath and detector edges the ground segment leaves
   rims of 1 and stripes of 0 under a valid-looking class. In products with a negative offset (baseline 04.00 on)
   such a number is never a measurement. Without offset a band may truly measure zero: that is accepted over the
   classification's water, in bands beyond 0.6 um only: clear water is dark there and never so in blue and green.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from weft.bands import BANDS
from weft.regions import Validity

REFLECTANCE_SCALE = 0.0001
"""Reflectance of one stored unit, everywhere in Weft."""

_EDGE_VALUE = 1
_DARK_WATER_UM = 0.6


@dataclass(frozen=True, slots=True)
class BandCalibration:
    """Stored numbers of one band to reflectance: physical = stored * scale + offset."""

    cbn: str
    scale: float
    offset: float


def valid_classes(
    classes: npt.NDArray[np.uint8], validity: Validity, *, nodata_class: int, dilate_pixels: int
) -> npt.NDArray[np.bool_]:
    """Pixels whose class is valid, after growing the invalid ones.

    Args:
        classes: class labels (y, x), with a margin of ``dilate_pixels`` on every side.
        validity: valid classes.
        nodata_class: label of unobserved pixels; always invalid, never grown.
        dilate_pixels: radius of the disc by which invalid classes grow, pixels.

    Returns:
        Boolean (y - 2 r, x - 2 r): the margin is cut off.
    """
    good = np.zeros(256, bool)
    good[list(validity.classes)] = True
    good[nodata_class] = False
    valid: npt.NDArray[np.bool_] = good[classes]
    if dilate_pixels:
        cloud = ~valid & (classes != nodata_class)
        if cloud.any():
            valid &= ndimage.distance_transform_edt(~cloud) > dilate_pixels
        valid = valid[dilate_pixels:-dilate_pixels, dilate_pixels:-dilate_pixels]
    return valid


def observe(
    numbers: npt.NDArray[np.uint16],
    valid: npt.NDArray[np.bool_],
    water: npt.NDArray[np.bool_],
    bands: Sequence[BandCalibration],
    reflectance: npt.NDArray[np.uint16],
    observed: npt.NDArray[np.bool_],
) -> None:
    """Add one scene's pixels to an observation; pixels that already are observed stay as they are.

    Args:
        numbers: stored numbers (band, y, x).
        valid: rules 1 and 2 (y, x).
        water: water classes (y, x).
        bands: calibration of each band, in the order of ``numbers``.
        reflectance: changed in place, uint16 (band, y, x), unit 0.0001; negative reflectance becomes 0.
        observed: changed in place, bool (y, x).
    """
    gains = np.array([band.scale / REFLECTANCE_SCALE for band in bands])
    shifts = np.array([band.offset / REFLECTANCE_SCALE for band in bands])
    may_be_zero = np.array([band.offset >= 0 and BANDS[band.cbn].centre_um > _DARK_WATER_UM for band in bands])
    _observe(numbers, valid, water, gains, shifts, may_be_zero, reflectance, observed)


@numba.njit(nogil=True, cache=True)
def _observe(
    numbers: npt.NDArray[np.uint16],
    valid: npt.NDArray[np.bool_],
    water: npt.NDArray[np.bool_],
    gains: npt.NDArray[np.float64],
    shifts: npt.NDArray[np.float64],
    may_be_zero: npt.NDArray[np.bool_],
    reflectance: npt.NDArray[np.uint16],
    observed: npt.NDArray[np.bool_],
) -> None:
    bands, height, width = numbers.shape
    for y in range(height):
        for x in range(width):
            if observed[y, x] or not valid[y, x]:
                continue
            seen = True
            for b in range(bands):
                if numbers[b, y, x] <= _EDGE_VALUE and not (may_be_zero[b] and water[y, x]):
                    seen = False
                    break
            if not seen:
                continue
            observed[y, x] = True
            for b in range(bands):
                value = np.floor(numbers[b, y, x] * gains[b] + shifts[b] + 0.5)
                reflectance[b, y, x] = np.uint16(min(max(value, 0.0), 65535.0))
