"""Products of a simulated archive against its truth.

Belongs here: errors as numbers and as arrays. Not here: the truth (``truth``) or how it is shown (``report``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.periods import TimeWindow
from weft.rasters.gdal import environment, open_raster
from weft.rasters.product import LayerSpec, SourceLayer, SourceProduct
from weft.rasters.values import physical
from weft.simulation.spectra import BANDS
from weft.simulation.truth import Truth


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Error of one layer, in the layer's unit; NaN where no pixel is valid.

    Attributes:
        rmse: root of the mean squared difference to the truth.
        bias: mean difference, product minus truth.
        pixels: number of valid pixels.
    """

    rmse: float
    bias: float
    pixels: int


def differences(
    product: SourceProduct, truth: Truth, window: TimeWindow
) -> Iterator[tuple[LayerSpec, npt.NDArray[np.float32]]]:
    """Every reflectance layer of a product, with its values minus the truth: float32 (y, x), NaN where it has none.

    A medoid is compared with the median of the truth over the period, a percentile with the same percentile.
    """
    layers = [source for source in product.layers.values() if source.layer.band and source.layer.statistic]
    wanted = tuple(sorted({percentile_of(source.layer) for source in layers}))
    expected = truth.reflectances(product.grid, window, wanted)
    for source in layers:
        spec = source.layer
        known = expected[wanted.index(percentile_of(spec)), BANDS.index(str(spec.band))]
        yield spec, (read(source) - known).astype(np.float32)


def accuracy(errors: npt.NDArray[np.float32]) -> Accuracy:
    """Numbers for an array of differences."""
    valid = errors[~np.isnan(errors)].astype(np.float64)
    if not valid.size:
        return Accuracy(math.nan, math.nan, 0)
    return Accuracy(float(np.sqrt(np.mean(valid * valid))), float(valid.mean()), int(valid.size))


def percentile_of(spec: LayerSpec) -> float:
    """50 for ``medoid``, 25 for ``p25``, 2.5 for ``p2_5``."""
    statistic = spec.statistic or ""
    return 50.0 if statistic == "medoid" else float(statistic.removeprefix("p").replace("_", "."))


def read(layer: SourceLayer) -> npt.NDArray[Any]:
    """All physical values of a layer (y, x), NaN where it has none."""
    with environment(), open_raster(layer.path) as dataset:
        spec = layer.layer
        return physical(dataset.read(1), scale=spec.scale, offset=spec.offset, nodata=spec.nodata)
