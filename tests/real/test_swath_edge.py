"""The rim of a real swath, where the bands end at different pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from weft.bands import SENTINEL2
from weft.calibration.sentinel2 import BandCalibration, observe


def test_the_rim_is_seen_by_all_bands_or_not_at_all(shared_data: Path) -> None:
    file = shared_data / "s2-l1c-swath-edge-19UDP" / "S2A_L1C_20170729_T19UDP_900m_13bands.tif"
    with rasterio.open(file) as dataset:
        labels = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]
        kept = [position for position, label in enumerate(labels) if label in SENTINEL2]
        numbers = dataset.read()[kept]
    observed = np.ones(numbers.shape[1:], bool)
    bands = [BandCalibration(SENTINEL2[labels[position]], 0.0001, 0.0) for position in kept]
    observe(numbers.copy(), observed, ~observed, bands)
    np.testing.assert_array_equal(observed, (numbers > 1).all(axis=0))
    ragged = (numbers > 0).any(axis=0) & ~observed
    assert ragged.sum() > 32, "some bands go on where others have ended, and one has a rim of ones"
    assert 0.6 < observed.mean() < 0.63
