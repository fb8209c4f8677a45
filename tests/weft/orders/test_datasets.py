from __future__ import annotations

import json
import math
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint

from tests.scenes import GRID, START, make_scene
from tests.weft.scenes import items
from weft.errors import RequestError
from weft.orders.datasets import dataset_from_item, dataset_of_file
from weft.periods import TimeWindow
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, Product, RasterFile, Statistics
from weft.stac.calibrated import calibrated_item
from weft.stac.products import product_item

PLACED = {"proj:code": "EPSG:32631", "proj:shape": [160, 200], "proj:transform": [10, 0, 5e5, 0, -10, 5.6e6]}


def foreign(**assets: dict[str, Any]) -> dict[str, Any]:
    """A STAC 1.1 item of somebody else."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "newsat-1",
        "properties": {"datetime": "2022-03-22T08:00:00Z", **PLACED},
        "assets": assets or {"B4": asset("red")},
    }


def asset(name: str | None, href: str = "https://host/b.tif", **fields: Any) -> dict[str, Any]:
    common = {} if name is None else {"eo:common_name": name}
    band = common | {"raster:scale": 0.0001, "raster:offset": -0.1, "nodata": 0, "unit": "1"}
    return {"href": href, "bands": [band]} | fields


def test_a_calibrated_scene_comes_back_whole(tmp_path: Path):
    scene = make_scene(tmp_path, 1)
    item = calibrated_item(scene, fingerprint="0" * 64, tile_track="R051_31UDS")
    found = dataset_from_item(item, 3)
    assert (found.index, found.id, found.acquired) == (3, scene.id, scene.acquired)
    assert {name: found.layer(name) for name in scene.bands} == scene.bands
    assert found.classes == scene.classes
    assert found.labels == {"classes"}
    assert found.item is item
    assert found.common_name("red") == "red"
    assert found.common_name("classes") is None


def test_sentinel2_of_an_archive_is_read_by_the_missions_own_rules():
    # Earth Search states offset -0.1 although it has already shifted the pixels.
    found = dataset_from_item(items.earth_search_v1(), 1)
    assert found.layer("nir").offset == 0.0
    assert found.layer("rededge071").scale == 0.0001
    assert found.classes is not None


def test_a_product_of_ours_is_a_dataset():
    spec = {"dtype": "uint16", "nodata": 0, "scale": 0.0001, "unit": "1"}
    layers = [
        LayerSpec(key="nir_p25", title="a", band="nir", statistic="p25", **spec),
        LayerSpec(key="nir_p75", title="b", band="nir", statistic="p75", **spec),
        LayerSpec(key="red_p25", title="c", band="red", statistic="p25", **spec),
        LayerSpec(key="ndvi", title="d", dtype="float32", nodata=math.nan),
        LayerSpec(key="s0_db_c_vv", title="e", dtype="float32", nodata=math.nan, band="s0_db_c_vv", unit="dB"),
        LayerSpec(key="scl", title="f", dtype="uint8", nodata=0, categorical=True),
    ]
    nothing = Statistics(math.nan, math.nan, math.nan, math.nan, 0.0)
    files = tuple(
        RasterFile(layer=layer, path=Path("x"), pixel_sha256="0" * 64, statistics=nothing) for layer in layers
    )
    window = TimeWindow(START, START.replace(month=5))
    item = product_item(
        collection="composites",
        item_id="flanders_2018-04",
        product=Product(GRID, files),
        window=window,
        fingerprint="0" * 64,
        derived_from=[],
        properties={"weft:region": "flanders", "weft:period": "2018-04"},
        thumbnail=True,
    )
    for key, one in item["assets"].items():
        one["href"] = f"file:///store/{key}.tif"
    found = dataset_from_item(item, 1)
    assert found.layers.keys() == {"nir_p25", "nir_p75", "red_p25", "ndvi", "s0_db_c_vv", "scl", "red"}
    assert found.layer("red") == found.layer("red_p25")
    assert found.common_name("nir_p75") == "nir"
    assert found.modality("s0_db_c_vv") == "radar"
    assert found.labels == {"scl"}
    assert math.isnan(found.layer("ndvi").nodata or 0.0)
    assert found.layer("red").geolocation == GRID
    assert found.acquired == START


@pytest.mark.parametrize(
    "described",
    [
        {"bands": [{"eo:common_name": "red", "raster:scale": 0.5, "raster:offset": -2, "nodata": 7, "unit": "1"}]},
        {
            "eo:bands": [{"name": "B04", "common_name": "red"}],
            "raster:bands": [{"scale": 0.5, "offset": -2, "nodata": 7, "unit": "1"}],
        },
        {"raster:scale": 0.5, "raster:offset": -2, "nodata": 7, "bands": [{"eo:common_name": "red", "unit": "1"}]},
    ],
)
@pytest.mark.parametrize("code", [{"proj:code": "EPSG:32631"}, {"proj:code": None, "proj:epsg": 32631}])
@pytest.mark.parametrize("where", ["item", "asset"])
def test_foreign_items_of_either_version_are_read(described: dict[str, Any], code: dict[str, Any], where: str):
    placed = PLACED | code
    item = foreign(B4={"href": "x/B04.TIF", **described, **(placed if where == "asset" else {})})
    item["properties"] = {"datetime": "2022-03-22T08:00:00Z", **(placed if where == "item" else {})}
    found = dataset_from_item(item, 2)
    layer = found.layer("red")
    assert layer == found.layer("B4")
    assert (layer.href, layer.scale, layer.offset, layer.nodata, layer.unit) == ("x/B04.TIF", 0.5, -2, 7, "1")
    assert layer.geolocation == Grid("EPSG:32631", 500_000, 5_600_000, 10, 10, 200, 160)
    assert found.acquired == datetime(2022, 3, 22, 8, tzinfo=UTC)
    assert found.classes is None


def test_several_bands_in_one_file_have_their_own_names():
    bands = [{"name": "B1", "eo:common_name": "blue"}, {"name": "not a name", "eo:common_name": "green"}, {}]
    found = dataset_from_item(foreign(all={"href": "all.tif", "bands": bands}), 1)
    assert {name: layer.band for name, layer in found.layers.items()} == {
        "B1": 1,
        "blue": 1,
        "all_2": 2,
        "green": 2,
        "all_3": 3,
    }


def test_of_one_common_name_the_finest_layer_is_taken():
    coarse = {"proj:shape": [80, 100], "proj:transform": [20, 0, 5e5, 0, -20, 5.6e6]}
    found = dataset_from_item(foreign(R20=asset("red", **coarse), R10=asset("red")), 1)
    assert found.layer("red") == found.layer("R10") != found.layer("R20")
    twice = dataset_from_item(foreign(Ra=asset("red"), Rb=asset("red")), 1)
    with pytest.raises(RequestError, match=r"input_reference\[1\] \(newsat-1\) has no band red; it has Ra, Rb"):
        twice.layer("red")


def test_radar_bands_and_labels_are_told():
    found = dataset_from_item(
        foreign(
            vv=asset(None),
            s0_db_x_hh=asset(None),
            qa=asset(None, **{"classification:bitfields": []}),
            mask=asset(None, roles=["data-mask"]),
        ),
        1,
    )
    assert [found.modality(name) for name in ("vv", "s0_db_x_hh", "qa")] == ["radar", "radar", "optical"]
    assert dict(found.common_names) == {"s0_db_x_hh": "s0_db_x_hh"}
    assert found.labels == {"qa", "mask"}


@pytest.mark.parametrize(
    ("text", "number"), [("nan", math.nan), ("inf", math.inf), ("-inf", -math.inf), ("NaN", math.nan)]
)
def test_nodata_that_json_has_no_number_for(text: str, number: float):
    found = dataset_from_item(foreign(B4={"href": "b.tif", "bands": [{"nodata": text}]}), 1)
    assert found.layer("B4").nodata == pytest.approx(number, nan_ok=True)


def test_pictures_and_other_files_are_no_layers():
    others = {
        "thumbnail": {"href": "t.tif"},
        "overview": {"href": "o.tif"},
        "tci": asset("red", roles=["visual"]),
        "meta": {"href": "m.json"},
        "wrong-name": asset(None),
        "dashed-name": asset("green"),
    }
    found = dataset_from_item(foreign(B4=asset("red"), **others), 1)
    assert found.layers.keys() == {"B4", "red", "wrong_name", "dashed_name", "green"}


def test_assets_of_an_earlier_stack_have_names_that_expressions_can_use():
    earlier = {"1_nir": asset("nir"), "2_nir": asset("nir"), "2_s0_db_c_vv": asset(None, **{"weft:cbn": None})}
    found = dataset_from_item(foreign(**earlier), 1)
    assert found.layers.keys() == {"b1_nir", "b2_nir", "b2_s0_db_c_vv"}
    assert found.common_name("b1_nir") == "nir"
    assert found.modality("b2_s0_db_c_vv") == "radar"


def test_a_name_that_means_two_layers_means_none():
    found = dataset_from_item(foreign(**{"a-b": asset("red"), "a.b": asset("green"), "c": asset("nir")}), 1)
    assert found.layers.keys() == {"red", "green", "c", "nir"}
    with pytest.raises(RequestError, match=r"input_reference\[1\] \(newsat-1\): it has several layers a_b"):
        found.layer("a_b")


def test_the_key_of_an_asset_goes_before_a_common_name():
    found = dataset_from_item(foreign(nir=asset("nir08"), B8=asset("nir")), 1)
    assert found.layer("nir") == found.layer("nir08")
    assert found.common_name("nir") == "nir08"
    assert found.common_name("B8") == "nir"


def without(*keys: str) -> dict[str, Any]:
    item = foreign()
    for key in keys:
        del item["properties"][key]
    return item


def with_properties(**fields: Any) -> dict[str, Any]:
    item = foreign()
    item["properties"] |= {name.replace("_", ":", 1): value for name, value in fields.items()}
    return item


def radar(product: str) -> dict[str, Any]:
    item = foreign(vv=asset(None))
    item["properties"] |= {"sar:product_type": product}
    return item


WRONG: list[tuple[Any, str]] = [
    (None, "its id is not made of"),
    ([], "its id is not made of"),
    ({}, "its id is not made of"),
    ({"id": "../x"}, "its id is not made of"),
    ({"id": "x"}, "it needs assets"),
    (foreign() | {"assets": {}}, "no GeoTIFF or JPEG 2000 asset"),
    (foreign() | {"assets": []}, "assets"),
    (foreign() | {"assets": {f"a{n}": asset("red") for n in range(501)}}, "at most 500"),
    (foreign() | {"properties": []}, "properties"),
    (foreign(B4="x"), "expected an object"),
    (foreign(B4={"href": 7}), "href"),
    (foreign(B4={"href": "x" * 3000 + ".tif"}), "href"),
    (foreign(B4={"href": "b.tif", "bands": [{}] * 65}), "at most 64"),
    (foreign(B4={"href": "b.tif", "bands": [{"nodata": "none"}]}), "nodata"),
    (foreign(B4={"href": "b.tif", "bands": [{"raster:scale": 0}]}), "scale"),
    (foreign(B4={"href": "b.tif", "bands": [{"raster:scale": "0.1"}]}), "scale"),
    (foreign(B4={"href": "b.tif", "bands": [{"raster:offset": math.inf}]}), "offset"),
    (foreign(B4=asset("red", **{"file:size": -1})), "file:size"),
    (without("proj:code"), "no proj:code"),
    (without("proj:transform"), "no proj:transform"),
    (without("proj:shape"), "no proj:shape"),
    (without("proj:code", "proj:transform", "proj:shape"), "no proj:code, proj:shape, proj:transform"),
    (with_properties(proj_code="ESRI:54009"), "EPSG"),
    (with_properties(proj_code="EPSG:4326; rm"), "EPSG"),
    (with_properties(proj_shape=[0, 10]), "rows and columns"),
    (with_properties(proj_shape=[50_000, 50_000]), "rows and columns"),
    (with_properties(proj_shape=[1.5, 10]), "rows and columns"),
    (with_properties(proj_transform=[10, 0, 5e5, 0, 10, 5.6e6]), "not north-up"),
    (with_properties(proj_transform=[7, 7, 5e5, 7, -7, 5.6e6]), "not north-up"),
    (with_properties(proj_transform=[10, 0, 5e5]), "proj:transform"),
    (with_properties(proj_transform=[0, 0, 5e5, 0, 0, 5.6e6]), "not north-up"),
    (radar("GRD"), "geometry of the sensor"),
    (radar("SLC"), "geometry of the sensor"),
    (foreign() | {"collection": "calibrated-datasets", "properties": {"weft:datatake": "x"}}, "must not be published"),
    (items.earth_search_v1() | {"assets": {}}, "no scene classification"),
]


@pytest.mark.parametrize(("item", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_item_is_refused_and_its_place_named(item: Any, message: str):
    with pytest.raises(RequestError, match=message) as caught:
        dataset_from_item(deepcopy(item), 2)
    assert str(caught.value).startswith("input_reference[2]")


def test_geocoded_radar_is_taken():
    assert dataset_from_item(radar("RTC"), 1).modality("vv") == "radar"
    item = foreign(s0_db_c_vv=asset(None))
    item["properties"] |= {"sar:product_type": "GRD"}  # of what the calibrated dataset was made of
    assert dataset_from_item(item, 1).layers.keys() == {"s0_db_c_vv"}


def test_one_asset_without_a_place_does_not_spoil_the_others():
    tilted = asset("nir", **{"proj:transform": [7, 7, 5e5, 7, -7, 5.6e6]})
    found = dataset_from_item(foreign(B4=asset("red"), B8=tilted), 2)
    assert found.layers.keys() == {"B4", "red"}
    for name in ("B8", "nir"):
        with pytest.raises(RequestError, match=r"input_reference\[2\] \(newsat-1\): asset B8: .*not north-up"):
            found.layer(name)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
PLACES = [("properties", key) for key in foreign()["properties"]] + [
    ("assets", "B4", key) for key in ("href", "bands", "roles")
]


@given(st.sampled_from([*PLACES, ("properties",), ("assets",), ("id",), ("assets", "B4")]), json_values)
def test_a_hostile_value_anywhere_is_refused_or_harmless(place: tuple[str, ...], value: Any):
    item = foreign()
    inner: Any = item
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with suppress(RequestError):
        assert dataset_from_item(item, 1).layers


def write(
    path: Path, *, bands: int = 1, crs: str | None = "EPSG:32631", transform: Affine = GRID.transform, **more: Any
) -> Path:
    array = np.arange(bands * 12 * 10, dtype="uint16").reshape(bands, 12, 10)
    names, tags = more.pop("names", ()), more.pop("tags", {})
    profile = {"driver": "GTiff", "width": 10, "height": 12, "count": bands, "dtype": "uint16", **more}
    with rasterio.open(path, "w", crs=crs, transform=transform, **profile) as dataset:
        dataset.write(array)
        dataset.update_tags(**tags)
        for number, name in enumerate(names, start=1):
            dataset.set_band_description(number, name)
    return path


def test_bands_of_a_file_are_named_by_their_descriptions(tmp_path: Path):
    names = ("Red", "s0_db_c_vv", "something", "red")
    found = dataset_of_file(write(tmp_path / "a b.tif", bands=4, names=names, nodata=7), 2)
    assert {name: layer.band for name, layer in found.layers.items()} == {
        "band1": 1,
        "s0_db_c_vv": 2,
        "band3": 3,
        "band4": 4,
    }
    layer = found.layer("s0_db_c_vv")
    assert layer.href == (tmp_path / "a b.tif").as_uri()
    assert (layer.nodata, layer.scale, layer.offset) == (7, 1, 0)
    assert layer.geolocation == Grid("EPSG:32631", GRID.left, GRID.top, 10, 10, 10, 12)
    assert (found.index, found.id, found.item, found.acquired) == (2, "a_b", None, None)


def test_iceyes_time_is_read(tmp_path: Path):
    tags = {"ACQUISITION_START_UTC": "2021-04-27T21:51:24.567890"}
    assert dataset_of_file(write(tmp_path / "a.tif", tags=tags), 1).acquired == datetime(
        2021, 4, 27, 21, 51, 24, tzinfo=UTC
    )


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_that_lies_nowhere_is_refused(tmp_path: Path):
    points = [GroundControlPoint(row, col, 4 + col / 10, 50 - row / 12) for row in (0, 12) for col in (0, 10)]
    cases = {
        "control points only": write(tmp_path / "gcp.tif", crs="EPSG:4326", transform=Affine.identity(), gcps=points),
        "no transform": write(tmp_path / "bare.tif", crs=None, transform=Affine.identity()),
        "no CRS": write(tmp_path / "nocrs.tif", crs=None),
        "no EPSG code": write(tmp_path / "own.tif", crs="+proj=utm +zone=31 +ellps=intl +units=m"),
        "not north-up": write(tmp_path / "tilted.tif", transform=GRID.transform @ Affine.rotation(10)),
        "cannot be read|not a readable": tmp_path / "none.tif",
        "its ending is none of": write(tmp_path / "x.img"),
    }
    (tmp_path / "text.tif").write_text("hello")
    cases["not a readable GTiff"] = tmp_path / "text.tif"
    for message, path in cases.items():
        with pytest.raises(RequestError, match=message) as caught:
            dataset_of_file(path, 1)
        assert str(path) in str(caught.value)


def test_real_files_and_items(shared_data: Path):
    optical = dataset_of_file(shared_data / "belgium-s2-l8-pair-10m" / "ref_input_L8_B02.tif", 1)
    assert optical.layer("band1").geolocation == Grid("EPSG:32631", 655360, 5686280, 10, 10, 512, 1024)
    for path in sorted((shared_data / "iceye-grd-samples").glob("*.tif")):
        with pytest.raises(RequestError, match="ground control points only"):
            dataset_of_file(path, 1)
    folder = shared_data / "stac-items" / "landsat-c2-l2"
    for path in sorted(folder.glob("L*.json")):
        found = dataset_from_item(json.loads(path.read_text()), 1)
        red = found.layer("red")
        assert (red.scale, red.offset, red.nodata) == (0.0000275, -0.2, 0)
        assert {"nir08", "swir16", "qa_pixel"} <= found.layers.keys()
