"""Values of a raster between its pixels: the interpolation kernels everything uses.

Belongs here: nearest, bilinear, cubic and Lanczos kernels on arrays, and taking from a raster only what they need. Not
here: where to look (``weft.registration`` for displacements, its ``remapping`` for other CRSs), or files.

It lies in ``weft.rasters`` because scenes are read with it (``reading``), and ``weft.rasters`` does not import
``weft.registration``. Coordinates are pixels of the array, the integer is the centre of a pixel; they are used as the
float64 they are, where OpenCV rounds them to 1/32 pixel.

Near gaps: where every pixel under the kernel has a value, the kernel is applied. Where one is missing, and at the edge
of the raster, the result is bilinear, of the pixels there are, with weights that sum to one; it needs half of the
weight and the pixel nearest to the place. So neither a gap nor an edge spreads, values beside them never overshoot, and
a ramp stays a ramp as long as its four pixels are there. (Cubic weights, normalised, would shift what lies beside a gap
by up to 0.09 pixel.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numba
import numpy as np
import numpy.typing as npt

from weft.rasters.grid import Window

Kernel = Literal["nearest", "bilinear", "cubic", "lanczos"]
"""``cubic`` is Keys' convolution with a = -0.5 (IEEE ASSP 29(6), 1981; the Catmull-Rom spline): the one value of a that
reproduces parabolas, hence shifts nothing. ``lanczos`` is the sinc windowed over three lobes, weights normalised: the
sharpest, at four times the cost; it moves a slope to and fro by up to 0.02 pixel between pixels."""
KERNELS: tuple[Kernel, ...] = get_args(Kernel)

_REACH = {"nearest": 1, "bilinear": 1, "cubic": 2, "lanczos": 3}
_TIE = 1e-6  # A place on the border of two pixels must not go to one or the other by its rounding error.
_LEAST_WEIGHT = 0.5
_WIDEST = 4  # A part of the result may read this many times its own pixels before it is split.
_SMALLEST = 64

Read = Callable[[Window], npt.NDArray[Any]]
"""The pixels of a window that lies within the raster; float values may be NaN."""
Usable = Callable[[Window], npt.NDArray[np.bool_] | None]
"""Which pixels of a window have a value, None: all that are not NaN."""


def interpolate(
    values: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_] | None,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    kernel: Kernel,
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Values at places between pixels; safe to call from any thread, and most of the time without the GIL.

    Args:
        values: (rows, columns) array: any type for ``nearest``, else what float32 holds exactly (integers of at most
            16 bits, float32; float64 is rounded). NaN is no value.
        valid: which pixels have a value, bool like ``values``; None: all that are not NaN.
        x: columns of the places, float64, 2-D; NaN is nowhere.
        y: rows of the places, like ``x``.
        kernel: see :data:`Kernel`. ``nearest`` takes the right or lower one of two pixels equally near.

    Returns:
        Values like ``x``, float32, of ``nearest`` in the type of ``values``; NaN (integers: 0) where there is none. And
        where there is one, bool.
    """
    x, y = np.ascontiguousarray(x, np.float64), np.ascontiguousarray(y, np.float64)
    if kernel == "nearest":
        found = np.zeros(x.shape, values.dtype)
        inside = np.zeros(x.shape, np.bool_)
        _nearest(
            np.ascontiguousarray(values), np.empty((0, 0), np.bool_) if valid is None else valid, x, y, found, inside
        )
        if values.dtype.kind == "f":
            inside &= ~np.isnan(found)
            found[~inside] = np.nan
        return found, inside
    known = np.ascontiguousarray(values, np.float32)
    if valid is not None:
        known = np.where(valid, known, np.float32(np.nan))
    out = np.empty(x.shape, np.float32)
    {"bilinear": _bilinear, "cubic": _cubic, "lanczos": _lanczos}[kernel](known, x, y, out)
    return out, ~np.isnan(out)


