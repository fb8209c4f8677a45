from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from weft.errors import IntegrityError
from weft.rasters.cog import check_cog
from weft.rasters.grid import Grid
from weft.rasters.picture import write_picture

GRID = Grid("EPSG:3035", 3_900_000, 3_100_000, 960, 960, 700, 600)


def test_a_picture_is_a_valid_cog_of_its_pixels_in_colours(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(1, 256, (3, *GRID.shape), dtype=np.uint8)
    pixels[:, 100:200, 50:] = 0
    path = tmp_path / "europe_2018-06-25..2018-09-12.tif"
    digest = write_picture(GRID, pixels, path)
    check_cog(path, digest)
    with rasterio.open(path, driver="GTiff") as dataset:
        np.testing.assert_array_equal(dataset.read(), pixels)
        assert [one.name for one in dataset.colorinterp] == ["red", "green", "blue"]
        assert dataset.nodata == 0
        assert dataset.crs.to_string() == GRID.crs
        assert dataset.transform == GRID.transform
        assert dataset.overviews(1) == [2]
        assert (dataset.dataset_mask()[100:200, 50:] == 0).all()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_digest_is_of_these_pixels(tmp_path: Path) -> None:
    pixels = np.full((3, *GRID.shape), 9, np.uint8)
    first = write_picture(GRID, pixels, tmp_path / "a.tif")
    assert write_picture(GRID, pixels, tmp_path / "b.tif") == first
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    pixels[2, 3, 4] = 8
    write_picture(GRID, pixels, tmp_path / "c.tif")
    with pytest.raises(IntegrityError, match="reads back as"):
        check_cog(tmp_path / "c.tif", first)
