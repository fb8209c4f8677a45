"""Expression bands: band arithmetic over the layers of a published product.

Belongs here: running named expressions block by block over every statistic of a mosaic. Not here: the language
(``grammar``), or which expressions are made (region file, orders).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.windows import Window as RasterioWindow

from weft.errors import RequestError
from weft.expressions.grammar import Expression, parse
from weft.rasters.cog import COG_BLOCK, LayerWriter
from weft.rasters.gdal import decoding, environment, open_raster
from weft.rasters.grid import Window
from weft.rasters.product import LayerSpec, Product, SourceLayer, SourceProduct
from weft.rasters.values import physical


def expression_bands(source: SourceProduct, expressions: Mapping[str, str], scratch: Path) -> Product | None:
    """Evaluate expressions over each statistic of a product, e.g. ``ndvi_p50`` over ``nir_p50`` and ``red_p50``.

    An expression of percentiles is not the percentile of the expression: the layer titles say "of the p50 mosaic".
    Memory is that of one block of the bands of one statistic, whatever the size of the product.

    Args:
        source: a published product; its layers that have a band and a statistic are read, as physical values.
        expressions: layer name to s-expression over Common Band Names.
        scratch: folder for the files.

    Returns:
        One float32 layer (nodata NaN, unit 1) per statistic and expression, or None if no pixel of any has a value.

    Raises:
        RequestError: an expression is malformed, needs a band that a statistic lacks, or there is nothing to evaluate.
        UnreadableRaster: a layer of the source cannot be read.
    """
    steps = [_step(source.id, *item, expressions) for item in _bands_by_statistic(source).items()]
    outputs = [output for step in steps for output in step.outputs]
    if not outputs:
        raise RequestError(
            f"{source.id} has {len(steps)} statistics of bands and {len(expressions)} expressions are asked for; "
            f"both must be there to make expression bands"
        )
    found = False
    with environment(), ExitStack() as stack:
        writer = stack.enter_context(LayerWriter(source.grid, outputs, scratch))
        datasets = {
            layer.path: stack.enter_context(open_raster(layer.path)) for step in steps for layer in step.bands.values()
        }
        for window in source.grid.blocks(COG_BLOCK, COG_BLOCK):
            values: dict[str, npt.NDArray[np.float32]] = {}
            for step in steps:
                bands = {name: _read(datasets[layer.path], layer.layer, window) for name, layer in step.bands.items()}
                values |= {layer.key: expression.evaluate(bands) for layer, expression in step.outputs.items()}
            found = found or not all(np.isnan(block).all() for block in values.values())
            writer.write(window, values)
        return Product(source.grid, writer.finish()) if found else None


@dataclass(frozen=True, slots=True)
class _Step:
    """What is read and made for one statistic; ``bands`` holds only those that the expressions use."""

    bands: Mapping[str, SourceLayer]
    outputs: Mapping[LayerSpec, Expression]


def _bands_by_statistic(source: SourceProduct) -> dict[str, dict[str, SourceLayer]]:
    bands: dict[str, dict[str, SourceLayer]] = {}
    for layer in source.layers.values():
        if layer.layer.band is not None and layer.layer.statistic is not None:
            bands.setdefault(layer.layer.statistic, {})[layer.layer.band] = layer
    return bands


def _step(source: str, statistic: str, bands: Mapping[str, SourceLayer], expressions: Mapping[str, str]) -> _Step:
    outputs = {}
    for name, text in expressions.items():
        expression = parse(text)
        missing = sorted(expression.names - set(bands))
        if missing or not expression.names:
            wrong = f"needs {missing}" if missing else "uses no band"
            raise RequestError(f"expression {name} {wrong}; the {statistic} layers of {source} are {sorted(bands)}")
        outputs[_layer(name, statistic)] = expression
    used = {name for expression in outputs.values() for name in expression.names}
    return _Step({name: bands[name] for name in sorted(used)}, outputs)


def _layer(name: str, statistic: str) -> LayerSpec:
    return LayerSpec(
        key=f"{name}_{statistic}",
        title=f"{name.upper()} of the {statistic} mosaic",
        dtype="float32",
        nodata=math.nan,
        unit="1",
        statistic=statistic,
    )


def _read(dataset: rasterio.DatasetReader, layer: LayerSpec, window: Window) -> npt.NDArray[np.float64]:
    with decoding(dataset.name):
        stored = dataset.read(1, window=RasterioWindow(window.col, window.row, window.width, window.height))
    return physical(stored, scale=layer.scale, offset=layer.offset, nodata=layer.nodata)
