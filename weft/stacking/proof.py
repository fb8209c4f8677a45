"""What shows whether a dataset fits the reference: pictures and the table of tie points, as files.

Belongs here: which pixels are shown, and the files. Not here: drawing (``pictures``), or the page they stand on
(``report``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from weft.orders.stack_plan import StackPlan
from weft.rasters.grid import Grid, Window
from weft.rasters.reading import Place
from weft.registration.displacement import Displacement
from weft.registration.points import TiePoints
from weft.registration.remapping import Remapped
from weft.scenes.scene import Layer
from weft.stacking import pictures
from weft.stacking.pictures import Values
from weft.stacking.stack import Matched

FLICKER_SIDE = 128
"""Pixels of a side of each half of a flicker picture, at full resolution: shifts of a pixel are to be seen."""


def proof(plan: StackPlan, matched: Matched, place: Place, folder: Path) -> Mapping[str, Path]:
    """Write the evidence on one dataset.

    Args:
        plan: the order's plan.
        matched: what was found.
        place: turns hrefs of layers into places that may be opened.
        folder: where the files go.

    Returns:
        Asset key -> file: ``flicker_{n}`` (GIF), ``quiver_{n}`` and ``magnitude_{n}`` (PNG) and ``tie_points_{n}``
        (GeoParquet).
    """
    points, displacement = matched.registration.points, matched.registration.displacement
    window = _where(points, matched.grid)
    reference, secondary = plan.layer(plan.reference), plan.dataset(matched.dataset).layer(matched.pairing)
    moved = displacement if matched.registration.accepted else None
    contents = {
        "flicker.gif": pictures.flicker(
            _crop(reference, place, matched.grid, window, None),
            _crop(secondary, place, matched.grid, window, None),
            _crop(secondary, place, matched.grid, window, moved),
        ),
        "quiver.png": pictures.quiver(points, displacement),
        "magnitude.png": pictures.magnitude(points, displacement),
    }
    files = {}
    for name, content in contents.items():
        kind, _, ending = name.partition(".")
        files[f"{kind}_{matched.dataset}"] = folder / f"{kind}_{matched.dataset}.{ending}"
        files[f"{kind}_{matched.dataset}"].write_bytes(content)
    table = folder / f"tie_points_{matched.dataset}.parquet"
    points.to_parquet(table, matched.grid)
    return files | {table.stem: table}


def _crop(layer: Layer, place: Place, grid: Grid, window: Window, displacement: Displacement | None) -> Values:
    with Remapped(place(layer.href), layer, grid, kernel="cubic", displacement=displacement) as remapped:
        return remapped.read(window)


def _where(points: TiePoints, grid: Grid) -> Window:
    """Where the most tie points are believed; of equals that nearest to the middle, without any the middle."""
    height, width = (min(FLICKER_SIDE, side) for side in grid.shape)
    middle = (grid.height - height) / 2, (grid.width - width) / 2
    inside_x, inside_y = points.x[points.inlier], points.y[points.inlier]

    def rank(corner: tuple[int, int]) -> tuple[float, float, tuple[int, int]]:
        row, col = corner
        inside = (inside_x >= col) & (inside_x < col + width) & (inside_y >= row) & (inside_y < row + height)
        return -float(np.count_nonzero(inside)), (row - middle[0]) ** 2 + (col - middle[1]) ** 2, corner

    rows = np.unique(np.linspace(0, grid.height - height, 9).astype(int)).tolist()
    cols = np.unique(np.linspace(0, grid.width - width, 9).astype(int)).tolist()
    row, col = min(((row, col) for row in rows for col in cols), key=rank)
    return Window(row, col, height, width)
