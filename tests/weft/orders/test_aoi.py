from __future__ import annotations

import pytest
import shapely

from weft.errors import RequestError
from weft.orders.aoi import MAX_BYTES, MAX_VERTICES, parse_aoi

SQUARE = [[4, 50], [5, 50], [5, 51], [4, 51], [4, 50]]
HOLE = [[4.2, 50.2], [4.4, 50.2], [4.4, 50.4], [4.2, 50.2]]
FAR = [[[-4, 10], [-3, 10], [-3, 11], [-4, 10]]]


@pytest.mark.parametrize(
    ("value", "area"),
    [
        ("POLYGON((4 50, 5 50, 5 51, 4 51, 4 50))", 1.0),
        ("  polygon ((4 50,5 50,5 51,4 51,4 50))\n", 1.0),
        ("SRID=4326;POLYGON((4 50, 5 50, 5 51, 4 51, 4 50))", 1.0),
        ("POLYGON((4e0 5.0E1, +5 50, 5 51, 4 51, 4 50),(4.2 50.2,4.4 50.2,4.4 50.4,4.2 50.2))", 0.98),
        ("MULTIPOLYGON(((4 50,5 50,5 51,4 51,4 50)),((-4 10,-3 10,-3 11,-4 10)))", 1.5),
        ("POLYGON Z((4 50 7, 5 50 7, 5 51 7, 4 51 7, 4 50 7))", 1.0),
        ("POLYGON((4 50 7, 5 50 7, 5 51 7, 4 51 7, 4 50 7))", 1.0),
        ({"type": "Polygon", "coordinates": [SQUARE]}, 1.0),
        ({"type": "Polygon", "coordinates": [SQUARE, HOLE]}, 0.98),
        ({"type": "Polygon", "coordinates": [[[*position, 12.5] for position in SQUARE]]}, 1.0),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], FAR]}, 1.5),
        ({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [SQUARE]}, "properties": None}, 1.0),
    ],
)
def test_areas_are_read(value, area):
    found = parse_aoi(value)
    assert found.geom_type == "MultiPolygon"
    assert not found.has_z
    assert found.area == pytest.approx(area)


def test_wkt_and_geojson_mean_the_same():
    wkt = parse_aoi("POLYGON((4 50, 5 50, 5 51, 4 51, 4 50))")
    assert shapely.equals(wkt, parse_aoi({"type": "Polygon", "coordinates": [SQUARE]}))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "is no POLYGON or MULTI"),
        ("POINT(4 50)", "is no POLYGON or MULTI"),
        ("POLYGON EMPTY", "is no POLYGON or MULTI"),
        ("SRID=32631;POLYGON((4 50, 5 50, 5 51, 4 50))", "is no POLYGON or MULTI"),
        ("GEOMETRYCOLLECTION(POLYGON((4 50, 5 50, 5 51, 4 50)))", "is no POLYGON or MULTI"),
        ("POLYGON((4 50, nan 50, 5 51, 4 50))", "is no POLYGON or MULTI"),
        ("POLYGON((4 50, 5 50, 5 51, 4 50)); DROP TABLE", "is no POLYGON or MULTI"),
        ("POLYGON((4 50, 5 50, 5 51, 4 50)", "parentheses"),
        ("POLYGON(((4 50, 5 50, 5 51, 4 50)))", "parentheses"),
        ("MULTIPOLYGON((4 50, 5 50, 5 51, 4 50))", "parentheses"),
        ("POLYGON((4 50, 5 50, 5 51, 4 50)))()", "parentheses"),
        ("POLYGON M((4 50 1, 5 50 1, 5 51 1, 4 50 1))", "is no POLYGON or MULTI"),
        ("POLYGON((4 50, 5 50, 5 51))", "not WKT"),
        ("POLYGON((4 50, 5 50, 5 51, 4 50.5))", "not WKT"),
        ("POLYGON((4, 5 50, 5 51, 4))", "not WKT"),
        ("POLYGON((50 -91, 51 -91, 51 40, 50 -91))", "degrees, longitude first"),
        ("POLYGON((179 0, 181 0, 181 1, 179 0))", "antimeridian"),
        ("POLYGON((1e400 0, 1 0, 1 1, 1e400 0))", "degrees"),
        ("POLYGON((4 50, 5 51, 5 50, 4 51, 4 50))", "no valid area: Self-intersection"),
        ("POLYGON((4 50, 5 50, 4 50, 4 50))", "no valid area"),
        ("MULTIPOLYGON(((4 50,5 50,5 51,4 50)),((4 50,5 50,5 51,4 50)))", "no valid area"),
        ("(" * 200_000, "is no POLYGON or MULTI"),
        ("POLYGON" + "(" * 200_000 + ")" * 200_000, "parentheses"),
        ("POLYGON((" + "4 50," * MAX_VERTICES + "4 50))", "vertices"),
        ("POLYGON((" + " " * MAX_BYTES + "4 50, 5 50, 5 51, 4 50))", "characters"),
        ({}, "give WKT, or a GeoJSON"),
        ({"type": "Point", "coordinates": [4, 50]}, "'Point'"),
        ({"type": "Polygon"}, "give WKT, or a GeoJSON"),
        ({"type": "Feature", "geometry": None}, "give WKT, or a GeoJSON"),
        ({"type": "Polygon", "coordinates": [SQUARE], "crs": {}}, "without a crs"),
        ({"type": "Polygon", "coordinates": []}, "no rings"),
        ({"type": "MultiPolygon", "coordinates": []}, "no area"),
        ({"type": "Polygon", "coordinates": [SQUARE[:-1]]}, "does not end where it begins"),
        ({"type": "Polygon", "coordinates": [["a", "b"]]}, "is no position"),
        ({"type": "Polygon", "coordinates": [[[True, 1]] * 4]}, "is no position"),
        ({"type": "Polygon", "coordinates": [[[4]] * 4]}, "is no position"),
        ({"type": "Polygon", "coordinates": [[[10**400, 1]] * 4]}, "degrees"),
        ({"type": "Polygon", "coordinates": [[[float("nan"), 1]] * 4]}, "degrees"),
        ({"type": "Polygon", "coordinates": {"a": 1}}, "give WKT, or a GeoJSON"),
        ({"type": "MultiPolygon", "coordinates": [{"a": 1}]}, "a polygon is"),
        ({"type": "Polygon", "coordinates": [[[4, 50]] * (MAX_VERTICES + 1)]}, "vertices"),
    ],
)
def test_wrong_areas_are_refused_with_the_field(value, message):
    with pytest.raises(RequestError, match=message) as caught:
        parse_aoi(value, "aoi")
    assert str(caught.value).startswith("aoi: ")
    assert len(str(caught.value)) < 400


def test_another_field_may_be_named():
    with pytest.raises(RequestError, match=r"^area: "):
        parse_aoi("POINT(1 2)", "area")
