"""The mosaic's sheets: a lattice of square cells anchored at the origin of the mosaic's CRS.

Belongs here: names, grids, and which sheets an area or a track touches. Not here: what is painted on a sheet.

Names in EPSG:3035 follow the European Environment Agency's reference grid: edge, then the lower-left corner counted in
edges, ``100kmE39N31``. In any other CRS they are plain columns and rows, ``X12Y-3``. Either name, with the region's
mosaic settings, gives the sheet back. In a geographic CRS columns wrap at the antimeridian: with sheets of one degree
``X179Y0`` and ``X-180Y0`` are neighbours and there is no ``X180Y0``.

Edges of sheets are rounded to the lattice of pixels, which is anchored at the same origin: at 30 m a 100 km sheet is
3333 or 3334 pixels wide, and neighbours meet without gap or overlap.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
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
_DEGREE_KM = 111.2
# The neighbouring UTM zone is at hand; what lies farther from a CRS's area of use is a mistake in the region file.
_BEYOND_USE_KM = 1000.0
# No CRS in use stretches a line so much inside its area of use; a line that runs once around the world is longer.
_TORN = 50.0


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
    cell = lattice.cell(name)
    if cell is None:
        edge = f"{settings.sheet_edge:g} degrees" if settings.geographic else f"{settings.sheet_edge / 1000:g} km"
        raise RequestError(f"sheet {name!r} is none of {settings.crs} in {edge}; write it like {lattice.name(39, 31)}")
    return lattice.sheet(*cell)


def sheets_over(areas: Iterable[Grid | BaseGeometry], settings: Mosaic) -> tuple[Sheet, ...]:
    """Sheets that share an area with any of the given ones.

    Args:
        areas: grids in any CRS, or polygons in EPSG:4326 with continuous longitudes.
        settings: the region's mosaic.

    Returns:
        Sheets sorted by name.

    Raises:
        RequestError: an area lies outside the domain of the CRS, or over a pole or a seam of it.
    """
    lattice = _lattice(settings)
    outlines = np.array([continuous_footprint(a) if isinstance(a, Grid) else a for a in areas], dtype=object)
    cells = {cell for found in lattice.cells(outlines) for cell in found}
    return tuple(sorted((lattice.sheet(*cell) for cell in cells), key=lambda found: found.name))


def seen_area(tile_track: str) -> BaseGeometry:
    """The part of a tile that its track may see: EPSG:4326, continuous longitudes.

    The swath is taken 10 km wider than nominal, so that no real pixel is left out.

    Raises:
        RequestError: a malformed or unknown tile or track, or a tile that its track never sees.
    """
    tile, track = tile_of(tile_track), track_of(tile_track)
    seen = overlap(continuous_footprint(tile_grid(tile)), swath(track, HALF_SWATH_KM + _PLANNING_MARGIN_KM))
    if seen.is_empty:
        raise RequestError(f"tile {tile} lies outside the swath of {track}; remove {tile_track}")
    return seen


def tile_track_sheets(tile_tracks: Sequence[str], settings: Mosaic) -> dict[str, frozenset[str]]:
    """Names of the sheets that each tile_track touches, see :func:`seen_area`; any of them may turn out empty.

    Raises:
        RequestError: see :func:`seen_area` and :func:`sheets_over`.
    """
    lattice = _lattice(settings)
    cells = lattice.cells(np.array([seen_area(key) for key in tile_tracks], dtype=object))
    return {
        key: frozenset(lattice.name(*cell) for cell in found) for key, found in zip(tile_tracks, cells, strict=True)
    }


def track_sheets(
    tile_tracks: Sequence[str], settings: Mosaic, sheets: Collection[str] | None = None
) -> dict[str, tuple[str, ...]]:
    """Sheets that each track's tiles touch.

    Args:
        tile_tracks: keys like ``R051_31UDS``.
        settings: the region's mosaic.
        sheets: names of the sheets that are made; all by default.

    Returns:
        Track key to sheet names, both sorted; a track whose tiles touch none of ``sheets`` has none.

    Raises:
        RequestError: one of ``sheets`` is none of these settings or touched by none of the tiles, or see
            :func:`tile_track_sheets`.
    """
    names: dict[str, set[str]] = {track_of(key): set() for key in sorted(tile_tracks)}
    for key, touched in tile_track_sheets(tile_tracks, settings).items():
        names[track_of(key)] |= touched
    if sheets is not None:
        wanted = {sheet(name, settings).name for name in sheets}
        if missing := wanted.difference(*names.values()):
            raise RequestError(f"no tile touches {', '.join(sorted(missing))}; correct or remove these sheets")
        names = {track: found & wanted for track, found in names.items()}
    return {track: tuple(sorted(found)) for track, found in names.items()}


@dataclass(frozen=True, slots=True)
class _Lattice:
    crs: str
    edge: float
    resolution: float
    turn: int | None
    """Number of columns around the globe, in a geographic CRS."""

    @property
    def _label(self) -> str:
        return f"{self.edge / 1000:.0f}km" if self.edge % 1000 == 0 else f"{self.edge:.0f}m"

    def name(self, column: int, row: int) -> str:
        return f"{self._label}E{column}N{row}" if self.crs == "EPSG:3035" else f"X{column}Y{row}"

    def cell(self, name: str) -> tuple[int, int] | None:
        number = r"(0|-?[1-9]\d{0,6})"
        pattern = f"{self._label}E{number}N{number}" if self.crs == "EPSG:3035" else f"X{number}Y{number}"
        match = re.fullmatch(pattern, name)
        if not match:
            return None
        column, row = int(match[1]), int(match[2])
        half = self.turn and self.turn // 2
        return None if half and not (-half <= column < half and -half <= 2 * row < half) else (column, row)

    def sheet(self, column: int, row: int) -> Sheet:
        left, right = self._pixel(column), self._pixel(column + 1)
        bottom, top = self._pixel(row), self._pixel(row + 1)
        size = self.resolution
        return Sheet(
            self.name(column, row), Grid(self.crs, left * size, top * size, size, size, right - left, top - bottom)
        )

    def _pixel(self, edges: int) -> int:
        return math.floor(Fraction(str(self.edge)) * edges / Fraction(str(self.resolution)) + Fraction(1, 2))

    def cells(self, outlines: npt.NDArray[np.object_]) -> Iterator[list[tuple[int, int]]]:
        """(column, row) of the cells that each outline (EPSG:4326, continuous longitudes) shares an area with."""
        _check_domain(self.crs, outlines)
        for outline in _project(self.crs, outlines, turning=self.turn is not None):
            yield [] if outline.is_empty else self._cells(outline)

    def _cells(self, outline: BaseGeometry) -> list[tuple[int, int]]:
        bounds = np.array(outline.bounds) / self.edge
        (left, bottom), (right, top) = np.floor(bounds[:2]), np.floor(bounds[2:])
        if (right - left + 1) * (top - bottom + 1) > _MAX_CELLS:
            raise RequestError(
                f"one area has over {_MAX_CELLS} sheets of {self.edge:g}; raise mosaic.sheet_km or mosaic.sheet_deg"
            )
        columns, rows = (a.ravel() for a in np.meshgrid(np.arange(left, right + 1), np.arange(bottom, top + 1)))
        gap = _TOUCH_M if self.turn is None else _TOUCH_M / (1000 * _DEGREE_KM)
        boxes = shapely.box(
            columns * self.edge + gap,
            rows * self.edge + gap,
            (columns + 1) * self.edge - gap,
            (rows + 1) * self.edge - gap,
        )
        shared = shapely.intersects(boxes, outline)
        found = [(int(c), int(r)) for c, r in zip(columns[shared], rows[shared], strict=True)]
        if self.turn is None:
            return found
        half = self.turn // 2
        return sorted({((column + half) % self.turn - half, row) for column, row in found})


def _lattice(settings: Mosaic) -> _Lattice:
    turn = round(360 / settings.sheet_edge) if settings.geographic else None
    return _Lattice(settings.crs, settings.sheet_edge, settings.resolution, turn)


def _check_domain(crs: str, outlines: npt.NDArray[np.object_]) -> None:
    longitude, latitude = shapely.get_coordinates(outlines).T
    if not (np.abs(latitude) <= 90).all():
        raise RequestError("an area reaches over a pole; cut it off there")
    use = pyproj.CRS(crs).area_of_use
    if use is None:
        raise RequestError(f"PROJ knows no area of use of {crs}; choose another CRS")
    west, south, east, north = use.bounds
    width = east - west if east > west else east - west + 360
    eastward = np.mod(longitude - west, 360)
    aside = np.where(eastward > width, np.minimum(eastward - width, 360 - eastward), 0) * np.cos(np.radians(latitude))
    above = np.maximum(np.maximum(south - latitude, latitude - north), 0)
    far = np.hypot(aside, above) * _DEGREE_KM > _BEYOND_USE_KM
    if far.any():
        place = f"{latitude[far][0]:.1f} N {(longitude[far][0] + 180) % 360 - 180:.1f} E"
        raise RequestError(
            f"{place} lies outside the domain of {crs} ({south:g} to {north:g} N, {west:g} to {east:g} E); choose a "
            "CRS that fits the region"
        )


def _project(crs: str, outlines: npt.NDArray[np.object_], *, turning: bool) -> npt.NDArray[np.object_]:
    degrees = shapely.get_coordinates(outlines)
    xy = np.column_stack(transformer("EPSG:4326", crs).transform(*degrees.T))
    if turning:
        xy[:, 0] += 360 * np.round((degrees[:, 0] - xy[:, 0]) / 360)
    projected = shapely.set_coordinates(outlines.copy(), xy)
    if not np.isfinite(xy).all() or (not turning and _torn(outlines, projected)):
        raise RequestError(
            f"an area lies outside the domain of {crs}, or over its seam; choose a CRS that fits the region"
        )
    return np.asarray(projected)


def _torn(outlines: npt.NDArray[np.object_], projected: npt.NDArray[np.object_]) -> bool:
    degrees, ring = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(outlines)), return_index=True)
    metres = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(projected)))
    inside = ring[1:] == ring[:-1]
    _, _, true = pyproj.Geod(ellps="WGS84").inv(*degrees[:-1].T, *degrees[1:].T)
    drawn = np.hypot(*np.diff(metres, axis=0).T)
    return bool((drawn[inside] > _TORN * (np.asarray(true)[inside] + _TOUCH_M)).any())
