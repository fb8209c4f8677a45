"""Tie points of two images on one grid.

Belongs here: the public function, its checks, batches and threads. Not here: where windows lie (``windows``), how they
are compared (``correlation``, ``multimodal``), which points are believed (``outliers``).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from weft.errors import RequestError
from weft.registration import correlation, multimodal
from weft.registration.displacement import Displacement
from weft.registration.points import TiePoints
from weft.registration.windows import Centres, Ints, Mask, Matcher, Matches, place, usable

Method = Literal["cross_corr", "multimodal"]

MATCHERS: dict[Method, Matcher] = {"cross_corr": correlation.match, "multimodal": multimodal.match}

_BATCH_PIXELS = 1 << 18
"""Pixels of the windows of one batch: its transforms stay in the cache of a core."""


def tie_points(
    reference: NDArray[Any],
    secondary: NDArray[Any],
    *,
    method: Method,
    template: int,
    search: int,
    spacing: int,
    mask_reference: Mask | None = None,
    mask_secondary: Mask | None = None,
    prior: Displacement | None = None,
    workers: int = 2,
) -> TiePoints:
    """Find what the reference shows in the secondary, at one place in each cell of a regular grid.

    Windows shrink at borders and beside masks to half of ``template`` (see :mod:`weft.registration.windows`); a cell
    gives no point where none fits, where texture is lacking, or where nothing is found within the search.

    Args:
        reference: shape (height, width), float32, uint16 or another real dtype; NaN is never usable.
        secondary: of the same shape, on the same grid.
        method: ``cross_corr`` for images of one modality, ``multimodal`` for others.
        template: edge of the matching window, 8 to 1024 pixels. Larger windows bear more noise and change, smaller
            ones follow a displacement that varies: over 64 pixels to about 0.03 px where it bends like a wave of
            2 px height and 600 px length.
        search: largest distance along each axis from where the search starts, 1 to 512 pixels.
        spacing: edge of a cell, at least 4 pixels.
        mask_reference: bool, True where the reference is usable; all of it by default.
        mask_secondary: the same of the secondary.
        prior: where the search starts, rounded to whole pixels; at the same place by default.
        workers: threads; the result does not depend on their number.

    Returns:
        Points in the order of their cells, all of them inliers; none where the images share nothing.

    Raises:
        RequestError: shapes differ, an image is not 2-D and real, or a number is out of its range.
    """
    _check(reference, secondary, mask_reference, mask_secondary, method)
    for name, value, low, high in (
        ("template", template, 8, 1024),
        ("search", search, 1, 512),
        ("spacing", spacing, 4, 65_536),
        ("workers", workers, 1, 256),
    ):
        if not low <= value <= high:
            raise RequestError(f"{name} must be {low} to {high}, got {value}")
    masks = usable(reference, mask_reference), usable(secondary, mask_secondary)
    centres = place(
        *masks,
        reference.shape,
        template=template,
        spacing=spacing,
        offsets=partial(_offsets, prior=prior),
        overhang=method == "multimodal",
    )
    found = matched(partial(MATCHERS[method], reference, secondary, *masks), centres, search, workers)
    score = np.where(np.isfinite(found.score) & np.isfinite(found.dx) & np.isfinite(found.dy), found.score, 0)
    points = TiePoints(
        centres.x.astype(np.float64),
        centres.y.astype(np.float64),
        np.nan_to_num(found.dx),
        np.nan_to_num(found.dy),
        score.astype(np.float32),
        np.ones(len(centres), np.bool_),
    )
    return points.select(score > 0)


def matched(match: Callable[..., Matches], centres: Centres, search: int, workers: int) -> Matches:
    """Match all centres, in batches of windows of one size that run side by side; ``match`` has its images bound."""
    batches: list[NDArray[np.intp]] = []
    for size in np.unique(centres.size):
        alike = np.flatnonzero(centres.size == size)
        many = max(1, _BATCH_PIXELS // int(size + 2 * search) ** 2)
        batches += [alike[start : start + many] for start in range(0, alike.size, many)]

    def one(which: NDArray[np.intp]) -> Matches:
        some = centres.select(which)
        return match(some, template=int(some.size[0]), search=search)

    with ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(one, batches))
    found = Matches(np.zeros(len(centres)), np.zeros(len(centres)), np.zeros(len(centres), np.float32))
    for which, answer in zip(batches, answers, strict=True):
        found.dx[which], found.dy[which], found.score[which] = answer.dx, answer.dy, answer.score
    return found


def _offsets(x: Ints, y: Ints, prior: Displacement | None) -> tuple[Ints, Ints]:
    if prior is None:
        return np.zeros_like(x), np.zeros_like(y)
    dx, dy = prior.at(x, y)
    return np.rint(dx).astype(np.int64), np.rint(dy).astype(np.int64)


def _check(
    reference: NDArray[Any], secondary: NDArray[Any], mask_r: Mask | None, mask_s: Mask | None, method: str
) -> None:
    for name, image in (("reference", reference), ("secondary", secondary)):
        if image.ndim != 2 or not (np.issubdtype(image.dtype, np.integer) or np.issubdtype(image.dtype, np.floating)):
            raise RequestError(f"the {name} must be 2-D and real, got {image.dtype} of shape {image.shape}")
    for name, other in (("secondary", secondary), ("mask_reference", mask_r), ("mask_secondary", mask_s)):
        if other is not None and other.shape != reference.shape:
            raise RequestError(
                f"{name} has shape {other.shape}, the reference {reference.shape}; collocate both on one grid first"
            )
    for name, mask in (("mask_reference", mask_r), ("mask_secondary", mask_s)):
        if mask is not None and mask.dtype != np.bool_:
            raise RequestError(f"{name} must be bool, True where the image is usable, got {mask.dtype}")
    if method not in MATCHERS:
        raise RequestError(f"method must be one of {', '.join(MATCHERS)}, got {method!r}")
