"""What a scene looks like at a coarser resolution must not depend on the format of its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from weft.errors import SceneRejected
from weft.rasters.grid import Grid, Window
from weft.rasters.parking import Parking
from weft.rasters.reading import SceneReader
from weft.scenes.scene import Layer

FINE = Grid("EPSG:32631", 500_000, 5_600_000, 10, 10, 256, 256)
OPTIONS = {
    "jp2": {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "BLOCKXSIZE": 128, "BLOCKYSIZE": 128},
    "tif": {"driver": "COG", "BLOCKSIZE": 128, "OVERVIEW_RESAMPLING": "AVERAGE"},
}


def ramp() -> np.ndarray:
    rows, columns = np.mgrid[: FINE.height, : FINE.width]
    return (1000 + 16 * columns + 8 * rows).astype(np.uint16)


@pytest.mark.parametrize("ratio", [2, 4])
@pytest.mark.parametrize("ending", OPTIONS)
def test_a_coarser_pixel_is_the_mean_of_those_it_covers(ending: str, ratio: int, tmp_path: Path) -> None:
    path = tmp_path / f"red.{ending}"
    profile = {"width": 256, "height": 256, "count": 1, "dtype": "uint16", "crs": FINE.crs, "transform": FINE.transform}
    with rasterio.open(path, "w", **profile, **OPTIONS[ending]) as dataset:
        dataset.write(ramp(), 1)
    grid = FINE.at_resolution(10 * ratio)
    reader = SceneReader("scene", grid, str, Parking(tmp_path), 4)
    window = Window(8, 4, 40, 50)
    out = np.empty((1, window.height, window.width), np.uint16)
    reader.numbers([Layer(str(path), 1, FINE)], window, out, 1)
    reader.close()
    whole = ramp().reshape(grid.height, ratio, grid.width, ratio).mean(axis=(1, 3))
    assert np.abs(out[0] - whole[window.slices]).max() <= 1, "a step of 8 a pixel tells half a pixel"


def test_a_header_in_degrees_is_held_against_the_size_of_a_pixel(tmp_path: Path) -> None:
    grid = Grid("EPSG:4326", 5.0, 51.0, 1e-4, 1e-4, 64, 64)
    path = tmp_path / "red.tif"
    profile = {"width": 64, "height": 64, "count": 1, "dtype": "uint16", "crs": grid.crs, "transform": grid.transform}
    with rasterio.open(path, "w", driver="GTiff", **profile) as dataset:
        dataset.write(np.ones((64, 64), np.uint16), 1)
    out = np.empty((1, 64, 64), np.uint16)
    for left, sound in ((5.0, True), (5.0 + 5e-4, False)):
        declared = replace(grid, left=left)
        reader = SceneReader("scene", declared, str, Parking(tmp_path), 4)
        if sound:
            reader.numbers([Layer(str(path), 1, declared)], Window(0, 0, 64, 64), out, 1)
        else:
            with pytest.raises(SceneRejected, match=r"red\.tif .* contradicts"):
                reader.numbers([Layer(str(path), 1, declared)], Window(0, 0, 64, 64), out, 1)
        reader.close()
