"""A continent's composites for `make bench-mosaic`: real tiles, real tracks, made-up ground.

Belongs here: which tile_tracks an area of sheets has, the pixels of their composites and the products that describe
them. Not here: file formats (``rasters``), timing.

Every tile and track has files of its own, on its own grid and cut by its own swath, whose edge is ragged by a
kilometre; one track in two is brighter by a constant. Ground is fractal noise (amplitude proportional to wavelength, as
in landscapes) plus a few units of white noise, taken from one large piece that is turned and shifted from tile to tile:
that decides how well a file compresses, and no contestant can tell. All layers are empty where clouds never left, and
outside of the largest area, where nobody reads.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks import rasters
from benchmarks.bench_compositing_inputs import fractal
from weft.compositing.layers import COUNT, reflectance_layer
from weft.errors import RequestError
from weft.mosaicking.sheets import Sheet, sheet, sheets_over
from weft.mosaicking.tiles import tile_grid
from weft.mosaicking.tracks import TRACKS, continuous_footprint, distance_to_centre, overlap, swath
from weft.rasters.grid import Grid, transformer
from weft.rasters.product import LayerSpec, SourceLayer, SourceProduct
from weft.regions import Mosaic

SETTINGS = Mosaic()
"""EPSG:3035 at 30 m in sheets of 100 km, seamless."""
STATISTICS = ("p25", "p50", "p75")
LAYERS: tuple[LayerSpec, ...] = (*(reflectance_layer("red", statistic) for statistic in STATISTICS), COUNT)

LARGEST = 12
"""Sheets a side of the largest area: 40,000 pixels."""

_CORNER = (38, 24)  # column and row of the lower-left sheet of all areas, in France
_EDGE_KM, _RAGGED_KM = 143.0, 0.8
_MARGIN_M = 1000.0
_LEVEL = {"p25": 850, "p50": 1000, "p75": 1200}
_BRIGHTER = 60
_NOISE = 8.0
_PIECE = 4096
_COARSE = 8


@dataclass(frozen=True, slots=True)
class Area:
    """Sheets in rows from south to north, and the composites under each of them by track."""

    rows: tuple[tuple[Sheet, ...], ...]
    composites: dict[str, dict[str, list[SourceProduct]]]

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        """All of them."""
        return tuple(one for row in self.rows for one in row)

    @property
    def pixels(self) -> int:
        """Of the mosaic."""
        return sum(one.grid.width * one.grid.height for one in self.sheets)

    @property
    def tracks(self) -> tuple[str, ...]:
        """Keys of all tracks, sorted."""
        return tuple(sorted({track for found in self.composites.values() for track in found}))

    def files(self, sheets: Iterable[Sheet]) -> set[Path]:
        """Every file that these sheets are made from."""
        found = (products for one in sheets for products in self.composites[one.name].values())
        return {layer.path for products in found for product in products for layer in product.layers.values()}


def area(folder: Path, size: int) -> Area:
    """``size`` x ``size`` sheets with their composites; files are written once, and shared between sizes."""
    rows = _rows(size)
    composites: dict[str, dict[str, list[SourceProduct]]] = {one.name: {} for line in rows for one in line}
    found = dict(_tile_tracks(size))
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        products = list(pool.map(lambda key: _composite(folder, key, found[key]), found))
    for product in products:
        for touched in sheets_over([product.grid], SETTINGS):
            if touched.name in composites:
                composites[touched.name].setdefault(product.id.partition("_")[0], []).append(product)
    return Area(rows, composites)


def _rows(size: int) -> tuple[tuple[Sheet, ...], ...]:
    column, row = _CORNER
    return tuple(tuple(sheet(f"100kmE{column + x}N{row + y}", SETTINGS) for x in range(size)) for y in range(size))


def _grid(size: int) -> Grid:
    """All sheets as one grid."""
    rows = _rows(size)
    corner, step = rows[-1][0].grid, SETTINGS.resolution
    width, height = sum(one.grid.width for one in rows[0]), sum(row[0].grid.height for row in rows)
    return Grid(SETTINGS.crs, corner.left, corner.top, step, step, width, height)


def _tile_tracks(size: int) -> Iterator[tuple[str, Grid]]:
    whole = continuous_footprint(_grid(size))
    tracks = {f"R{number:03d}": swath(number, _EDGE_KM) for number in range(1, TRACKS + 1)}
    tracks = {key: outline for key, outline in tracks.items() if not overlap(whole, outline).is_empty}
    for tile, grid in _tiles(whole):
        seen = overlap(continuous_footprint(grid), whole)
        for key, outline in tracks.items():
            if not overlap(seen, outline).is_empty:
                yield f"{key}_{tile}", grid


def _tiles(whole: shapely.Polygon) -> Iterator[tuple[str, Grid]]:
    """Tiles that Sentinel-2 has, of all names that the closed formula knows, at sea too.

    The middle of the square lies in the band of its name; at the border of two zones the western one has the tiles.
    """
    west, south, east, north = whole.bounds
    for zone in range(int((west + 180) // 6) + 1, int((east + 180) // 6) + 2):
        for band in range(int((south + 80) // 8), int((north + 80) // 8) + 1):
            for square in (c + r for c in "ABCDEFGHJKLMNPQRSTUVWXYZ" for r in "ABCDEFGHJKLMNPQRSTUV"):
                tile = f"{zone:02d}{'CDEFGHJKLMNPQRSTUVWX'[band]}{square}"
                try:
                    grid = tile_grid(tile, SETTINGS.resolution)
                except RequestError:
                    continue
                outline = _square(grid)
                x, y = outline.centroid.x, outline.centroid.y
                in_zone = zone * 6 - 186 <= x and outline.bounds[0] < zone * 6 - 180
                if in_zone and (y + 80) // 8 == band and continuous_footprint(grid).intersects(whole):
                    yield tile, grid


def _square(grid: Grid) -> shapely.Polygon:
    """Outline of the 100 km square that names the tile, which begins up to 60 m inside of it."""
    edges = grid.bounds
    inner = shapely.box(edges.left + 60, edges.bottom + 9_860, edges.right - 9_860, edges.top - 60)
    to_degrees = transformer(grid.crs, "EPSG:4326")
    return shapely.transform(inner, lambda xy: np.column_stack(to_degrees.transform(*xy.T)))


def _composite(folder: Path, key: str, grid: Grid) -> SourceProduct:
    paths = {layer.key: folder / f"{key}_{layer.key}.tif" for layer in LAYERS}
    if not all(path.exists() for path in paths.values()):
        for layer, values in _layers(key, grid):
            rasters.write_cog(paths[layer.key], layer, grid, values)
    return SourceProduct(key, grid, {layer.key: SourceLayer(layer, paths[layer.key]) for layer in LAYERS})


def _layers(key: str, grid: Grid) -> Iterator[tuple[LayerSpec, NDArray[np.uint16]]]:
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    track = key.partition("_")[0]
    turn = int(rng.integers(4))
    row, col = (int(n) for n in rng.integers(0, _PIECE - np.array(grid.shape), 2))

    def piece(values: NDArray[Any]) -> NDArray[Any]:
        return np.rot90(values, turn)[row : row + grid.height, col : col + grid.width]

    weather = fractal(rng, _PIECE // _COARSE, 1.2)
    weather = ndimage.zoom(weather, _COARSE, order=1, grid_mode=True, mode="nearest")[: grid.height, : grid.width]
    seen = np.clip(5.0 + 2.7 * weather + piece(_flicker()), 0, 40).astype(np.uint16)
    seen[_outside(grid)] = 0
    seen[distance_to_centre(track, grid) + _RAGGED_KM * weather > _EDGE_KM] = 0
    for layer in LAYERS:
        values = seen if layer is COUNT else piece(_ground(str(layer.statistic), int(track[1:]) % 2))
        yield layer, np.where(seen > 0, values, 0).astype(np.uint16)


@lru_cache(maxsize=2 * len(STATISTICS))
def _ground(statistic: str, brighter: int) -> NDArray[np.uint16]:
    rng = np.random.default_rng([4, STATISTICS.index(statistic)])
    noise = _NOISE * rng.standard_normal((_PIECE, _PIECE), np.float32)
    shape = fractal(np.random.default_rng(4), _PIECE, 1.0)
    return np.clip((_LEVEL[statistic] + _BRIGHTER * brighter) * (1 + 0.3 * shape) + noise, 1, 20000).astype(np.uint16)


@lru_cache(maxsize=1)
def _flicker() -> NDArray[np.float32]:
    return 0.3 * np.random.default_rng(5).standard_normal((_PIECE, _PIECE), np.float32)


def _outside(grid: Grid) -> NDArray[np.bool_]:
    edges = _grid(LARGEST).bounds
    outline = shapely.box(edges.left, edges.bottom, edges.right, edges.top).buffer(_MARGIN_M).segmentize(_MARGIN_M)
    project = transformer(SETTINGS.crs, grid.crs)
    return rasters.outside(shapely.transform(outline, lambda xy: np.column_stack(project.transform(*xy.T))), grid)
