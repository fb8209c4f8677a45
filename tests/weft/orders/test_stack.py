from __future__ import annotations

import json
from typing import Any

import pytest

from tests.weft.orders.inputs import order
from weft.errors import RequestError
from weft.expressions import parse as expression
from weft.orders.stack import RESERVED, BandRef

SQUARE = "POLYGON((4 50, 5 50, 5 51, 4 51, 4 50))"


def test_bands_are_text_or_a_list():
    text, listed = order(bands="1.nir,2.s0_db_c_vv"), order(bands=["1.nir", "2.s0_db_c_vv"])
    assert text == listed
    assert text.band_refs == (BandRef(1, "nir"), BandRef(2, "s0_db_c_vv"))
    assert text.reference == BandRef(1, "nir")
    assert [str(band) for band in text.band_refs] == list(text.bands)


@pytest.mark.parametrize(
    "written",
    [
        "a:(+ 1.nir 2.nir),b:(- 1.nir 2.nir)",
        "a:(+ 1.nir 2.nir);b:(- 1.nir 2.nir);",
        "a:(+ 1.nir 2.nir)\nb:(- 1.nir 2.nir)\n",
        " a : (+ 1.nir 2.nir) , b : (- 1.nir 2.nir)",
        ["a:(+ 1.nir 2.nir)", "b:(- 1.nir 2.nir)"],
    ],
)
def test_several_expressions_are_a_list_or_have_something_between_them(written: object):
    found = order(s_expressions=written).expressions
    assert found == {"a": expression("(+ 1.nir 2.nir)"), "b": expression("(- 1.nir 2.nir)")}


@pytest.mark.parametrize("written", ["", None, [], " ", ",\n;"])
def test_no_expression_is_no_expression(written: object):
    assert order(s_expressions=written).expressions == {}


def test_a_preset_may_stand_for_an_expression():
    found = order(bands="1.nir,1.red,2.nir", s_expressions="greenness:1.NDVI,gain:(* 2 1.NDVI)").expressions
    assert found == {
        "greenness": expression("(norm_diff 1.nir 1.red)"),
        "gain": expression("(* 2 (norm_diff 1.nir 1.red))"),
    }


@pytest.mark.parametrize("written", [None, ""])
def test_no_area_is_no_area(written: object):
    assert order(aoi=written).area is None


def test_an_area_is_wkt_or_geojson():
    ring = [[4, 50], [5, 50], [5, 51], [4, 51], [4, 50]]
    wkt, geojson = order(aoi=SQUARE), order(aoi={"type": "Polygon", "coordinates": [ring]})
    assert wkt.area is not None
    assert wkt.area == geojson.area


@pytest.mark.parametrize(
    "reference",
    [
        *("S2A_31UDS_20220321", "calibrated-datasets/S2A.31UDS-x", "https://host/path/item.json", "s3://b/k.json"),
        *("file:///data/a%20b.tif", "HTTP://host:8080/items/1?x=y"),
    ],
)
def test_references_are_ids_or_urls(reference: str):
    assert order(input_reference=[reference, "b"]).input_reference[0] == reference


