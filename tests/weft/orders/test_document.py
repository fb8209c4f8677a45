from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.weft.orders.inputs import order
from weft.errors import RequestError
from weft.orders import KINDS, Order, StackOrder, parse
from weft.orders.document import MAX_BYTES, MAX_DEPTH, json_object
from weft.scenes.fields import ITEM_ID

CHARTER = Path(__file__).resolve().parents[2] / "charter"
LEAST = {"input_reference": ["a", "b"], "bands": "1.nir,2.nir", "reference_asset": "1.nir"}


def encoded(**fields: object) -> bytes:
    return json.dumps(LEAST | fields).encode()


@pytest.mark.parametrize("path", sorted(CHARTER.glob("*.json")), ids=lambda path: path.stem)
def test_the_charters_own_requests_are_taken_unchanged(path: Path):
    taken = parse(path.read_bytes())
    written = json.loads(path.read_bytes())
    assert isinstance(taken, StackOrder)
    kept = json.loads(taken.canonical())
    for field in ("input_reference", "bands", "reference_asset", "aoi"):
        assert kept[field] == written[field]
    assert parse(taken.canonical()) == taken


def test_there_are_two_use_cases():
    one, two = (parse((CHARTER / f"use_case_{number}.json").read_bytes()) for number in (1, 2))
    assert isinstance(one, StackOrder)
    assert isinstance(two, StackOrder)
    assert one.expressions == {}
    assert two.bands == ("1.nir", "1.swir16", "2.s0_db_c_vv")
    assert {name: str(expression) for name, expression in two.expressions.items()} == {
        "average": "(/ (+ 1.nir 1.swir16) 2)"
    }


def test_a_kind_is_told_by_name_or_by_its_mark():
    assert isinstance(parse(encoded()), StackOrder)
    assert isinstance(parse(encoded(order="stack")), StackOrder)
    assert len({kind.kind() for kind in KINDS}) == len({kind.mark for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert kind.mark in kind.model_fields
        assert all(kind is other or kind.mark not in other.model_fields for other in KINDS)
    with pytest.raises(RequestError, match=r"^order: 'mosaic' is no kind of order; known: stack"):
        parse(encoded(order="mosaic"))
    with pytest.raises(RequestError, match=r"^order: None is no kind of order"):
        parse(b'{"bands": "1.nir"}')


def test_equal_orders_have_equal_text_and_id():
    spelled_out = encoded(
        bands=["1.nir", "2.nir"],
        s_expressions=[],
        aoi="",
        order="stack",
        coregistration={"method": "auto", "search": 20, "max_ce90": 3, "pairing": {}},
    )
    short, long = parse(encoded()), parse(spelled_out)
    assert (short, short.canonical(), short.id) == (long, long.canonical(), long.id)
    assert ITEM_ID.fullmatch(short.id)
    assert short.id == short.fingerprint[:16]
    assert parse(encoded(coregistration={"search": 21})).id != short.id
    assert parse(encoded(name="flood.2022_03-21")).id == "flood.2022_03-21"


def test_canonical_text_holds_every_default_and_is_ascii():
    text = parse(encoded(s_expressions="mean:(mean 1.nir 2.nir)")).canonical()
    document = json.loads(text)
    assert document["coregistration"]["search"] == 20
    assert document["order"] == "stack"
    assert document["s_expressions"] == ["mean:(mean 1.nir 2.nir)"]
    assert text.isascii()
    assert text.endswith(b"}\n")


@pytest.mark.parametrize("settings", [{}, {"model": "snap"}, {"model": "snap", "warp_order": 1}, {"model": "affine"}])
def test_what_is_kept_can_be_placed_again(settings: dict[str, object]):
    placed = order(
        coregistration=settings, aoi={"type": "Polygon", "coordinates": [[[4, 50], [5, 50], [5, 51], [4, 50]]]}
    )
    assert parse(placed.canonical()) == placed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON in UTF-8"),
        (b"{", "not JSON in UTF-8"),
        (b"[]", "write a JSON object"),
        (b'"x"', "write a JSON object"),
        (b"null", "write a JSON object"),
        (b"\xff\xfe{}", "not JSON in UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON in UTF-8"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": Infinity}', "Infinity is no JSON number"),
        (b'{"a": 1, "b": 2, "a": 3}', "a: this key is there twice"),
        (b'{"x": {"a": 1, "a": 3}}', "a: this key is there twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON in UTF-8"),
        (b'{"a": ' + b"[" * (MAX_DEPTH + 1), "nested deeper"),
        (b"[" * 1_000_000, "nested deeper"),
        (b'{"a": ' * 100_000, "nested deeper"),
        (b" " * (MAX_BYTES + 1), "keep it to"),
    ],
)
def test_what_is_no_order_is_refused_before_it_is_parsed(content: bytes, message: str):
    with pytest.raises(RequestError, match=message) as caught:
        parse(content)
    assert len(str(caught.value)) < 400


def test_brackets_within_texts_do_not_count():
    text = '{"a": "' + "[" * 100 + '\\"{{{{{{{{{{{{{{{{{{{{{"}'
    assert json_object(text.encode())["a"].startswith("[[")


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ abc1', max_size=200).map(str.encode))
def test_no_bytes_do_any_harm(content: bytes):
    try:
        found = parse(content)
    except RequestError:
        return
    assert isinstance(found, Order)
