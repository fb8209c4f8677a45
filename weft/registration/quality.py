"""What a registration proves, and whether that is enough.

Belongs here: the figures of a registration at points that its model has not seen, and the thresholds that accept or
refuse it. Not here: matching and the order of things (``registration``), fitting (``estimate``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import binom

from weft.errors import RequestError
from weft.registration.displacement import Displacement
from weft.registration.estimate import believe, ce90, choose, held_out, is_better, rmse
from weft.registration.points import Floats, Mask, TiePoints
from weft.registration.settings import Registering

# A match agrees with a prediction that lies this close, or within a fifth of the search: chance must seldom agree.
_AGREES, _OF_SEARCH = 2.0, 0.2
# Chance may bring about what was found in less than one of a hundred thousand pairs without any relation.
_CHANCE = 1e-5
# A displacement smaller than this is not worth the blur of a resampling.
_NOTHING = 0.05
_FEWEST_CELLS, _MOST_CELLS = 3, 8
_USABLE = 0.25
_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of a registration, lengths in pixels of the reference grid.

    Attributes:
        points: windows that found a match.
        inliers: matches that are believed.
        rmse_before: root mean square displacement of the inliers with no correction.
        rmse_after: what is left of it under a model fitted without the surroundings of each inlier.
        ce90_before: circle that holds 90 % of the inliers' displacements with no correction.
        ce90_after: likewise of what is left.
        agreement: share of all matches, believed or not, that a model fitted without them predicts.
        coverage: share of the cells of the usable overlap that hold inliers.
        model: that was chosen.
    """

    points: int
    inliers: int
    rmse_before: float = math.nan
    rmse_after: float = math.nan
    ce90_before: float = math.nan
    ce90_after: float = math.nan
    agreement: float = 0.0
    coverage: float = 0.0
    model: str = "shift"

    def properties(self) -> dict[str, Any]:
        """As properties of a STAC item: names as here, rounded, None for what could not be measured."""
        numbers = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: (None if math.isnan(value) else round(value, _DECIMALS)) if isinstance(value, float) else value
            for name, value in numbers.items()
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """A displacement, what is known about it, and whether it may be used.

    Attributes:
        displacement: the model fitted to all inliers; the identity if it is refused or nothing needs to move.
        points: all matches, with ``inlier`` as it was decided.
        quality: the figures.
        accepted: whether the figures meet the thresholds.
        reason: one sentence that names the deciding figure and its threshold.
    """

    displacement: Displacement
    points: TiePoints
    quality: Quality
    accepted: bool
    reason: str


def judge(points: TiePoints, usable: Mask, settings: Registering, *, template: int) -> Verdict:
    """Fit a displacement to matches and accept it if it proves that it improves, or that nothing needs to.

    Args:
        points: all matches, none of them judged yet.
        usable: bool (height, width) of the reference grid: where both images can be used.
        settings: model and thresholds.
        template: edge of the matching window, pixels: windows further apart than that are independent.
    """
    shape = (usable.shape[0], usable.shape[1])
    kept = np.zeros(len(points), bool)
    quality = Quality(len(points), 0)

    def refused(reason: str) -> Verdict:
        return Verdict(Displacement.none(shape), points.with_inliers(kept), quality, accepted=False, reason=reason)

    if len(points) < settings.min_points:
        return refused(f"{len(points)} windows found a match, min_points is {settings.min_points}")
    try:
        kept = _believe(points, shape, settings)
        inliers = points.select(kept)
        quality = replace(quality, inliers=len(inliers), coverage=_coverage(inliers, usable, template))
        if len(inliers) < settings.min_points:
            return refused(f"{len(inliers)} of {len(points)} matches are believed, min_points is {settings.min_points}")
        found, left = _fit(points, inliers, shape, settings, template)
    except RequestError as error:
        return refused(str(error))
    agrees = np.hypot(left[:, 0], left[:, 1]) <= _tolerance(settings)
    quality = _figures(quality, inliers, found, left[kept], agrees)
    if reason := _refusal(quality, points, agrees, settings, template):
        return refused(reason)
    if _helps(found, left[kept], inliers, quality, template):
        chosen, done = found, f"CE90 falls from {quality.ce90_before:.2f} px to {quality.ce90_after:.2f} px"
    else:
        chosen, done = Displacement.none(shape), f"already aligned: CE90 is {quality.ce90_before:.2f} px as it is"
        quality = replace(quality, model=chosen.model, rmse_after=quality.rmse_before, ce90_after=quality.ce90_before)
    if quality.ce90_after > settings.max_ce90:
        return refused(f"CE90 is {quality.ce90_after:.2f} px at held-out points, max_ce90 is {settings.max_ce90:g} px")
    return Verdict(
        chosen.measured(rmse=quality.rmse_after, ce90=quality.ce90_after),
        points.with_inliers(kept),
        quality,
        accepted=True,
        reason=f"{done} at {quality.inliers} held-out points (max_ce90 {settings.max_ce90:g} px)",
    )


