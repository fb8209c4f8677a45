"""Real images of two sensors with a displacement that is known: Sentinel-2 and Landsat 8 over Belgium."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from weft.rasters.gdal import open_raster
from weft.registration.registration import register
from weft.registration.settings import Matching, Registering


def band(shared_data: Path, name: str) -> np.ndarray:
    [path] = shared_data.rglob(f"ref_input_{name}.tif")
    with open_raster(path.as_posix()) as raster:
        return np.asarray(raster.read(1), np.float32)


@pytest.mark.parametrize(("name", "method"), [("B02", "multimodal"), ("B03", "multimodal"), ("B04", "cross_corr")])
def test_the_known_displacement_of_landsat_is_found(shared_data: Path, name: str, method: Matching) -> None:
    reference, secondary = (band(shared_data, f"{sensor}_{name}") for sensor in ("S2", "L8"))
    found = register(reference, secondary, Registering(), method=method)
    quality = found.quality
    assert found.accepted, found.reason
    assert quality.ce90_after < quality.ce90_before / 2
    assert quality.coverage > 0.8
    # Landsat must move 1.5 to 2 px down and 0 to 1 px right: what Sentinel-2 shows, it shows further up and left.
    inliers = found.points.select(found.points.inlier)
    dx, dy = found.displacement.at(inliers.x, inliers.y)
    assert -1.0 < np.median(dx) < 0.0
    assert -2.2 < np.median(dy) < -1.4


def test_pairs_of_other_places_are_refused(shared_data: Path) -> None:
    reference, secondary = band(shared_data, "S2_B04"), band(shared_data, "L8_B04")
    for other in (secondary[::-1].copy(), np.roll(secondary, 512, axis=0)):
        found = register(reference, other, Registering(coarse_search=0), method="cross_corr")
        assert not found.accepted, found.reason
