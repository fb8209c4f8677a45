import math

import numpy as np
import pytest

from weft.rasters.product import LayerSpec
from weft.rasters.tally import Tally

LARGEST = {"uint8": 255, "uint16": 65535, "int16": 32767, "int32": 2**31 - 1, "float32": 3e4}


def gathered(layer, values, *, parts=1):
    tally = Tally(layer)
    for part in np.array_split(values, parts):
        tally.add(part)
    return tally.statistics()


@pytest.mark.parametrize("nodata", [None, 0])
@pytest.mark.parametrize("dtype", LARGEST)
def test_statistics_are_those_of_numpy(dtype, nodata):
    values = np.linspace(0, LARGEST[dtype], 3 * 4096 + 17).astype(dtype).reshape(-1, 5)
    values[::3] = 0
    found = gathered(LayerSpec("a", "A", dtype, nodata, scale=0.5, offset=-1.0), values, parts=4)
    valid = values[values != nodata].astype(np.float64) * 0.5 - 1.0
    assert found.valid_percent == pytest.approx(100 * valid.size / values.size)
    assert (found.minimum, found.maximum) == (valid.min(), valid.max())
    assert found.mean == pytest.approx(valid.mean(), rel=1e-6)
    assert found.stddev == pytest.approx(valid.std(), rel=1e-5)


@pytest.mark.parametrize(("dtype", "extreme"), [("uint16", 65535), ("int16", -32768), ("int16", 32767), ("uint8", 255)])
def test_the_largest_numbers_do_not_overflow(dtype, extreme):
    found = gathered(LayerSpec("a", "A", dtype, None), np.full((300, 300), extreme, dtype))
    assert (found.minimum, found.maximum, found.mean, found.stddev) == (extreme, extreme, extreme, 0.0)
    assert found.valid_percent == 100.0


def test_zero_is_a_value_of_a_layer_without_nodata():
    assert gathered(LayerSpec("a", "A", "uint16", None), np.zeros((2, 3), np.uint16)).valid_percent == 100.0


def test_nan_is_never_a_value():
    values = np.array([[1.0, np.nan], [3.0, -(2.0**30)]], np.float32)
    assert gathered(LayerSpec("a", "A", "float32", None), values).valid_percent == 75.0
    assert gathered(LayerSpec("a", "A", "float32", math.nan), values).maximum == 3.0


def test_nothing_but_nodata():
    found = gathered(LayerSpec("a", "A", "uint16", 0), np.zeros((5000, 2), np.uint16))
    assert found.valid_percent == 0.0
    assert math.isnan(found.minimum)
    assert math.isnan(found.mean)
