"""Which model is chosen for displacements that are known, and how far from the truth it is."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from tests.weft.registration.known import SHAPE, affine, cubic, known, shift, smooth
from weft.errors import RequestError
from weft.registration import polynomial
from weft.registration.estimate import choose, estimate, held_out, is_better
from weft.registration.points import TiePoints


@pytest.mark.parametrize(
    ("truth", "model", "limit"),
    [(shift, "shift", 0.003), (affine, "affine", 0.006), (cubic, "polynomial", 0.015), (smooth, "field", 0.08)],
)
def test_the_right_model_is_chosen_and_close_to_the_truth(truth, model, limit) -> None:  # type: ignore[no-untyped-def]
    case = known(truth, noise=0.03, wrong=0.4)
    found = estimate(case.points, SHAPE)
    error = case.error(found)
    assert found.model == model
    assert np.quantile(error, 0.9) < limit
    # Two axes with noise of 0.03 px each: rmse 0.042, circle of 90 % 0.064.
    assert found.rmse == pytest.approx(0.042, abs=0.05 if model == "field" else 0.002)
    assert found.ce90 == pytest.approx(0.064, abs=0.06 if model == "field" else 0.004)


@pytest.mark.parametrize("wrong", [0.3, 0.6])
def test_global_shift_is_far_better_than_a_hundredth_of_a_pixel(wrong: float) -> None:
    case = known(shift, noise=0.03, wrong=wrong, spacing=40)
    assert case.error(estimate(case.points, SHAPE)).max() < 0.005


@pytest.mark.parametrize("seed", range(6))
def test_noise_makes_no_model_richer(seed: int) -> None:
    case = known(shift, noise=0.7, wrong=0.3, spacing=50, seed=seed)
    found = estimate(case.points, SHAPE)
    assert found.model == "shift"
    assert case.error(found).max() < 0.15


def test_error_is_that_of_points_the_model_has_not_seen() -> None:
    noise = known(shift, noise=0.5, wrong=0, spacing=200)
    found = estimate(noise.points, SHAPE, "polynomial3")
    dx, dy = found.at(noise.points.x, noise.points.y)
    training = np.hypot(noise.points.dx - dx, noise.points.dy - dy)
    assert found.rmse > 1.3 * np.sqrt(np.mean(training**2))


def test_held_out_points_are_predicted_without_their_surroundings() -> None:
    case = known(shift, noise=0, wrong=0, spacing=25)
    seen: list[TiePoints] = []

    def learn(training: TiePoints):  # type: ignore[no-untyped-def]
        seen.append(training)
        return polynomial.fit(training, SHAPE, 0)

    left = held_out(case.points, learn, apart=100)
    assert np.abs(left).max() < 1e-9
    assert len(seen) == 9
    everything = case.points.x + 1e4 * case.points.y
    used = sum(np.isin(everything, training.x + 1e4 * training.y) for training in seen)
    # Each point leaves with its own fold, and again as a neighbour of others.
    assert used.max() < 9
    assert used.min() > 1
    for training in seen:
        gone = ~np.isin(everything, training.x + 1e4 * training.y)
        # Every third block of 100 px is held out, with 50 px around it.
        assert 0.15 < gone.mean() < 0.6


def test_errors_that_neighbours_share_do_not_make_a_richer_model() -> None:
    case = known(shift, noise=0, wrong=0, spacing=25)
    rng = np.random.default_rng(3)
    shape = (len(np.unique(case.points.y)), len(np.unique(case.points.x)))
    # Windows of 100 px at every 25 px: neighbours share three quarters of their pixels and of their errors.
    shared = uniform_filter(rng.normal(size=(2, *shape)), (1, 4, 4)).reshape(2, -1)
    points = replace(case.points, dx=case.points.dx + shared[0], dy=case.points.dy + shared[1])
    assert choose(points, SHAPE, "auto", apart=0) is not choose(points, SHAPE, "shift")
    assert choose(points, SHAPE, "auto", apart=100) is choose(points, SHAPE, "shift")


@pytest.mark.parametrize(
    ("model", "name", "terms"),
    [
        ("shift", "shift", 1),
        ("affine", "affine", 3),
        ("polynomial1", "polynomial", 3),
        ("polynomial2", "polynomial", 6),
        ("polynomial3", "polynomial", 10),
        ("polynomial", "polynomial", 10),
        ("field", "field", 3),
        ("snap", "polynomial", 6),
    ],
)
def test_a_model_that_is_asked_for_is_fitted(model, name, terms) -> None:  # type: ignore[no-untyped-def]
    case = known(cubic, noise=0.02, wrong=0.1, spacing=50)
    found = estimate(case.points, SHAPE, model, rms_threshold=0.5)
    assert found.model == name
    assert len(found.coefficients[0]) == terms


def test_snap_is_the_polynomial_through_the_points_of_its_rule() -> None:
    case = known(affine, wrong=0.2, spacing=50)
    kept = polynomial.within_rms(case.points, SHAPE, order=1, rms_threshold=0.1)
    expected = polynomial.fit(case.points.select(kept), SHAPE, 1)
    found = estimate(case.points, SHAPE, "snap", warp_order=1, rms_threshold=0.1)
    assert found.coefficients == expected.coefficients
    assert found.ce90 < 0.1


def test_too_few_points_are_told() -> None:
    case = known(shift, wrong=0, spacing=400)
    with pytest.raises(RequestError, match="model field needs 30 tie points, 9 are left"):
        estimate(case.points, SHAPE, "field")
    with pytest.raises(RequestError, match="model shift needs 1 tie points, 0 are left"):
        estimate(TiePoints.none(), SHAPE, "shift")
    with pytest.raises(RequestError, match="no model 'warp'"):
        estimate(case.points, SHAPE, "warp")  # type: ignore[arg-type]


def test_one_point_gives_a_shift_without_a_measured_error() -> None:
    case = known(shift, wrong=0, noise=0)
    found = estimate(case.points.select(np.array([7])), SHAPE)
    assert found.at(0, 0)[0] == pytest.approx(2.37)
    assert np.isnan(found.rmse)
    assert np.isnan(found.ce90)


def test_the_same_points_give_the_same_bytes() -> None:
    case = known(smooth, spacing=60)
    texts = {json.dumps(estimate(case.points, SHAPE).to_json()) for _ in range(3)}
    assert len(texts) == 1


def test_better_means_by_more_than_the_noise() -> None:
    case = known(shift, noise=0.5, wrong=0, spacing=50)
    left = {order: held_out(case.points, partial(polynomial.fit, shape=SHAPE, order=order)) for order in (0, 1)}
    assert not is_better(left[1], left[0], case.points)
    assert not is_better(left[0], left[0], case.points)
    assert is_better(left[0], left[0] + 1.0, case.points)
