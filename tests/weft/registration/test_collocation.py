from __future__ import annotations

import numpy as np
import pytest

from tests.oracles.interpolation import Waves, covering
from tests.weft.rasters.files import write_layer
from weft.rasters.grid import Grid
from weft.registration.collocation import Labels, Source, collocate, matching_grid
from weft.scenes.scene import Layer

TARGET = Grid("EPSG:32631", 600_000.0, 5_600_000.0, 10.0, 10.0, 301, 260)


def layer_of(crs, left, top, size):
    return Layer("a.tif", 1, Grid(crs, left, top, size, size, 500, 500))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((10.0, 10.0), 10.0), ((10.0, 5.0), 10.0), ((10.0, 20.0), 20.0), ((10.0, 14.0), 10.0), ((30.0, 20.0), 30.0)],
)
def test_matching_happens_at_the_coarsest_pixel_size(sizes, expected):
    grid = matching_grid(TARGET, [layer_of("EPSG:32632", 190_000.0, 5_610_000.0, size) for size in sizes])
    times = round(expected / 10)
    assert grid == Grid(TARGET.crs, TARGET.left, TARGET.top, expected, expected, -(-301 // times), -(-260 // times))


def test_pixels_in_degrees_are_compared_on_the_ground():
    """At 50 degrees north 0.0003 degrees are 33 m high and 21 m wide."""
    assert matching_grid(TARGET, [layer_of("EPSG:4326", 4.4, 50.6, 0.0003)]).x_size == 30.0


def test_images_lie_on_one_grid_with_their_gaps(tmp_path):
    waves = Waves()
    optical = Grid("EPSG:32631", 599_900.0, 5_600_100.0, 10.0, 10.0, 330, 290)
    radar = covering(TARGET, "EPSG:32632", 20.0, 3.3)
    classes = Grid("EPSG:32631", 599_900.0, 5_600_100.0, 20.0, 20.0, 165, 145)
    stored = np.round((waves.on(optical) + 2) * 10_000).astype(np.uint16)
    stored[100:110, 50:60] = 0
    backscatter = (10 * waves.on(radar) - 15).astype(np.float32)
    labels = np.full(classes.shape, 4, np.uint8)
    labels[30:40, 80:90] = 9
    first = write_layer(tmp_path / "o.tif", optical, stored, scale=1e-4, nodata=0.0)
    second = write_layer(tmp_path / "r.tif", radar, backscatter, unit="dB", nodata=float("nan"))
    cover = write_layer(tmp_path / "c.tif", classes, labels, nodata=0.0)
    sources = [
        Source(str(tmp_path / "o.tif"), first, Labels(str(tmp_path / "c.tif"), cover, (4, 5))),
        Source(str(tmp_path / "r.tif"), second),
    ]
    found = collocate(sources, TARGET)
    assert found.grid == Grid(TARGET.crs, TARGET.left, TARGET.top, 20.0, 20.0, 151, 130)
    image, other = found.images
    assert image.dtype == other.dtype == np.float32
    assert image.shape == other.shape == found.grid.shape
    gaps = np.zeros(found.grid.shape, bool)
    gaps[45:50, 20:25] = True
    gaps[25:35, 75:85] = True
    np.testing.assert_array_equal(np.isnan(image), gaps)
    assert not np.isnan(other).any()
    for one in (image, (other + 15) / 10):
        assert np.abs(waves.shift_of(one, found.grid)).max() < 0.005
    for one, again in zip(found.images, collocate(sources, TARGET, workers=1).images, strict=True):
        np.testing.assert_array_equal(one, again)
