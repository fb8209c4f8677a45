from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from weft.expressions.scaling import Scaling
from weft.rasters.values import physical

VALUES = np.array([[np.nan, -5.0, -0.00004, 0.0, 0.00014, 0.00015, 0.5, 9.0]], np.float32)


def test_reflectance_is_stored_as_everywhere():
    stored = Scaling().stored(VALUES)
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, [[0, 1, 1, 1, 1, 2, 5000, 65535]])


def test_an_index_keeps_its_sign():
    scaling = Scaling(dtype="int16", scale=1e-4)
    stored = scaling.stored(VALUES)
    assert stored.dtype == np.int16
    np.testing.assert_array_equal(stored, [[-32768, -32767, 0, 0, 1, 2, 5000, 32767]])
    back = physical(stored, scale=scaling.scale, offset=0, nodata=scaling.nodata)
    np.testing.assert_allclose(back[:, 2:7], VALUES[:, 2:7], atol=0.5001e-4)
    assert np.isnan(back[0, 0])


@pytest.mark.parametrize("wrong", [{"dtype": "float16"}, {"scale": 0}, {"scale": float("nan")}, {"offset": 1}])
def test_wrong_ones_are_refused(wrong):
    with pytest.raises(ValidationError):
        Scaling(**wrong)
