from __future__ import annotations

import numpy as np
import pytest

from weft.simulation.classifier import classify
from weft.simulation.noise import seed_of
from weft.simulation.sensor import INSIDE, OUTSIDE, RIM, SHADOW_DEPTH, VIEW_GRADIENT, at_sensor, digitise
from weft.simulation.spectra import BANDS, MATERIALS
from weft.simulation.weather import Sky

SHAPE = (40, 50)


def _flat(value: float) -> np.ndarray:
    return np.full(SHAPE, value, np.float32)


def _digitise(value: float, *, water: bool = False, offset: int = 0) -> np.ndarray:
    edge = np.full(SHAPE, INSIDE)
    return digitise(_flat(value), edge, np.full(SHAPE, water), seed=seed_of(1), row=0, column=0, offset=offset)


def test_numbers_carry_the_offset_and_little_noise() -> None:
    assert _digitise(0.2).mean() == pytest.approx(2000, abs=3)
    assert _digitise(0.2, offset=1000).mean() == pytest.approx(3000, abs=3)
    assert 15 < _digitise(0.2).std() < 45


def test_only_water_without_offset_reaches_a_true_zero() -> None:
    assert _digitise(0.0, water=True).min() == 0
    assert _digitise(0.0).min() == 1
    assert _digitise(-0.2, water=True, offset=1000).min() == 1


def test_edges_are_zero_outside_and_one_on_the_rim() -> None:
    edge = np.full(SHAPE, INSIDE)
    edge[0], edge[1] = OUTSIDE, RIM
    numbers = digitise(_flat(0.3), edge, np.zeros(SHAPE, bool), seed=seed_of(1), row=0, column=0, offset=0)
    assert set(numbers[0]) == {0}
    assert set(numbers[1]) == {1}
    assert numbers[2:].min() > 2000


def test_noise_does_not_depend_on_blocks() -> None:
    whole = _digitise(0.2)
    part = digitise(
        _flat(0.2)[10:20, 5:9],
        np.full((10, 4), INSIDE),
        np.zeros((10, 4), bool),
        seed=seed_of(1),
        row=10,
        column=5,
        offset=0,
    )
    np.testing.assert_array_equal(part, whole[10:20, 5:9])


def test_view_shadow_and_cloud_change_what_is_seen() -> None:
    ground = np.full((len(BANDS), *SHAPE), 0.2, np.float32)
    clear, dark, white = (
        at_sensor(ground, Sky(_flat(cloud), _flat(shadow), _flat(0)), _flat(0.5), 1.0)
        for cloud, shadow in ((0, 0), (0, 1), (1, 0))
    )
    for index, band in enumerate(BANDS):
        assert clear[index, 0, 0] == pytest.approx(0.2 * (1 + VIEW_GRADIENT[band] / 2))
        assert dark[index, 0, 0] == pytest.approx(clear[index, 0, 0] * (1 - SHADOW_DEPTH))
        assert white[index, 0, 0] == pytest.approx(MATERIALS["cloud"][index])


def _classify(**given: float) -> np.ndarray:
    names = ("water", "snow", "town", "ndvi", "cloud", "shadow", "cirrus")
    layers = (_flat(given.get(name, 0.0)) for name in names)
    return classify(np.ones(SHAPE, bool), *layers, seed_of(2), 0, 0)


def test_certain_cases_are_classified_rightly() -> None:
    assert set(np.unique(_classify(ndvi=0.8))) == {4}
    assert set(np.unique(_classify(ndvi=0.1))) == {5}
    assert set(np.unique(_classify(water=1))) == {6}
    assert set(np.unique(_classify(snow=1))) == {11}
    assert set(np.unique(_classify(shadow=1))) == {3}
    assert set(np.unique(_classify(cloud=1, shadow=1))) == {9}


def test_thin_cirrus_cloud_edges_and_roofs_deceive_it_sometimes() -> None:
    for classes, cloudy in (
        (_classify(ndvi=0.8, cloud=0.15), (7, 8, 9)),
        (_classify(ndvi=0.8, cirrus=0.06), (10,)),
        (_classify(ndvi=0.1, town=1), (8,)),
    ):
        assert 0.01 < np.isin(classes, cloudy).mean() < 0.9
