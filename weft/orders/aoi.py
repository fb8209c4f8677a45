"""Areas of interest in orders: WKT or GeoJSON from a stranger, checked before a geometry library sees it.

Belongs here: :func:`parse_aoi` and its limits (design section 9). Not here: what the area is used for, or the areas
of regions, which are mended instead of refused (``weft.planning.area``).

Positions are longitude and latitude, EPSG:4326; heights are left out. An area across the antimeridian is given as two
polygons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon

from weft.errors import RequestError

MAX_BYTES = 1_000_000
MAX_VERTICES = 20_000

# Numbers and brackets only, so that neither NaN nor a nested collection gets to the parser.
_WKT = re.compile(r"\s*(?:SRID=4326;)?\s*(MULTIPOLYGON|POLYGON)(?:\s*Z)?\s*(\([-+0-9.eE,()\s]+\))\s*", re.IGNORECASE)
_DEPTHS = {"POLYGON": 2, "MULTIPOLYGON": 3}


def parse_aoi(value: str | Mapping[str, Any], field: str = "aoi") -> MultiPolygon:
    """Check an area and read it.

    Args:
        value: WKT (``POLYGON`` or ``MULTIPOLYGON``), or a GeoJSON Polygon, MultiPolygon or Feature as parsed JSON.
        field: name of the field of the order, for messages.

    Returns:
        Valid polygons with an area, EPSG:4326, longitudes -180 to 180.

    Raises:
        RequestError: it is too large, of another kind, not valid, empty, or has positions that are no degrees; the
            message begins with the field.
    """
    try:
        polygons = _of_wkt(value) if isinstance(value, str) else _of_geojson(value)
        return _checked(polygons)
    except RequestError as error:
        raise RequestError(f"{field}: {error}") from error


def _of_wkt(text: str) -> list[Polygon]:
    if len(text) > MAX_BYTES:
        raise RequestError(f"has {len(text)} characters; simplify it to {MAX_BYTES}")
    found = _WKT.fullmatch(text)
    if found is None:
        raise RequestError(
            f"{text[:60]!r} is no POLYGON or MULTIPOLYGON in degrees; write POLYGON((4 50, 5 50, 5 51, 4 50))"
        )
    kind, body = found[1].upper(), found[2]
    _limit(body.count(",") + 1)
    if _depth(body) != _DEPTHS[kind]:
        raise RequestError(f"{text[:60]!r} has unbalanced or misplaced parentheses")
    try:
        with np.errstate(over="ignore"):  # a number too large becomes an infinity, which no degree is
            geometry = shapely.force_2d(shapely.from_wkt(f"{kind} {body}"))
    except shapely.errors.ShapelyError as error:
        raise RequestError(f"{text[:60]!r} is not WKT: {str(error)[:120]}") from error
    return [part for part in shapely.get_parts(geometry) if isinstance(part, Polygon)]


def _depth(body: str) -> int:
    """Deepest nesting, -1 if the parentheses do not match or close before the end."""
    depth = deepest = 0
    for place, character in enumerate(body):
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
        if depth <= 0 and place < len(body) - 1:
            return -1
    return deepest if depth == 0 else -1


def _of_geojson(value: Mapping[str, Any]) -> list[Polygon]:
    geometry = value.get("geometry") if value.get("type") == "Feature" else value
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    coordinates = geometry.get("coordinates") if isinstance(geometry, Mapping) else None
    if "crs" in value or kind not in ("Polygon", "MultiPolygon") or not isinstance(coordinates, list):
        raise RequestError(
            f"it is {str(kind)[:40]!r}; give WKT, or a GeoJSON Polygon, MultiPolygon or Feature in longitude and "
            "latitude without a crs member"
        )
    polygons = coordinates if kind == "MultiPolygon" else [coordinates]
    rings = [ring for polygon in polygons for ring in _list(polygon, "polygon")]
    _limit(sum(len(_list(ring, "ring")) for ring in rings))
    return [_polygon([_positions(ring) for ring in polygon]) for polygon in polygons]


def _polygon(rings: list[list[tuple[float, float]]]) -> Polygon:
    if not rings:
        raise RequestError("a polygon has no rings; remove it")
    return Polygon(rings[0], rings[1:])


def _positions(ring: Sequence[Any]) -> list[tuple[float, float]]:
    positions = []
    for position in ring:
        numbers: list[Any] = position if isinstance(position, list) and 2 <= len(position) <= 3 else [None]
        if not all(type(number) in (int, float) for number in numbers):
            raise RequestError(f"{str(position)[:60]} is no position; write [longitude, latitude]")
        # Compared as Python numbers: a whole number of a thousand digits is no float.
        if not (abs(numbers[0]) <= 180 and abs(numbers[1]) <= 90):
            raise _no_degrees(numbers[0], numbers[1])
        positions.append((float(numbers[0]), float(numbers[1])))
    if len(positions) < 4 or positions[0] != positions[-1]:
        raise RequestError("a ring has fewer than four positions or does not end where it begins; close it")
    return positions


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise RequestError(f"a {name} is {str(value)[:60]}, no list; correct its coordinates")
    return value


def _limit(vertices: int) -> None:
    if vertices > MAX_VERTICES:
        raise RequestError(f"has {vertices} vertices; simplify it to {MAX_VERTICES}")


def _checked(polygons: list[Polygon]) -> MultiPolygon:
    area = MultiPolygon(polygons)
    positions = shapely.get_coordinates(area)
    wrong = ~((np.abs(positions[:, 0]) <= 180) & (np.abs(positions[:, 1]) <= 90))
    if wrong.any():
        raise _no_degrees(*positions[wrong][0])
    if not area.is_valid:
        raise RequestError(f"is no valid area: {shapely.is_valid_reason(area)}; correct its rings")
    if not area.area > 0:
        raise RequestError("has no area; give at least one polygon")
    return area


def _no_degrees(longitude: object, latitude: object) -> RequestError:
    return RequestError(
        f"position ({str(longitude)[:30]}, {str(latitude)[:30]}) is no longitude from -180 to 180 and latitude from "
        "-90 to 90; write degrees, longitude first, and cut the area at the antimeridian"
    )
