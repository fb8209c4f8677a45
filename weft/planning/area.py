"""An area of interest: GeoJSON that somebody else wrote, checked and made clean.

Belongs here: reading polygons and everything that can be wrong with them. Not here: what lies over the area.

Longitudes and latitudes are those of RFC 7946. A ring may cross the antimeridian either way: by longitudes beyond 180
degrees, or by a jump from one side to the other. An edge longer than 180 degrees is therefore read as the short way
round; one of exactly 360 degrees goes around the globe.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shapely
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from weft.errors import RequestError

MAX_BYTES = 20_000_000
MAX_VERTICES = 500_000
_MAX_LONGITUDE = 540.0
_WORLD = box(-180, -90, 180, 90)


def read_area(path: Path) -> MultiPolygon:
    """Read the polygons of a GeoJSON file.

    Args:
        path: a ``Polygon``, ``MultiPolygon``, ``Feature`` or ``FeatureCollection``.

    Returns:
        Valid polygons in EPSG:4326 without overlaps, cut at the antimeridian: longitudes from -180 to 180.

    Raises:
        RequestError: the file is missing, too large, no GeoJSON or in another CRS; it holds other geometries than
            polygons, coordinates that are no degrees, a ring around a pole, or nothing that has an area.
    """
    try:
        # One byte more than allowed, so that a file that is too large is never read whole.
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RequestError(f"area {path} cannot be read ({error.strerror}); give the path of a GeoJSON file") from error
    if len(content) > MAX_BYTES:
        raise RequestError(f"area {path} has over {MAX_BYTES // 1_000_000} MB; simplify its polygons")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"area {path} is not JSON: {str(error)[:200]}") from error
    try:
        return _clean(list(_polygons(document)))
    except RequestError as error:
        raise RequestError(f"area {path}: {error}") from error


def _polygons(document: Any) -> Iterator[Any]:
    """Coordinates of every polygon: a list of rings each."""
    kind = document.get("type") if isinstance(document, dict) else None
    if kind is None:
        raise RequestError("is no GeoJSON object; give a Polygon, MultiPolygon, Feature or FeatureCollection")
    crs = document.get("crs")
    if crs is not None and not any(name in json.dumps(crs) for name in ("CRS84", "EPSG::4326", "EPSG:4326")):
        raise RequestError("is in another CRS; give longitudes and latitudes in WGS 84")
    if kind == "FeatureCollection" and isinstance(document.get("features"), list):
        for feature in document["features"]:
            if not isinstance(feature, dict) or feature.get("type") != "Feature":
                raise RequestError("a FeatureCollection holds something that is no Feature; remove it")
            yield from _polygons(feature)
    elif kind == "Feature":
        geometry = document.get("geometry")
        if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
            raise RequestError("a Feature has no Polygon or MultiPolygon; remove it, or give it one")
        yield from _polygons(geometry)
    elif kind == "Polygon" and isinstance(document.get("coordinates"), list):
        yield document["coordinates"]
    elif kind == "MultiPolygon" and isinstance(document.get("coordinates"), list):
        yield from document["coordinates"]
    else:
        raise RequestError(
            f"{str(kind)[:40]!r} is no polygon; give a Polygon, MultiPolygon, Feature or FeatureCollection"
        )


def _clean(polygons: list[Any]) -> MultiPolygon:
    vertices = 0
    cleaned = []
    for rings in polygons:
        if not isinstance(rings, list) or not rings:
            raise RequestError("a polygon has no rings; correct or remove it")
        outlines = []
        for ring in rings:
            vertices += len(ring) if isinstance(ring, list) else 0
            if vertices > MAX_VERTICES:
                raise RequestError(f"has over {MAX_VERTICES} vertices; simplify its polygons")
            outlines.append(_cut(_ring(ring)))
        outer, *holes = outlines
        cleaned.append(shapely.difference(outer, shapely.union_all(holes)))
    area = polygonal(shapely.union_all(cleaned))
    if area.is_empty:
        raise RequestError("holds no area; give at least one polygon")
    return area


def polygonal(geometry: BaseGeometry) -> MultiPolygon:
    """The polygons of a geometry, without the points and lines that set operations leave behind."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return MultiPolygon([part for part in parts if isinstance(part, Polygon) and part.area > 0])


def _ring(ring: Any) -> Polygon:
    """One ring with continuous longitudes."""
    if not isinstance(ring, list) or len(ring) < 4:
        raise RequestError("a ring has fewer than four positions; correct or remove it")
    points = [_position(position) for position in ring]
    if points[0] != points[-1]:
        raise RequestError(f"a ring from {points[0]} ends at {points[-1]}; close it")
    turn, continuous = 0.0, [points[0]]
    for (before, _), (longitude, latitude) in itertools.pairwise(points):
        step = longitude - before
        if 180 < abs(step) != 360:
            turn -= 360 * round(step / 360)
        continuous.append((longitude + turn, latitude))
    if turn:
        raise RequestError(f"a ring at latitude {points[0][1]:g} goes around a pole; cut it at the antimeridian")
    return Polygon(continuous)


def _position(position: Any) -> tuple[float, float]:
    if not isinstance(position, list) or not 2 <= len(position) <= 4:
        raise RequestError(f"{str(position)[:60]} is no position; write [longitude, latitude]")
    longitude, latitude = position[:2]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in position[:2])
    if not numbers or not (abs(longitude) <= _MAX_LONGITUDE and abs(latitude) <= 90):
        raise RequestError(f"{str(position)[:60]} is no longitude and latitude in degrees; correct it")
    return float(longitude), float(latitude)


def _cut(polygon: Polygon) -> BaseGeometry:
    """The polygon made valid, between 180 degrees west and east."""
    valid = shapely.make_valid(polygon)
    west, _, east, _ = valid.bounds
    turns = range(math.floor((west + 180) / 360), math.floor((east + 180) / 360) + 1)
    return shapely.union_all(
        [polygonal(shapely.intersection(translate(valid, -360.0 * turn), _WORLD)) for turn in turns]
    )
