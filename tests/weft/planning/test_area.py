from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely
from shapely.geometry import MultiPolygon, box, mapping, shape

from weft.errors import RequestError
from weft.planning import area as area_module
from weft.planning import read_area

SQUARE = [[3, 50], [4, 50], [4, 51], [3, 51], [3, 50]]
Read = Callable[[Any], MultiPolygon]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(document: Any) -> MultiPolygon:
        path = tmp_path / "area.geojson"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return read_area(path)

    return read


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(geometry: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {}, "geometry": geometry}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def same(one: Any, other: Any) -> bool:
    return shapely.symmetric_difference(one, other).area < 1e-9


@pytest.mark.parametrize(
    "document",
    [
        polygon(SQUARE),
        polygon([[*point, 12.5] for point in SQUARE]),  # heights are passed over
        {"type": "MultiPolygon", "coordinates": [[SQUARE]]},
        feature(polygon(SQUARE)),
        collection(feature(polygon(SQUARE)), feature(polygon(SQUARE))),
        polygon(SQUARE[::-1]),
        polygon([[x + 360, y] for x, y in SQUARE]),
        polygon(SQUARE) | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}},
    ],
)
def test_every_way_to_write_a_square(read: Read, document: Any) -> None:
    found = read(document)
    assert isinstance(found, MultiPolygon)
    assert same(found, box(3, 50, 4, 51))


def test_overlaps_are_joined_and_holes_are_kept(read: Read) -> None:
    hole = [[3.2, 50.2], [3.8, 50.2], [3.8, 50.8], [3.2, 50.8], [3.2, 50.2]]
    found = read(collection(feature(polygon(SQUARE, hole)), feature(polygon([[x + 0.9, y] for x, y in SQUARE]))))
    assert found.is_valid
    assert found.area == pytest.approx(1.9 - 0.36)


def test_a_ring_that_crosses_itself_is_made_valid(read: Read) -> None:
    found = read(polygon([[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]))
    assert found.is_valid
    assert found.area == pytest.approx(2)


@pytest.mark.parametrize(
    "ring",
    [
        [[179, 10], [181, 10], [181, 11], [179, 11], [179, 10]],
        [[-181, 10], [-179, 10], [-179, 11], [-181, 11], [-181, 10]],
        [[179, 10], [-179, 10], [-179, 11], [179, 11], [179, 10]],
        [[-179, 11], [179, 11], [179, 10], [-179, 10], [-179, 11]],
    ],
)
def test_an_area_over_the_antimeridian_is_cut_there(read: Read, ring: Any) -> None:
    assert same(read(polygon(ring)), shapely.union(box(179, 10, 180, 11), box(-180, 10, -179, 11)))


def test_the_whole_world_is_no_ring_of_nothing(read: Read) -> None:
    assert same(read(mapping(box(-180, -60, 180, 75))), box(-180, -60, 180, 75))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"type": "Polygon", "coordinates": [[[NaN, 0], [1, 0], [1, 1], [NaN, 0]]]}', "no longitude and latitude"),
        ("[]", "is no GeoJSON object"),
        ("{}", "is no GeoJSON object"),
        ({"type": "Point", "coordinates": [3, 51]}, "'Point' is no polygon"),
        ({"type": ["Polygon"], "coordinates": []}, "is no polygon"),
        ({"type": "Polygon"}, "is no polygon"),
        (feature(None), "a Feature has no Polygon or MultiPolygon"),
        (feature({"type": "GeometryCollection", "geometries": []}), "a Feature has no Polygon"),
        (collection(polygon(SQUARE)), "something that is no Feature"),
        (collection(), "holds no area"),
        (polygon(), "a polygon has no rings"),
        ({"type": "MultiPolygon", "coordinates": [SQUARE[0]]}, "fewer than four positions"),
        ({"type": "MultiPolygon", "coordinates": [7]}, "a polygon has no rings"),
        (polygon("abcdef"), "fewer than four positions"),
        (polygon(SQUARE[:3]), "fewer than four positions"),
        (polygon([*SQUARE[:-1], [3, 50.5]]), "close it"),
        (polygon([[3, 50], [3, 50], [4, 51], [3, 50]]), "holds no area"),
        (polygon([[1e400, 50], *SQUARE[1:]]), "no longitude and latitude"),
        (polygon([[10**400, 50], *SQUARE[1:]]), "no longitude and latitude"),
        (polygon([["3", 50], *SQUARE[1:]]), "no longitude and latitude"),
        (polygon([[True, 50], *SQUARE[1:]]), "no longitude and latitude"),
        (polygon([[[3], 50], *SQUARE[1:]]), "no longitude and latitude"),
        (polygon([[3], *SQUARE[1:]]), "is no position"),
        (polygon([[500000, 5600000], *SQUARE[1:]]), "no longitude and latitude"),
        (polygon([[3, 91], *SQUARE[1:]]), "no longitude and latitude"),
        (polygon([[0, 80], [120, 80], [-120, 80], [0, 80]]), "goes around a pole"),
        (polygon(SQUARE) | {"crs": {"properties": {"name": "urn:ogc:def:crs:EPSG::3035"}}}, "in another CRS"),
    ],
)
def test_what_is_no_area_is_named(read: Read, document: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message) as error:
        read(document)
    assert "area.geojson" in str(error.value)
    assert len(str(error.value)) < 600


def test_a_file_that_is_missing_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    with pytest.raises(RequestError, match=r"absent cannot be read \(No such file"):
        read_area(tmp_path / "absent")
    with pytest.raises(RequestError, match="cannot be read"):
        read_area(tmp_path)
    monkeypatch.setattr(area_module, "MAX_VERTICES", 4)
    with pytest.raises(RequestError, match="over 4 vertices; simplify"):
        read(polygon(SQUARE))
    monkeypatch.setattr(area_module, "MAX_BYTES", 20)
    with pytest.raises(RequestError, match="simplify"):
        read(polygon(SQUARE))


def test_the_shipped_area_says_where_it_is_from() -> None:
    path = Path(__file__).parents[3] / "deploy/regions/europe.geojson"
    document = json.loads(path.read_text())
    assert "Natural Earth" in document["properties"]["origin"]
    assert "public domain" in document["properties"]["origin"]
    assert path.stat().st_size < 50_000
    assert same(read_area(path), shape(document["geometry"]))