NOT_ONE_BAND = "is no band such as 1.nir"
BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"input_reference": None}, "input_reference", "no kind of order|is missing"),
    ({"input_reference": []}, "input_reference", "at least 1"),
    ({"input_reference": "a,b"}, "input_reference", "tuple"),
    ({"input_reference": ["a", 7]}, "input_reference[2]", "string"),
    ({"input_reference": ["a", ""]}, "input_reference", "dataset 2 is ''"),
    ({"input_reference": ["a", "a"]}, "input_reference", "dataset 2 repeats 'a'"),
    ({"input_reference": ["a", "../../etc/passwd"]}, "input_reference", "dataset 2 is"),
    ({"input_reference": ["a", "x/.."]}, "input_reference", "dataset 2 is"),
    ({"input_reference": ["a", ".."]}, "input_reference", "dataset 2 is"),
    ({"input_reference": ["a", "b c"]}, "input_reference", "dataset 2 is"),
    ({"input_reference": ["a", "ftp://host/x.json"]}, "input_reference", "https, s3 or file"),
    ({"input_reference": ["a", "https://host/ x"]}, "input_reference", "dataset 2 is"),
    ({"input_reference": ["a", "https://" + "x" * 3000]}, "input_reference", "dataset 2 is"),
    ({"input_reference": [f"a{n}" for n in range(101)]}, "input_reference", "at most 100"),
    ({"bands": None}, "bands", "is missing"),
    ({"bands": ""}, "bands", NOT_ONE_BAND),
    ({"bands": []}, "bands", "at least 1"),
    ({"bands": "1.nir, 2.nir"}, "bands", "remove the spaces"),
    ({"bands": "1.nir ,2.nir"}, "bands", "remove the spaces"),
    ({"bands": "1.nir,2.nir,"}, "bands", NOT_ONE_BAND),
    ({"bands": "nir,2.nir"}, "bands", NOT_ONE_BAND),
    ({"bands": "0.nir,2.nir"}, "bands", NOT_ONE_BAND),
    ({"bands": "1.nir,-2.nir"}, "bands", NOT_ONE_BAND),
    ({"bands": "1.nir,2.s0-db"}, "bands", NOT_ONE_BAND),
    ({"bands": "1.nir,2.../x"}, "bands", NOT_ONE_BAND),
    ({"bands": "1.nir;2.nir"}, "bands", NOT_ONE_BAND),
    ({"bands": "1.nir,3.nir"}, "bands", "3.nir is of dataset 3; there are 2"),
    ({"bands": "1.nir,2.nir,1.nir"}, "bands", "1.nir is there twice"),
    ({"bands": "1.nir,2.nir,1.NIR"}, "bands", "1.NIR is there twice"),
    ({"bands": {"1": "nir"}}, "bands", "tuple"),
    ({"bands": ["1.nir", 2]}, "bands[2]", "string"),
    ({"bands": ",".join(f"1.b{n}" for n in range(501))}, "bands", "at most 500"),
    ({"reference_asset": None}, "reference_asset", "is missing"),
    ({"reference_asset": ""}, "reference_asset", NOT_ONE_BAND),
    ({"reference_asset": "nir"}, "reference_asset", NOT_ONE_BAND),
    ({"reference_asset": "1. nir"}, "reference_asset", "remove the spaces"),
    ({"reference_asset": "1.red"}, "reference_asset", "1.red is none of the bands 1.nir,2.nir"),
    ({"reference_asset": ["1.nir"]}, "reference_asset", "string"),
    ({"aoi": "POLYGON((4 50, 5 50"}, "aoi", "is no POLYGON"),
    ({"aoi": "POINT(4 50)"}, "aoi", "is no POLYGON"),
    ({"aoi": [4, 50, 5, 51]}, "aoi", "string|dictionary"),
    ({"aoi": {"type": "Point", "coordinates": [4, 50]}}, "aoi", "GeoJSON"),
    ({"aoi": SQUARE.replace("51", "151")}, "aoi", "degrees"),
    ({"s_expressions": "(+ 1.nir 2.nir)"}, "s_expressions", "a name and a colon"),
    ({"s_expressions": ":(+ 1.nir 2.nir)"}, "s_expressions", "a name and a colon"),
    ({"s_expressions": "1st:(+ 1.nir 2.nir)"}, "s_expressions", "a name and a colon"),
    ({"s_expressions": "../x:(+ 1.nir 2.nir)"}, "s_expressions", "a name and a colon"),
    ({"s_expressions": "sum:"}, "s_expressions", "sum: "),
    ({"s_expressions": "sum:(+ 1.nir"}, "s_expressions", "never closed"),
    ({"s_expressions": "sum:(load 1.nir)"}, "s_expressions", "no function"),
    ({"s_expressions": "sum:(+ 1.nir 2.red)"}, "s_expressions", "sum uses 2.red, none of the bands 1.nir,2.nir"),
    ({"s_expressions": "sum:(+ nir 2.nir)"}, "s_expressions", "sum uses nir, none of the bands"),
    ({"s_expressions": "sum:1.NDVI"}, "s_expressions", "sum uses 1.red, none of the bands"),
    ({"s_expressions": "seven:(+ 3 4)"}, "s_expressions", "seven uses no band"),
    ({"s_expressions": "a:(abs 1.nir),A:(abs 2.nir)"}, "s_expressions", "A is there twice"),
    ({"s_expressions": "a_b:(abs 1.nir),a-b:(abs 2.nir)"}, "s_expressions", "a-b is there twice"),
    ({"s_expressions": "overview:(abs 1.nir)"}, "s_expressions", "overview is the name of something"),
    ({"s_expressions": "tie_points_2:(abs 1.nir)"}, "s_expressions", "tie_points_2 is the name of something"),
    ({"s_expressions": ["a:(abs 1.nir)", 3]}, "s_expressions[2]", "string"),
    ({"s_expressions": ",".join(f"e{n}:(abs 1.nir)" for n in range(51))}, "s_expressions", "at most 50"),
    ({"name": "../x"}, "name", "letters, digits"),
    ({"name": "a b"}, "name", "letters, digits"),
    ({"name": ".."}, "name", "letters, digits"),
    ({"name": "x" * 129}, "name", "letters, digits"),
    ({"service": "co-register"}, "service", "is no key of a stack order; known: "),
    ({"order": "composite"}, "order", "stack"),
    ({"coregistration": {"methods": "auto"}}, "coregistration.methods", "no known key"),
    ({"coregistration": {"method": "gefolki"}}, "coregistration.method", "multimodal"),
    ({"coregistration": {"method": "dem_assisted"}}, "coregistration.method", "later step"),
    ({"coregistration": {"resolution": 0}}, "coregistration.resolution", "greater than 0"),
    ({"coregistration": {"resolution": "10 m"}}, "coregistration.resolution", "number"),
    ({"coregistration": {"pairing": {"3": "nir"}}}, "coregistration.pairing", "dataset 3 is not in input_reference"),
    ({"coregistration": {"pairing": {"1": "nir"}}}, "coregistration.pairing", "one of the reference asset"),
    ({"coregistration": {"pairing": {"two": "nir"}}}, "coregistration.pairing", "two"),
    ({"coregistration": {"pairing": {"2": "2.nir"}}}, "coregistration.pairing", "2.nir"),
    ({"coregistration": {"pairing": {"2": "nir"}, "method": "stack"}}, "coregistration.pairing", "matches no bands"),
    ({"coregistration": "auto"}, "coregistration", "Registering"),
]


@pytest.mark.parametrize(("fields", "field", "message"), BAD, ids=[json.dumps(fields)[:60] for fields, _, _ in BAD])
def test_a_wrong_order_is_refused_and_the_field_named(fields: dict[str, Any], field: str, message: str):
    with pytest.raises(RequestError, match=message) as caught:
        order(**fields)
    said = str(caught.value)
    assert said.startswith((f"{field}: ", f"{field}.", f"{field}["))
    assert len(said) < 700


def test_every_fault_is_named_at_once():
    with pytest.raises(RequestError) as caught:
        order(bands="1.nir, 2.nir", reference_asset="nir", surprise=1)
    assert all(field in str(caught.value) for field in ("bands: ", "reference_asset: ", "surprise: "))


def test_bands_can_not_take_the_names_of_other_assets():
    assert RESERVED.fullmatch("flicker_2")
    assert not any(RESERVED.fullmatch(name) for name in ("1.nir", "average", "orders", "overviewed"))
