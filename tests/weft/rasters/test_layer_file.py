from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.weft.rasters.files import write_layer
from weft.errors import RequestError, Unavailable
from weft.rasters.gdal import UnreadableRaster
from weft.rasters.grid import Grid, Window
from weft.rasters.layer_file import LayerFile

GRID = Grid("EPSG:32631", 500_000.0, 5_600_000.0, 10.0, 10.0, 40, 30)
DEGREES = Grid("EPSG:4326", 5.0, 50.0, 1e-4, 1e-4, 40, 30)
WHOLE = Window(0, 0, 30, 40)


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", 0),
        ("int16", -9999),
        ("uint16", 0),
        ("float32", -9999.0),
        ("float32", float("nan")),
        ("float32", 1e300),
    ],
)
def test_physical_values(tmp_path, dtype, nodata):
    stored = np.arange(1, 1201, dtype=np.float64).reshape(30, 40) % 250
    stored[3, 4] = nodata if nodata < 1e30 else np.nan
    stored = stored.astype(dtype)
    missing = np.zeros(stored.shape, bool)
    missing[3, 4] = True
    missing |= stored == (nodata if abs(nodata) < 1e30 else np.nan)
    layer = write_layer(tmp_path / "a.tif", GRID, stored, scale=0.5, offset=-10.0, nodata=nodata)
    with LayerFile(str(tmp_path / "a.tif"), layer) as file:
        window = Window(2, 3, 20, 30)
        np.testing.assert_array_equal(file.read_stored(window), stored[window.slices])
        expected = np.where(missing, np.nan, stored * 0.5 - 10.0)[window.slices]
        found = file.read(window)
    assert found.dtype == np.float32
    assert np.isnan(found[1, 1])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_is_not_finite_is_no_value(tmp_path):
    stored = np.full((30, 40), 2.0, np.float32)
    stored[0, :3] = np.inf, -np.inf, np.nan
    layer = write_layer(tmp_path / "a.tif", GRID, stored, unit="dB")
    with LayerFile(str(tmp_path / "a.tif"), layer) as file:
        assert np.isnan(file.read(WHOLE)).sum() == 3


@pytest.mark.parametrize(
    ("grid", "other"),
    [
        (GRID, replace(GRID, left=GRID.left + 0.02)),
        (GRID, replace(GRID, width=41)),
        (GRID, replace(GRID, x_size=10.001)),
        (GRID, replace(GRID, crs="EPSG:32632")),
        (DEGREES, replace(DEGREES, left=5.0 + 1e-6)),  # a hundredth of a pixel, though 1e-6 as a number
    ],
)
def test_a_header_that_contradicts_the_item_names_the_layer(tmp_path, grid, other):
    layer = write_layer(tmp_path / "a.tif", grid, np.ones((30, 40), np.uint8))
    with pytest.raises(RequestError, match=r"the header of a\.tif .* contradicts its item"):
        LayerFile(str(tmp_path / "a.tif"), replace(layer, geolocation=other))


def test_a_band_the_file_does_not_have(tmp_path):
    layer = write_layer(tmp_path / "a.tif", GRID, np.ones((30, 40), np.uint8))
    with pytest.raises(RequestError, match="contradicts"):
        LayerFile(str(tmp_path / "a.tif"), replace(layer, band=2))


def test_complex_numbers_are_refused(tmp_path):
    layer = write_layer(tmp_path / "a.tif", GRID, np.ones((30, 40), np.complex64))
    with pytest.raises(RequestError, match=r"a\.tif stores complex64"):
        LayerFile(str(tmp_path / "a.tif"), layer)


def test_damaged_and_missing_files_name_the_layer(tmp_path):
    layer = write_layer(tmp_path / "a.tif", GRID, np.ones((30, 40), np.uint8))
    with pytest.raises(RequestError, match=r"a\.tif cannot be read"):
        LayerFile(str(tmp_path / "b.tif"), layer)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RequestError, match=r"a\.tif cannot be read"), LayerFile(str(tmp_path / "a.tif"), layer) as file:
        file.read(WHOLE)


def test_a_remote_file_that_does_not_answer_may_be_asked_again(tmp_path, monkeypatch):
    layer = write_layer(tmp_path / "a.tif", GRID, np.ones((30, 40), np.uint8))

    def silent(place):
        raise UnreadableRaster(place, "CURL error: Could not resolve host")

    monkeypatch.setattr("weft.rasters.layer_file.open_raster", silent)
    with pytest.raises(Unavailable, match=r"a\.tif does not answer"):
        LayerFile("/vsicurl/https://example.org/a.tif", layer)
