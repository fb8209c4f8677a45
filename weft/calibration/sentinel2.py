"""Sentinel-2 L2A: stored numbers to reflectance, and what they give away about pixels that were never measured.

Belongs here: calibration and the rule of edge values, as a pure function over one block. Not here: what classes, angles
and confidences say (``validity``), reading blocks, or choosing between scenes.

A pixel that is valid is an observation unless a band holds an **edge value**, a stored number of 0 or 1. At swath and
detector edges the ground segment leaves rims of 1 and stripes of 0 under a valid-looking class. In products with a
negative offset (baseline 04.00 on) such a number is never a measurement. Without offset a band may truly measure zero:
that is accepted over the classification's water, in bands beyond 0.6 um only: clear water is dark there and never so in
blue and green.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from weft.bands import BANDS

REFLECTANCE_SCALE = 0.0001
"""Reflectance of one stored unit, everywhere in Weft."""

EDGE_VALUE = 1
"""Largest stored number that is an edge value."""

_MOST = 65535
_DARK_WATER_UM = 0.6


@dataclass(frozen=True, slots=True)
class BandCalibration:
    """Stored numbers of one band to reflectance: physical = stored * scale + offset."""

    cbn: str
    scale: float
    offset: float


def observe(
    numbers: npt.NDArray[np.uint16],
    valid: npt.NDArray[np.bool_],
    water: npt.NDArray[np.bool_],
    bands: Sequence[BandCalibration],
) -> None:
    """Turn one scene's stored numbers into reflectance, in place: a copy would cost as much as the arithmetic.

    Args:
        numbers: stored numbers (band, y, x); become reflectance, unit 0.0001, negative reflectance 0. They mean
            something only where ``valid`` is left true.
        valid: what :mod:`weft.calibration.validity` lets pass (y, x); becomes false where a band holds an edge value.
        water: water classes (y, x).
        bands: calibration of each band, in the order of ``numbers``.
    """
    gains = np.array([band.scale / REFLECTANCE_SCALE for band in bands])
    shifts = np.array([band.offset / REFLECTANCE_SCALE for band in bands])
    whole = (gains == 1) & (shifts == np.rint(shifts)) & (np.abs(shifts) <= _MOST)
    may_be_zero = np.array([band.offset >= 0 and BANDS[band.cbn].centre_um > _DARK_WATER_UM for band in bands])
    _observe(numbers, valid, water, gains, shifts, whole, may_be_zero)


@numba.njit(nogil=True, cache=True)
def _observe(
    numbers: npt.NDArray[np.uint16],
    valid: npt.NDArray[np.bool_],
    water: npt.NDArray[np.bool_],
    gains: npt.NDArray[np.float64],
    shifts: npt.NDArray[np.float64],
    whole: npt.NDArray[np.bool_],
    may_be_zero: npt.NDArray[np.bool_],
) -> None:
    # Row by row with selects instead of branches, so that every loop over x becomes vector instructions.
    bands, height, width = numbers.shape
    for y in range(height):
        kept = valid[y]
        wet = water[y]
        for b in range(bands):
            row = numbers[b, y]
            if may_be_zero[b]:
                for x in range(width):
                    kept[x] = kept[x] & ((row[x] > EDGE_VALUE) | wet[x])
            else:
                for x in range(width):
                    kept[x] = kept[x] & (row[x] > EDGE_VALUE)
            gain, shift = gains[b], shifts[b]
            if not whole[b]:
                for x in range(width):
                    value = np.floor(row[x] * gain + shift + 0.5)
                    row[x] = np.uint16(np.int32(min(max(value, 0.0), float(_MOST))))
            elif shift != 0:
                # As nearly every product has it: the same numbers at a third of the time.
                step = np.int32(shift)
                for x in range(width):
                    row[x] = np.uint16(min(max(np.int32(row[x]) + step, np.int32(0)), np.int32(_MOST)))