def sample(
    read: Read,
    shape: tuple[int, int],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    kernel: Kernel,
    usable: Usable = lambda _: None,
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """:func:`interpolate` on a raster of which only the pixels under the kernel are read.

    How places are divided among calls has no influence on the result. Memory is that of the places: where they are
    scattered, they are worked on in parts.

    Args:
        read: gives the pixels of a window; one type for all windows.
        shape: (rows, columns) of the raster.
        x: columns of the places, float64, 2-D; NaN is nowhere.
        y: rows of the places, like ``x``.
        kernel: see :func:`interpolate`.
        usable: says which pixels of a window have a value.
    """
    window = _window(shape, x, y, _REACH[kernel])
    rows, cols = x.shape
    if window.height * window.width > _WIDEST * x.size and max(x.shape) > _SMALLEST:
        axis = int(cols > rows)
        parts = [
            sample(read, shape, part_x, part_y, kernel, usable)
            for part_x, part_y in zip(np.array_split(x, 2, axis), np.array_split(y, 2, axis), strict=True)
        ]
        return np.concatenate([one for one, _ in parts], axis), np.concatenate([inside for _, inside in parts], axis)
    # Whole numbers are subtracted from larger numbers: exact, so the window leaves no trace in the result.
    return interpolate(read(window), usable(window), x - window.col, y - window.row, kernel)


def to_integers(values: npt.NDArray[np.float32], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Round half up and clip to the range of an integer type; NaN becomes 0."""
    limits = np.iinfo(dtype)
    whole = np.clip(np.floor(values + np.float32(0.5)), limits.min, limits.max)
    integers: npt.NDArray[Any] = np.nan_to_num(whole, copy=False, nan=0.0).astype(dtype)
    return integers


def _window(shape: tuple[int, int], x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], reach: int) -> Window:
    """What a kernel needs of the raster; one pixel of it if nothing."""
    columns, rows = _extent(x, shape[1], reach), _extent(y, shape[0], reach)
    return Window(rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0])


def _extent(places: npt.NDArray[np.float64], size: int, reach: int) -> tuple[int, int]:
    lowest, highest = _least_and_most(places.reshape(-1), float(size))
    first = min(max(int(np.floor(lowest)) - reach + 1, 0), size - 1)
    last = min(max(int(np.floor(highest)) + reach, first), size - 1)
    return first, last + 1


@numba.njit(nogil=True, cache=True)
def _least_and_most(places: npt.NDArray[np.float64], size: float) -> tuple[float, float]:
    """Of those places that lie within half a pixel of the raster (more or less: a whole one does no harm)."""
    lowest, highest = size, -1.0
    for place in places:
        if -1.0 <= place <= size:
            lowest, highest = min(lowest, place), max(highest, place)
    return lowest, highest


@numba.njit(nogil=True, cache=True)
def _nearest(values, valid, x, y, out, inside):  # type: ignore[no-untyped-def]
    height, width = values.shape
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            col, row = np.floor(x[i, j] + 0.5 + _TIE), np.floor(y[i, j] + 0.5 + _TIE)
            if 0 <= col < width and 0 <= row < height:
                c, r = np.int64(col), np.int64(row)
                if valid.size == 0 or valid[r, c]:
                    out[i, j] = values[r, c]
                    inside[i, j] = True


@numba.njit(nogil=True, cache=True)
def _near_a_gap(values, px, py):  # type: ignore[no-untyped-def]
    """Bilinear of the pixels there are; NaN with less than half of the weight or without the nearest one."""
    height, width = values.shape
    if not (-1.0 < px < width and -1.0 < py < height):
        return np.float32(np.nan)
    near_c, near_r = int(np.floor(px + 0.5)), int(np.floor(py + 0.5))
    if not (0 <= near_c < width and 0 <= near_r < height) or np.isnan(values[near_r, near_c]):
        return np.float32(np.nan)
    c, r = int(np.floor(px)), int(np.floor(py))
    total = weight = 0.0
    for row in range(max(r, 0), min(r + 2, height)):
        for col in range(max(c, 0), min(c + 2, width)):
            if not np.isnan(values[row, col]):
                share = (1.0 - abs(px - col)) * (1.0 - abs(py - row))
                total += share * values[row, col]
                weight += share
    return np.float32(total / weight) if weight >= _LEAST_WEIGHT else np.float32(np.nan)


# The loops read what they may without a look at gaps: one NaN makes the sum NaN, and only then is it done with care.


@numba.njit(nogil=True, cache=True)
def _bilinear(values, x, y, out):  # type: ignore[no-untyped-def]
    height, width = values.shape
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            px, py = x[i, j], y[i, j]
            if 0.0 <= px < width - 1 and 0.0 <= py < height - 1:
                c, r = np.int64(px), np.int64(py)
                f, g = np.float32(px - c), np.float32(py - r)
                upper = values[r, c] + f * (values[r, c + 1] - values[r, c])
                lower = values[r + 1, c] + f * (values[r + 1, c + 1] - values[r + 1, c])
                out[i, j] = upper + g * (lower - upper)
                if not np.isnan(out[i, j]):
                    continue
            out[i, j] = _near_a_gap(values, px, py)


@numba.njit(nogil=True, cache=True)
def _cubic_weights(f):  # type: ignore[no-untyped-def]
    half, two = np.float32(0.5), np.float32(2.0)
    before = ((-half * f + np.float32(1.0)) * f - half) * f
    here = (np.float32(1.5) * f - np.float32(2.5)) * f * f + np.float32(1.0)
    after = ((np.float32(-1.5) * f + two) * f + half) * f
    beyond = (half * f - half) * f * f
    return before, here, after, beyond


@numba.njit(nogil=True, cache=True)
def _cubic(values, x, y, out):  # type: ignore[no-untyped-def]
    height, width = values.shape
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            px, py = x[i, j], y[i, j]
            if 1.0 <= px < width - 2 and 1.0 <= py < height - 2:
                c, r = np.int64(px) - 1, np.int64(py) - 1
                across = _cubic_weights(np.float32(px - (c + 1)))
                down = _cubic_weights(np.float32(py - (r + 1)))
                total = np.float32(0.0)
                for k in range(4):
                    total += down[k] * (
                        (across[0] * values[r + k, c] + across[1] * values[r + k, c + 1])
                        + (across[2] * values[r + k, c + 2] + across[3] * values[r + k, c + 3])
                    )
                out[i, j] = total
                if not np.isnan(total):
                    continue
            out[i, j] = _near_a_gap(values, px, py)


@numba.njit(nogil=True, cache=True)
def _lanczos_weights(f):  # type: ignore[no-untyped-def]
    # sin(pi (f - k)) is the same for all taps but for its sign: it goes when the weights are made to sum to one.
    f = max(f, 1e-9)
    sine, cosine = np.sin(np.pi / 3.0 * f), np.cos(np.pi / 3.0 * f)
    root = np.sqrt(0.75)
    a = (-0.5 * sine + root * cosine) / ((f + 2.0) * (f + 2.0))
    b = -(0.5 * sine + root * cosine) / ((f + 1.0) * (f + 1.0))
    c = sine / (f * f)
    d = -(0.5 * sine - root * cosine) / ((f - 1.0) * (f - 1.0))
    e = (-0.5 * sine - root * cosine) / ((f - 2.0) * (f - 2.0))
    g = sine / ((f - 3.0) * (f - 3.0))
    scale = 1.0 / (a + b + c + d + e + g)
    return (
        np.float32(a * scale),
        np.float32(b * scale),
        np.float32(c * scale),
        np.float32(d * scale),
        np.float32(e * scale),
        np.float32(g * scale),
    )


@numba.njit(nogil=True, cache=True)
def _lanczos(values, x, y, out):  # type: ignore[no-untyped-def]
    height, width = values.shape
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            px, py = x[i, j], y[i, j]
            if 2.0 <= px < width - 3 and 2.0 <= py < height - 3:
                c, r = np.int64(px) - 2, np.int64(py) - 2
                across, down = _lanczos_weights(px - (c + 2)), _lanczos_weights(py - (r + 2))
                total = np.float32(0.0)
                for k in range(6):
                    total += down[k] * (
                        (across[0] * values[r + k, c] + across[1] * values[r + k, c + 1])
                        + (across[2] * values[r + k, c + 2] + across[3] * values[r + k, c + 3])
                        + (across[4] * values[r + k, c + 4] + across[5] * values[r + k, c + 5])
                    )
                out[i, j] = total
                if not np.isnan(total):
                    continue
            out[i, j] = _near_a_gap(values, px, py)
