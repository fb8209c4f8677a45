"""What the methods that know bands by name ask of their inputs, beyond the checks of every reduction.

Belongs here: finding named bands in a stack, refusing what such a method cannot use, and the one index several kernels
compute. Not here: the checks that hold for any reduction (``planes``), or any choice between observations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from weft.bands import BANDS
from weft.compositing.planes import check_stack
from weft.errors import RequestError

AXES = ("time", "band", "y", "x")


def check_reflectance(stack: NDArray[Any], valid: NDArray[Any]) -> None:
    """Refuse anything but a stack (time, band, y, x) of uint16 reflectance x 10000 with its validity.

    Raises:
        RequestError: as :func:`weft.compositing.planes.check_stack`, and for float32.
    """
    check_stack(stack, valid, AXES)
    if stack.dtype != np.uint16:
        raise RequestError(f"this method takes uint16 reflectance x 10000, got {stack.dtype}; convert the stack first")


def band_positions(stack: NDArray[Any], bands: Sequence[str], needed: Sequence[str], method: str) -> list[int]:
    """Where in the stack the bands are that a method needs, in the order it needs them.

    Args:
        stack: (time, band, y, x).
        bands: Common Band Names of the stack's bands, in order.
        needed: Common Band Names.
        method: what to call the method in a message.

    Raises:
        RequestError: unknown or repeated names, another number of names than bands, or a missing band.
    """
    unknown = [band for band in bands if band not in BANDS]
    if unknown or len(set(bands)) != len(bands):
        raise RequestError(f"unknown or repeated bands {unknown or list(bands)}; known: {', '.join(BANDS)}")
    if len(bands) != stack.shape[1]:
        raise RequestError(f"a stack of shape {stack.shape} has {stack.shape[1]} bands, got the names {list(bands)}")
    missing = [band for band in needed if band not in bands]
    if missing:
        raise RequestError(f"{method} needs the bands {missing}, the stack has {list(bands)}; add them to the bands")
    return [list(bands).index(band) for band in needed]


def finite(stack: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Validity without the observations that hold NaN or infinity in any band; ``valid`` itself for integers."""
    if stack.dtype == np.float32:
        valid = valid.copy()
        for band in range(stack.shape[1]):
            valid &= np.isfinite(stack[:, band])
    return valid


@nb.njit(nogil=True, cache=True)
def normalised_difference(a, b, undefined):  # type: ignore[no-untyped-def]
    """(a - b) / (a + b) in float64, ``undefined`` where a + b is 0; for use inside kernels.

    For uint16 the order of two results is the order of the exact fractions: distinct ones differ by more than 2^-34.
    """
    total = np.float64(a) + np.float64(b)
    return (np.float64(a) - np.float64(b)) / total if total != 0.0 else undefined
