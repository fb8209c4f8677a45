"""Datasets without files, for everything that is judged before a pixel is read."""

from __future__ import annotations

from typing import Any

from weft.orders import StackOrder
from weft.orders.datasets import Dataset
from weft.orders.document import check
from weft.rasters.grid import Grid
from weft.scenes.scene import Layer

HOME = Grid("EPSG:32631", 500_000, 5_600_000, 10, 10, 200, 160)
"""2000 m x 1600 m at 3 degrees east, 50.5 degrees north."""


def dataset(index: int, *names: str, grid: Grid = HOME, labels: tuple[str, ...] = (), **more: Any) -> Dataset:
    """A dataset of layers that all lie on one grid and carry their names as Common Band Names."""
    layers = {name: Layer(f"file:///{index}/{name}.tif", 1, grid) for name in names}
    known = {name: name for name in names if not name.startswith("band") and name not in labels}
    return Dataset(index, f"set{index}", None, layers, **{"common_names": known, "labels": frozenset(labels)} | more)


def order(**fields: Any) -> StackOrder:
    """An order for ``1.nir`` and ``2.nir``, with other values as given; None leaves a field out."""
    values = {"input_reference": ["a", "b"], "bands": "1.nir,2.nir", "reference_asset": "1.nir"} | fields
    return check(StackOrder, {name: value for name, value in values.items() if value is not None})
