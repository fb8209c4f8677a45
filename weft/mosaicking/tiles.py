"""The Sentinel-2 tiling grid in closed form.

Belongs here: from a tile's name to its pixels, and which tiles lie over an area. Not here: who observed them.

A tile is named by its UTM zone, latitude band and 100 km square of the Military Grid Reference System (NGA.STND.0037).
Sentinel-2 grows the square to 109.8 km to the right and downwards, from a corner snapped to a multiple of 60 m so that
the 10, 20 and 60 m pixels of neighbouring tiles of a zone coincide: left is rounded down, top is rounded up.

Not every square that reaches into a zone is a tile. The rules were read off the 20,430 tiles of the published land
grid, and hold for all of them:

* a square across the border of two latitude bands is one tile, named after the band of its middle;
* a square at the eastern border of a zone is a tile, however little of it lies inside;
* a square at the western border is a tile only if about half of it lies inside; less than that is covered by the last
  squares of the zone before. Zone 1 keeps all its squares: nothing is left to the tiles across the antimeridian;
* band C goes on beyond the Military Grid to 83.6 degrees south;
* off Norway zone 32V begins with column K, and in row R with column M, west of which 31V goes on.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import shapely
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from weft.errors import RequestError
from weft.mosaicking.tracks import continuous_footprint
from weft.rasters.grid import Grid, transformer

TILE_M = 109_800
"""Edge of a tile in metres: 10980 pixels of 10 m."""

_SQUARE = 100_000
_SNAP = 60
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")  # of zones 1, 2, 3, 4 = 1 ...
_ROWS = "ABCDEFGHJKLMNPQRSTUV"  # repeated every 2000 km; even zones start at F
_CYCLE = _SQUARE * len(_ROWS)

_FIRST_ROW, _LAST_ROW = -93, 93  # counted from the equator: 83.6 degrees south to 84 degrees north
_LEAST_WESTERN_SHARE = 0.47  # of the published squares all have 0.486 or more, of those left out 0.451 or less
_REACH_DEG = 1.2  # from the middle of a tile's square to its farthest corner
# Borders of the irregular zones, in degrees from their central meridian; 32X, 34X and 36X do not exist.
_NORWAY = {31: (-3, 0), 32: (-6, 3)}
_SVALBARD = {31: (-3, 6), 33: (-6, 6), 35: (-6, 6), 37: (-6, 3)}
_NORWAY_ADDED = "31VFL"
_NORWAY_LEFT_OUT = re.compile("32V(J.|[KL]R)")


def tile_grid(tile: str, resolution: float = 10) -> Grid:
    """Pixels of one Sentinel-2 tile.

    Args:
        tile: MGRS name with a two-digit zone and without the ``T`` of product names, e.g. ``31UDS``.
        resolution: pixel size in metres that divides 109,800 m (10, 20, 30, 60 ...).

    Returns:
        Grid in the tile's own UTM zone, EPSG:326zz north and EPSG:327zz south of the equator.

    Raises:
        RequestError: no such tile, or a resolution that does not divide the tile.
    """
    pixels = TILE_M / resolution if resolution > 0 else 0.0
    if pixels < 1 or pixels != int(pixels):
        raise RequestError(f"resolution {resolution} m does not divide a tile of {TILE_M} m; use 10, 20, 30 or 60")
    zone, band, column, row = _letters(tile)
    south = band < _BANDS.index("N")
    northing = _northing(band, (row - (5 if zone % 2 == 0 else 0)) % len(_ROWS))
    left = (column + 1) * _SQUARE // _SNAP * _SNAP
    top = -(-(northing + _SQUARE) // _SNAP) * _SNAP + (10_000_000 if south else 0)
    crs = f"EPSG:{(32700 if south else 32600) + zone}"
    return Grid(crs, left, top, resolution, resolution, int(pixels), int(pixels))


def tiles_over(area: BaseGeometry) -> tuple[str, ...]:
    """Names of all tiles that share an area with the given one, sorted.

    Args:
        area: polygons in EPSG:4326 with longitudes from -180 to 180.

    Returns:
        Names as :func:`tile_grid` takes them. The sea has tiles too, whether or not anything was ever acquired there.
    """
    if area.is_empty:
        return ()
    west, south, east, north = area.bounds
    turns = [translate(area, turn) for turn in (-360.0, 0.0, 360.0)]
    shapely.prepare(turns)
    names = [
        name
        for zone in range(1, 61)
        for name, longitude, latitude in _tiles_of_zone(zone)
        if south - _REACH_DEG < latitude < north + _REACH_DEG and _near(longitude, latitude, west, east)
    ]
    outlines = np.array([continuous_footprint(tile_grid(name)) for name in names], dtype=object)
    shares = np.zeros(len(names), bool)
    for turned in turns:
        shares |= shapely.intersects(turned, outlines) & ~shapely.touches(turned, outlines)
    return tuple(sorted(name for name, hit in zip(names, shares, strict=True) if hit))


def _letters(tile: str) -> tuple[int, int, int, int]:
    match = re.fullmatch(r"(\d{2})([A-Z])([A-Z])([A-Z])", tile)
    if match and 1 <= int(match[1]) <= 60 and match[2] in _BANDS:
        columns = _COLUMNS[(int(match[1]) - 1) % 3]
        if match[3] in columns and match[4] in _ROWS:
            return int(match[1]), _BANDS.index(match[2]), columns.index(match[3]), _ROWS.index(match[4])
    raise RequestError(f"tile {tile!r} is no Sentinel-2 tile; write zone, band and square like 31UDS")


def _northing(band: int, row: int) -> int:
    # Rows repeat every 2000 km while a band is at most 1340 km high: the square nearest the band's middle is meant.
    low = -80 + 8 * band
    middle = low + (6 if band == len(_BANDS) - 1 else 4)
    _, y = transformer("EPSG:4326", "EPSG:32631").transform(3.0, middle)
    cycles = round((float(y) - _SQUARE / 2 - row * _SQUARE) / _CYCLE)
    return row * _SQUARE + cycles * _CYCLE


def _near(longitude: float, latitude: float, west: float, east: float) -> bool:
    reach = _REACH_DEG / math.cos(math.radians(min(abs(latitude) + _REACH_DEG, 88)))
    return any(west - reach < longitude + turn < east + reach for turn in (-360, 0, 360))


@lru_cache(maxsize=60)
def _tiles_of_zone(zone: int) -> tuple[tuple[str, float, float], ...]:
    # Name and middle (longitude, latitude; degrees) of every tile of a zone.
    longitudes, latitudes = _middles()
    found = []
    for i, row in enumerate(range(_FIRST_ROW, _LAST_ROW + 1)):
        letter = _ROWS[(row + (5 if zone % 2 == 0 else 0)) % len(_ROWS)]
        for column in range(8):
            longitude, latitude = float(longitudes[i, column]) + 6 * zone - 183, float(latitudes[i, column])
            band = _BANDS[min(max(int((latitude + 80) // 8), 0), len(_BANDS) - 1)]
            name = f"{zone:02d}{band}{_COLUMNS[(zone - 1) % 3][column]}{letter}"
            if name == _NORWAY_ADDED or (_is_tile(zone, band, row, column) and not _NORWAY_LEFT_OUT.match(name)):
                found.append((name, longitude, latitude))
    return tuple(found)


def _is_tile(zone: int, band: str, row: int, column: int) -> bool:
    limits = _limits(zone, band)
    if limits is None:
        return False
    west, east = (_easting(limit) for limit in limits)
    left, right = (column + 1) * _SQUARE, (column + 2) * _SQUARE
    # Every 50 km from the equator: a row is widest at its border towards the equator.
    widest = 2 * (row if row >= 0 else -row - 1)
    if left > east[widest] or right <= west[widest]:
        return False
    return zone == 1 or (right - west[widest + 1]) / _SQUARE > _LEAST_WESTERN_SHARE


def _limits(zone: int, band: str) -> tuple[int, int] | None:
    if band == "V" and zone in _NORWAY:
        return _NORWAY[zone]
    if band == "X" and 31 <= zone <= 37:
        return _SVALBARD.get(zone)
    return -3, 3


@lru_cache(maxsize=8)
def _easting(offset: int) -> npt.NDArray[np.float64]:
    # Easting of a meridian, every 50 km from the equator. A meridian's northing grows by nearly 111 km a degree.
    northing = np.arange(0, (_LAST_ROW + 1) * _SQUARE + 1, _SQUARE / 2)
    latitude = northing / 111_000
    for _ in range(8):
        easting, reached = transformer("EPSG:4326", "EPSG:32631").transform(
            np.full(len(northing), 3.0 + offset), latitude
        )
        latitude = latitude + (northing - reached) / 111_000
    return np.asarray(np.round(easting, 3))


@lru_cache(maxsize=1)
def _middles() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    # Middles of the squares of a zone, (row, column): degrees from the central meridian, and latitude.
    rows, columns = np.meshgrid(np.arange(_FIRST_ROW, _LAST_ROW + 1), np.arange(8), indexing="ij")
    longitude, latitude = transformer("EPSG:32631", "EPSG:4326").transform(
        (columns + 1.5) * _SQUARE, (rows + 0.5) * _SQUARE
    )
    return longitude - 3.0, latitude
