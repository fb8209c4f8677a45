from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import rasterio
from rasterio.vrt import WarpedVRT

from weft.errors import WeftError
from weft.rasters import gdal
from weft.rasters.gdal import UnreadableRaster, decoding, environment, open_raster

NORTH_UP = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)


def _write(path, *, pixels=None, **profile):
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "crs": "EPSG:32631", "transform": NORTH_UP} | profile
    if pixels is not None:
        profile |= {"height": pixels.shape[0], "width": pixels.shape[1]}
    with rasterio.open(path, "w", **profile) as dataset:
        if pixels is not None:
            dataset.write(pixels, 1)
    return path


def _noise(size=300):
    return np.random.default_rng(3).integers(1, 60_000, (size, size), dtype=np.uint16)


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "a.TIF", "a.jp2"])
def test_the_three_formats(tmp_path, name):
    pixels = _noise(64)
    options = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"} if name.endswith("jp2") else {}
    path = _write(tmp_path / name, pixels=pixels, **options)
    with open_raster(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), pixels)
    with open_raster(str(path)) as dataset:
        assert dataset.shape == (64, 64)


def test_a_vrt_that_calls_itself_tif(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"root:x:0:0")
    path = tmp_path / "evil.tif"
    path.write_text(
        '<VRTDataset rasterXSize="10" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1" '
        f'subClass="VRTRawRasterBand"><SourceFilename relativetoVRT="0">{secret}</SourceFilename>'
        "<ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>10</LineOffset></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(UnreadableRaster, match=r"evil.tif cannot be read: not a readable GTiff file"):
        open_raster(path)
    # Not even when GDAL may choose the driver; in a process of its own, for warping registers VRT again.
    code = f"import weft.rasters.gdal, rasterio\nrasterio.open({str(path)!r})"
    chosen = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert "not recognized as being in a supported file format" in chosen.stderr


def test_the_one_driver_holds_after_warping_has_registered_vrt_again(tmp_path):
    source = _write(tmp_path / "a.tif", pixels=_noise(64))
    with environment(), open_raster(source) as dataset, WarpedVRT(dataset, crs="EPSG:3035") as warped:
        warped.read(1)
    path = tmp_path / "evil.tif"
    path.write_text(
        '<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    )
    with pytest.raises(UnreadableRaster, match="not a readable GTiff file"):
        open_raster(path)


def test_drivers_are_registered_by_the_import_for_threads_race_in_the_first_environment():
    code = "from rasterio._env import driver_count; import weft.rasters.gdal; print(driver_count())"
    registered = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert int(registered) > 50


def test_drivers_that_point_elsewhere_are_not_there():
    code = "import weft.rasters.gdal, rasterio\nwith rasterio.Env() as env: print(*sorted(env.drivers()))"
    drivers = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    assert {"GTiff", "JP2OpenJPEG", "COG", "PNG"} <= set(drivers)
    assert not set(drivers) & {
        "VRT",
        "GTI",
        "WMS",
        "WMTS",
        "WCS",
        "HTTP",
        "STACIT",
        "STACTA",
        "DERIVED",
        "netCDF",
        "HDF5",
    }
    assert "GDAL_VRT_ENABLE_PYTHON" not in os.environ


@pytest.mark.parametrize("name", ["a.vrt", "a.png", "a.nc", "a", "tif", "a.tif.aux.xml", ""])
def test_unknown_endings(tmp_path, name):
    with pytest.raises(UnreadableRaster, match=r"its ending is none of \.tif, \.tiff, \.jp2"):
        open_raster(tmp_path / name)


def test_another_format_behind_a_known_ending(tmp_path):
    path = _write(tmp_path / "a.tif", pixels=_noise(64)).rename(tmp_path / "a.jp2")
    with pytest.raises(UnreadableRaster, match="not a readable JP2OpenJPEG file"):
        open_raster(path)


@pytest.mark.parametrize(
    "name",
    [
        "http://localhost/a.tif",
        "zip:///tmp/a.zip!a.tif",
        "s3://bucket/a.tif",
        "/vsizip/a.zip/a.tif",
        "/vsimem/a.tif",
        "a.tif\0b.tif",
    ],
)
def test_other_kinds_of_names(name):
    with pytest.raises(UnreadableRaster, match="neither a local path nor"):
        open_raster(name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeftError, match=r"absent.tif cannot be read: .*No such file"):
        open_raster(tmp_path / "absent.tif")


def test_a_header_that_asks_for_a_terabyte(tmp_path):
    path = _write(
        tmp_path / "huge.tif", width=400_000, height=400_000, dtype="float64", SPARSE_OK=True, BIGTIFF="YES",
        tiled=True, blockxsize=4096, blockysize=4096,
    )  # fmt: skip
    assert path.stat().st_size < 1_000_000
    with pytest.raises(UnreadableRaster, match="400000 x 400000 pixels"):
        open_raster(path)


def test_a_block_that_asks_for_gigabytes(tmp_path):
    path = _write(
        tmp_path / "block.tif", width=20_000, height=20_000, SPARSE_OK=True,
        tiled=True, blockxsize=20_000, blockysize=20_000,
    )  # fmt: skip
    with pytest.raises(UnreadableRaster, match="blocks of 800000000 bytes"):
        open_raster(path)


def test_too_many_bands(tmp_path):
    path = _write(tmp_path / "bands.tif", width=4, height=4, count=65)
    with pytest.raises(UnreadableRaster, match="65 bands"):
        open_raster(path)


@pytest.mark.parametrize("kept", [0, 3, 90])
def test_a_truncated_header(tmp_path, kept):
    path = _write(tmp_path / "cut.tif", pixels=_noise())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableRaster, match=r"cut.tif"):
        open_raster(path)


def test_truncated_pixels_open_but_do_not_decode(tmp_path):
    path = _write(tmp_path / "cut.tif", pixels=_noise(), compress="deflate")
    path.write_bytes(path.read_bytes()[:-500])
    damaged = pytest.raises(UnreadableRaster, match=r"cut.tif cannot be read: it is damaged")
    with open_raster(path) as dataset, damaged, decoding(path):
        dataset.read(1)


def test_side_car_files_are_not_read(tmp_path):
    path = _write(tmp_path / "a.tif", pixels=_noise(64))
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset><Metadata><MDI key='evil'>1</MDI></Metadata></PAMDataset>")
    with environment(), open_raster(path) as dataset:
        assert "evil" not in dataset.tags()
        assert dataset.files == [str(path)]


def test_the_environment_nests_and_serves_any_thread():
    seen = []

    def work():
        with environment(), environment() as nothing:
            assert nothing is None
            seen.append(rasterio.env.getenv()["GDAL_PAM_ENABLED"])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 3


def test_the_limits_let_the_largest_real_tile_pass():
    assert gdal.MAX_PIXELS > 10_980 * 10_980
    assert gdal.MAX_BLOCK_BYTES > 1024 * 1024 * 2
