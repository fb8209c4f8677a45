"""Small products on disk for the tests of mosaicking."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from weft.rasters.cog import write_layers
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, Product, SourceLayer, SourceProduct


def reflectance(key: str) -> LayerSpec:
    band, _, statistic = key.partition("_")
    return LayerSpec(key, key, "uint16", 0, 1e-4, unit="1", band=band, statistic=statistic)


COUNT = LayerSpec("count", "Valid observations", "uint16", None)
SPREAD = LayerSpec("medoid_spread", "Spread", "float32", float("nan"))
INDEX = LayerSpec("source_index", "Index", "int16", -1, categorical=True)
DATE = LayerSpec("observation_date", "Date", "uint16", 0, categorical=True)


def source(product_id: str, grid: Grid, layers: Mapping[LayerSpec, np.ndarray], folder: Path) -> SourceProduct:
    files = write_layers(grid, layers, folder / product_id)
    return SourceProduct(product_id, grid, {file.layer.key: SourceLayer(file.layer, file.path) for file in files})


def digests(product: Product) -> dict[str, str]:
    return {file.layer.key: file.pixel_sha256 for file in product.files}
