"""A stack of images as planes of pixels in one flat array, the form the kernels read without copying.

Belongs here: the checks every reduction makes on its inputs, and the flat view. Not here: any arithmetic on pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import RequestError

MAX_OBSERVATIONS = 255
"""Most observations one reduction takes: their number fits a byte and a comparator table stays small."""


@dataclass(frozen=True, slots=True)
class Planes:
    """Images that share one flat array.

    Attributes:
        flat: 1-D, contiguous, read-only.
        offsets: int64, one entry for each image (shape = leading axes of the stack): where in ``flat`` it begins.
        pixels: pixels of one image; pixel ``p`` (row-major) of image ``i`` is ``flat[offsets[i] + p]``.
    """

    flat: NDArray[Any]
    offsets: NDArray[np.int64]
    pixels: int


def planes(stack: NDArray[Any]) -> Planes:
    """View a stack (..., y, x) as planes; it is copied only when the pixels of an image are not contiguous.

    Slices along the leading axes (one band of a stack, every other date, newest first) are therefore free.

    Args:
        stack: at least one element; the last two axes are the image.
    """
    item = stack.itemsize
    leading = stack.ndim - 2
    images_contiguous = stack[(0,) * leading].flags.c_contiguous
    if not images_contiguous or any(stride % item for stride in stack.strides[:leading]):
        stack = np.ascontiguousarray(stack)
    offsets = np.zeros(stack.shape[:leading], np.int64)
    for axis in range(leading):
        steps = np.arange(stack.shape[axis], dtype=np.int64) * (stack.strides[axis] // item)
        offsets += steps.reshape([-1 if other == axis else 1 for other in range(leading)])
    lowest = stack[np.unravel_index(int(offsets.argmin()), offsets.shape)]
    offsets -= offsets.min()
    flat = np.lib.stride_tricks.as_strided(
        lowest, shape=(int(offsets.max()) + lowest.size,), strides=(item,), writeable=False
    )
    return Planes(flat, offsets, lowest.size)


def check_stack(stack: NDArray[Any], valid: NDArray[Any], axes: tuple[str, ...]) -> None:
    """Refuse a stack or a validity mask the kernels cannot reduce.

    Args:
        stack: the observations; the first axis is time, the last two are the image.
        valid: which of them count.
        axes: names of the stack's axes.

    Raises:
        RequestError: wrong number of axes, dtype other than uint16 or float32, validity that is not boolean or has
            another time, height or width, no band, or more than 255 observations.
    """
    if stack.ndim != len(axes):
        raise RequestError(f"a stack has the axes ({', '.join(axes)}), got shape {stack.shape}; add or drop axes")
    if stack.dtype not in (np.uint16, np.float32):
        raise RequestError(f"a stack is uint16 or float32, got {stack.dtype}; convert it first")
    if valid.dtype != np.bool_:
        raise RequestError(f"validity is boolean, got {valid.dtype}; compare it with the valid classes first")
    expected = (stack.shape[0], *stack.shape[-2:])
    if valid.shape != expected:
        raise RequestError(f"validity of a stack of shape {stack.shape} has shape {expected}, got {valid.shape}")
    if stack.shape[0] > MAX_OBSERVATIONS:
        raise RequestError(
            f"at most {MAX_OBSERVATIONS} observations are reduced at once, got {len(stack)}; choose a shorter period"
        )
    if 0 in stack.shape[1:-2]:
        raise RequestError(f"a stack needs at least one band, got shape {stack.shape}; name the bands to compare")
