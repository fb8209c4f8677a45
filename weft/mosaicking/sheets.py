"""The mosaic's sheets: a lattice of square cells anchored at the origin of the mosaic's CRS.

Belongs here: names, grids, and which sheets an area or a track touches. Not here: what is painted on a sheet.

Names in EPSG:3035 follow the European Environment Agency's reference grid: edge, then the lower-left corner counted in
edges, ``100kmE39N31``. In any other CRS they are plain columns and rows, ``X12Y-3``. Either name, with the region's
mosaic settings, gives the sheet back.

Edges of sheets are rounded to the lattice of pixels, which is anchored at the same origin: at 30 m a 100 km sheet is
3333 or 3334 pixels wide, and neighbours meet without gap or overlap.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from weft.errors import RequestError
from weft.mosaicking.tiles import tile_grid
from weft.mosaicking.tracks import HALF_SWATH_KM, continuous_footprint, overlap, swath
from weft.rasters.grid import Grid, transformer
from weft.regions import Mosaic, tile_of, track_of

# Real data may reach past the nominal swath by what the closed formula is off (3 km, 10 km beyond 70 degrees).
_PLANNING_MARGIN_KM = 10.0
# Areas that only touch along a border share nothing; rounding of coordinates must not make them overlap.
_TOUCH_M = 0.01
_MAX_CELLS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """One cell of the mosaic's lattice.

    Attributes:
        name: e.g. ``100kmE39N31``; letters, digits and ``-`` only.
        grid: its pixels.
    """

    name: str
    grid: Grid


def sheet(name: str, settings: Mosaic) -> Sheet:
    """The sheet of that name.

    Raises:
        RequestError: no sheet of these settings has that name, or see :func:`sheets_over`.
    """
    lattice = _lattice(settings)
    match = re.fullmatch(lattice.pattern, name)
    if not match:
        raise RequestError(
            f"sheet {name!r} is none of {settings.crs} in {settings.sheet_km:g} km; write it like "
            f"{lattice.name(39, 31)}"
        )
    return lattice.sheet(int(match[1]), int(match[2]))


def sheets_over(areas: Iterable[Grid | Polygon], settings: Mosaic) -> tuple[Sheet, ...]:
    """Sheets that share an area with any of the given ones.

    Args:
        areas: grids in any CRS, or polygons in EPSG:4326 with continuous longitudes.
        settings: the region's mosaic.

    Returns:
        Sheets sorted by name.

    Raises:
        RequestError: a sheet is not a whole number of metres, or an area lies outside the domain of the CRS.
    """
    lattice = _lattice(settings)
    outlines = np.array([continuous_footprint(a) if isinstance(a, Grid) else a for a in areas], dtype=object)
    cells = {cell for found in lattice.cells(outlines) for cell in found}
    return tuple(sorted((lattice.sheet(*cell) for cell in cells), key=lambda found: found.name))


def track_sheets(
    tile_tracks: Sequence[str], settings: Mosaic, area: tuple[float, float, float, float] | None = None
) -> dict[str, tuple[str, ...]]:
    """Sheets that each track's tiles touch inside the track's swath.

    Args:
        tile_tracks: keys like ``R051_31UDS``.
        settings: the region's mosaic.
        area: (west, south, east, north) in degrees that limits the sheets; west > east crosses the antimeridian.

    Returns:
        Track key to sheet names, both sorted; a track whose tiles all lie outside ``area`` has none. The swath is taken
        10 km wider than nominal, so that no real pixel is left out; a sheet may therefore turn out empty.

    Raises:
        RequestError: a malformed or unknown tile or track, a tile that its track never sees, an ``area`` that none of
            the tiles touches, or see :func:`sheets_over`.
    """
    lattice = _lattice(settings)
    limit = None if area is None else _area(area)
    outlines = {tile: continuous_footprint(tile_grid(tile)) for tile in {tile_of(key) for key in tile_tracks}}
    seen = {}
    for key in tile_tracks:
        seen[key] = overlap(outlines[tile_of(key)], swath(track_of(key), HALF_SWATH_KM + _PLANNING_MARGIN_KM))
        if seen[key].is_empty:
            raise RequestError(f"tile {tile_of(key)} lies outside the swath of {track_of(key)}; remove {key}")
        if limit is not None:
            seen[key] = overlap(seen[key], limit)
    names: dict[str, set[str]] = {track_of(key): set() for key in sorted(tile_tracks)}
    for key, found in zip(seen, lattice.cells(np.array(list(seen.values()), dtype=object)), strict=True):
        names[track_of(key)].update(lattice.name(*cell) for cell in found)
    if tile_tracks and not any(names.values()):
        raise RequestError(f"area {area} touches none of the tiles {', '.join(tile_tracks)}; correct or remove area")
    return {track: tuple(sorted(found)) for track, found in names.items()}


@dataclass(frozen=True, slots=True)
class _Lattice:
    crs: str
    edge: float
    resolution: float

    @property
    def _label(self) -> str:
        return f"{self.edge / 1000:.0f}km" if self.edge % 1000 == 0 else f"{self.edge:.0f}m"

    @property
    def pattern(self) -> str:
        number = r"(0|-?[1-9]\d{0,6})"
        return f"{self._label}E{number}N{number}" if self.crs == "EPSG:3035" else f"X{number}Y{number}"

    def name(self, column: int, row: int) -> str:
        return f"{self._label}E{column}N{row}" if self.crs == "EPSG:3035" else f"X{column}Y{row}"

    def sheet(self, column: int, row: int) -> Sheet:
        left, right = self._pixel(column), self._pixel(column + 1)
        bottom, top = self._pixel(row), self._pixel(row + 1)
        size = self.resolution
        return Sheet(
            self.name(column, row), Grid(self.crs, left * size, top * size, size, size, right - left, top - bottom)
        )

    def _pixel(self, edges: int) -> int:
        return math.floor(Fraction(edges * self.edge) / Fraction(str(self.resolution)) + Fraction(1, 2))

    def cells(self, outlines: npt.NDArray[np.object_]) -> Iterator[list[tuple[int, int]]]:
        """(column, row) of the cells that each outline (EPSG:4326) shares an area with."""
        project = transformer("EPSG:4326", self.crs)
        for outline in shapely.transform(outlines, lambda xy: np.column_stack(project.transform(*xy.T))):
            yield [] if outline.is_empty else self._cells(outline)

    def _cells(self, outline: BaseGeometry) -> list[tuple[int, int]]:
        bounds = np.array(outline.bounds) / self.edge
        if not np.isfinite(bounds).all():
            raise RequestError(f"an area lies outside the domain of {self.crs}; choose a CRS that fits the region")
        (left, bottom), (right, top) = np.floor(bounds[:2]), np.floor(bounds[2:])
        if (right - left + 1) * (top - bottom + 1) > _MAX_CELLS:
            raise RequestError(f"one area has over {_MAX_CELLS} sheets of {self.edge:g} m; raise mosaic.sheet_km")
        columns, rows = (a.ravel() for a in np.meshgrid(np.arange(left, right + 1), np.arange(bottom, top + 1)))
        boxes = shapely.box(
            columns * self.edge + _TOUCH_M,
            rows * self.edge + _TOUCH_M,
            (columns + 1) * self.edge - _TOUCH_M,
            (rows + 1) * self.edge - _TOUCH_M,
        )
        shared = shapely.intersects(boxes, outline)
        return [(int(c), int(r)) for c, r in zip(columns[shared], rows[shared], strict=True)]


def _lattice(settings: Mosaic) -> _Lattice:
    edge = settings.sheet_km * 1000.0
    if edge != round(edge):
        raise RequestError(f"mosaic.sheet_km {settings.sheet_km:g} is not a whole number of metres; round it")
    return _Lattice(settings.crs, edge, settings.resolution)


def _area(area: tuple[float, float, float, float]) -> BaseGeometry:
    west, south, east, north = area
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):
        raise RequestError(f"area {area} is not (west, south, east, north) in degrees")
    return box(west, south, east if west < east else east + 360, north)
