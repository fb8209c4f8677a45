from __future__ import annotations

import math
from copy import deepcopy

import numpy as np
import pytest

from tests.weft.stac.examples import MARK, PLACE, SEASON, SHEET, published, reflectance
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, Product, RasterFile, Statistics
from weft.stac import Item
from weft.stac.parts import ItemRef
from weft.stac.products import product_item, sources_of
from weft.stac.region_mosaics import region_mosaic_item, summary
from weft.stac.validation import validate

RED = reflectance("red", "p50")
COUNT = LayerSpec("count", "Count", "uint16", None)
WHOLE = Grid("EPSG:3035", SHEET.left, SHEET.top, 30.0, 30.0, 60, 20)
THIN = Grid("EPSG:3035", SHEET.left, SHEET.top, 60.0, 60.0, 30, 10)
SEAMS = {"step": None, "index": None}


def statistics(values: np.ndarray, pixels: int) -> Statistics:
    if not values.size:
        return Statistics(math.nan, math.nan, math.nan, math.nan, 0.0)
    share = 100 * values.size / pixels
    return Statistics(*map(float, (values.min(), values.max(), values.mean(), values.std())), share)


def mosaic(name: str, width: int, values: np.ndarray, **properties: object) -> Item:
    grid = Grid("EPSG:3035", SHEET.left, SHEET.top, 30.0, 30.0, width, 20)
    files = tuple(RasterFile(layer, None, statistics(values, width * 20), "cd" * 32) for layer in (RED, COUNT))
    item = product_item(
        collection="mosaics",
        item_id=f"flanders_2018-03_{name}",
        product=Product(grid, files),
        window=SEASON,
        fingerprint=MARK,
        derived_from=[ItemRef("orbit-mosaics", f"flanders_2018-03_R051_{name}")],
        properties={**PLACE, "weft:sheet": name, **properties},
    )
    return published(item)


def whole(sheets: dict[str, Item], digests: dict[str, str] | None = None) -> Item:
    return region_mosaic_item(
        item_id="flanders_2018-03",
        grid=WHOLE,
        layers=(COUNT, RED),
        shown=(RED, RED, RED),
        overview=THIN,
        digests=digests or {"overview": "01" * 32, "overview_count": "02" * 32},
        sheets=sheets,
        missing=["s9"],
        window=SEASON,
        fingerprint=MARK,
        properties=PLACE,
    )


def test_the_item_is_valid_and_names_its_sheets() -> None:
    values = np.array([0.1, 0.2])
    sheets = {name: mosaic(name, 20, values) for name in ("s2", "s1")}
    item = whole(sheets)
    validate(published(item))
    assert item["properties"]["weft:sheets"] == ["s1", "s2"]
    assert item["properties"]["weft:sheets_missing"] == ["s9"]
    assert item["properties"]["proj:shape"] == [20, 60]
    assert sources_of(item) == [ItemRef("mosaics", f"flanders_2018-03_{name}") for name in ("s2", "s1")]
    assert item["assets"].keys() == {
        *("red_p50_vrt", "red_p50_gti", "count_vrt", "count_gti"),
        *("overview", "overview_count", "gaps", "thumbnail"),
    }
    assert item["assets"]["overview"]["proj:shape"] == [10, 30]
    assert [band["name"] for band in item["assets"]["overview"]["bands"]] == ["red", "green", "blue"]
    assert item["assets"]["red_p50_vrt"]["bands"][0]["weft:cbn"] == "red"
    assert "overview" not in whole(sheets, {"overview_count": "02" * 32})["assets"]


def test_it_needs_what_every_product_has() -> None:
    item = published(whole({"s1": mosaic("s1", 20, np.array([0.1]))}))
    del item["assets"]["count_gti"]["file:checksum"]
    with pytest.raises(Exception, match="file:checksum"):
        validate(item)


def test_statistics_are_those_of_all_pixels_together() -> None:
    random = np.random.default_rng(5)
    first, second, none = random.random(150), random.random(390) * 3, np.array([])
    sheets = {"s1": mosaic("s1", 20, first), "s2": mosaic("s2", 40, second), "s3": mosaic("s3", 20, none)}
    before = deepcopy(sheets)
    (band,) = whole(sheets)["assets"]["red_p50_vrt"]["bands"]
    together = np.concatenate([first, second])
    found = band["statistics"]
    assert found["minimum"] == together.min()
    assert found["maximum"] == together.max()
    assert found["mean"] == pytest.approx(together.mean())
    assert found["stddev"] == pytest.approx(together.std())
    assert found["valid_percent"] == pytest.approx(100 * 540 / (80 * 20))
    assert sheets == before
    (band,) = whole({"s3": sheets["s3"]})["assets"]["red_p50_vrt"]["bands"]
    assert band["statistics"] == {"valid_percent": 0.0}


def test_gaps_are_weighted_by_pixels_and_the_worst_seam_is_named() -> None:
    def told(share: float, **seams: float | None) -> dict[str, object]:
        gaps = {"0": share, "1": 0.0, "2": 0.0, "3+": 100 - share}
        return {"weft:gaps": gaps, "weft:expected": share / 2, "weft:seams": SEAMS | seams}

    values = np.array([0.1])
    sheets = {
        "s1": mosaic("s1", 20, values, **told(10, step=0.002, index=1.3)),
        "s2": mosaic("s2", 40, values, **told(40, step=0.008)),
        "s3": mosaic("s3", 20, values, **told(0)),
    }
    found = summary(sheets)
    assert found["weft:gaps"] == pytest.approx({"0": 22.5, "1": 0.0, "2": 0.0, "3+": 77.5})
    assert found["weft:expected"] == pytest.approx(11.25)
    assert found["weft:seams"] == {"step": 0.008, "step_sheet": "s2", "index": 1.3, "index_sheet": "s1"}
    assert summary({"s3": sheets["s3"]})["weft:seams"] == {
        **dict.fromkeys(("step", "index")),
        **dict.fromkeys(("step_sheet", "index_sheet")),
    }


def test_sheets_that_tell_nothing_are_not_summed_up() -> None:
    assert summary({"s1": mosaic("s1", 20, np.array([0.1]))}) == {}
