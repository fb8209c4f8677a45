"""Where the pixels of a raster lie: grids and windows.

Belongs here: value objects for raster geometry and exact arithmetic on them. Not here: file access
(``weft.rasters.gdal``) or resampling (``weft.rasters.warping``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyproj
import shapely
from affine import Affine
from shapely.geometry import Polygon, box

from weft.errors import RequestError


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A rectangle of pixels: first row and column, height and width (pixels)."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices into an array of the whole grid."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def overlap(self, other: Window) -> Window | None:
        """The pixels of both windows, None if they share none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row + self.height, other.row + other.height) - row
        width = min(self.col + self.width, other.col + other.width) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def relative_to(self, other: Window) -> Window:
        """The same pixels, counted from the first one of another window."""
        return Window(self.row - other.row, self.col - other.col, self.height, self.width)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Outer edges of a rectangle in the units of its CRS."""

    left: float
    bottom: float
    right: float
    top: float

    def intersects(self, other: Bounds) -> bool:
        """Whether the two rectangles share an area larger than zero."""
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up grid of square or rectangular pixels.

    Attributes:
        crs: coordinate reference system as an authority code, e.g. ``EPSG:32631``.
        left: x of the outer edge of the first column, CRS units.
        top: y of the outer edge of the first row, CRS units.
        x_size: pixel width, CRS units, > 0.
        y_size: pixel height, CRS units, > 0 (rows run downwards).
        width: columns.
        height: rows.
    """

    crs: str
    left: float
    top: float
    x_size: float
    y_size: float
    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse grids without area."""
        finite = all(map(math.isfinite, (self.left, self.top, self.x_size, self.y_size)))
        if not finite or self.width < 1 or self.height < 1 or self.x_size <= 0 or self.y_size <= 0:
            raise RequestError(
                f"a grid needs at least one pixel of positive size, got {self!r}; check shape and transform"
            )

    @classmethod
    def from_transform(cls, crs: str, transform: Affine, *, height: int, width: int) -> Grid:
        """Grid of an affine transform; raises :class:`RequestError` if it is rotated or not north-up."""
        if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
            raise RequestError(f"transform {tuple(transform)[:6]} is not north-up; warp the raster first")
        return cls(crs, transform.c, transform.f, transform.a, -transform.e, width, height)

    @classmethod
    def from_bounds(cls, crs: str, bounds: Bounds, resolution: float) -> Grid:
        """Smallest grid of ``resolution``-sized pixels from the top-left corner that covers ``bounds``."""
        columns = -int(-round((bounds.right - bounds.left) / resolution, 6) // 1)
        rows = -int(-round((bounds.top - bounds.bottom) / resolution, 6) // 1)
        return cls(crs, bounds.left, bounds.top, resolution, resolution, columns, rows)

    @property
    def transform(self) -> Affine:
        """Pixel (column, row) to CRS (x, y)."""
        return Affine(self.x_size, 0.0, self.left, 0.0, -self.y_size, self.top)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), NumPy order."""
        return self.height, self.width

    @property
    def bounds(self) -> Bounds:
        """Outer edges."""
        return Bounds(self.left, self.top - self.height * self.y_size, self.left + self.width * self.x_size, self.top)

    def at_resolution(self, resolution: float) -> Grid:
        """Same top-left corner in ``resolution``-sized pixels; pixels that would reach past the edge are left out."""
        columns = int(round(self.width * self.x_size / resolution, 6))
        rows = int(round(self.height * self.y_size / resolution, 6))
        return Grid(self.crs, self.left, self.top, resolution, resolution, columns, rows)

    def of_window(self, window: Window) -> Grid:
        """The grid of one window."""
        return Grid(
            self.crs,
            self.left + window.col * self.x_size,
            self.top - window.row * self.y_size,
            self.x_size,
            self.y_size,
            window.width,
            window.height,
        )

    def blocks(self, height: int, width: int) -> Iterator[Window]:
        """Windows of at most ``height`` x ``width`` pixels that tile the grid, row by row."""
        for row in range(0, self.height, height):
            for col in range(0, self.width, width):
                yield Window(row, col, min(height, self.height - row), min(width, self.width - col))

    def footprint(self) -> Polygon:
        """Outline in EPSG:4326 (longitude, latitude), edges densified because they are curved there."""
        edges = self.bounds
        outline = box(edges.left, edges.bottom, edges.right, edges.top)
        outline = outline.segmentize(max(edges.right - edges.left, edges.top - edges.bottom) / 16)
        to_wgs84 = transformer(self.crs, "EPSG:4326")
        return shapely.transform(outline, lambda xy: np.column_stack(to_wgs84.transform(*xy.T)))


@lru_cache(maxsize=256)
def transformer(source: str, target: str) -> pyproj.Transformer:
    """Cached transformer, always x/longitude first."""
    return pyproj.Transformer.from_crs(source, target, always_xy=True)
