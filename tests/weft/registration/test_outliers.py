"""Rejection of wrong tie points."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from tests.weft.registration.known import SHAPE, affine, cubic, known, shift, smooth
from weft.registration.outliers import reject
from weft.registration.points import TiePoints


@pytest.mark.parametrize("truth", [shift, affine, cubic, smooth])
@pytest.mark.parametrize(
    ("noise", "wrong", "spacing", "recall"), [(0.03, 0.3, 25, 0.98), (0.03, 0.6, 25, 0.95), (0.7, 0.5, 40, 0.93)]
)
def test_right_points_stay_and_wrong_ones_go(truth, noise, wrong, spacing, recall) -> None:  # type: ignore[no-untyped-def]
    case = known(truth, noise=noise, wrong=wrong, spacing=spacing)
    kept = reject(case.points, SHAPE)
    assert np.count_nonzero(kept & case.right) >= recall * np.count_nonzero(case.right)
    # Noise of 0.7 px makes a wrong match that lies 2 px off look right.
    assert np.count_nonzero(kept & ~case.right) <= (0.002 if noise < 0.1 else 0.05) * np.count_nonzero(kept)


def test_a_patch_of_wrong_points_that_agree_with_each_other_goes() -> None:
    case = known(affine, wrong=0.2)
    patch = (case.points.x < 400) & (case.points.y < 300)
    moved = replace(case.points, dx=np.where(patch, case.points.dx + 9, case.points.dx))
    kept = reject(moved, SHAPE)
    assert not kept[patch].any()
    assert kept[~patch & case.right].mean() > 0.95


def test_points_at_the_border_of_a_steep_field_stay() -> None:
    case = known(smooth, wrong=0.0)
    border = (case.points.x < 30) | (case.points.y < 30) | (case.points.x > 1070) | (case.points.y > 970)
    assert reject(case.points, SHAPE)[border].mean() > 0.85


def test_points_that_were_not_believed_stay_out() -> None:
    case = known(shift, wrong=0.0)
    given = case.points.x > 500
    kept = reject(case.points.with_inliers(given), SHAPE)
    assert not kept[~given].any()
    assert kept[given].mean() > 0.95


def test_a_second_run_keeps_the_same() -> None:
    case = known(cubic, wrong=0.5)
    np.testing.assert_array_equal(reject(case.points, SHAPE), reject(case.points, SHAPE))


def test_pure_noise_keeps_next_to_nothing() -> None:
    case = known(shift, wrong=1.0)
    assert reject(case.points, SHAPE).mean() < 0.02


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 9])
def test_few_points_are_handled(count: int) -> None:
    case = known(shift, wrong=0.0)
    points = case.points.select(np.arange(count) * 97)
    assert reject(points, SHAPE).all()


def test_points_on_one_place_or_one_line_are_handled() -> None:
    many = np.ones(40)
    same = TiePoints(many, many, many, many, many, many.astype(bool))
    line = replace(same, x=np.arange(40.0))
    assert reject(same, SHAPE).all()
    assert reject(line, SHAPE).all()


def test_twenty_thousand_points_take_seconds() -> None:
    case = known(smooth, spacing=7, wrong=0.6)
    assert len(case.points) > 20_000
    began = time.process_time()
    reject(case.points, SHAPE)
    assert time.process_time() - began < 10
