from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.weft.scenes.items import earth_search_v1, planetary_computer, projected, stac_1_1, without
from weft.bands import BANDS
from weft.errors import SceneRejected
from weft.rasters.grid import Grid
from weft.scenes.scene import Scene
from weft.scenes.sentinel2 import scene_of
from weft.scenes.sentinel2_identity import whereabouts

DIALECTS: tuple[Callable[[], dict[str, Any]], ...] = (earth_search_v1, planetary_computer, stac_1_1)


def calibration(scene: Scene, cbn: str = "blue") -> tuple[float, float]:
    return scene.bands[cbn].scale, scene.bands[cbn].offset


def changed(item: dict[str, Any], value: Any, *path: str | int) -> dict[str, Any]:
    copy = deepcopy(item)
    target: Any = copy
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return copy


def test_earth_search_identity_bands_and_grid() -> None:
    scene = scene_of(earth_search_v1())
    assert (scene.platform, scene.tile, scene.track, scene.baseline) == ("sentinel-2a", "31UFU", "R008", "05.09")
    assert scene.datatake == "GS2A_20230701T103631_041904"
    assert scene.segment == "20230701T104159"
    assert scene.processed == datetime(2023, 7, 1, 20, 0, 58, tzinfo=UTC)
    assert scene.acquired == datetime(2023, 7, 1, 10, 46, 30, 262000, tzinfo=UTC)
    assert scene.provenance == {"product_uri": "S2A_MSIL2A_20230701T103631_N0509_R008_T31UFU_20230701T200058.SAFE"}
    assert set(scene.bands) == {"blue", "rededge071", "nir", "nir08", "swir16"}
    assert scene.geolocation == Grid("EPSG:32631", 600000, 5900040, 10, 10, 10980, 10980)
    assert scene.bands["swir16"].geolocation == Grid("EPSG:32631", 600000, 5900040, 20, 20, 5490, 5490)
    assert scene.bands["blue"].href.endswith("/B02.tif"), "neither the JPEG 2000 original nor the picture"
    assert scene.classes is not None
    assert (scene.classes.scheme, scene.classes.nodata_class, scene.classes.water_classes) == (
        "sentinel-2-scl",
        0,
        (6,),
    )
    assert scene.classes.layer.scale == 1


def test_earth_search_originals_are_no_substitute_for_the_shifted_files() -> None:
    item = earth_search_v1()
    del item["assets"]["blue"]
    assert "blue" not in scene_of(item).bands


def test_datatake_identifier_is_believed_before_the_product_name() -> None:
    item = earth_search_v1()
    item["properties"]["s2:product_uri"] = "S2A_MSIL2A_20230702T103631_N0509_R008_T31UFU_20230701T200058.SAFE"
    assert scene_of(item).datatake == "GS2A_20230701T103631_041904"


def test_stac_1_1_bands_of_one_file_and_angles() -> None:
    scene = scene_of(stac_1_1())
    assert [(cbn, layer.band, layer.href) for cbn, layer in scene.bands.items()] == [
        ("blue", 1, "./bands.tif"),
        ("rededge071", 2, "./bands.tif"),
        ("nir", 3, "./bands.tif"),
    ]
    assert calibration(scene, "rededge071") == (0.0002, -0.1), "the band's scale comes before the asset's"
    assert calibration(scene, "nir") == (0.0001, -0.1), "without an offset of its own, the baseline's"
    assert (scene.bands["blue"].nodata, scene.bands["nir"].nodata, scene.bands["blue"].size) == (0, 65535, 1234)
    angle = scene.angles["view_zenith"]
    assert (angle.scale, angle.offset, angle.nodata, angle.unit) == (0.01, 0, 65535, "deg")
    assert scene.segment == "20220321T105021", "without a datastrip, the granule's own time"


@pytest.mark.parametrize(
    ("key", "name", "scale", "unit"),
    [
        ("aot", "aot", 0.001, "1"),
        ("AOT_10m", "aot", 0.001, "1"),
        ("cloud", "cloud_confidence", 1, "%"),
        ("CLDPRB", "cloud_confidence", 1, "%"),
        ("MSK_CLDPRB_20m", "cloud_confidence", 1, "%"),
        ("snow", "snow_confidence", 1, "%"),
        ("SNWPRB_20m", "snow_confidence", 1, "%"),
        ("MSK_SNWPRB", "snow_confidence", 1, "%"),
    ],
)
def test_quality_layers(key: str, name: str, scale: float, unit: str) -> None:
    item = planetary_computer()
    item["assets"][key] = {"href": "https://example.com/quality.tif", **projected(20)}
    (found,) = scene_of(item).quality.items()
    assert found[0] == name
    assert (found[1].scale, found[1].unit, found[1].geolocation.x_size) == (scale, unit, 20)
    item["assets"][key]["raster:bands"] = [{"scale": 0.5, "nodata": 7}]
    layer = scene_of(item).quality[name]
    assert (layer.scale, layer.nodata) == (0.5, 7), "what the item says comes before the usual"


