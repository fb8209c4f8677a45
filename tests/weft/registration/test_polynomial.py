"""Polynomials and SNAP's way of choosing their points."""

from __future__ import annotations

import numpy as np
import pytest

from tests.weft.registration.known import SHAPE, affine, cubic, known, shift
from weft.errors import RequestError
from weft.registration import polynomial
from weft.registration.points import Floats, TiePoints


@pytest.mark.parametrize(("truth", "order"), [(shift, 0), (affine, 1), (cubic, 3)])
def test_a_polynomial_without_noise_is_found_exactly(truth, order) -> None:  # type: ignore[no-untyped-def]
    case = known(truth, noise=0, wrong=0, spacing=100)
    assert case.error(polynomial.fit(case.points, SHAPE, order)).max() < 1e-9


def snap(points: TiePoints, order: int, threshold: float) -> tuple[set[int], Floats]:
    """The rule of WarpOp, point by point in plain pixel coordinates: kept points and residuals of the last fit."""
    alive = list(range(len(points)))
    powers = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    while True:
        rows = np.array([[(points.x[k] / 1000) ** i * (points.y[k] / 1000) ** j for i, j in powers] for k in alive])
        moves = np.array([[points.dx[k], points.dy[k]] for k in alive])
        left = moves - rows @ np.linalg.lstsq(rows, moves, rcond=None)[0]
        residuals = [float(np.hypot(*one)) for one in left]
        mean, std = np.mean(residuals), np.std(residuals)
        limit = mean + std if mean > threshold else threshold
        alive = [k for k, residual in zip(alive, residuals, strict=True) if residual < limit]
        if limit == threshold:
            return set(alive), np.array(residuals)


@pytest.mark.parametrize(("order", "threshold", "wrong"), [(1, 0.1, 0.1), (2, 0.05, 0.2), (3, 0.5, 0.4)])
def test_snap_keeps_the_points_that_its_rule_keeps(order: int, threshold: float, wrong: float) -> None:
    case = known(affine, wrong=wrong, spacing=60)
    kept = polynomial.within_rms(case.points, SHAPE, order=order, rms_threshold=threshold)
    expected, _ = snap(case.points, order, threshold)
    assert set(np.flatnonzero(kept)) == expected
    assert 0 < len(expected) < len(case.points)


def test_snap_says_when_its_threshold_leaves_too_few() -> None:
    case = known(affine, spacing=500)
    with pytest.raises(
        RequestError, match=r"of 6 tie points meet rms_threshold 0\.05 px, a polynomial of order 2 needs 6; raise"
    ):
        polynomial.within_rms(case.points, SHAPE, order=2, rms_threshold=0.05)


def test_snap_ends_when_all_residuals_are_equal() -> None:
    x, y = np.meshgrid([0.0, 999.0], [0.0, 999.0])
    sign = np.array([1.0, -1.0, -1.0, 1.0])
    points = TiePoints(x.ravel(), y.ravel(), sign, sign, np.ones(4), np.ones(4, bool))
    with pytest.raises(RequestError, match="of 4 tie points"):
        polynomial.within_rms(points, (1000, 1000), order=1, rms_threshold=0.05)
