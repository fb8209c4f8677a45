"""The sheets of one layer as one raster: virtual mosaics that point at the sheets' files.

Belongs here: the grid all sheets share and the two descriptions of it that GDAL opens: a VRT, for every GDAL, and the
metadata of a tile index (GTI), which opens faster where sheets are many. Not here: the bytes of a tile index
(``tile_index``) or reading: Weft itself opens neither, their drivers are skipped on purpose (``weft.rasters.gdal``).

Paths are relative to the virtual mosaic, so that a folder or a bucket may be moved or opened from anywhere.

- VRT: https://gdal.org/en/stable/drivers/raster/vrt.html
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import pyproj

from weft.errors import RequestError
from weft.mosaicking.byte_scale import SUFFIX
from weft.mosaicking.layers import COUNT, storage
from weft.mosaicking.tile_index import tile_index
from weft.rasters.cog import COG_BLOCK
from weft.rasters.grid import Bounds, Grid, Window
from weft.rasters.product import LayerSpec

_TYPES = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16", "float32": "Float32"}
_GREY = "Gray"  # as GDAL spells it


@dataclass(frozen=True, slots=True)
class Piece:
    """The file of one sheet.

    Attributes:
        path: relative to the virtual mosaic, ``/`` between folders.
        grid: its pixels.
    """

    path: str
    grid: Grid


def common_grid(grids: Iterable[Grid]) -> Grid:
    """Smallest grid that covers all of the given ones, which lie on one lattice of pixels.

    In a geographic CRS grids on both sides of the antimeridian are joined there: longitudes go on beyond 180 degrees.

    Raises:
        RequestError: there are none, or they differ in CRS, pixel size or lattice.
    """
    grids = list(grids)
    if not grids:
        raise RequestError("a mosaic needs at least one sheet")
    first, edges = grids[0], [grid.bounds for grid in grids]
    spans = [(one.left, one.right) for one in edges]
    if _turn(first):
        eastward = [(left + 360, right + 360) if left < 0 else (left, right) for left, right in spans]
        spans = min(spans, eastward, key=lambda some: max(right for _, right in some) - min(left for left, _ in some))
    left, top = min(left for left, _ in spans), max(one.top for one in edges)
    width = round((max(right for _, right in spans) - left) / first.x_size)
    height = round((top - min(one.bottom for one in edges)) / first.y_size)
    whole = Grid(first.crs, left, top, first.x_size, first.y_size, width, height)
    for grid in grids:
        window_in(whole, grid)
    return whole


def window_in(whole: Grid, grid: Grid) -> Window:
    """Where a grid lies in the one of the mosaic; raises :class:`RequestError` if they share no lattice."""
    col, row = (grid.left - whole.left) / whole.x_size, (whole.top - grid.top) / whole.y_size
    # Coordinates are rounded products: a thousandth of a pixel is far above that, and far below any other lattice.
    off = max(abs(col - round(col)), abs(row - round(row)))
    if off > 1e-3 or (grid.crs, grid.x_size, grid.y_size) != (whole.crs, whole.x_size, whole.y_size):
        raise RequestError(
            f"{grid!r} does not lie on the lattice of {whole!r}; make all sheets with the same mosaic settings"
        )
    turn = _turn(whole)
    return Window(round(row), round(col) % turn if turn else round(col), grid.height, grid.width)


def _turn(grid: Grid) -> int | None:
    """Columns round the Earth, None in a projected CRS."""
    return round(360 / grid.x_size) if pyproj.CRS.from_user_input(grid.crs).is_geographic else None


def joined_layers(sheets: Mapping[str, Mapping[str, LayerSpec]]) -> tuple[LayerSpec, ...]:
    """Layers that get a virtual mosaic: bands and statistics, their 8-bit variants, and the count.

    Args:
        sheets: id of each sheet's product to the layers it has, by key. Not every sheet needs to have every layer.

    Returns:
        Layers sorted by key.

    Raises:
        RequestError: two sheets store a layer differently.
    """
    joined: dict[str, tuple[str, LayerSpec]] = {}
    for sheet, layers in sorted(sheets.items()):
        for key, layer in layers.items():
            if layer.statistic or key == COUNT or key.endswith(SUFFIX):
                first, known = joined.setdefault(key, (sheet, layer))
                if storage(layer) != storage(known):
                    raise RequestError(
                        f"{first} and {sheet} store {key} differently, as {storage(known)} and {storage(layer)} "
                        "(dtype, nodata, scale, offset); make all sheets with the same mosaic settings"
                    )
    return tuple(layer for _, (_, layer) in sorted(joined.items()))


def vrt(layer: LayerSpec, grid: Grid, pieces: Sequence[Piece]) -> bytes:
    """A virtual raster (XML) of one band.

    Args:
        layer: what every piece holds.
        grid: of the mosaic; where no piece lies the layer has no value, or 0 if it has no nodata value.
        pieces: the sheets, in the order in which they are written.

    Raises:
        RequestError: a piece does not lie on the mosaic's lattice.
    """
    root = ET.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    _add(root, "SRS", grid.crs)
    _add(root, "GeoTransform", ", ".join(map(_number, grid.transform.to_gdal())))
    if factors := overview_factors(grid):
        _add(
            root, "OverviewList", " ".join(map(str, factors)), resampling="NEAREST" if layer.categorical else "AVERAGE"
        )
    size = {"blockXSize": str(COG_BLOCK), "blockYSize": str(COG_BLOCK)}
    band = ET.SubElement(root, "VRTRasterBand", dataType=_TYPES[layer.dtype], band="1", attrib=size)
    _add(band, "Description", layer.key)
    if layer.nodata is not None:
        _add(band, "NoDataValue", _number(layer.nodata))
    if layer.unit:
        _add(band, "UnitType", layer.unit)
    _add(band, "Offset", _number(layer.offset))
    _add(band, "Scale", _number(layer.scale))
    _add(band, "ColorInterp", _GREY)
    for piece in pieces:
        place = window_in(grid, piece.grid)
        source = ET.SubElement(band, "SimpleSource")
        _add(source, "SourceFilename", piece.path, relativeToVRT="1")
        _add(source, "SourceBand", "1")
        # With these GDAL opens a source when its pixels are asked for, not before.
        ET.SubElement(
            source,
            "SourceProperties",
            RasterXSize=str(place.width),
            RasterYSize=str(place.height),
            DataType=_TYPES[layer.dtype],
            BlockXSize=str(COG_BLOCK),
            BlockYSize=str(COG_BLOCK),
        )
        extent = {"xSize": str(place.width), "ySize": str(place.height)}
        ET.SubElement(source, "SrcRect", xOff="0", yOff="0", attrib=extent)
        ET.SubElement(source, "DstRect", xOff=str(place.col), yOff=str(place.row), attrib=extent)
    ET.indent(root)
    return f"{ET.tostring(root, encoding='unicode')}\n".encode()


def references(virtual: bytes) -> list[str]:
    """Paths of the files that a virtual raster of :func:`vrt` refers to, relative to it."""
    return [html.unescape(path) for path in re.findall(r">([^<]*)</SourceFilename>", virtual.decode())]


def gti(layer: LayerSpec, grid: Grid, pieces: Sequence[Piece]) -> bytes:
    """A tile index (GeoPackage) that GDAL 3.9 and later open as a raster of one band; arguments as for :func:`vrt`."""
    outlines: dict[str, Bounds] = {}
    for piece in pieces:
        window_in(grid, piece.grid)
        outlines[piece.path] = piece.grid.bounds
    edges = grid.bounds
    if _turn(grid) and edges.right > 180:
        # GDAL places tiles by their own coordinates, and those of sheets stay within -180 to 180.
        edges = Bounds(-180.0, edges.bottom, 180.0, edges.top)
    metadata = {
        "RESX": _number(grid.x_size),
        "RESY": _number(grid.y_size),
        "MINX": _number(edges.left),
        "MINY": _number(edges.bottom),
        "MAXX": _number(edges.right),
        "MAXY": _number(edges.top),
        "BAND_COUNT": "1",
        "DATA_TYPE": _TYPES[layer.dtype],
        "COLOR_INTERPRETATION": _GREY,
        "BAND_1_OFFSET": _number(layer.offset),
        "BAND_1_SCALE": _number(layer.scale),
        **({"NODATA": _number(layer.nodata)} if layer.nodata is not None else {}),
        **({"BAND_1_UNITTYPE": layer.unit} if layer.unit else {}),
        **{f"OVERVIEW_{index}_FACTOR": str(factor) for index, factor in enumerate(overview_factors(grid))},
    }
    return tile_index(grid.crs, outlines, metadata)


def overview_factors(grid: Grid) -> list[int]:
    """2, 4, 8 ... until the mosaic fits into one block; GDAL takes each from the overviews of the sheets."""
    steps = math.ceil(math.log2(max(1, max(grid.shape) / COG_BLOCK)))
    return [2**step for step in range(1, steps + 1)]


def _add(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _number(value: float) -> str:
    """Shortest text that gives the same number back."""
    return repr(float(value)).removesuffix(".0")
