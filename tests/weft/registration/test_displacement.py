"""Displacements: what they say at places, on blocks and as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import BSpline

from weft.errors import RequestError
from weft.rasters.grid import Window
from weft.registration.displacement import Displacement

SHAPE = (300, 400)


def cubic() -> Displacement:
    rng = np.random.default_rng(1)
    return Displacement("polynomial", SHAPE, tuple(tuple(rng.normal(size=10).tolist()) for _ in range(2)))


def wavy(rows: int = 9, columns: int = 11) -> Displacement:
    rng = np.random.default_rng(2)
    return Displacement(
        "field",
        SHAPE,
        ((0.5, 1.0, -2.0), (-1.0, 0.25, 0.75)),
        tuple(tuple(tuple(row) for row in lattice) for lattice in rng.normal(size=(2, rows, columns)).tolist()),
    )


def test_shift_is_the_same_everywhere() -> None:
    dx, dy = Displacement.shift(2.25, -1.5, SHAPE).at([[0.0, 399.0]], [[0.0], [299.0]])
    assert dx.shape == dy.shape == (2, 2)
    assert (dx == 2.25).all()
    assert (dy == -1.5).all()


def test_scalar_positions_give_scalars() -> None:
    dx, dy = Displacement.shift(1, 2, SHAPE).at(3, 4)
    assert dx.shape == () == dy.shape


def test_none_moves_nothing() -> None:
    assert not Displacement.none(SHAPE).moves
    assert Displacement.shift(0, 0.1, SHAPE).moves
    assert wavy().moves


def test_polynomial_is_the_sum_of_its_powers() -> None:
    found = cubic()
    x, y = np.array([0.0, 17.5, 399.0]), np.array([299.0, 42.0, 3.25])
    u, v = (x - 199.5) / 200, (y - 149.5) / 200
    terms = np.stack([u**0, u, v, u**2, u * v, v**2, u**3, u**2 * v, u * v**2, v**3])
    for axis, value in enumerate(found.at(x, y)):
        np.testing.assert_allclose(value, np.array(found.coefficients[axis]) @ terms, rtol=1e-12)


def test_field_is_trend_plus_b_splines() -> None:
    found = wavy()
    x, y = np.array([0.0, 17.5, 200.0, 399.0]), np.array([299.0, 42.0, 0.0, 3.25])
    u, v = (x - 199.5) / 200, (y - 149.5) / 200
    along_y, along_x = _design(y / 299 * 6, 9), _design(x / 399 * 8, 11)
    for axis, value in enumerate(found.at(x, y)):
        trend = np.array(found.coefficients[axis]) @ np.stack([np.ones_like(u), u, v])
        curve = np.einsum("kj,ji,ki->k", along_y, np.array(found.nodes[axis]), along_x)
        np.testing.assert_allclose(value, trend + curve, rtol=1e-9, atol=1e-12)


def _design(position: np.ndarray, nodes: int) -> np.ndarray:
    knots = np.arange(-3, nodes + 1, dtype=float)
    return BSpline.design_matrix(np.minimum(position, nodes - 3 - 1e-12), knots, 3).toarray()


def test_field_beyond_the_grid_goes_on_as_its_trend() -> None:
    found = wavy()
    for x in ([399.0, 409.0, 419.0], [-20.0, -10.0, 0.0]):
        (first, second, third), _ = found.at(x, [100.0] * 3)
        assert second - first == pytest.approx(1.0 * 10 / 200)
        assert third - second == pytest.approx(1.0 * 10 / 200)


@pytest.mark.parametrize("found", [Displacement.shift(1 / 3, -2 / 7, SHAPE), cubic(), wavy(), wavy(32, 4)])
@pytest.mark.parametrize("window", [Window(0, 0, 300, 400), Window(17, 350, 33, 50), Window(299, 399, 1, 1)])
def test_block_is_at_to_the_last_bit(found: Displacement, window: Window) -> None:
    y, x = np.mgrid[window.row : window.row + window.height, window.col : window.col + window.width]
    for block, value in zip(found.block(window), found.at(x, y), strict=True):
        assert block.dtype == np.float32
        np.testing.assert_array_equal(block, value.astype(np.float32))


@pytest.mark.parametrize("found", [Displacement.shift(1 / 3, -2 / 7, SHAPE), cubic(), wavy(32, 32)])
def test_json_and_back_is_the_same(found: Displacement) -> None:
    found = found.measured(rmse=0.123, ce90=1 / 3)
    text = json.dumps(found.to_json(), allow_nan=False)
    assert Displacement.from_json(json.loads(text)) == found


def test_largest_field_that_is_fitted_stays_below_64_kb() -> None:
    document = wavy(32, 32).to_json()
    document["nodes"] = np.round(document["nodes"], 6).tolist()
    assert len(json.dumps(document)) < 64 * 1024


def test_json_without_measurement_has_null() -> None:
    document = Displacement.none(SHAPE).to_json()
    assert document["rmse"] is None
    assert math.isnan(Displacement.from_json(document).ce90)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "warp"}, "model 'warp'"),
        ({"model": ["field"]}, "is none of"),
        ({"shape": [300]}, "shape must be"),
        ({"shape": [300, True]}, "shape must be"),
        ({"shape": [300, 0]}, "shape must be"),
        ({"shape": [300, 10**9]}, "shape must be"),
        ({"coefficients": [[1.0, 2.0, 3.0]]}, "one list for dx"),
        ({"coefficients": [[1.0, 2.0, 3.0], [1.0, 2.0]]}, "length of"),
        ({"coefficients": [[1.0, 2.0, "3"], [1.0, 2.0, 3.0]]}, "must be numbers"),
        ({"coefficients": [[1.0, 2.0, float("nan")], [1.0, 2.0, 3.0]]}, "must be numbers"),
        ({"coefficients": [[1.0, 2.0, 1e9], [1.0, 2.0, 3.0]]}, "must be numbers"),
        ({"model": "polynomial", "coefficients": [[1.0] * 3, [1.0] * 6], "nodes": []}, "same number"),
        ({"nodes": []}, "one list for dx"),
        ({"nodes": [[[0.0] * 4] * 4, [[0.0] * 4] * 5]}, "same number"),
        ({"nodes": [[[0.0] * 4] * 3] * 2}, "rows of nodes"),
        ({"nodes": [[[0.0] * 33] * 4] * 2}, "length of"),
        ({"nodes": [[[0.0] * 4] * 3 + [[0.0] * 5]] * 2}, "of one length"),
        ({"model": "affine"}, "has no nodes"),
        ({"rmse": -1}, "rmse and ce90"),
        ({"ce90": "small"}, "rmse and ce90"),
        ({"extra": 1}, "keys"),
    ],
)
def test_wrong_json_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Displacement.from_json(wavy().to_json() | change)


@pytest.mark.parametrize("document", [None, [], "shift", {}])
def test_other_things_are_refused(document: object) -> None:
    with pytest.raises(RequestError, match="keys"):
        Displacement.from_json(document)
