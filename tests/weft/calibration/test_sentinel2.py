from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import composite as oracle
from tests.scenes import random_pixels
from weft.calibration.sentinel2 import BandCalibration, observe

VALID = (2, 4, 5, 6, 11)


def observe_pixel(numbers: dict[str, int], scl: int, offset: float = 0.0) -> tuple[bool, list[int]]:
    values = np.array(list(numbers.values()), "uint16").reshape(-1, 1, 1)
    classes = np.full((1, 1), scl, "uint8")
    valid = np.isin(classes, VALID)
    out, observed = np.zeros(values.shape, "uint16"), np.zeros((1, 1), bool)
    observe(values, valid, classes == 6, [BandCalibration(b, 0.0001, offset) for b in numbers], out, observed)
    return bool(observed[0, 0]), out[:, 0, 0].tolist()


@pytest.mark.parametrize(
    ("numbers", "scl", "offset", "expected"),
    [
        ({"blue": 300, "nir": 3000}, 4, 0.0, (True, [300, 3000])),
        ({"blue": 1300, "nir": 4000}, 4, -0.1, (True, [300, 3000])),
        ({"blue": 900, "nir": 4000}, 4, -0.1, (True, [0, 3000])),  # negative reflectance is dark, not missing
        ({"blue": 300, "nir": 3000}, 8, 0.0, (False, [0, 0])),  # cloud
        ({"blue": 300, "nir": 3000}, 0, 0.0, (False, [0, 0])),  # not observed
        ({"blue": 1, "nir": 1}, 4, 0.0, (False, [0, 0])),  # DN-1 rim
        ({"blue": 1, "nir": 1}, 6, 0.0, (False, [0, 0])),  # DN-1 rim over water
        ({"blue": 300, "nir": 0}, 4, 0.0, (False, [0, 0])),  # zero stripe
        ({"blue": 0, "nir": 200}, 6, 0.0, (False, [0, 0])),  # zero stripe over water
        ({"blue": 300, "nir": 0}, 6, 0.0, (True, [300, 0])),  # water that is truly black in the near infrared
        ({"blue": 1300, "nir": 0}, 6, -0.1, (False, [0, 0])),  # with an offset a zero is never a measurement
        ({"blue": 1300, "nir": 1}, 6, -0.1, (False, [0, 0])),
        ({"blue": 1300, "nir": 1000}, 6, -0.1, (True, [300, 0])),  # ... but 1000 is a true zero
    ],
)
def test_rule(numbers: dict[str, int], scl: int, offset: float, expected: tuple[bool, list[int]]) -> None:
    assert observe_pixel(numbers, scl, offset) == expected


@pytest.mark.parametrize("offset", [0.0, -0.1])
@pytest.mark.parametrize("seed", range(5))
def test_equals_the_oracle(seed: int, offset: float) -> None:
    pixels = random_pixels(seed, shift=round(-offset * 10000))
    scl = pixels.scl.repeat(2, 0).repeat(2, 1)
    expected, seen = oracle.observation(dict(pixels.numbers), scl, offset, VALID)
    out, observed = np.zeros(expected.shape, "uint16"), np.zeros(seen.shape, bool)
    valid = np.isin(scl, VALID)
    bands = [BandCalibration(band, 0.0001, offset) for band in pixels.numbers]
    observe(np.stack(list(pixels.numbers.values())), valid, scl == 6, bands, out, observed)
    np.testing.assert_array_equal(observed, seen)
    assert seen.any()
    np.testing.assert_array_equal(out[:, seen], expected[:, seen])


def test_a_second_granule_only_fills_what_the_first_left() -> None:
    out, observed = np.zeros((1, 1, 3), "uint16"), np.zeros((1, 3), bool)
    water = np.zeros((1, 3), bool)
    bands = [BandCalibration("red", 0.0001, 0.0)]
    observe(np.array([[[100, 1, 100]]], "uint16"), np.array([[True, True, False]]), water, bands, out, observed)
    observe(np.array([[[200, 200, 200]]], "uint16"), np.ones((1, 3), bool), water, bands, out, observed)
    assert out.tolist() == [[[100, 200, 200]]]
    assert observed.all()
