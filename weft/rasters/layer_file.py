"""The file of one layer: opened, checked against what was declared, read by windows.

Belongs here: header checks and the way from stored to physical values. Not here: which grid they are wanted on
(``weft.registration.remapping``), or all layers of a scene on its own grid (``reading``).
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window as RasterioWindow

from weft.errors import RequestError, Unavailable
from weft.rasters.gdal import UnreadableRaster, decoding, environment, lies_on, open_raster
from weft.rasters.grid import Window
from weft.scenes.scene import Layer

_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_NETWORK = ("CURL", "HTTP", "timed out", "Timeout", "resolve host")


class LayerFile:
    """One band of a file. Use as a context manager; windows may be read by any thread."""

    def __init__(self, place: str, layer: Layer) -> None:
        """Open the file and compare its header with the layer.

        Args:
            place: where it lies, see :func:`weft.rasters.gdal.open_raster`.
            layer: what was declared of it.

        Raises:
            RequestError: the file cannot be opened, its header contradicts the layer, or its numbers are of no use.
            Unavailable: it is remote and does not answer.
        """
        self._layer = layer
        self._place = place
        self._lock = threading.Lock()  # a GDAL dataset serves one thread at a time
        try:
            with environment():
                self._dataset = open_raster(place)
        except UnreadableRaster as error:
            self._fail(error)
        try:
            self._check_header()
        except RequestError:
            self.close()
            raise

    def __enter__(self) -> LayerFile:
        """Nothing more to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def read_stored(self, window: Window) -> npt.NDArray[Any]:
        """Stored values of a window within the layer, (height, width) in the type of the file.

        Raises:
            RequestError: the file cannot be decoded.
            Unavailable: it is remote and does not answer.
        """
        part = RasterioWindow(window.col, window.row, window.width, window.height)
        try:
            with self._lock, environment(), decoding(self._place):
                return np.asarray(self._dataset.read(self._layer.band, window=part))
        except UnreadableRaster as error:
            self._fail(error)

    def read(self, window: Window) -> npt.NDArray[np.float32]:
        """Physical values of a window within the layer, (height, width); NaN where there is none.

        None is where the stored value is the layer's ``nodata`` or not finite. Raises like :meth:`read_stored`.
        """
        stored = self.read_stored(window)
        values = stored.astype(np.float32)
        if self._layer.scale != 1.0:
            values *= np.float32(self._layer.scale)
        if self._layer.offset != 0.0:
            values += np.float32(self._layer.offset)
        if self._layer.nodata is not None:
            with np.errstate(over="ignore"):  # float32 files declare a float64 that lies beyond float32
                values[stored == self._layer.nodata] = np.nan
        if stored.dtype.kind == "f":
            values[~np.isfinite(values)] = np.nan
        return values

    def _check_header(self) -> None:
        found, declared = self._dataset, self._layer.geolocation
        if not lies_on(found, declared, self._layer.band):
            header = f"{found.crs}, {found.width} x {found.height}, {found.count} bands, {found.transform[:6]}"
            item = f"{declared.crs}, {declared.width} x {declared.height}, band {self._layer.band}"
            raise RequestError(
                f"the header of {self._layer.href} ({header}) contradicts its item ({item}, "
                f"{declared.transform[:6]}); correct the item or fetch the file again"
            )
        dtype = found.dtypes[self._layer.band - 1]
        if dtype not in _TYPES:
            raise RequestError(f"{self._layer.href} stores {dtype}; expected one of {', '.join(_TYPES)}")

    def _fail(self, error: UnreadableRaster) -> NoReturn:
        remote = self._place.startswith(("/vsicurl/", "/vsis3/"))
        if remote and any(word in error.reason for word in _NETWORK):
            raise Unavailable(f"{self._layer.href} does not answer ({error.reason}); try again later") from error
        raise RequestError(
            f"{self._layer.href} cannot be read ({error.reason}); fetch the file again or leave the layer out"
        ) from error