def _believe(points: TiePoints, shape: tuple[int, int], settings: Registering) -> Mask:
    return believe(points, shape, settings.model, warp_order=settings.warp_order, rms_threshold=settings.rms_threshold)


def _fit(
    points: TiePoints, inliers: TiePoints, shape: tuple[int, int], settings: Registering, template: int
) -> tuple[Displacement, Floats]:
    """The chosen model through all inliers, and what every match shows beyond models that have not seen its fold."""
    candidate = choose(inliers, shape, settings.model, warp_order=settings.warp_order, apart=template)

    def learn(training: TiePoints) -> Displacement:
        believed = training.select(_believe(training, shape, settings))
        if len(believed) < candidate.fewest:
            raise RequestError(
                f"{len(believed)} of the matches away from held-out ones are believed, model {settings.model} needs "
                f"{candidate.fewest}; use a simpler one"
            )
        return candidate.fit(believed, shape)

    return candidate.fit(inliers, shape), held_out(points, learn, apart=template)


def _figures(quality: Quality, inliers: TiePoints, found: Displacement, left: Floats, agrees: Mask) -> Quality:
    before = np.column_stack((inliers.dx, inliers.dy))
    return replace(
        quality,
        rmse_before=rmse(before),
        rmse_after=rmse(left),
        ce90_before=ce90(before),
        ce90_after=ce90(left),
        agreement=float(agrees.mean()),
        model=found.model,
    )


def _refusal(quality: Quality, points: TiePoints, agrees: Mask, settings: Registering, template: int) -> str | None:
    if math.isnan(quality.ce90_after):
        return f"all matches lie within one window of {template} px: none can be held out; use a smaller template"
    if quality.agreement < settings.min_agreement:
        return (
            f"{quality.agreement:.0%} of the matches agree with a model fitted without them, min_agreement is "
            f"{settings.min_agreement:.0%}"
        )
    if quality.coverage < settings.min_coverage:
        return (
            f"inliers lie in {quality.coverage:.0%} of the cells of the usable overlap, min_coverage is "
            f"{settings.min_coverage:.0%}"
        )
    windows, agreeing = (_independent(some, template) for some in (points, points.select(agrees)))
    share = math.pi * _tolerance(settings) ** 2 / (2 * settings.search + 1) ** 2
    # One window that agrees proves nothing: the model may come from it.
    chance = float(binom.sf(agreeing - 2, windows - 1, share))
    if chance > _CHANCE:
        return (
            f"{agreeing} of {windows} independent windows agree, which those of unrelated images do with a probability "
            f"of {chance:.1g}, at most {_CHANCE:g} is allowed; use a smaller template or a larger area"
        )
    return None


def _independent(points: TiePoints, template: int) -> int:
    """How many windows that share no pixel the points have, taken as they come."""
    x, y, count = points.x, points.y, 0
    while x.size:
        apart = (np.abs(x - x[0]) >= template) | (np.abs(y - y[0]) >= template)
        x, y, count = x[apart], y[apart], count + 1
    return count


def _helps(found: Displacement, left: Floats, inliers: TiePoints, quality: Quality, template: int) -> bool:
    moves = np.column_stack(found.at(inliers.x, inliers.y))
    return (
        ce90(moves) >= _NOTHING
        and quality.ce90_after < quality.ce90_before
        and is_better(left, np.column_stack((inliers.dx, inliers.dy)), inliers, apart=template)
    )


def _tolerance(settings: Registering) -> float:
    return min(_AGREES, _OF_SEARCH * settings.search)


def _coverage(inliers: TiePoints, usable: Mask, template: int) -> float:
    """Share of the cells, of which at least a quarter is usable, that hold an inlier."""
    rows, columns = (min(max(side // template, _FEWEST_CELLS), _MOST_CELLS) for side in usable.shape)
    height, width = usable.shape
    cells = np.zeros((rows, columns), bool)
    cells[(inliers.y * rows / height).astype(int), (inliers.x * columns / width).astype(int)] = True
    places = [
        (row, column)
        for row in range(rows)
        for column in range(columns)
        if usable[
            row * height // rows : (row + 1) * height // rows,
            column * width // columns : (column + 1) * width // columns,
        ].mean()
        >= _USABLE
    ]
    return sum(bool(cells[place]) for place in places) / len(places) if places else 0.0
