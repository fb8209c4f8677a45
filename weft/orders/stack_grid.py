"""Where a stack lies: the reference asset's own pixel lattice, cut to what is wanted.

Belongs here: overlap of datasets and area, and the grid that follows. Not here: which layers are used
(``stack_plan``).

The lattice is that of the reference asset, or starts at its top-left corner with pixels of another size if the order
has a ``resolution``. It is cut to the smallest rectangle of pixels around the area of interest or, without one, around
what the used layers of all datasets have in common (as the Charter Mapper's STACK does). Pixels inside that a dataset
does not reach have no data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from weft.errors import RequestError
from weft.orders.datasets import Dataset
from weft.rasters.grid import Grid, Window, transformer
from weft.scenes.raster_bands import MAX_EDGE
from weft.stac.parts import place as footprint_of

_PIECES = 32
"""Into so many pieces an edge is cut before it is transformed, because it is curved in the other CRS."""
_MARGIN = 0.1  # degrees: an area is cut this far outside a dataset, whose footprint is only known to some metres
_LATTICE = 1e-6  # pixels: what rounding may move an edge that lies on the lattice


@dataclass(frozen=True, slots=True)
class Place:
    """One layer that a stack uses.

    Attributes:
        field: of the order that asks for it, for messages.
        dataset: whose layer it is.
        grid: where it lies.
    """

    field: str
    dataset: Dataset
    grid: Grid


def stack_grid(reference: Place, others: Sequence[Place], area: BaseGeometry | None, resolution: float | None) -> Grid:
    """Grid of a stack.

    Args:
        reference: the reference asset.
        others: every layer that is used, the reference among them or not.
        area: polygons in EPSG:4326, None for what all layers have in common.
        resolution: pixel size in units of the reference's CRS, None for its own.

    Raises:
        RequestError: a layer does not overlap the reference or the area, they have nothing in common, PROJ does not
            know a CRS, or the grid would be too large. The message begins with the field or the dataset.
    """
    lattice = _lattice(reference, resolution)
    here = _footprint(reference)
    for other in others:
        if not shapely.intersection(here, _footprint(other)).area > 0:
            raise RequestError(
                f"{other.dataset.title}: it does not overlap the reference {reference.dataset.title}; choose datasets "
                "of one place"
            )
    if area is None:
        wanted = _common(reference, others)
        trouble = "input_reference: the datasets overlap in pairs, but have no area in common; give an aoi"
    else:
        for one in (reference, *others):
            if not shapely.intersection(area, _footprint(one)).area > 0:
                raise RequestError(f"aoi: it lies outside {one.dataset.title}; choose an area within every dataset")
        near = shapely.intersection(area, shapely.buffer(here, _MARGIN))
        wanted = _transformed(near, "EPSG:4326", lattice.crs)
        trouble = f"aoi: it lies outside {reference.dataset.title}; choose an area within every dataset"
    window = _window(lattice, wanted)
    if window is None:
        raise RequestError(trouble)
    return lattice.of_window(window)


def _lattice(reference: Place, resolution: float | None) -> Grid:
    if resolution is None:
        return reference.grid
    grid = reference.grid
    columns, rows = (edge / resolution for edge in (grid.width * grid.x_size, grid.height * grid.y_size))
    if not (1 <= columns <= MAX_EDGE and 1 <= rows <= MAX_EDGE):
        raise RequestError(
            f"coregistration.resolution: {resolution:g} in units of {grid.crs} makes {columns:.6g} x {rows:.6g} pixels "
            f"of the reference; keep 1 to {MAX_EDGE} a side"
        )
    return grid.at_resolution(resolution)


def _footprint(one: Place) -> BaseGeometry:
    """In EPSG:4326, cut at the antimeridian."""
    try:
        outline: BaseGeometry = shape(footprint_of(one.grid)[0])
        usable = outline.is_valid and not outline.is_empty
    except (pyproj.exceptions.ProjError, shapely.errors.ShapelyError, ValueError):
        usable = False
    if not usable:
        raise RequestError(
            f"{one.dataset.title}: {one.field} has a grid that PROJ cannot place ({one.grid.crs}, corner "
            f"{one.grid.left:g}, {one.grid.top:g}); correct its CRS or transform"
        )
    return outline


def _common(reference: Place, others: Sequence[Place]) -> BaseGeometry:
    """What all layers have in common, in the CRS of the reference."""
    found = _box(reference.grid)
    for grid in dict.fromkeys(other.grid for other in others):
        found = shapely.intersection(found, _transformed(_box(grid), grid.crs, reference.grid.crs))
    return found


def _box(grid: Grid) -> BaseGeometry:
    edges = grid.bounds
    return box(edges.left, edges.bottom, edges.right, edges.top)


def _transformed(geometry: BaseGeometry, source: str, target: str) -> BaseGeometry:
    if source == target:
        return geometry
    west, south, east, north = geometry.bounds
    dense = shapely.segmentize(geometry, max(east - west, north - south) / _PIECES)
    change = transformer(source, target)
    return shapely.make_valid(shapely.transform(dense, lambda xy: np.column_stack(change.transform(*xy.T))))


def _window(lattice: Grid, wanted: BaseGeometry) -> Window | None:
    """The smallest window of a grid around a geometry in its CRS; None if they do not meet."""
    if not wanted.area > 0:
        return None
    west, south, east, north = wanted.bounds
    first_col = max(0, math.floor((west - lattice.left) / lattice.x_size + _LATTICE))
    first_row = max(0, math.floor((lattice.top - north) / lattice.y_size + _LATTICE))
    last_col = min(lattice.width, math.ceil((east - lattice.left) / lattice.x_size - _LATTICE))
    last_row = min(lattice.height, math.ceil((lattice.top - south) / lattice.y_size - _LATTICE))
    if last_col <= first_col or last_row <= first_row:
        return None
    return Window(first_row, first_col, last_row - first_row, last_col - first_col)