@pytest.mark.parametrize(
    ("properties", "raster", "expected"),
    [
        ({"earthsearch:boa_offset_applied": True}, {"scale": 0.0001, "offset": -0.1}, (0.0001, 0.0)),
        ({"sentinel:boa_offset_applied": True, "s2:processing_baseline": "05.00"}, {}, (0.0001, 0.0)),
        ({"earthsearch:boa_offset_applied": False}, {"scale": 0.0001, "offset": -0.1}, (0.0001, -0.1)),
        ({"s2:processing_baseline": "05.00"}, {"scale": 0.0002, "offset": -0.7}, (0.0002, -0.7)),
        ({"s2:processing_baseline": "02.12"}, {"offset": -0.7}, (0.0001, -0.7)),
        ({"s2:processing_baseline": "05.00"}, {"scale": 0.0001}, (0.0001, -0.1)),
        ({"s2:processing_baseline": "04.00"}, {}, (0.0001, -0.1)),
        ({"s2:processing_baseline": "03.01"}, {}, (0.0001, 0.0)),
        ({"s2:processing_baseline": "05.00", "datetime": "2016-01-01T00:00:00Z"}, {}, (0.0001, -0.1)),
        ({"s2:processing_baseline": "02.12", "datetime": "2024-01-01T00:00:00Z"}, {}, (0.0001, 0.0)),
    ],
)
def test_scale_and_offset_come_from_the_product_never_from_a_date(
    properties: dict[str, Any], raster: dict[str, Any], expected: tuple[float, float]
) -> None:
    item = planetary_computer()
    item["properties"] |= properties
    item["assets"]["B02"]["raster:bands"] = [raster]
    assert calibration(scene_of(item)) == expected


def test_baseline_from_the_names_when_the_property_is_missing() -> None:
    scene = scene_of(without(planetary_computer(), "s2:processing_baseline"))
    assert scene.baseline == "02.12"


def test_an_offset_that_nothing_tells_is_rejected_with_advice() -> None:
    item = without(
        planetary_computer(), "s2:processing_baseline", "s2:datatake_id", "s2:product_uri", "s2:datastrip_id"
    )
    with pytest.raises(SceneRejected, match="reflectance offset"):
        scene_of(item)


def test_track_and_day_tell_the_datatake_where_no_name_does() -> None:
    item = without(planetary_computer(), "s2:datatake_id", "s2:product_uri", "s2:datastrip_id")
    assert scene_of(item).datatake == "GS2B_20190629_R043"
    with pytest.raises(SceneRejected, match="sat:relative_orbit"):
        scene_of(without(item, "sat:relative_orbit"))


@pytest.mark.parametrize("raster", [{"offset": -1000}, {"scale": 0}, {"scale": 10_000}, {"scale": -0.0001}])
def test_stored_units_in_place_of_reflectance_are_rejected(raster: dict[str, Any]) -> None:
    item = planetary_computer()
    item["assets"]["B02"]["raster:bands"] = [raster]
    with pytest.raises(SceneRejected, match="impossible for reflectance"):
        scene_of(item)


def test_finest_resolution_wins_whatever_the_order() -> None:
    item = planetary_computer()
    fine = item["assets"].pop("B02")
    coarse = fine | {"href": "https://example.com/coarse.tif", **projected(60)}
    item["assets"] = {"blue_60m": coarse, **item["assets"], "blue": fine}
    for asset in (fine, coarse):
        asset.pop("eo:bands", None)
    assert scene_of(item).bands["blue"].href == fine["href"]


def test_common_name_rededge_alone_is_no_band() -> None:
    item = planetary_computer()
    item["assets"]["mystery"] = item["assets"].pop("B05")
    item["assets"]["mystery"]["eo:bands"] = [{"common_name": "rededge"}]
    assert not any(cbn.startswith("rededge") for cbn in scene_of(item).bands)
    item["assets"]["rededge2"] = item["assets"].pop("mystery")
    assert "rededge075" in scene_of(item).bands


