"""One band of a stack: what is stored of it, and how its pixels come to the grid of the stack.

Belongs here: storage of a band and reading it, moved, block by block. Not here: which bands there are
(``weft.orders.stack_plan``) or how far each dataset is moved (``stack``).

Bands keep the type, scale and offset they are delivered in, so that nothing is lost and nothing is invented; numbers
too large for exact interpolation become float32. Where a type has no value for "nothing here", 0 is taken of integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.errors import RequestError
from weft.orders.datasets import Dataset
from weft.orders.stack import BandRef
from weft.rasters.gdal import environment, open_raster
from weft.rasters.grid import Grid, Window
from weft.rasters.interpolation import Kernel
from weft.rasters.product import LayerSpec
from weft.registration.displacement import Displacement
from weft.registration.remapping import Remapped
from weft.scenes.scene import Layer

_KEPT = ("uint8", "int8", "uint16", "int16")


class StackedBand:
    """A band on the grid of the stack; closed with :meth:`close`, windows may be read by any thread.

    Attributes:
        spec: how it is stored; its title is the band's name in the order.
    """

    def __init__(
        self,
        band: BandRef,
        dataset: Dataset,
        place: str,
        target: Grid,
        *,
        kernel: Kernel,
        displacement: Displacement | None,
        displacement_grid: Grid | None,
    ) -> None:
        """Open the file; arguments and errors as for :class:`weft.registration.remapping.Remapped`."""
        layer = dataset.layer(band.name)
        self._labels = band.name in dataset.labels
        self.spec = _spec(band, layer, _dtype(place, layer), labels=self._labels, cbn=dataset.common_name(band.name))
        self._remapped = Remapped(
            place,
            layer,
            target,
            kernel="nearest" if self._labels else kernel,
            displacement=displacement,
            displacement_grid=displacement_grid,
        )

    def close(self) -> None:
        """Close the file."""
        self._remapped.close()

    def read(self, window: Window) -> npt.NDArray[Any]:
        """Stored values of a window of the stack, (height, width) in the type of :attr:`spec`."""
        if self._labels:
            return self._remapped.read_stored(window)
        return stored(self._remapped.read(window), self.spec)


def stored(values: npt.NDArray[np.float32], spec: LayerSpec) -> npt.NDArray[Any]:
    """Numbers as they are stored, rounded half up; what has a value never becomes the number that means "none"."""
    if spec.dtype == "float32":
        return values
    nodata = 0.0 if spec.nodata is None else spec.nodata
    there = ~np.isnan(values)
    numbers = np.floor((np.where(there, values, 0.0).astype(np.float64) - spec.offset) / spec.scale + 0.5)
    limits = np.iinfo(spec.dtype)
    numbers = np.clip(numbers, limits.min, limits.max)
    numbers[numbers == nodata] = nodata + 1 if nodata < limits.max else nodata - 1
    return np.where(there, numbers, nodata).astype(spec.dtype)


def asset_keys(names: Iterable[str]) -> dict[str, str]:
    """Names of bands or expressions to keys of assets: ``1.nir`` -> ``1_nir``.

    Raises:
        RequestError: two names come to one key.
    """
    keys: dict[str, str] = {}
    for name in names:
        key = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
        if rival := next((other for other, taken in keys.items() if taken == key), None):
            raise RequestError(f"{rival} and {name} would both be the asset {key}; order them apart")
        keys[name] = key
    return keys


def _dtype(place: str, layer: Layer) -> str:
    with environment(), open_raster(place) as dataset:
        return str(dataset.dtypes[layer.band - 1])


def _spec(band: BandRef, layer: Layer, dtype: str, *, labels: bool, cbn: str | None) -> LayerSpec:
    whole = labels or dtype in _KEPT
    nodata = (0.0 if layer.nodata is None else layer.nodata) if whole else math.nan
    return LayerSpec(
        key=asset_keys([str(band)])[str(band)],
        title=str(band),
        dtype=dtype if whole else "float32",
        nodata=nodata,
        scale=layer.scale if whole else 1.0,
        offset=layer.offset if whole else 0.0,
        unit=layer.unit,
        band=cbn or band.name,
        categorical=labels,
    )
