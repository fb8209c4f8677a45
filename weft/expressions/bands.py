"""Expression bands: band arithmetic over the layers of a published product.

Belongs here: what is read and written for every statistic of a mosaic. Not here: the language (``grammar``), evaluating
it block by block (``streaming``), or which expressions are made (region file, orders).
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
from weft.expressions.expression import Expression
from weft.expressions.grammar import parse
from weft.expressions.streaming import evaluate_grid
from weft.rasters.cog import LayerWriter
from weft.rasters.gdal import decoding, environment, open_raster
from weft.rasters.grid import Grid, Window
from weft.rasters.product import LayerSpec, Product, SourceLayer, SourceProduct
from weft.rasters.values import physical


def expression_bands(source: SourceProduct, expressions: Mapping[str, str], scratch: Path) -> Product | None:
    """Evaluate expressions over each statistic of a product, e.g. ``ndvi_p50`` over ``nir_p50`` and ``red_p50``.

    An expression of percentiles is not the percentile of the expression: the layer titles say "of the p50 mosaic".
    Memory is that of a few blocks of the bands of one statistic, whatever the size of the product.

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
    if not any(step.expressions for step in steps):
        raise RequestError(
            f"{source.id} has {len(steps)} statistics of bands and {len(expressions)} expressions are asked for; "
            f"both must be there to make expression bands"
        )
    with environment(), ExitStack() as stack:
        writers = [stack.enter_context(LayerWriter(source.grid, step.layers, scratch)) for step in steps]
        found = [_evaluate(step, source.grid, writer, scratch) for step, writer in zip(steps, writers, strict=True)]
        if not any(found):
            return None
        return Product(source.grid, tuple(file for writer in writers for file in writer.finish()))


@dataclass(frozen=True, slots=True)
class _Step:
    """What is read and made for one statistic: key of an output to its expression, and one layer each."""

    bands: Mapping[str, SourceLayer]
    expressions: Mapping[str, Expression]
    layers: tuple[LayerSpec, ...]


def _bands_by_statistic(source: SourceProduct) -> dict[str, dict[str, SourceLayer]]:
    bands: dict[str, dict[str, SourceLayer]] = {}
    for layer in source.layers.values():
        if layer.layer.band is not None and layer.layer.statistic is not None:
            bands.setdefault(layer.layer.statistic, {})[layer.layer.band] = layer
    return bands


def _step(source: str, statistic: str, bands: Mapping[str, SourceLayer], expressions: Mapping[str, str]) -> _Step:
    parsed = {}
    for name, text in expressions.items():
        expression = parse(text)
        missing = sorted(expression.names - set(bands))
        if missing or not expression.names:
            wrong = f"needs {missing}" if missing else "uses no band"
            raise RequestError(f"expression {name} {wrong}; the {statistic} layers of {source} are {sorted(bands)}")
        parsed[name] = expression
    layers = {name: _layer(name, statistic, expression) for name, expression in parsed.items()}
    return _Step(bands, {layers[name].key: expression for name, expression in parsed.items()}, tuple(layers.values()))


def _evaluate(step: _Step, grid: Grid, writer: LayerWriter, scratch: Path) -> bool:
    """Write every block; whether any pixel has a value."""
    found = False
    with ExitStack() as stack:
        names = frozenset().union(*(expression.names for expression in step.expressions.values()))
        datasets = {name: stack.enter_context(open_raster(step.bands[name].path)) for name in sorted(names)}

        def write(window: Window, values: Mapping[str, npt.NDArray[np.float32]]) -> None:
            nonlocal found
            found = found or not all(np.isnan(block).all() for block in values.values())
            writer.write(window, values)

        evaluate_grid(
            step.expressions,
            lambda name, window: _read(datasets[name], step.bands[name].layer, window),
            grid,
            write=write,
            scratch=scratch,
        )
    return found


def _layer(name: str, statistic: str, expression: Expression) -> LayerSpec:
    return LayerSpec(
        key=f"{name}_{statistic}",
        title=f"{name.upper()} of the {statistic} mosaic",
        dtype="float32",
        nodata=math.nan,
        unit="1",
        statistic=statistic,
        categorical=expression.categorical,
    )


def _read(dataset: rasterio.DatasetReader, layer: LayerSpec, window: Window) -> npt.NDArray[np.float64]:
    with decoding(dataset.name):
        stored = dataset.read(1, window=RasterioWindow(window.col, window.row, window.width, window.height))
    return physical(stored, scale=layer.scale, offset=layer.offset, nodata=layer.nodata)
