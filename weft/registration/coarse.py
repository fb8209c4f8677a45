"""The shift of a whole image, where geolocation is off by more than windows can look for.

Belongs here: reducing both images, matching a few large windows and finding the shift that most of them tell. Not here:
tie points at full resolution (``tie_points``), or whether a shift is believed (``registration``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from weft.registration.tie_points import MATCHERS, Method, matched
from weft.registration.windows import Mask, looked_at, place, usable

_SEARCH = 16
"""Images are reduced until the search is at most so many pixels,"""
_SMALLEST = 128
"""but not to less than this along an axis, pixels."""
_LARGEST = 2048
"""They are reduced at least to this along an axis, so that a few windows see most of them, pixels."""
_TEMPLATE = 128
_ACROSS = 8
"""At most so many windows along the longer axis."""
_AGREE = 1.5
"""Windows agree on a shift when they differ by at most this along each axis, pixels of the reduced images."""


@dataclass(frozen=True, slots=True)
class CoarseShift:
    """The shift of a whole image.

    Attributes:
        dx: columns to add to a place in the reference to get there in the secondary, pixels of the full images.
        dy: rows.
        score: share of the windows that agree on it, 0 to 1. Unrelated images reach 0.2 by chance.
    """

    dx: float
    dy: float
    score: float


def coarse_shift(
    reference: NDArray[Any],
    secondary: NDArray[Any],
    mask_reference: Mask | None = None,
    mask_secondary: Mask | None = None,
    *,
    method: Method,
    search: int,
    workers: int = 2,
) -> CoarseShift:
    """Find the shift of the whole image to about a pixel of the reduced images (search / 16 or less).

    Args:
        reference: shape (height, width), any real dtype; NaN is never usable.
        secondary: of the same shape.
        mask_reference: bool, True where usable; all of it by default.
        mask_secondary: the same of the secondary.
        method: ``cross_corr`` for images of one modality, ``multimodal`` for others.
        search: largest shift along each axis, pixels of the full images.
        workers: threads; the result does not depend on their number.

    Returns:
        The shift that most windows agree on; no shift with score 0 where none finds a match.
    """
    factor = _factor(reference.shape, search)
    small_reference = _reduced(reference, mask_reference, factor)
    small_secondary = _reduced(secondary, mask_secondary, factor)
    masks = usable(small_reference, None), usable(small_secondary, None)
    template = min(_TEMPLATE, max(8, min(small_reference.shape) // 2))
    spacing = max(4, template // 2, max(small_reference.shape) // _ACROSS)
    centres = place(*masks, small_reference.shape, template=template, spacing=spacing, offsets=_nowhere)
    match = partial(MATCHERS[method], small_reference, small_secondary, *masks)
    found = matched(match, centres, -(-search // factor), workers)
    believed = np.nan_to_num(found.score) > 0
    if not believed.any():
        return CoarseShift(0.0, 0.0, 0.0)
    dx, dy, score = found.dx[believed], found.dy[believed], found.score[believed].astype(np.float64)
    near = (np.abs(dx[:, None] - dx) <= _AGREE) & (np.abs(dy[:, None] - dy) <= _AGREE)
    most = near[(near * score).sum(axis=1).argmax()]
    weights = score[most]
    return CoarseShift(
        float(factor * np.average(dx[most], weights=weights)),
        float(factor * np.average(dy[most], weights=weights)),
        float(most.sum() / len(centres)),
    )


def _factor(shape: tuple[int, ...], search: int) -> int:
    wanted = max(-(-search // _SEARCH), -(-max(shape) // _LARGEST))
    return max(1, min(wanted, min(shape) // _SMALLEST))


def _nowhere(x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.zeros_like(x), np.zeros_like(y)


def _reduced(image: NDArray[Any], mask: Mask | None, factor: int) -> NDArray[np.float32]:
    """Means of ``factor`` x ``factor`` pixels, NaN where less than half are usable; incomplete ones are left out."""
    small = np.empty((image.shape[0] // factor, image.shape[1] // factor), np.float32)
    _reduce(image, looked_at(mask), factor, small)
    return small


@njit(nogil=True, cache=True)
def _reduce(image, mask, factor, small):  # type: ignore[no-untyped-def]
    for i in range(small.shape[0]):
        for j in range(small.shape[1]):
            total, count = 0.0, 0
            for row in range(i * factor, (i + 1) * factor):
                for column in range(j * factor, (j + 1) * factor):
                    value = np.float64(image[row, column])
                    if np.isfinite(value) and (not mask.size or mask[row, column]):
                        total += value
                        count += 1
            small[i, j] = total / count if 2 * count >= factor * factor else np.nan
