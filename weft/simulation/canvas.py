"""One array for all products of a report that lie on one lattice.

Belongs here: joining products that share the lattice of the mosaic. Not here: comparing or drawing them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from weft.rasters.grid import Bounds, Grid
from weft.rasters.product import SourceProduct
from weft.simulation.accuracy import read


def canvas(products: Sequence[SourceProduct]) -> Grid:
    """The smallest grid that holds all products, which share one lattice."""
    edges = [product.grid.bounds for product in products]
    bounds = Bounds(
        min(one.left for one in edges),
        min(one.bottom for one in edges),
        max(one.right for one in edges),
        max(one.top for one in edges),
    )
    first = products[0].grid
    return Grid.from_bounds(first.crs, bounds, first.x_size)


def joined(products: Sequence[SourceProduct], key: str, grid: Grid) -> npt.NDArray[np.float64]:
    """One layer of all products on a canvas: physical values (y, x); NaN where there is none."""
    found = np.full(grid.shape, np.nan)
    for product in products:
        own = product.grid
        row, col = round((grid.top - own.top) / own.y_size), round((own.left - grid.left) / own.x_size)
        found[row : row + own.height, col : col + own.width] = read(product.layers[key])
    return found


def stored(products: Sequence[SourceProduct], key: str, grid: Grid) -> npt.NDArray[np.uint16]:
    """As :func:`joined`, in stored numbers; 0 where there is no value."""
    scale = products[0].layers[key].layer.scale
    return np.rint(np.nan_to_num(joined(products, key, grid)) / scale).astype(np.uint16)
