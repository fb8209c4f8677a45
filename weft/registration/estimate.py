"""From tie points to a displacement: the simplest model that predicts points it has not seen.

Belongs here: the ladder of models, spatial folds, held-out errors and the choice. Not here: the fits themselves
(``polynomial``, ``field``), rejecting points (``outliers``) or accepting a result (``registration``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from weft.errors import RequestError
from weft.registration import field, outliers, polynomial
from weft.registration.displacement import Displacement
from weft.registration.points import Floats, Mask, TiePoints
from weft.registration.settings import Fit

_EVERY = 3
_POINTS_PER_BLOCK = 3
_FEWEST_BLOCKS, _MOST_BLOCKS = 3, 16
# A richer model must be better by 2.5 standard errors of the difference, by 3 % of the error, and by
# what anybody could notice in pixels.
_CERTAIN, _WORTHWHILE, _NOTICEABLE = 2.5, 0.03, 0.003


class Fitting(Protocol):
    """A way to fit one model to all points given."""

    def __call__(self, points: TiePoints, shape: tuple[int, int]) -> Displacement:
        """Displacement on a reference grid of (height, width) pixels."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model of the ladder.

    Attributes:
        fewest: number of points from which it is considered.
        fit: how it is fitted.
    """

    fewest: int
    fit: Fitting


_SHIFT = Candidate(1, partial(polynomial.fit, order=0, model="shift"))
_AFFINE = Candidate(6, partial(polynomial.fit, order=1, model="affine"))
_POLYNOMIALS = tuple(Candidate(2 * polynomial.TERMS[n], partial(polynomial.fit, order=n)) for n in (1, 2, 3))
_FIELDS = tuple(Candidate(30, partial(field.fit, smoothness=weight)) for weight in (10.0, 1.0, 0.1, 0.01))

LADDER: dict[Fit, tuple[Candidate, ...]] = {
    "auto": (_SHIFT, _AFFINE, *_POLYNOMIALS[1:], *_FIELDS),
    "shift": (_SHIFT,),
    "affine": (_AFFINE,),
    "polynomial": _POLYNOMIALS,
    "polynomial1": _POLYNOMIALS[:1],
    "polynomial2": _POLYNOMIALS[1:2],
    "polynomial3": _POLYNOMIALS[2:],
    "field": _FIELDS,
}
"""What is asked for -> candidates, simplest first."""


def estimate(
    points: TiePoints,
    shape: tuple[int, int],
    model: Fit = "auto",
    *,
    template: int = 64,
    warp_order: int = 2,
    rms_threshold: float = 0.05,
) -> Displacement:
    """Displacement that tie points show.

    Args:
        points: tie points; those with ``inlier`` false stay out, and so do those that disagree with the others.
        shape: (height, width) of the reference grid, pixels.
        model: ``auto`` climbs from a shift over affine and polynomials to a smooth field as long as that lowers the
            error at held-out points by more than its noise; ``polynomial`` chooses among orders 1 to 3, ``field``
            how smooth; ``snap`` is the polynomial through the points that SNAP's RMS rule keeps.
        template: edge of the windows that gave the points, pixels: windows that overlap err alike. In small images
            an eighth of the longer side is taken.
        warp_order: of ``snap``: order of the polynomial.
        rms_threshold: of ``snap``: pixels.

    Returns:
        the model fitted to all points that are kept, with ``rmse`` and ``ce90`` at held-out points.

    Raises:
        RequestError: too few points for the model, or the model has no such name.
    """
    kept = points.select(believe(points, shape, model, warp_order=warp_order, rms_threshold=rms_threshold))
    apart = min(template, max(shape) / 8)
    candidate = choose(kept, shape, model, warp_order=warp_order, apart=apart)
    left = held_out(kept, partial(candidate.fit, shape=shape), apart=apart)
    return candidate.fit(kept, shape).measured(rmse=rmse(left), ce90=ce90(left))


def believe(
    points: TiePoints, shape: tuple[int, int], model: Fit, *, warp_order: int = 2, rms_threshold: float = 0.05
) -> Mask:
    """The points that a model is fitted to, by SNAP's rule or by ours; parameters as in :func:`estimate`."""
    if model == "snap":
        return polynomial.within_rms(points, shape, order=warp_order, rms_threshold=rms_threshold)
    return outliers.reject(points, shape)


