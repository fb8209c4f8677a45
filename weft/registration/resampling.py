"""Moving the pixels of an array by a displacement.

Belongs here: ``resample``, for arrays that lie on the reference grid already. Not here: the kernels, which scenes are
read with as well (``weft.rasters.interpolation``), or files on other grids, whose reprojection and displacement are one
resampling (``remapping``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from weft.errors import RequestError
from weft.rasters.grid import Window
from weft.rasters.interpolation import KERNELS, Kernel, sample, to_integers
from weft.registration.displacement import Displacement

_BLOCK = 1024
_EXACT = ("int8", "uint8", "int16", "uint16", "float16", "float32", "float64")


def resample(array: npt.NDArray[Any], displacement: Displacement, order: Kernel = "cubic") -> npt.NDArray[Any]:
    """What the secondary shows, where the reference shows it: ``result[y, x] = array[y + dy, x + dx]``, interpolated.

    Args:
        array: the secondary on the reference grid, (height, width). Integers of up to 16 bits or floats, whose NaN is
            no value; any type for ``nearest``. The mask of a masked array is no value either.
        displacement: of that grid.
        order: ``nearest``, ``bilinear``, ``cubic`` or ``lanczos``, see :data:`weft.rasters.interpolation.Kernel`.

    Returns:
        (height, width): integers in the type of ``array``, rounded half up and clipped to its range, 0 where there is
        no value; floats as float32 (``nearest``: as they came), NaN where there is none. A masked array if ``array`` is
        one. There is no value outside of the secondary and in its gaps, see :mod:`weft.rasters.interpolation`.

    Raises:
        RequestError: ``array`` is not 2-D, not of the displacement's shape, of a type that cannot be interpolated, or
            ``order`` is unknown.
    """
    _check(array, displacement, order)
    whole = order != "nearest" and array.dtype.kind in "iu"
    dtype = array.dtype if whole or order == "nearest" else np.dtype(np.float32)
    out, valid = np.empty(array.shape, dtype), np.empty(array.shape, np.bool_)
    pixels = np.ma.getdata(array)
    missing = np.ma.getmaskarray(array) if np.ma.is_masked(array) else None

    def values(window: Window) -> npt.NDArray[Any]:
        part = pixels[window.slices]
        return part if order == "nearest" else part.astype(np.float32)

    def usable(window: Window) -> npt.NDArray[np.bool_] | None:
        return None if missing is None else ~missing[window.slices]

    height, width = array.shape
    for row in range(0, height, _BLOCK):
        for col in range(0, width, _BLOCK):
            window = Window(row, col, min(_BLOCK, height - row), min(_BLOCK, width - col))
            dx, dy = displacement.block(window)
            x = dx + np.arange(col, col + window.width, dtype=np.float64)
            y = dy + np.arange(row, row + window.height, dtype=np.float64)[:, np.newaxis]
            found, valid[window.slices] = sample(values, array.shape, x, y, order, usable)
            out[window.slices] = to_integers(found, dtype) if whole else found
    return np.ma.MaskedArray(out, ~valid) if isinstance(array, np.ma.MaskedArray) else out


def _check(array: npt.NDArray[Any], displacement: Displacement, order: str) -> None:
    if order not in KERNELS:
        raise RequestError(f"resampling order {order!r} is none of {', '.join(KERNELS)}")
    if array.shape != displacement.shape:
        raise RequestError(
            f"an array of shape {array.shape} cannot be moved by a displacement of shape {displacement.shape}; "
            "both must be (height, width) of the reference grid"
        )
    if order != "nearest" and array.dtype.name not in _EXACT:
        raise RequestError(f"{array.dtype} cannot be interpolated exactly; use order nearest, or one of {_EXACT}")
