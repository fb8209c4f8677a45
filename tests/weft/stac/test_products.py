from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.weft.stac import examples
from weft import __version__
from weft.errors import IntegrityError, RequestError
from weft.rasters.product import Product, Rejected, Statistics
from weft.stac.parts import ItemRef
from weft.stac.products import MAX_SOURCE_LINKS, product_item, source_product, sources_of, stack_item
from weft.stac.validation import validate


def test_stack_names_observations_and_what_was_left_out() -> None:
    first = examples.scene("S2A_1")
    reprocessed = replace(first, id="S2A_1_new", processed=first.processed + timedelta(days=9))
    second_granule = replace(first, id="S2A_1_b", segment="later", acquired=first.acquired + timedelta(seconds=9))
    bandless = replace(first, id="S2A_3", bands={"nir": first.bands["red"]}, datatake="other")
    item = examples.stack([first, reprocessed, second_granule, bandless])
    validate(item)
    properties = item["properties"]
    assert properties["weft:observations"] == [["S2A_1_new", "S2A_1_b"]]
    assert properties["weft:superseded"] == [{"id": "S2A_1", "by": "S2A_1_new"}]
    assert [scene["id"] for scene in properties["weft:rejected"]] == ["S2A_3"]
    assert properties["weft:duplicates_collapsed"] == properties["weft:granules_merged"] == 1
    assert properties["weft:coregistration"] == {"method": "none"}
    assert sources_of(item) == [ItemRef("calibrated-datasets", "S2A_1_new"), ItemRef("calibrated-datasets", "S2A_1_b")]
    assert item["assets"] == {}


def test_an_empty_period_is_a_valid_stack() -> None:
    item = examples.stack([])
    validate(item)
    assert item["properties"]["weft:observations"] == []
    assert item["bbox"] == examples.composite()["bbox"]


def test_composite_describes_its_layers() -> None:
    item = examples.composite()
    properties = item["properties"]
    assert properties["datetime"] is None
    assert (properties["start_datetime"], properties["end_datetime"]) == (
        "2018-03-21T00:00:00Z",
        "2018-06-24T23:59:59Z",
    )
    assert properties["processing:software"] == {"weft": __version__}
    assert properties["weft:rejected"] == [{"id": "S2B_bad", "reason": "it is truncated"}]
    assert item["assets"]["red_p2_5"] == {
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "title": "red, p2.5",
        "bands": [
            {
                "name": "red_p2_5",
                "data_type": "uint16",
                "nodata": 0,
                "raster:scale": 0.0001,
                "raster:offset": 0.0,
                "unit": "1",
                "eo:common_name": "red",
                "eo:center_wavelength": 0.665,
                "eo:full_width_half_max": 0.038,
                "statistics": {"minimum": 0.01, "maximum": 0.9, "mean": 0.25, "stddev": 0.1, "valid_percent": 97.5},
                "weft:cbn": "red",
                "weft:statistic": "p2.5",
            }
        ],
        "weft:pixel_sha256": "cd" * 32,
    }
    assert item["assets"]["medoid_spread"]["bands"][0]["nodata"] == "nan"
    assert "nodata" not in item["assets"]["count"]["bands"][0]
    assert item["assets"]["thumbnail"]["type"] == "image/png"


def test_natural_colour_is_offered_where_there_are_three_colours() -> None:
    renders = examples.composite()["properties"]["renders"]
    assert renders["rgb_medoid"] == {
        "title": "Natural colour (medoid)",
        "assets": ["red_medoid", "green_medoid", "blue_medoid"],
        "rescale": [[0.0, 0.3 / 0.0001]] * 3,
        "nodata": 0,
    }
    assert set(renders) == {"rgb_medoid", "rgb_p2_5"}
    two = examples.product(tuple(examples.reflectance(band) for band in ("red", "green")))
    assert "renders" not in examples.composite(made=two)["properties"]


def test_item_is_valid_once_published_and_not_before() -> None:
    item = examples.composite()
    with pytest.raises(IntegrityError, match="'href' is a required property"):
        validate(item)
    validate(examples.published(item))


@pytest.mark.parametrize("collection", ["orbit-mosaics", "mosaics", "expression-bands"])
def test_other_products_validate(collection: str) -> None:
    item = product_item(
        collection=collection,
        item_id="flanders_2018-03_100kmE39N31",
        product=examples.product(grid=examples.SHEET),
        window=examples.SEASON,
        fingerprint=examples.MARK,
        derived_from=[ItemRef("composites", "flanders_2018-03_R051_31UDS")],
        properties={
            **examples.PLACE,
            "weft:sheet": "100kmE39N31",
            "processing:expression": {"format": "s-expression", "expression": "(norm_diff nir red)"},
        },
    )
    validate(examples.published(item))
    assert "thumbnail" not in item["assets"]
    assert item["properties"]["gsd"] == 30


