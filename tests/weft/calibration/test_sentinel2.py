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
    observe(values, valid, classes == 6, [BandCalibration(b, 0.0001, offset) for b in numbers])
    return bool(valid[0, 0]), values[:, 0, 0].tolist() if valid[0, 0] else []


@pytest.mark.parametrize(
    ("numbers", "scl", "offset", "expected"),
    [
        ({"blue": 300, "nir": 3000}, 4, 0.0, (True, [300, 3000])),
        ({"blue": 1300, "nir": 4000}, 4, -0.1, (True, [300, 3000])),
        ({"blue": 900, "nir": 4000}, 4, -0.1, (True, [0, 3000])),  # negative reflectance is dark, not missing
        ({"blue": 300, "nir": 3000}, 8, 0.0, (False, [])),  # cloud
        ({"blue": 300, "nir": 3000}, 0, 0.0, (False, [])),  # not observed
        ({"blue": 1, "nir": 1}, 4, 0.0, (False, [])),  # DN-1 rim
        ({"blue": 1, "nir": 1}, 6, 0.0, (False, [])),  # DN-1 rim over water
        ({"blue": 300, "nir": 0}, 4, 0.0, (False, [])),  # zero stripe
        ({"blue": 0, "nir": 200}, 6, 0.0, (False, [])),  # zero stripe over water
        ({"blue": 300, "nir": 0}, 6, 0.0, (True, [300, 0])),  # water that is truly black in the near infrared
        ({"blue": 1300, "nir": 0}, 6, -0.1, (False, [])),  # with an offset a zero is never a measurement
        ({"blue": 1300, "nir": 1}, 6, -0.1, (False, [])),
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
    values, valid = np.stack(list(pixels.numbers.values())), np.isin(scl, VALID)
    observe(values, valid, scl == 6, [BandCalibration(band, 0.0001, offset) for band in pixels.numbers])
    np.testing.assert_array_equal(valid, seen)
    assert seen.any()
    np.testing.assert_array_equal(values[:, seen], expected[:, seen])
