"""GDAL, locked down: the only module that opens a raster.

Belongs here: the process-wide driver deny-list, the one ``open_raster`` with a single named driver, and the header
checks that come before the first read (design section 9). Not here: reading by blocks (``streaming``) or writing
(``cog``). A test walks the sources and fails when another module calls ``rasterio.open`` or ``rasterio.shutil``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# GDAL reads GDAL_SKIP when it registers drivers, which rasterio does with its first environment: hence before the
# import below. Raster formats that point at other files, at services, or run code are not registered. It is the second
# line of defence, and the first warp of a process opens it for VRT, which WarpedVRT registers again; the first line is
# the single driver of every ``open_raster``.
_SKIPPED = (
    "VRT GTI DERIVED WMS WMTS WCS HTTP STACIT STACTA EEDAI PLMOSAIC DAAS OGCAPI PLSCENES RASTERLITE TILEDB "
    "netCDF HDF5 HDF5Image HDF4 HDF4Image GPKG MBTiles PostGISRaster Zarr AmigoCloud Carto"
)
os.environ["GDAL_SKIP"] = " ".join(dict.fromkeys([*os.environ.get("GDAL_SKIP", "").split(), *_SKIPPED.split()]))
os.environ.pop("GDAL_VRT_ENABLE_PYTHON", None)

import rasterio  # noqa: E402  (the deny-list above must be set first)
import rasterio.errors  # noqa: E402

from weft.errors import WeftError  # noqa: E402
from weft.rasters.grid import Grid  # noqa: E402

# Drivers are registered here, under the import lock: two threads that enter rasterio's first environment at once both
# register and skip them, each under the other's feet, and now and then the process dies of it.
with rasterio.Env():
    pass

SETTINGS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no side-car files
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_TIFF_INTERNAL_MASK": "YES",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff,.jp2",
    "CPL_VSIL_CURL_CHUNK_SIZE": "1048576",
    "GDAL_HTTP_MULTIRANGE": "YES",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_CACHEMAX": 32,  # MiB: block streaming reads each source block once, a larger cache only adds memory
    "COG_TMP_COMPRESSION": "NONE",  # overviews wait in a scratch file; compressing that takes longer than all the rest
    "GDAL_NUM_THREADS": "1",  # threads are spent on scenes, not inside one decode
}

DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".jp2": "JP2OpenJPEG"}
MAX_PIXELS = 40_000 * 40_000
MAX_BLOCK_BYTES = 256 * 1024 * 1024
_CLOSE = 1e-3  # of a pixel


class UnreadableRaster(WeftError):
    """A raster cannot be opened or read.

    Attributes:
        place: what was to be opened.
        reason: GDAL's reason.
    """

    def __init__(self, place: str, reason: str) -> None:
        """Name the place and the reason."""
        super().__init__(f"{place} cannot be read: {reason}")
        self.place = place
        self.reason = reason


@contextmanager
def environment() -> Iterator[None]:
    """GDAL settings for everything inside; nests and may be entered by any thread."""
    with rasterio.Env(**SETTINGS):
        yield


def open_raster(place: str | Path) -> rasterio.DatasetReader:
    """Open a GeoTIFF or JPEG 2000 file with exactly the driver its ending names, and check its header.

    Args:
        place: a local path or a ``/vsicurl/`` or ``/vsis3/`` name that an href resolver produced.

    Raises:
        UnreadableRaster: another kind of name, unknown ending, not that format, or a header that asks for absurd
            memory.
    """
    name = str(place)
    local = not name.startswith(("/vsicurl/", "/vsis3/"))
    if "\0" in name or (local and (name.startswith("/vsi") or "://" in name)):
        raise UnreadableRaster(name, "it is neither a local path nor a /vsicurl/ or /vsis3/ name")
    driver = DRIVERS.get(Path(name).suffix.lower())
    if driver is None:
        raise UnreadableRaster(name, f"its ending is none of {', '.join(DRIVERS)}")
    try:
        dataset = rasterio.open(name, driver=driver)
    except rasterio.errors.RasterioError as error:
        raise UnreadableRaster(name, f"not a readable {driver} file ({error})") from error
    pixels = dataset.width * dataset.height
    block_bytes = max(
        (h * w * _item_size(dtype) for (h, w), dtype in zip(dataset.block_shapes, dataset.dtypes, strict=True)),
        default=0,
    )
    if pixels > MAX_PIXELS or block_bytes > MAX_BLOCK_BYTES or dataset.count > 64:
        dataset.close()
        raise UnreadableRaster(
            name,
            f"its header asks for {dataset.width} x {dataset.height} pixels, {dataset.count} bands and blocks of "
            f"{block_bytes} bytes; the limits are {MAX_PIXELS} pixels, 64 bands and {MAX_BLOCK_BYTES} bytes",
        )
    return dataset


def lies_on(dataset: rasterio.DatasetReader, grid: Grid, band: int) -> bool:
    """Whether an open raster has a band and lies on a grid, as an item says it does.

    To a thousandth of a pixel at every edge: an absolute tolerance that is harmless in metres is 100 m in degrees.
    """
    found, edges = dataset.transform, grid.bounds
    across = found.c - edges.left, found.c + found.a * grid.width - edges.right
    down = found.f - edges.top, found.f + found.e * grid.height - edges.bottom
    return bool(
        dataset.shape == grid.shape
        and dataset.count >= band
        and found.b == found.d == 0
        and max(map(abs, across)) <= _CLOSE * grid.x_size
        and max(map(abs, down)) <= _CLOSE * grid.y_size
        and dataset.crs == rasterio.CRS.from_user_input(grid.crs)
    )


@contextmanager
def decoding(place: str | Path) -> Iterator[None]:
    """Reads of an open raster inside fail as :class:`UnreadableRaster` that names ``place``."""
    try:
        yield
    except rasterio.errors.RasterioError as error:
        raise UnreadableRaster(str(place), f"it is damaged or cut short ({error.__cause__ or error})") from error


def _item_size(dtype: str) -> int:
    return {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4, "float32": 4}.get(dtype, 16)
