"""Band arithmetic over a finished stack.

Belongs here: from bands and expressions of an order to one layer for each expression. Not here: the language
(``weft.expressions``), or expressions over mosaics (``weft.expressions.bands``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt

from weft.expressions import Expression
from weft.expressions.scaling import Scaling
from weft.expressions.streaming import evaluate_grid
from weft.rasters.cog import LayerWriter
from weft.rasters.grid import Window
from weft.rasters.layer_file import LayerFile
from weft.rasters.product import LayerSpec, Product, SourceLayer, SourceProduct
from weft.scenes.scene import Layer
from weft.stacking.layers import asset_keys


def stack_expressions(
    stack: SourceProduct,
    expressions: Mapping[str, Expression],
    scratch: Path,
    *,
    scaling: Mapping[str, Scaling] | None = None,
    workers: int = 2,
) -> Product:
    """Evaluate every expression of an order.

    Args:
        stack: the published stack; its layers have the keys of :func:`weft.stacking.layers.asset_keys`.
        expressions: output name -> expression over bands named as in ``1.nir``; physical values go in.
        scratch: folder for the files.
        scaling: output name -> how it is stored; float32 with NaN for nodata by default.
        workers: threads.

    Returns:
        One layer for each expression, titled by its name.

    Raises:
        RequestError: two names come to one asset, or a band cannot be read.
    """
    names = sorted(frozenset().union(*(expression.names for expression in expressions.values())))
    bands, outputs = asset_keys(names), asset_keys(expressions)
    scaling = scaling or {}
    specs = [_spec(key, name, expressions[name], scaling.get(name)) for name, key in outputs.items()]
    with ExitStack() as opened:
        files = {name: opened.enter_context(_open(stack, stack.layers[key])) for name, key in bands.items()}
        writer = opened.enter_context(LayerWriter(stack.grid, specs, scratch))

        def read(name: str, window: Window) -> npt.NDArray[np.float32]:
            return files[name].read(window)

        def write(window: Window, values: Mapping[str, npt.NDArray[np.float32]]) -> None:
            stored = {name: scaling[name].stored(block) if name in scaling else block for name, block in values.items()}
            writer.write(window, {outputs[name]: block for name, block in stored.items()})

        evaluate_grid(expressions, read, stack.grid, write=write, scratch=scratch, workers=workers)
        return Product(stack.grid, writer.finish(workers=workers))


def _spec(key: str, name: str, expression: Expression, scaling: Scaling | None) -> LayerSpec:
    if scaling is None:
        return LayerSpec(key, name, "float32", math.nan, categorical=expression.categorical)
    return LayerSpec(key, name, scaling.dtype, scaling.nodata, scale=scaling.scale, categorical=expression.categorical)


def _open(stack: SourceProduct, source: SourceLayer) -> LayerFile:
    spec = source.layer
    layer = Layer(source.path.as_uri(), 1, stack.grid, spec.scale, spec.offset, spec.nodata, spec.unit)
    return LayerFile(str(source.path), layer)
