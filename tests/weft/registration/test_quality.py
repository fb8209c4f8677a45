"""What a registration must prove before it is accepted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.weft.registration.known import SHAPE, Known, affine, known, shift, smooth
from weft.registration.points import TiePoints
from weft.registration.quality import Verdict, judge
from weft.registration.settings import Registering

EVERYWHERE = np.ones(SHAPE, bool)


def verdict(case: Known, *, usable: np.ndarray = EVERYWHERE, template: int = 64, **settings: Any) -> Verdict:
    return judge(case.points, usable, Registering(**settings), template=template)


@pytest.mark.parametrize(("truth", "model"), [(shift, "shift"), (affine, "affine"), (smooth, "field")])
def test_what_is_proved_is_accepted(truth, model) -> None:  # type: ignore[no-untyped-def]
    case = known(truth, noise=0.1, wrong=0.3, spacing=35)
    found = verdict(case)
    quality = found.quality
    assert found.accepted
    assert found.displacement.model == quality.model == model
    assert quality.points == len(case.points)
    assert quality.inliers == np.count_nonzero(found.points.inlier)
    assert quality.ce90_after < quality.ce90_before / 5
    assert (found.displacement.rmse, found.displacement.ce90) == (quality.rmse_after, quality.ce90_after)
    assert quality.agreement == pytest.approx(0.7, abs=0.05)
    assert quality.coverage == 1.0
    assert f"CE90 falls from {quality.ce90_before:.2f} px to {quality.ce90_after:.2f} px" in found.reason


def test_figures_are_those_of_points_the_model_has_not_seen() -> None:
    case = known(shift, noise=0.1, wrong=0, spacing=50)
    found = verdict(case)
    before = np.hypot(case.points.dx, case.points.dy)[found.points.inlier]
    assert found.quality.ce90_before == pytest.approx(np.quantile(before, 0.9))
    assert found.quality.rmse_before == pytest.approx(np.sqrt(np.mean(before**2)))
    dx, dy = found.displacement.at(case.points.x, case.points.y)
    seen = np.hypot(case.points.dx - dx, case.points.dy - dy)[found.points.inlier]
    assert found.quality.rmse_after > np.sqrt(np.mean(seen**2))


def aligned(x, y):  # type: ignore[no-untyped-def]
    return 0 * x, 0 * y


@pytest.mark.parametrize("noise", [0.02, 0.6])
def test_what_is_aligned_stays_where_it_is(noise: float) -> None:
    found = verdict(known(aligned, noise=noise, wrong=0.3, spacing=40))
    assert found.accepted
    assert not found.displacement.moves
    assert found.reason.startswith("already aligned: CE90 is")
    assert found.quality.ce90_after == found.quality.ce90_before == found.displacement.ce90


def test_too_small_a_displacement_is_not_worth_a_resampling() -> None:
    found = verdict(known(lambda x, y: (0 * x + 0.03, 0 * y), noise=0.01, wrong=0))
    assert found.accepted
    assert not found.displacement.moves


def refused(found: Verdict, *parts: str) -> None:
    assert not found.accepted
    assert not found.displacement.moves
    for part in parts:
        assert part in found.reason


def test_no_match_is_refused() -> None:
    found = judge(TiePoints.none(), EVERYWHERE, Registering(), template=64)
    refused(found, "0 windows found a match", "min_points is 12")
    assert found.quality.properties()["ce90_after"] is None


def test_too_few_inliers_are_refused() -> None:
    refused(verdict(known(shift, wrong=0.9, spacing=100)), "of 110 matches are believed", "min_points is 12")


def test_matches_that_agree_by_chance_are_refused() -> None:
    refused(verdict(known(shift, wrong=1.0)), "")
    found = verdict(known(shift, wrong=0.85, spacing=30))
    refused(found, "of the matches agree", "min_agreement is 25%")


def test_inliers_in_a_corner_are_refused() -> None:
    case = known(shift, wrong=0, spacing=30)
    corner = (case.points.x < 500) & (case.points.y < 400)
    found = verdict(replace(case, points=case.points.select(corner)))
    refused(found, "of the cells of the usable overlap", "min_coverage is 40%")
    assert found.quality.coverage == pytest.approx(0.2, abs=0.08)
    usable = np.zeros(SHAPE, bool)
    usable[:400, :500] = True
    assert verdict(replace(case, points=case.points.select(corner)), usable=usable).accepted


def test_windows_that_overlap_prove_no_more_than_one() -> None:
    case = known(shift, wrong=0, spacing=10)
    patch = (case.points.x < 220) & (case.points.y < 140)
    usable = np.zeros(SHAPE, bool)
    usable[:140, :220] = True
    small = replace(case, points=case.points.select(patch))
    assert verdict(small, usable=usable, template=64).accepted
    refused(verdict(small, usable=usable, template=150), "of 2 independent windows agree", "smaller template")
    refused(verdict(small, usable=usable, template=300), "all matches lie within one window of 300 px")


def test_what_is_left_may_not_exceed_max_ce90() -> None:
    case = known(shift, noise=0.7, wrong=0, spacing=40)
    refused(verdict(case, max_ce90=1.0), "px at held-out points, max_ce90 is 1 px")
    assert verdict(case).accepted


def test_snap_that_leaves_too_few_points_is_refused_and_says_why() -> None:
    case = known(affine, noise=1.0, wrong=0.3, spacing=100)
    found = verdict(case, model="snap", warp_order=1, rms_threshold=0.001)
    refused(found, "min_points is 12")
    assert verdict(known(affine, wrong=0.1), model="snap", warp_order=1, rms_threshold=0.2).accepted


@pytest.mark.parametrize("seed", range(8))
def test_accepted_is_never_worse_than_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dx, dy = rng.normal(0, 0.4, 2)
    found = verdict(
        known(lambda x, y: (0 * x + dx, 0 * y + dy), noise=float(rng.uniform(0.1, 1.0)), spacing=60, seed=seed)
    )
    if found.accepted:
        assert found.quality.ce90_after <= found.quality.ce90_before


def test_properties_are_plain_json() -> None:
    found = verdict(known(shift, spacing=50))
    properties = found.quality.properties()
    assert json.loads(json.dumps(properties, allow_nan=False)) == properties
    assert set(properties) >= {
        "points",
        "inliers",
        "rmse_before",
        "rmse_after",
        "ce90_before",
        "ce90_after",
        "coverage",
    }
