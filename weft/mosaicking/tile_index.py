"""The sheets of a virtual mosaic as a GDAL raster tile index (GTI) in a GeoPackage.

Belongs here: the bytes of that one file. Not here: which sheets a mosaic has or where they lie (``virtual``).

GDAL 3.9 and later open a ``.gti.gpkg`` file as a raster: each feature outlines a sheet and names its file, relative to
the index, and the layer's metadata tell the grid, so that no sheet is opened before it is needed. FlatGeobuf would do
as well, were its driver in the rasterio wheels.

- GTI: https://gdal.org/en/stable/drivers/raster/gti.html
- GeoPackage 1.3: https://www.geopackage.org/spec130/
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Mapping
from contextlib import closing
from xml.etree import ElementTree as ET

import pyproj

from weft.rasters.grid import Bounds

_APPLICATION = 0x47504B47  # "GPKG"
_VERSION = 10300
_EPSG_4326 = 4326
# The format wants times of change; the file shall be the same whenever it is made.
_THEN = "1970-01-01T00:00:00.000Z"
_SCHEMA = """
CREATE TABLE gpkg_spatial_ref_sys (
    srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
    organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
    table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE, description TEXT DEFAULT '',
    last_change DATETIME NOT NULL, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
    srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
    table_name TEXT NOT NULL UNIQUE REFERENCES gpkg_contents(table_name), column_name TEXT NOT NULL,
    geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys(srs_id),
    z TINYINT NOT NULL, m TINYINT NOT NULL, PRIMARY KEY (table_name, column_name));
CREATE TABLE gpkg_extensions (
    table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
    UNIQUE (table_name, column_name, extension_name));
CREATE TABLE gpkg_metadata (
    id INTEGER PRIMARY KEY, md_scope TEXT NOT NULL, md_standard_uri TEXT NOT NULL, mime_type TEXT NOT NULL,
    metadata TEXT NOT NULL);
CREATE TABLE gpkg_metadata_reference (
    reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
    timestamp DATETIME NOT NULL, md_file_id INTEGER NOT NULL REFERENCES gpkg_metadata(id),
    md_parent_id INTEGER REFERENCES gpkg_metadata(id));
CREATE TABLE sheets (id INTEGER PRIMARY KEY, geometry POLYGON, location TEXT NOT NULL);
"""


def tile_index(crs: str, places: Mapping[str, Bounds], metadata: Mapping[str, str]) -> bytes:
    """A GeoPackage of one layer, ``sheets``, with one rectangle for each file.

    Args:
        crs: authority code, e.g. ``EPSG:3035``.
        places: path of a file, relative to the index, to its outline; written in this order. At least one.
        metadata: items of the layer, such as ``RESX``, which GDAL reads the grid from.

    Returns:
        The file's bytes; they depend on the arguments only.
    """
    number = int(crs.partition(":")[2])
    edges = list(places.values())
    extent = (
        *(min(one.left for one in edges), min(one.bottom for one in edges)),
        *(max(one.right for one in edges), max(one.top for one in edges)),
    )
    with closing(sqlite3.connect(":memory:")) as base:
        base.executescript(f"PRAGMA page_size = 1024; PRAGMA application_id = {_APPLICATION};{_SCHEMA}")
        base.execute(f"PRAGMA user_version = {_VERSION}")
        base.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, NULL)", _systems(number))
        base.execute(
            "INSERT INTO gpkg_contents VALUES ('sheets', 'features', 'sheets', '', ?, ?, ?, ?, ?, ?)",
            (_THEN, *extent, number),
        )
        base.execute("INSERT INTO gpkg_geometry_columns VALUES ('sheets', 'geometry', 'POLYGON', ?, 0, 0)", (number,))
        base.executemany(
            "INSERT INTO gpkg_extensions VALUES (?, NULL, 'gpkg_metadata',"
            " 'http://www.geopackage.org/spec130/#extension_metadata', 'read-write')",
            [("gpkg_metadata",), ("gpkg_metadata_reference",)],
        )
        base.execute(
            "INSERT INTO gpkg_metadata VALUES (1, 'dataset', 'http://gdal.org', 'text/xml', ?)", (_items(metadata),)
        )
        base.execute("INSERT INTO gpkg_metadata_reference VALUES ('table', 'sheets', NULL, NULL, ?, 1, NULL)", (_THEN,))
        base.executemany(
            "INSERT INTO sheets (geometry, location) VALUES (?, ?)",
            [(_polygon(outline, number), path) for path, outline in places.items()],
        )
        base.commit()
        # From memory, the header tells neither how often the file was changed nor by which version of SQLite.
        return base.serialize()


def _systems(number: int) -> list[tuple[str, int, str, int, str]]:
    """The reference systems that every GeoPackage has, and its own."""
    known = [_system(code) for code in sorted({_EPSG_4326, number})]
    undefined = [
        ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined"),
        ("Undefined geographic SRS", 0, "NONE", 0, "undefined"),
    ]
    return [*undefined, *known]


def _system(number: int) -> tuple[str, int, str, int, str]:
    crs = pyproj.CRS.from_epsg(number)
    return crs.name, number, "EPSG", number, crs.to_wkt("WKT1_GDAL")


def _items(metadata: Mapping[str, str]) -> str:
    """How GDAL keeps the metadata of a layer."""
    root = ET.Element("GDALMultiDomainMetadata")
    domain = ET.SubElement(root, "Metadata")
    for key, value in metadata.items():
        ET.SubElement(domain, "MDI", key=key).text = value
    return ET.tostring(root, encoding="unicode")


def _polygon(edges: Bounds, number: int) -> bytes:
    """Header with an envelope (clause 2.1.3), then well-known binary; both little-endian."""
    header = struct.pack("<2sBBi", b"GP", 0, 0b11, number)
    envelope = struct.pack("<4d", edges.left, edges.right, edges.bottom, edges.top)
    corners = [
        *(edges.left, edges.top, edges.right, edges.top, edges.right, edges.bottom),
        *(edges.left, edges.bottom, edges.left, edges.top),
    ]
    return header + envelope + struct.pack("<BIII10d", 1, 3, 1, 5, *corners)
