from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from tests.weft.mosaicking.products import reflectance
from weft.mosaicking.byte_scale import byte_layer, byte_table

RED = reflectance("red_p50")


@pytest.mark.parametrize(("step", "per_step"), [(0.0025, 25), (0.005, 50), (0.0001, 1), (0.00405, Fraction(81, 2))])
def test_every_value_is_rounded_half_up_and_only_nothing_becomes_nothing(step: float, per_step: Fraction) -> None:
    table = byte_table(RED, step)
    assert table.dtype == np.uint8
    assert table.shape == (65536,)
    assert table[0] == 0
    for stored in range(1, 65536):
        assert table[stored] == min(max((Fraction(stored) / per_step + Fraction(1, 2)).__floor__(), 1), 255)


def test_an_offset_is_undone_before_scaling() -> None:
    shifted = dataclasses.replace(RED, offset=-0.1)
    assert byte_table(shifted, 0.0025)[[0, 1, 1000, 1012, 1013, 2000]].tolist() == [0, 1, 1, 1, 1, 40]


def test_steps_no_machine_number_divides() -> None:
    exact = byte_table(RED, 0.012345678901234567)
    assert exact[1234] == 10
    assert exact[65535] == 255


def test_the_variant_is_no_statistic_of_a_band() -> None:
    layer = byte_layer(RED, 0.0025)
    assert (layer.key, layer.dtype, layer.nodata, layer.scale) == ("red_p50_8bit", "uint8", 0, 0.0025)
    assert layer.band is None
    assert layer.statistic is None