def choose(
    points: TiePoints, shape: tuple[int, int], model: Fit, *, warp_order: int = 2, apart: float = 0.0
) -> Candidate:
    """The simplest candidate that no richer one betters by more than the noise at held-out points.

    Parameters as in :func:`estimate` and :func:`held_out`.

    Raises:
        RequestError: as :func:`estimate`.
    """
    name = f"polynomial{warp_order}" if model == "snap" else model
    if name not in LADDER:
        raise RequestError(f"there is no model {model!r}; use snap or one of {', '.join(LADDER)}")
    fewest = LADDER[name][0].fewest
    if len(points) < fewest:
        raise RequestError(f"model {model} needs {fewest} tie points, {len(points)} are left; use a simpler one")
    candidates = [candidate for candidate in LADDER[name] if candidate.fewest <= len(points)]
    best = candidates[0]
    if len(candidates) == 1:
        return best
    lowest = held_out(points, partial(best.fit, shape=shape), apart=apart)
    for candidate in candidates[1:]:
        left = held_out(points, partial(candidate.fit, shape=shape), apart=apart)
        if is_better(left, lowest, points, apart=apart):
            best, lowest = candidate, left
    return best


def held_out(points: TiePoints, learn: Callable[[TiePoints], Displacement], *, apart: float = 0.0) -> Floats:
    """What each point shows less what a displacement says that was learned without its surroundings.

    Points are grouped in square blocks. Every third block of every third row of blocks is held out at a time, so that
    each of nine folds leaves holes all over the image. Windows that overlap err alike: neither are points used that lie
    within half of ``apart`` of a held-out one.

    Args:
        points: tie points, all of them predicted.
        learn: from the points of the other folds to a displacement.
        apart: distance in pixels from which points err independently; blocks are at least as large.

    Returns:
        float64 (points, 2): dx and dy in pixels; NaN where nothing is left to learn from.
    """
    row, column = _blocks(points, apart)
    fold = column % _EVERY + _EVERY * (row % _EVERY)
    places = np.column_stack((points.x, points.y))
    left = np.full((len(points), 2), np.nan)
    for number in np.unique(fold):
        away = fold == number
        nearest, _ = cKDTree(places[away]).query(places, p=np.inf)
        others = ~away & (nearest >= apart / 2)
        if others.any():
            dx, dy = learn(points.select(others)).at(points.x[away], points.y[away])
            left[away] = np.column_stack((points.dx[away] - dx, points.dy[away] - dy))
    return left


def is_better(left: Floats, than: Floats, points: TiePoints, *, apart: float = 0.0) -> bool:
    """Whether one set of held-out errors is smaller than another of the same points by more than the noise.

    Neighbouring points err alike, so the difference is averaged in blocks before its standard error is taken.

    Args:
        left: float64 (points, 2), pixels, as :func:`held_out` gives.
        than: likewise.
        points: where the errors are.
        apart: as there.
    """
    known = np.isfinite(left).all(axis=1) & np.isfinite(than).all(axis=1)
    if not known.any():
        return False
    worse = rmse(than[known])
    if worse - rmse(left[known]) < max(_WORTHWHILE * worse, _NOTICEABLE):
        return False
    row, column = _blocks(points, apart)
    _, block = np.unique((row * _MOST_BLOCKS + column)[known], return_inverse=True)
    gain = ((than**2).sum(axis=1) - (left**2).sum(axis=1))[known]
    means = np.bincount(block, gain) / np.bincount(block)
    return bool(len(means) > 1 and means.mean() > _CERTAIN * means.std(ddof=1) / np.sqrt(len(means)))


def rmse(left: Floats) -> float:
    """Root mean square length of errors (points, 2), in their unit; NaN if none is known."""
    lengths = _lengths(left)
    return float(np.sqrt(np.mean(lengths**2))) if lengths.size else math.nan


def ce90(left: Floats) -> float:
    """Radius of the circle that holds 90 % of errors (points, 2), in their unit; NaN if none is known."""
    lengths = _lengths(left)
    return float(np.quantile(lengths, 0.9)) if lengths.size else math.nan


def _lengths(left: Floats) -> Floats:
    lengths = np.hypot(left[:, 0], left[:, 1])
    return lengths[np.isfinite(lengths)]


def _blocks(points: TiePoints, apart: float = 0.0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the block that each point lies in."""
    number = min(max(math.isqrt(len(points) // _POINTS_PER_BLOCK), _FEWEST_BLOCKS), _MOST_BLOCKS)
    return _along(points.y, number, apart), _along(points.x, number, apart)


def _along(position: Floats, number: int, apart: float) -> NDArray[np.int64]:
    first, last = position.min(), position.max()
    edge = max((last - first) / number, apart, 1.0)
    return np.asarray(np.minimum((position - first) // edge, number - 1), np.int64)