@pytest.mark.parametrize(
    ("datatake", "track"),
    [
        ("GS2A_20220401T083601_035382_N04.00", "R064"),
        ("GS2A_20230701T103631_041904_N05.09", "R008"),
        ("GS2B_20190629T212529_012081_N02.12", "R043"),
        ("GS2B_20220413T150759_026649_N04.00", "R025"),
        ("GS2C_20250206T124331_002210_N05.11", "R095"),
    ],
)
def test_track_from_the_absolute_orbit(datatake: str, track: str) -> None:
    item = without(planetary_computer(), "sat:relative_orbit", "s2:product_uri")
    item["properties"] |= {"s2:datatake_id": datatake, "platform": f"sentinel-{datatake[2:4].lower()}"}
    assert scene_of(item).track == track


@pytest.mark.parametrize("datatake", ["GS2A_20250615T023141_052100_N05.11", "GS2C_20241001T023141_000400_N05.11"])
def test_track_is_not_guessed_where_a_satellite_was_elsewhere(datatake: str) -> None:
    item = without(planetary_computer(), "sat:relative_orbit", "s2:product_uri")
    item["properties"] |= {"s2:datatake_id": datatake, "platform": f"sentinel-{datatake[2:4].lower()}"}
    with pytest.raises(SceneRejected, match="sat:relative_orbit"):
        scene_of(item)


def test_orbit_constants_reproduce_the_acquisition_plans(shared_data: Path) -> None:
    plan = json.loads(
        (shared_data / "sentinel2-grid-and-orbits/sentinel-2_acquisition_plan_nominal.geojson").read_text()
    )
    for feature in plan["features"][::50]:
        take = feature["properties"]
        item = without(planetary_computer(), "sat:relative_orbit", "s2:product_uri")
        item["properties"] |= {
            "platform": f"sentinel-{take['satellite'][1:].lower()}",
            "s2:datatake_id": f"G{take['satellite']}_20250101T000000_{int(take['OrbitAbsolute']):06d}_N05.11",
        }
        assert whereabouts(item).track == f"R{int(take['OrbitRelative']):03d}"


@pytest.mark.parametrize(
    ("properties", "tile"),
    [
        ({"s2:mgrs_tile": "06VVN"}, "06VVN"),
        ({"grid:code": "MGRS-6VVN"}, "06VVN"),
        ({"mgrs:utm_zone": 6, "mgrs:latitude_band": "V", "mgrs:grid_square": "VN"}, "06VVN"),
        ({"sentinel:utm_zone": 31, "sentinel:latitude_band": "N", "sentinel:grid_square": "BJ"}, "31NBJ"),
        ({"s2:product_uri": "S2B_MSIL2A_20190629T212529_N0212_R043_T06VVN_20201006T080531.SAFE"}, "06VVN"),
        ({"grid:code": "MGRS-61VVN"}, None),
        ({"s2:mgrs_tile": 6}, None),
    ],
)
def test_tile_in_every_spelling(properties: dict[str, Any], tile: str | None) -> None:
    assert whereabouts({"properties": properties}).tile == tile


def test_layers_off_the_common_grid_are_rejected() -> None:
    for wrong in (
        projected(20, left=600020),
        projected(15),
        projected(20, edge=10000),
        projected(20) | {"proj:epsg": 32632},
        {"proj:transform": [20, 0, 600000, 0, -10, 5900040]},
    ):
        item = earth_search_v1()
        item["assets"]["swir16"] |= wrong
        with pytest.raises(SceneRejected, match="whole multiple"):
            scene_of(item)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("id",), "../../etc/passwd", "its id"),
        (("id",), "..", "its id"),
        (("id",), 7, "its id"),
        (("id",), "a" * 129, "its id"),
        (("properties",), None, "no properties"),
        (("properties",), [], "expected an object"),
        (("properties", "datetime"), None, "datetime"),
        (("properties", "datetime"), "yesterday", "ISO 8601"),
        (("properties", "datetime"), "0001-01-01T00:00:00+14:00", "ISO 8601"),
        (("properties", "platform"), "landsat-8", "platform"),
        (("properties", "proj:epsg"), 4326, "UTM"),
        (("properties", "proj:epsg"), "EPSG:32631", "whole number"),
        (("properties", "s2:processing_baseline"), "5", "two digits"),
        (("properties", "s2:processing_baseline"), 5.09, "text"),
        (("properties", "s2:product_type"), "S2MSI1C", "Level-1C"),
        (("properties", "earthsearch:boa_offset_applied"), "yes", "true or false"),
        (("properties", "sat:relative_orbit"), 144, "1 to 143"),
        (("assets",), None, "assets"),
        (("assets", "blue"), "href", "expected an object"),
        (("assets", "blue", "href"), ["x.tif"], "text"),
        (("assets", "blue", "proj:shape"), [40001, 40001], "1 to 40000"),
        (("assets", "blue", "proj:shape"), [10980.5, 10980], "1 to 40000"),
        (("assets", "blue", "proj:shape"), [0, 0], "1 to 40000"),
        (("assets", "blue", "proj:shape"), None, "no proj:shape"),
        (("assets", "blue", "proj:transform"), [10, 0, float("nan"), 0, -10, 0], "finite"),
        (("assets", "blue", "proj:transform"), [10, 0, 10**400, 0, -10, 0], "finite"),
        (("assets", "blue", "proj:transform"), [10, 1, 600000, 1, -10, 5900040], "north-up"),
        (("assets", "blue", "proj:transform"), [10, 0, 600000, 0, -10, 5900040, 0, 0, 2], "affine"),
        (("assets", "blue", "file:size"), -1, "whole number"),
        (("assets", "blue", "raster:bands"), [{}] * 65, "at most 64"),
        (("assets", "blue", "raster:bands"), [{"nodata": "nan"}], "finite"),
    ],
)
def test_hostile_values_reject_the_scene_with_a_reason(path: tuple[str, ...], value: Any, reason: str) -> None:
    with pytest.raises(SceneRejected, match=reason):
        scene_of(changed(earth_search_v1(), value, *path))


