"""Smooth fields through tie points."""

from __future__ import annotations

import numpy as np
import pytest

from tests.weft.registration.known import SHAPE, affine, known, smooth
from weft.registration import field
from weft.registration.displacement import MAX_NODES


def test_little_smoothing_follows_a_smooth_deformation() -> None:
    case = known(smooth, noise=0, wrong=0, spacing=20)
    assert case.error(field.fit(case.points, SHAPE, 0.01)).max() < 0.02


def test_much_smoothing_leaves_the_affine_part() -> None:
    case = known(smooth, noise=0.0, wrong=0, spacing=50)
    flat, _ = field.fit(case.points, SHAPE, 1e6).at([0.0, 500.0, 1000.0], [500.0] * 3)
    assert abs(flat[0] - 2 * flat[1] + flat[2]) < 0.01


def test_far_from_points_only_the_affine_part_is_left() -> None:
    case = known(lambda x, y: (affine(x, y)[0] + np.sin(x / 20), affine(x, y)[1]), noise=0, wrong=0, spacing=20)
    left_half = case.points.select(case.points.x < 400)
    found = field.fit(left_half, SHAPE, 0.01)
    trend = np.array(found.coefficients[0]) @ [1.0, (1050 - 549.5) / 550, 0.0]
    assert abs(found.at(1050.0, 499.5)[0] - trend) < 0.1


@pytest.mark.parametrize(("spacing", "rows"), [(10, MAX_NODES), (100, 10)])
def test_the_lattice_follows_the_number_of_points(spacing: int, rows: int) -> None:
    case = known(affine, wrong=0, spacing=spacing)
    nodes = field.fit(case.points, SHAPE, 1.0).nodes
    assert len(nodes[0]) == rows
    assert len(nodes[0][0]) <= MAX_NODES


def test_two_fits_are_equal() -> None:
    case = known(smooth, spacing=40, wrong=0)
    assert field.fit(case.points, SHAPE, 0.1) == field.fit(case.points, SHAPE, 0.1)
