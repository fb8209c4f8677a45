"""Registering a secondary to its reference: from two images on one grid to a displacement that may be used, or not.

Belongs here: the order of things: where to look first, matching, judging, and what is tried when a way fails. Not here:
matching (``tie_points``, ``coarse``), fitting (``estimate``), thresholds and figures (``quality``), reading images
(``collocation``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from weft.errors import RequestError
from weft.registration.coarse import coarse_shift
from weft.registration.displacement import Displacement
from weft.registration.points import Mask, TiePoints
from weft.registration.quality import Quality, judge
from weft.registration.rivals import rivalry
from weft.registration.settings import Matching, Registering
from weft.registration.tie_points import tie_points
from weft.registration.windows import Image, usable

__all__ = ["Quality", "Registration", "register"]

_POINTS = 3000
# Closer than a quarter of the window, points see the same pixels again.
_OVERLAP = 4
# Images of one modality whose windows differ by more than this in the end may be more alike in their edges, pixels.
_ALIKE = 0.5
_RIVAL = 0.7


@dataclass(frozen=True, slots=True)
class Registration:
    """Where a secondary lies with respect to its reference, and what speaks for it.

    Attributes:
        displacement: to be used if ``accepted``; otherwise nothing moves.
        points: all matches, with those that are believed marked as inliers.
        quality: figures at held-out points.
        accepted: whether the registration proved that it improves, or that nothing needs to move.
        reason: one sentence with the deciding figure and its threshold.
        method: how windows were compared in the end.
    """

    displacement: Displacement
    points: TiePoints
    quality: Quality
    accepted: bool
    reason: str
    method: Matching


def register(
    reference: Image,
    secondary: Image,
    settings: Registering,
    *,
    mask_reference: Mask | None = None,
    mask_secondary: Mask | None = None,
    method: Matching,
    workers: int = 2,
) -> Registration:
    """Register one image to another of the same shape.

    Matches are looked for around the geolocation first and, if that is refused, around a coarse shift of the whole
    image if it lies elsewhere. Where the order leaves the method to us (``auto``) and ``cross_corr`` is refused or
    leaves a CE90 of more than half a pixel, ``multimodal`` is tried too, and the accepted one with the smaller CE90
    counts. If all are refused, the one with most agreement tells the reason.

    Args:
        reference: 2-D, float32 or uint16; NaN is never usable.
        secondary: likewise, on the same grid.
        settings: the order's ``coregistration`` block.
        mask_reference: bool, True = usable; all pixels by default.
        mask_secondary: likewise.
        method: ``cross_corr`` or ``multimodal``.
        workers: threads of the matching; the result does not depend on them.

    Raises:
        RequestError: the shapes differ.
    """
    if reference.ndim != 2 or reference.shape != secondary.shape:
        raise RequestError(
            f"reference {reference.shape} and secondary {secondary.shape} must be 2-D and on one grid; collocate first"
        )
    masks = usable(reference, mask_reference), usable(secondary, mask_secondary)
    pair = _Pair(reference, secondary, *masks, settings, workers)
    found = _around_geolocation_or_coarse_shift(pair, method)
    if settings.method != "auto" or method != "cross_corr" or (found.accepted and found.quality.ce90_after <= _ALIKE):
        return found
    return _better(found, _around_geolocation_or_coarse_shift(pair, "multimodal"))


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    reference: Image
    secondary: Image
    mask_reference: Mask | None
    mask_secondary: Mask | None
    settings: Registering
    workers: int

    @property
    def overlap(self) -> Mask:
        overlap = np.ones(self.reference.shape, np.bool_)
        for mask in (self.mask_reference, self.mask_secondary):
            if mask is not None:
                overlap &= mask
        return overlap


def _better(one: Registration, other: Registration) -> Registration:
    if one.accepted != other.accepted:
        return one if one.accepted else other
    if one.accepted:
        return min(one, other, key=lambda found: found.quality.ce90_after)
    return max(one, other, key=lambda found: found.quality.agreement)


def _around_geolocation_or_coarse_shift(pair: _Pair, method: Matching) -> Registration:
    found = _attempt(pair, method, None)
    if found.accepted or not pair.settings.coarse_search:
        return found
    start = coarse_shift(
        pair.reference,
        pair.secondary,
        pair.mask_reference,
        pair.mask_secondary,
        method=method,
        search=pair.settings.coarse_search,
        workers=pair.workers,
    )
    # Nearer, the windows have already looked there.
    if max(abs(start.dx), abs(start.dy)) <= pair.settings.search / 2:
        return found
    return _better(found, _attempt(pair, method, Displacement.shift(start.dx, start.dy, pair.reference.shape)))


def _attempt(pair: _Pair, method: Matching, prior: Displacement | None) -> Registration:
    settings = pair.settings
    template = settings.window(method)
    spacing = max(template // _OVERLAP, round(math.sqrt(pair.reference.size / _POINTS)))
    points = tie_points(
        pair.reference,
        pair.secondary,
        method=method,
        template=template,
        search=settings.search,
        spacing=settings.spacing or spacing,
        mask_reference=pair.mask_reference,
        mask_secondary=pair.mask_secondary,
        prior=prior,
        workers=pair.workers,
    )
    verdict = judge(points, pair.overlap, settings, template=template)
    accepted, reason, moved = verdict.accepted, verdict.reason, verdict.displacement
    if accepted:
        rival = rivalry(
            pair.reference,
            pair.secondary,
            pair.mask_reference,
            pair.mask_secondary,
            moved,
            verdict.points.select(verdict.points.inlier),
            template=template,
            reach=2 * settings.search,
        )
        if rival > _RIVAL:
            accepted, moved = False, Displacement.none(moved.shape)
            reason = (
                f"another displacement is {rival:.0%} as likely as the one found, at most {_RIVAL:.0%} is allowed: "
                "the images repeat themselves"
            )
    return Registration(moved, verdict.points, verdict.quality, accepted, reason, method)
