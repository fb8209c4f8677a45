"""The Sentinel-2 tiling grid in closed form.

Belongs here: from a tile's name to its pixels. Not here: which tiles an area needs, or who observed them.

A tile is named by its UTM zone, latitude band and 100 km square of the Military Grid Reference System (NGA.STND.0037).
Sentinel-2 grows the square to 109.8 km to the right and downwards, from a corner snapped to a multiple of 60 m so that
the 10, 20 and 60 m pixels of neighbouring tiles of a zone coincide: left is rounded down, top is rounded up.
"""

from __future__ import annotations

import re

from weft.errors import RequestError
from weft.rasters.grid import Grid, transformer

TILE_M = 109_800
"""Edge of a tile in metres: 10980 pixels of 10 m."""

_SQUARE = 100_000
_SNAP = 60
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")  # of zones 1, 2, 3, 4 = 1 ...
_ROWS = "ABCDEFGHJKLMNPQRSTUV"  # repeated every 2000 km; even zones start at F
_CYCLE = _SQUARE * len(_ROWS)


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
