from __future__ import annotations

import json
import math
import socket
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from tests.weft.stac import examples
from weft.errors import IntegrityError
from weft.stac import Item
from weft.stac.collections import collection_document
from weft.stac.validation import core_problems, validate, validate_collection


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("validation must not open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


Fault = Callable[[Item], object]


def _red(item: Item) -> dict:
    return item["assets"]["red_medoid"]


# Fault -> what the message must name.
FAULTS: dict[str, tuple[Fault, str]] = {
    "no collection link": (lambda i: i["links"].clear(), "0 links with rel=collection"),
    "no collection": (lambda i: i.pop("collection"), "collection is None but there are 1 links"),
    "collection of nobody": (lambda i: i.update(collection="composit"), "'composit' is not one of"),
    "id with a slash": (lambda i: i.update(id="a/b"), "id 'a/b' must match"),
    "id with a line end": (lambda i: i.update(id="ab\n"), "id 'ab\\n' must match"),
    "id that climbs": (lambda i: i.update(id=".."), "id '..' must match"),
    "id too long": (lambda i: i.update(id="a" * 129), "must match"),
    "id is a number": (lambda i: i.update(id=7), "id '7' must match"),
    "asset key with a path": (lambda i: i["assets"].update({"../x": deepcopy(_red(i))}), "key '../x' must match"),
    "no href": (lambda i: _red(i).pop("href"), "'href' is a required property"),
    "no checksum": (lambda i: _red(i).pop("file:checksum"), "'file:checksum' is a required property"),
    "no size": (lambda i: _red(i).pop("file:size"), "'file:size' is a required property"),
    "no pixel digest": (lambda i: _red(i).pop("weft:pixel_sha256"), "'weft:pixel_sha256' is a required property"),
    "checksum without its kind": (lambda i: _red(i).update({"file:checksum": "ef" * 32}), "assets.red_medoid.file:che"),
    "checksum of another kind": (lambda i: _red(i).update({"file:checksum": "1114" + "ef" * 20}), "does not match"),
    "short fingerprint": (lambda i: i["properties"].update({"weft:fingerprint": "ab"}), "weft:fingerprint"),
    "no fingerprint": (lambda i: i["properties"].pop("weft:fingerprint"), "'weft:fingerprint' is a required"),
    "unknown extension": (
        lambda i: i["stac_extensions"].append("https://stac-extensions.github.io/mlm/v1.0.0/schema.json"),
        "mlm/v1.0.0",
    ),
    "old extension version": (
        lambda i: i.update(stac_extensions=[uri.replace("file/v2.1.0", "file/v1.0.0") for uri in i["stac_extensions"]]),
        "file/v1.0.0",
    ),
    "undeclared extension": (lambda i: i["stac_extensions"].pop(0), "are used but it is not declared"),
    "field no extension knows": (lambda i: i["properties"].update({"proj:epsg": 32631}), "proj:epsg"),
    "misspelt own field": (lambda i: i["properties"].update({"weft:Region": "x"}), "weft:Region"),
    "bbox elsewhere": (lambda i: i["bbox"].__setitem__(0, 3.0), "is not the bounding box"),
    "bbox too small": (lambda i: i["bbox"].__setitem__(3, i["bbox"][3] - 0.001), "is not the bounding box"),
    "bbox of text": (lambda i: i.update(bbox=["a", "b", "c", "d"]), "four numbers are needed"),
    "no geometry": (lambda i: i.update(geometry=None), "a GeoJSON geometry and four numbers are needed"),
    "crossing outline": (
        lambda i: i.update(
            geometry={"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}, bbox=[0, 0, 1, 1]
        ),
        "Self-intersection",
    ),
    "off the globe": (
        lambda i: i.update(
            geometry={"type": "Polygon", "coordinates": [[[179, 0], [181, 0], [181, 1], [179, 0]]]},
            bbox=[179, 0, 181, 1],
        ),
        "leave longitude",
    ),
    "NaN": (lambda i: _red(i)["bands"][0]["statistics"].update(mean=math.nan), "statistics.mean: nan is not JSON"),
    "infinity": (lambda i: _red(i)["bands"][0].update(nodata=math.inf), "inf is not JSON"),
    "tuple": (lambda i: i.update(bbox=tuple(i["bbox"])), "bbox: tuple is not JSON"),
    "NumPy integer": (lambda i: _red(i).update({"file:size": np.int64(3)}), "int64 is not JSON"),
    "key that is no text": (lambda i: i["properties"].update({1: 2}), "key 1 is not a string"),
    "observation that climbs": (lambda i: i["properties"].update({"weft:observations": [["a"], [".."]]}), "'..' does"),
    "source elsewhere": (lambda i: i["properties"].update({"weft:sources": ["../../../items/a"]}), "weft:sources.0"),
    "rotated grid": (lambda i: i["properties"]["proj:transform"].__setitem__(1, 0.5), "proj:transform"),
    "unknown data type": (lambda i: _red(i)["bands"][0].update(data_type="uint12"), "data_type"),
    "time without zone": (lambda i: i["properties"].update(start_datetime="2018-03-21T00:00:00"), "start_datetime"),
    "no such day": (lambda i: i["properties"].update(start_datetime="2018-02-30T00:00:00Z"), "'2018-02-30T00:00:00Z'"),
    "time backwards": (lambda i: i["properties"].update(start_datetime="2019-01-01T00:00:00Z"), "lies after"),
    "rejected without reason": (lambda i: i["properties"].update({"weft:rejected": [{"id": "x"}]}), "'reason' is"),
    "old STAC": (lambda i: i.update(stac_version="1.0.0"), "1.1.0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(name: str) -> None:
    fault, message = FAULTS[name]
    item = examples.published(examples.composite())
    validate(item)
    fault(item)
    with pytest.raises(IntegrityError) as caught:
        validate(item)
    assert message in str(caught.value)


def test_one_message_names_every_problem() -> None:
    item = examples.published(examples.composite())
    for name in ("no collection link", "id with a slash", "checksum without its kind", "unknown extension"):
        FAULTS[name][0](item)
    with pytest.raises(IntegrityError) as caught:
        validate(item)
    for name in ("no collection link", "id with a slash", "checksum without its kind", "unknown extension"):
        assert FAULTS[name][1] in str(caught.value)


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"type": "Feature"},
        {"type": "Feature", "id": "x", "links": 3, "assets": [1], "properties": [], "stac_extensions": {}, "bbox": 1},
        {"type": "Feature", "links": [1], "assets": {"a": 1, "b": {"bands": [1]}}, "geometry": {"type": "Polygon"}},
        {"type": "Feature", "geometry": {"type": "Nonsense", "coordinates": "x"}, "bbox": [1]},
    ],
)
def test_junk_is_refused_and_nothing_else_is_raised(junk: Item) -> None:
    with pytest.raises(IntegrityError, match="must not be published"):
        validate(junk)


def test_a_bottomless_document_is_refused() -> None:
    item = examples.published(examples.composite())
    deep: dict = {}
    item["properties"]["weft:note"] = deep
    for _ in range(5000):
        deep["x"] = deep = {}
    with pytest.raises(IntegrityError, match="nested deeper"):
        validate(item)


def test_collections_are_checked_too() -> None:
    document = collection_document("mosaics", None)
    validate_collection(document)
    with pytest.raises(IntegrityError, match="'license' is a required property"):
        validate_collection({key: value for key, value in document.items() if key != "license"})
    with pytest.raises(IntegrityError, match="id 'a b' must match"):
        validate_collection(document | {"id": "a b"})
    with pytest.raises(IntegrityError, match="has no schema here"):
        validate_collection(document | {"stac_extensions": ["https://example.org/x.json"]})


def test_real_items_of_the_bundled_version_pass_the_core_schema(shared_data: Path) -> None:
    passed = 0
    for folder in ("stac-items", "sentinel2-safe-metadata"):
        for path in sorted((shared_data / folder).rglob("*.json")):
            document = json.loads(path.read_text())
            if document.get("stac_version") == "1.1.0":
                assert core_problems(document) == [], path.name
                passed += 1
            elif str(document.get("stac_version")).startswith("1.0.0"):
                assert any("1.1.0" in problem for problem in core_problems(document)), path.name
    assert passed >= 6
