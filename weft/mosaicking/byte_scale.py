"""The 8-bit variant of a reflectance layer, for maps and small downloads.

Belongs here: its scale and its rounding. Not here: which layers get one (``layers``).
"""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from weft.rasters.product import LayerSpec

SUFFIX = "_8bit"
"""What the key of an 8-bit variant ends with."""

_TOP = 255


def byte_layer(layer: LayerSpec, step: float) -> LayerSpec:
    """The 8-bit variant of a layer: key ``{key}_8bit``, nodata 0, reflectance = stored x ``step``.

    It belongs to no band and statistic, so that later steps compute with the exact layer and never with this one.
    """
    return dataclasses.replace(
        layer,
        key=layer.key + SUFFIX,
        title=f"{layer.title}, 8 bit",
        dtype="uint8",
        scale=step,
        offset=0.0,
        band=None,
        statistic=None,
    )


def byte_table(layer: LayerSpec, step: float) -> npt.NDArray[np.uint8]:
    """What each stored value of a layer becomes: use as ``byte_table(layer, step)[values]``.

    ``clip(floor(reflectance / step + 1/2), 1, 255)``, in exact arithmetic of the decimal numbers that scale, offset and
    step are written with, so that halves round up on every machine. Nothing here (0) stays 0 and nothing else becomes
    0; what is brighter than 255 steps is 255.

    Args:
        layer: uint16, nodata 0.
        step: reflectance of one step.

    Returns:
        (65536,) uint8, read-only.
    """
    return _table(float(layer.scale), float(layer.offset), float(step))


@lru_cache(maxsize=16)
def _table(scale: float, offset: float, step: float) -> npt.NDArray[np.uint8]:
    # Fractions of what was written, 1/10000 and not the nearest binary number. One integer division a value: exact
    # whatever the step, where 64 bits might not hold the numbers.
    slope = Fraction(repr(scale)) / Fraction(repr(step))
    constant = Fraction(repr(offset)) / Fraction(repr(step)) + Fraction(1, 2)
    below = math.lcm(slope.denominator, constant.denominator)
    per_value, start = int(slope * below), int(constant * below)
    steps = [min(max((stored * per_value + start) // below, 1), _TOP) for stored in range(1, 1 << 16)]
    table = np.array([0, *steps], np.uint8)
    table.flags.writeable = False
    return table