def test_layers_without_valid_pixels_leave_their_statistics_out() -> None:
    file = examples.raster(examples.LAYERS[0], empty=True)
    item = examples.composite(made=Product(examples.GRID, (file,)))
    assert item["assets"]["blue_medoid"]["bands"][0]["statistics"] == {"valid_percent": 0.0}
    validate(examples.published(item))


def test_a_scene_with_a_malformed_id_can_be_named_as_rejected() -> None:
    made = replace(examples.product(), rejected=(Rejected("../../x y", "its id is malformed"),))
    validate(examples.published(examples.composite(made=made)))


def test_infinite_statistics_are_caught() -> None:
    file = replace(examples.raster(examples.LAYERS[0]), statistics=Statistics(0.0, math.inf, 1.0, 1.0, 100.0))
    item = examples.published(examples.composite(made=Product(examples.GRID, (file,))))
    with pytest.raises(IntegrityError, match="inf is not JSON"):
        validate(item)


@pytest.mark.parametrize("count", [0, 1, MAX_SOURCE_LINKS, MAX_SOURCE_LINKS + 1, 250])
def test_every_input_is_named(count: int) -> None:
    item = examples.published(examples.composite(sources=count))
    validate(item)
    assert sources_of(item) == [ItemRef("calibrated-datasets", f"scene-{index}") for index in range(count)]
    links = [link for link in item["links"] if link["rel"] == "derived_from"]
    assert len(links) == (count if count <= MAX_SOURCE_LINKS else 0)


def test_links_resolve_below_a_stac_api() -> None:
    item = examples.composite(sources=1)
    here = "https://api.example/stac/collections/composites/items/x"
    parent, source = (urljoin(here, link["href"]) for link in item["links"])
    assert parent == "https://api.example/stac/collections/composites"
    assert source == "https://api.example/stac/collections/calibrated-datasets/items/scene-0"


@pytest.mark.parametrize("href", ["../../a/items/b/c", "https://evil.example/items/x", "../../../items/x", "../../a/b"])
def test_foreign_sources_are_refused(href: str) -> None:
    with pytest.raises(IntegrityError, match="is not of the form"):
        ItemRef.from_href(href)


def test_an_input_named_twice_is_refused() -> None:
    scene = examples.scene()
    twice = replace(examples.plan([scene], ["red"]), observations=examples.plan([scene], ["red"]).observations * 2)
    with pytest.raises(IntegrityError, match="inputs are named twice"):
        stack_item(
            item_id="x",
            plan=twice,
            grid=examples.GRID,
            window=examples.SEASON,
            fingerprint="",
            coregistration={},
            properties={},
        )


def test_reading_back_gives_grid_layers_and_files() -> None:
    item = json.loads(json.dumps(examples.published(examples.composite()), allow_nan=False))
    fetched: list[str] = []

    def fetch(href: str) -> Path:
        fetched.append(href)
        return Path("/scratch") / href.rsplit("/", 1)[1]

    source = source_product(item, fetch)
    assert source.id == item["id"]
    assert source.grid == examples.GRID
    # As text: from Python 3.13 on a dataclass that holds NaN no longer equals itself.
    assert {key: repr(layer.layer) for key, layer in source.layers.items()} == {
        spec.key: repr(spec) for spec in examples.LAYERS
    }
    assert source.layers["count"].path == Path("/scratch/count.tif")
    assert len(fetched) == len(examples.LAYERS)  # not the thumbnail

    fetched.clear()
    assert list(source_product(item, fetch, ["count", "red_medoid"]).layers) == ["count", "red_medoid"]
    assert fetched == ["s3://bucket/count.tif", "s3://bucket/red_medoid.tif"]
    with pytest.raises(
        RequestError, match=r"composites/flanders_2018-03_R051_31UDS has no layer nir_medoid, thumbnail"
    ):
        source_product(item, fetch, ["nir_medoid", "thumbnail"])


def test_reading_back_refuses_hostile_items() -> None:
    item = examples.published(examples.composite())
    item["assets"]["../../etc/passwd"] = item["assets"].pop("count")
    with pytest.raises(IntegrityError, match="must match"):
        source_product(item, lambda href: Path(href))
