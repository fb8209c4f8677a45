"""Polynomials through tie points, and the rule by which SNAP chooses the points.

Belongs here: least squares for a shift, an affine model and polynomials of order 1 to 3, and SNAP's elimination by RMS.
Not here: the other way of rejecting (``outliers``) or choosing an order (``estimate``).
"""

from __future__ import annotations

import math

import numpy as np

from weft.errors import RequestError
from weft.registration.displacement import Displacement, Model, powers
from weft.registration.points import Mask, TiePoints

TERMS = {0: 1, 1: 3, 2: 6, 3: 10}
"""Order of a polynomial in two variables -> number of its coefficients."""


def fit(points: TiePoints, shape: tuple[int, int], order: int, *, model: Model = "polynomial") -> Displacement:
    """The polynomial with the least sum of squared residuals.

    Args:
        points: at least as many as coefficients, all of them used.
        shape: (height, width) of the reference grid, pixels.
        order: 0 to 3; 0 is a shift.
        model: name of the result: ``shift`` for order 0, ``affine`` or ``polynomial`` for order 1.
    """
    columns = powers(points.x, points.y, shape, TERMS[order])
    dx, dy = np.linalg.lstsq(columns, np.column_stack((points.dx, points.dy)), rcond=None)[0].T.tolist()
    return Displacement(model, shape, (tuple(dx), tuple(dy)))


def within_rms(points: TiePoints, shape: tuple[int, int], *, order: int, rms_threshold: float) -> Mask:
    """The points that SNAP's warp keeps.

    The rule of SNAP's WarpOp: fit a polynomial; while the mean residual is above the threshold, drop the points whose
    residual reaches mean plus standard deviation and fit again; then drop those that reach the threshold itself.

    Args:
        points: tie points; those with ``inlier`` false stay out.
        shape: (height, width) of the reference grid, pixels.
        order: of the polynomial, 1 to 3 (SNAP: warpPolynomialOrder).
        rms_threshold: pixels (SNAP: rmsThreshold).

    Returns:
        bool, one for each point.

    Raises:
        RequestError: fewer points are left than the polynomial has coefficients.
    """
    kept = points.inlier.copy()
    limit = math.inf
    while limit > rms_threshold:
        chosen = _enough(points, kept, order, rms_threshold)
        dx, dy = fit(chosen, shape, order).at(chosen.x, chosen.y)
        left = np.hypot(chosen.dx - dx, chosen.dy - dy)
        limit = left.mean() + left.std() if left.mean() > rms_threshold else rms_threshold
        if left.max() < limit:
            # Few points among many with large residuals: mean plus deviation drops none and never would.
            limit = rms_threshold
        kept[kept] = left < limit
    _enough(points, kept, order, rms_threshold)
    return kept


def _enough(points: TiePoints, kept: Mask, order: int, rms_threshold: float) -> TiePoints:
    chosen = points.select(kept)
    if len(chosen) < TERMS[order]:
        raise RequestError(
            f"{len(chosen)} of {len(points)} tie points meet rms_threshold {rms_threshold:g} px, a polynomial of "
            f"order {order} needs {TERMS[order]}; raise rms_threshold or lower warp_order"
        )
    return chosen
