"""Items of orders: valid, complete, and refused if they are not."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest

from tests.weft.stac.examples import GRID, MARK, calibrated, raster
from weft.errors import IntegrityError, RequestError
from weft.rasters.product import LayerSpec, Product
from weft.stac import Item
from weft.stac.order_products import (
    Input,
    expressions_item,
    inputs_document,
    inputs_of,
    order_item,
    stack_order_item,
    time_span,
)
from weft.stac.validation import validate

SECOND = {
    "dataset": 2,
    "id": "radar",
    "pairing": "s0_db_c_vv",
    "method": "multimodal",
    "status": "registered",
    "reason": "CE90 falls from 4.00 px to 0.50 px",
    "pixel": 10.0,
    "points": 200,
    "inliers": 170,
    "rmse_before": 3.5,
    "rmse_after": 0.4,
    "ce90_before": 4.0,
    "ce90_after": 0.5,
    "agreement": 0.9,
    "coverage": 1.0,
    "model": "affine",
}


def inputs() -> tuple[Input, ...]:
    item = calibrated()
    later = {**calibrated(id="radar"), "properties": {**item["properties"], "datetime": "2018-04-03T05:06:07.9Z"}}
    return Input.of_catalogue(item["id"], item), Input("https://x.example/radar.json", "https://x.example/r", later)


def coregistration(**changes: Any) -> dict[str, Any]:
    return {"method": "auto", "reference": "1.nir", "settings": {}, "datasets": [SECOND | changes]}


def published(item: Item) -> Item:
    """As publishing leaves it."""
    done = deepcopy(item)
    for key, asset in done["assets"].items():
        asset |= {"href": f"file:///{key}", "file:checksum": f"1220{MARK}", "file:size": 12}
    return done


def stack(**changes: Any) -> Item:
    layers = (
        LayerSpec("1_nir", "1.nir", "uint16", 0, 0.0001, 0.0, "1", "nir"),
        LayerSpec("2_s0_db_c_vv", "2.s0_db_c_vv", "float32", math.nan, unit="dB", band="s0_db_c_vv"),
    )
    values = {
        "order_id": "an-order",
        "product": Product(GRID, tuple(map(raster, layers))),
        "overview": (GRID, MARK),
        "inputs": inputs(),
        "coregistration": coregistration(),
        "indices": [2],
        "fingerprint": MARK,
    }
    return published(stack_order_item(**(values | changes)))


def test_inputs_survive_as_a_document() -> None:
    found = inputs()
    assert inputs_of(inputs_document(found)) == found
    assert inputs_document(found) == inputs_document(inputs())
    with pytest.raises(IntegrityError, match="another version"):
        inputs_of(b'{"version": 0, "inputs": []}')


def test_an_order_spans_its_datasets_in_time_and_names_them() -> None:
    item = published(order_item(order_id="an-order", kind="stack", inputs=inputs(), grid=GRID, fingerprint=MARK))
    validate(item)
    assert item["properties"]["start_datetime"] == "2018-04-01T10:50:31Z"
    assert item["properties"]["end_datetime"] == "2018-04-03T05:06:07Z"
    sources = [link["href"] for link in item["links"] if link["rel"] == "derived_from"]
    assert sources == ["../../calibrated-datasets/items/S2A_31UDS_20180401", "https://x.example/r"]


def test_a_stack_tells_how_well_it_fits_and_where_the_proof_is() -> None:
    item = stack()
    validate(item)
    assert item["properties"]["weft:order"] == "an-order"
    assert {"1_nir", "2_s0_db_c_vv", "overview", "thumbnail", "order", "registration", "report"} < set(item["assets"])
    assert {"flicker_2", "quiver_2", "magnitude_2", "tie_points_2"} < set(item["assets"])
    assert (
        "1 datasets were moved by registration, 0 registrations were refused"
        in item["properties"]["processing:lineage"]
    )
    assert "renders" not in item["properties"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda item: item["properties"].pop("weft:coregistration"), "weft:coregistration"),
        (lambda item: item["properties"]["weft:coregistration"]["datasets"][0].pop("ce90_after"), "ce90_after"),
        (lambda item: item["properties"]["weft:coregistration"]["datasets"][0].update(status="fine"), "status"),
        (lambda item: item["assets"].pop("order"), "order"),
        (lambda item: item["properties"].pop("weft:order"), "weft:observations"),
        (lambda item: item["properties"].update({"weft:order": "../x"}), "weft:order"),
    ],
)
def test_what_readers_rely_on_must_be_there(change: Any, told: str) -> None:
    item = stack()
    change(item)
    with pytest.raises(IntegrityError, match=told):
        validate(item)


def test_a_dataset_that_was_not_matched_needs_no_figures() -> None:
    left = {"dataset": 2, "id": "radar", "method": "stack", "status": "geometry"}
    validate(stack(coregistration=coregistration() | {"datasets": [left]}, indices=[]))


def test_expression_bands_name_their_stack_and_their_expressions() -> None:
    layer = LayerSpec("average", "average", "float32", math.nan)
    item = published(
        expressions_item(
            order_id="an-order",
            product=Product(GRID, (raster(layer),)),
            stack=stack(),
            expressions={"average": "(/ (+ 1.nir 1.swir16) 2)"},
            fingerprint=MARK,
        )
    )
    validate(item)
    assert item["properties"]["processing:expression"]["expression"] == {"average": "(/ (+ 1.nir 1.swir16) 2)"}
    (source,) = (link["href"] for link in item["links"] if link["rel"] == "derived_from")
    assert source == "../../coregistered-stacks/items/an-order"


def test_items_without_a_usable_time_are_told() -> None:
    item = calibrated()
    with pytest.raises(RequestError, match="none of S2A_31UDS_20180401 says when"):
        time_span([{**item, "properties": {}}])
    with pytest.raises(RequestError, match="datetime = 'yesterday'"):
        time_span([{**item, "properties": {"datetime": "yesterday"}}])
