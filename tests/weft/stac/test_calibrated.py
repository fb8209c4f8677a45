from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.weft.stac import examples
from weft.errors import IntegrityError
from weft.rasters.grid import Grid
from weft.scenes.scene import ClassLayer, Layer, Scene
from weft.stac.calibrated import calibrated_item, scene_from_item
from weft.stac.registers import register_item
from weft.stac.validation import validate

_size = st.floats(0.5, 1000, allow_nan=False)
grids = st.builds(
    Grid,
    st.sampled_from(["EPSG:32631", "EPSG:32733", "EPSG:3035"]),
    st.floats(300000, 700000),
    st.floats(2000000, 6000000),
    _size,
    _size,
    st.integers(1, 50),
    st.integers(1, 50),
)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
layers = st.builds(
    Layer,
    href=st.sampled_from(["https://a.example/x.tif", "s3://bucket/y.jp2", "file:///z/stack.TIF", "s3://bucket/no-end"]),
    band=st.integers(1, 60),
    geolocation=grids,
    scale=st.floats(1e-6, 10) | st.just(1.0),
    offset=st.floats(-1000, 1000) | st.just(0.0),
    nodata=st.none() | st.floats(-1e6, 1e6) | st.sampled_from([0, math.nan, math.inf, -math.inf]),
    unit=st.none() | st.sampled_from(["1", "deg", "dB"]),
    size=st.none() | st.integers(0, 2**40),
)
classes = st.builds(
    ClassLayer,
    layers,
    st.sampled_from(["sentinel-2-scl", "landsat-qa"]),
    st.integers(0, 255),
    st.lists(st.integers(0, 255), max_size=3).map(tuple),
)
moments = st.datetimes(datetime(1984, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 (hypothesis adds the zone)
    lambda moment: moment.replace(fold=0)  # which of two equal clock times: JSON in UTC has no word for it
)
scenes = st.builds(
    Scene,
    id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", fullmatch=True),
    mission=words,
    platform=words,
    acquired=moments,
    datatake=words,
    segment=words,
    tile=st.none() | st.sampled_from(["31UDS", "01WCP", "198024"]),
    track=st.none() | st.sampled_from(["R051", "R143", "P198"]),
    geolocation=grids,
    bands=st.dictionaries(st.sampled_from(["red", "nir", "s0_db_c_vv"]), layers, min_size=1),
    classes=st.none() | classes,
    angles=st.dictionaries(st.sampled_from(["view_zenith", "sun_azimuth"]), layers),
    quality=st.dictionaries(st.sampled_from(["aot", "cloud_confidence"]), layers),
    baseline=st.none() | st.just("05.09"),
    processed=st.none() | moments,
    provenance=st.dictionaries(words, words, max_size=2),
)


# Without shrinking: a failure then costs no more than a pass, and the equality of dataclasses says what differs.
@settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.generate])
@given(scenes)
def test_every_scene_survives_the_round_trip(scene: Scene) -> None:
    item = calibrated_item(scene, fingerprint=examples.MARK, tile_track="R051_31UDS")
    validate(item)
    # As text: from Python 3.13 on a dataclass that holds NaN no longer equals itself.
    assert repr(scene_from_item(json.loads(json.dumps(item, allow_nan=False)))) == repr(scene)


def test_item_says_what_the_scene_is() -> None:
    item = examples.calibrated()
    properties = item["properties"]
    assert properties["datetime"] == "2018-04-01T10:50:31.024000Z"
    assert properties["grid:code"] == "MGRS-31UDS"
    assert properties["sat:relative_orbit"] == 51
    assert properties["constellation"] == "sentinel-2"
    assert properties["processing:version"] == "04.00"
    assert properties["gsd"] == 10
    assert [uri.split("/")[3] for uri in item["stac_extensions"]] == [
        *("classification", "eo", "file", "grid", "processing", "projection", "raster", "sat")
    ]


def test_bands_of_one_file_are_assets_with_one_href() -> None:
    assets = examples.calibrated()["assets"]
    assert {assets[key]["href"] for key in ("red", "green", "blue")} == {
        "https://archive.example/S2A_31UDS_20180401/stack.tif"
    }
    assert [assets[key]["weft:band_number"] for key in ("red", "green", "blue")] == [3, 2, 1]
    assert assets["red"]["bands"] == [
        {
            "name": "red",
            "eo:common_name": "red",
            "eo:center_wavelength": 0.665,
            "eo:full_width_half_max": 0.038,
            "nodata": 0,
            "raster:scale": 0.0001,
            "raster:offset": -0.1,
            "unit": "1",
        }
    ]


def test_classes_have_names_and_colours() -> None:
    asset = examples.calibrated()["assets"]["classes"]
    labels = asset["bands"][0]["classification:classes"]
    assert [label["value"] for label in labels] == list(range(12))
    assert labels[0] == {"value": 0, "name": "no_data", "title": "No data", "color_hint": "000000", "nodata": True}
    assert asset["type"] == "image/jp2"
    assert asset["proj:shape"] == [20, 30]


def test_same_scene_same_bytes() -> None:
    assert json.dumps(examples.calibrated()) == json.dumps(examples.calibrated())


def test_layers_with_one_name_are_refused() -> None:
    scene = examples.scene()
    twice = replace(scene, angles={"red": scene.bands["red"]})
    with pytest.raises(IntegrityError, match="two layers named red"):
        calibrated_item(twice, fingerprint=examples.MARK, tile_track="R051_31UDS")
    twice = replace(scene, quality={"view_zenith": scene.quality["aot"]})
    with pytest.raises(IntegrityError, match="two layers named view_zenith"):
        calibrated_item(twice, fingerprint=examples.MARK, tile_track="R051_31UDS")


def test_a_time_without_zone_is_refused() -> None:
    scene = replace(examples.scene(), acquired=datetime(2018, 4, 1))  # noqa: DTZ001
    with pytest.raises(IntegrityError, match="has no zone"):
        calibrated_item(scene, fingerprint=examples.MARK, tile_track="R051_31UDS")


def test_other_items_are_no_scenes() -> None:
    with pytest.raises(IntegrityError, match="is no scene; look for one in calibrated-datasets"):
        scene_from_item(examples.stack([examples.scene()]))
    register = register_item(
        item_id="flanders_2018-03_R051_31UDS",
        scene_ids=["S2A_1"],
        rejected=[],
        grid=examples.GRID,
        window=examples.SEASON,
        fingerprint=examples.MARK,
        properties={"weft:tile_track": "R051_31UDS"},
    )
    validate(register)
    with pytest.raises(IntegrityError, match="is no scene"):
        scene_from_item(register)
    broken = examples.calibrated()
    del broken["assets"]["red"]["weft:band_number"]
    with pytest.raises(IntegrityError, match="'weft:band_number' is a required property"):
        scene_from_item(broken)
