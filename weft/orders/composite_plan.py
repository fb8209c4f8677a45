"""Where the pixels of a composite order lie, and how large an order may be.

Belongs here: the grid and its limits, without a scene at hand. Not here: the order itself (``composite``), which scenes
the catalogue has (``assets``), or doing the work (``weft.compositing``, ``weft.mosaicking``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely

from weft.errors import RequestError
from weft.mosaicking.sheets import sheets_over
from weft.orders.composite import CompositeOrder
from weft.rasters.grid import Grid, transformer

MAX_KM2 = 50_000
"""Largest rectangle of an order: about four tiles."""
MAX_PIXELS = 500_000_000
_SNAP = 1e-3  # of a pixel: an edge that is meant to lie on the lattice must not gain a pixel by rounding


@dataclass(frozen=True, slots=True)
class CompositePlan:
    """An order that can be carried out.

    Attributes:
        order: the order.
        grid: its pixels: the rectangle around the area, on the lattice of the mosaics of its CRS and resolution.
    """

    order: CompositeOrder
    grid: Grid


def plan_composite(order: CompositeOrder) -> CompositePlan:
    """Find the pixels of an order.

    Raises:
        RequestError: the area is too large, or its CRS cannot hold it.
    """
    crs, pixel = order.crs, order.resolution
    outline = order.polygons.segmentize(0.05)
    to_crs = transformer("EPSG:4326", crs)
    projected = shapely.transform(outline, lambda xy: np.column_stack(to_crs.transform(*xy.T)))
    edges = projected.bounds
    if not all(map(math.isfinite, edges)):
        raise RequestError(f"crs: {crs} cannot hold the area; choose one that is made for it, such as its UTM zone")
    west, south, east, north = outline.bounds
    if east - west > 180:
        raise RequestError("area: it spans the antimeridian; order its two sides one by one, in a UTM zone each")
    left, top = math.floor(edges[0] / pixel + _SNAP), math.ceil(edges[3] / pixel - _SNAP)
    columns, rows = math.ceil(edges[2] / pixel - _SNAP) - left, top - math.floor(edges[1] / pixel + _SNAP)
    square_km = abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(shapely.box(west, south, east, north))[0]) / 1e6
    if square_km > MAX_KM2 or columns * rows > MAX_PIXELS:
        raise RequestError(
            f"area: the rectangle around it has {square_km:,.0f} km2 and {columns:,} x {rows:,} pixels of {pixel:g}; "
            f"an order may have {MAX_KM2:,} km2 and {MAX_PIXELS:,} pixels. Make it a region (weft region plan), which "
            "is cut into sheets and resumable, or order a part or a coarser resolution"
        )
    grid = Grid(crs, left * pixel, top * pixel, pixel, pixel, max(1, columns), max(1, rows))
    try:
        sheets_over([grid], order.mosaic)
    except RequestError as error:
        raise RequestError(f"crs: {error}") from error
    return CompositePlan(order, grid)
