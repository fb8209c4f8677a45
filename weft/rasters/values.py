"""From stored numbers to physical values.

Belongs here: the one formula that undoes scale, offset and nodata of a layer that Weft wrote. Not here: calibrating
what an archive delivers (``weft.calibration``), where more than a nodata value decides what is an observation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt


def physical(stored: npt.NDArray[Any], *, scale: float, offset: float, nodata: float | None) -> npt.NDArray[np.float64]:
    """Physical values of a layer.

    Args:
        stored: array of any shape and real dtype.
        scale: physical = stored * scale + offset.
        offset: see ``scale``.
        nodata: stored value that means "no value here", None if every pixel has one.

    Returns:
        float64 array of the same shape, NaN where there is no value.
    """
    values = stored * np.float64(scale) + np.float64(offset)
    if nodata is not None and not math.isnan(nodata):
        values[stored == nodata] = np.nan
    return values