@pytest.mark.parametrize("kept", [("visual", "scl"), ("visual", "blue", "nir")])
def test_missing_classification_or_bands_are_named(kept: tuple[str, ...]) -> None:
    item = earth_search_v1()
    item["assets"] = {key: item["assets"][key] for key in kept}
    with pytest.raises(SceneRejected, match=r"no scene classification \(asset SCL\) or no reflectance band"):
        scene_of(item)


GARBAGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.dictionaries(st.text(), st.integers()))),
    st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.integers(), st.text(max_size=5)), max_size=3),
)


def paths(value: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([here] if here else []), *(path for key, child in children for path in paths(child, (*here, key)))]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_garbled_items_give_a_scene_or_a_reason_and_nothing_else(data: st.DataObject) -> None:
    item = data.draw(st.sampled_from(DIALECTS))()
    for _ in range(data.draw(st.integers(1, 3))):
        item = changed(item, data.draw(GARBAGE), *data.draw(st.sampled_from(paths(item))))
    whereabouts(item)
    try:
        scene = scene_of(item)
    except SceneRejected:
        return
    assert scene.bands.keys() <= BANDS.keys()


@pytest.mark.parametrize("item", [None, [], 7, "item", {}, {"id": "a"}])
def test_what_is_no_item_is_rejected(item: Any) -> None:
    with pytest.raises(SceneRejected):
        scene_of(item)


def real_items(shared_data: Path) -> list[dict[str, Any]]:
    files = [
        *sorted((shared_data / "sentinel2-safe-metadata").glob("*/expected_output.json")),
        *sorted((shared_data / "stac-items").glob("*/S2*.json")),
        *sorted((shared_data / "stac-items").glob("*/site*.geojson")),
    ]
    documents = [json.loads(file.read_text()) for file in files]
    return [item for document in documents for item in document.get("features", [document])]


def test_real_items_of_every_archive(shared_data: Path) -> None:
    rejected = []
    scenes: dict[str, Scene] = {}
    for item in real_items(shared_data):
        try:
            scenes[item["id"]] = scene_of(item)
        except SceneRejected as error:
            rejected.append(error.scene_id)
    assert rejected == ["S2A_T46RER_20210908T043714_L1C"], "the one Level-1C item"
    assert all(set(scene.bands) == set(BANDS) for scene in scenes.values())
    assert all(scene.geolocation.shape == (10980, 10980) for scene in scenes.values())
    offsets = {scene_id: calibration(scene)[1] for scene_id, scene in scenes.items()}
    assert offsets["S2A_T34LBQ_20220401T090142_L2A"] == -0.7, "the edited fixture: read, not assumed"
    assert offsets["S2B_T33XWJ_20220413T150756_L2A"] == -0.1
    assert offsets["S2A_31NBJ_20190524_0_L2A"] == 0
    v0 = scenes["S2A_31NBJ_20190524_0_L2A"]
    assert (v0.datatake, v0.segment, v0.track) == ("GS2A_20190524T101031", "20190524T102859", "R022")
    nameless = scenes["S2A_OPER_MSI_L2A_TL_2APS_20240108T121951_A044635_T34VEL"]
    assert (nameless.datatake, nameless.track, nameless.tile) == ("GS2A_044635", "R022", "34VEL")
    assert nameless.processed == datetime(2024, 1, 8, 12, 19, 51, tzinfo=UTC), "of the product, not of its item"
