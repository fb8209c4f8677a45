"""Whether another displacement is as likely."""

from __future__ import annotations

import numpy as np
import pytest

from tests.weft.registration.images import Image, fields, moved, other_sensor, texture
from weft.registration.displacement import Displacement
from weft.registration.points import TiePoints
from weft.registration.rivals import rivalry

SIZE = 200


def rival_of(reference: Image, secondary: Image, dx: float, dy: float, mask: np.ndarray | None = None) -> float:
    y, x = (at.ravel().astype(float) for at in np.mgrid[30:180:30, 30:180:30])
    points = TiePoints(x, y, x * 0 + dx, x * 0 + dy, np.ones(x.size, np.float32), np.ones(x.size, bool))
    found = Displacement.shift(dx, dy, reference.shape)
    return rivalry(reference, secondary, mask, mask, found, points, template=48, reach=40)


@pytest.mark.parametrize("reference", [texture(1, SIZE), fields(2, SIZE), moved(texture(3, SIZE), 0.5, 0.5)])
def test_a_place_that_is_unlike_any_other_has_no_rival(reference: Image) -> None:
    assert rival_of(reference, moved(reference, 7.3, -4.6), 7.3, -4.6) < 0.4
    assert rival_of(reference, other_sensor(moved(reference, 7.3, -4.6)), 7.3, -4.6) < 0.5


def test_a_wrong_displacement_has_a_rival() -> None:
    reference = texture(1, SIZE)
    assert rival_of(reference, moved(reference, 7.3, -4.6), -8.0, 9.0) > 2


@pytest.mark.parametrize("period", [6, 11, 25])
def test_what_repeats_itself_has_a_rival(period: float) -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    grid = (np.sin(2 * np.pi * x / period) + np.sin(2 * np.pi * y / period)).astype(np.float32)
    stripes = np.sin(2 * np.pi * (x + 0.3 * y) / period).astype(np.float32)
    for image in (grid, stripes, 1000 * grid + texture(4, SIZE) / 2):
        assert rival_of(image, image, 0, 0) > 0.85


def test_nothing_but_the_same_mask_is_no_likeness() -> None:
    mask = np.ones((SIZE, SIZE), bool)
    mask[80:120, 60:140] = False
    one, two = (np.where(mask, texture(seed, SIZE), 0).astype(np.float32) for seed in (5, 6))
    assert rival_of(one, two, 0, 0, mask) > 0.7


def test_without_edges_anything_is_a_rival() -> None:
    flat = np.ones((SIZE, SIZE), np.float32)
    assert rival_of(flat, flat, 0, 0) == np.inf
