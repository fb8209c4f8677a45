from __future__ import annotations

import copy

import pydantic
import pyproj
import pytest
import yaml

from weft.errors import RequestError
from weft.regions import MAX_TILE_TRACKS, Mosaic, load, tile_of, track_of

FLANDERS = {
    "region": "flanders",
    "archive": {"stac": "file:./archive/catalog.json", "collection": "sentinel-2-l2a"},
    "calendar": "glad-seasons",
    "start": "2018-03",
    "bands": ["blue", "green", "red", "nir", "swir16", "swir22"],
    "working_resolution": 10,
    "validity": {"classes": [2, 4, 5, 6, 11], "view_zenith_max": 11, "dilate_m": 0},
    "coregistration": {"method": "none"},
    "composite": {"methods": ["medoid", "percentiles"], "medoid_min": 5, "percentiles": [25, 50, 75]},
    "mosaic": {"crs": "EPSG:3035", "resolution": 30, "sheet_km": 100, "blend": "seamless", "byte_scale": None},
    "expressions": {"ndvi": "(norm_diff nir red)"},
    "tiles": ["R094_31UDS", "R051_31UDS"],
}


@pytest.fixture
def write(tmp_path):
    def write(document):
        path = tmp_path / "region.yaml"
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
        return path

    return write


def _changed(where, value):
    document = copy.deepcopy(FLANDERS)
    *path, last = where.split(".")
    place = document
    for part in path:
        place = place[part]
    place[last] = value
    return document


def test_the_example_of_the_design(write):
    region = load(write(FLANDERS))
    assert region.tiles == ("R051_31UDS", "R094_31UDS")
    assert region.tracks == ("R051", "R094")
    assert region.composite.percentiles == (25, 50, 75)
    assert region.validity.classes == (2, 4, 5, 6, 11)
    assert region.expressions == {"ndvi": "(norm_diff nir red)"}
    assert (track_of("R051_31UDS"), tile_of("R051_31UDS")) == ("R051", "31UDS")


def test_defaults(write):
    needed = ("region", "archive", "calendar", "start", "bands", "tiles")
    region = load(write({key: FLANDERS[key] for key in needed}))
    assert region.mosaic.crs == "EPSG:3035"
    assert region.validity.view_zenith_max is None
    assert region.expressions == {}


@pytest.mark.parametrize(
    ("mosaic", "edge"),
    [
        ({}, 100_000),
        ({"sheet_km": 4.1}, 4_100),
        ({"crs": "EPSG:32601", "sheet_km": 10}, 10_000),
        ({"crs": "EPSG:4326", "resolution": 0.00025}, 1),
        ({"crs": "EPSG:4258", "resolution": 1 / 3600, "sheet_deg": 0.5}, 0.5),
    ],
)
def test_the_edge_of_a_sheet_is_in_the_units_of_the_crs(write, mosaic, edge):
    found = load(write(FLANDERS | {"mosaic": mosaic})).mosaic
    assert found.sheet_edge == edge
    assert Mosaic.model_validate(found.model_dump()) == found


def test_a_crs_without_an_area_of_use_is_refused(write, monkeypatch):
    monkeypatch.setattr(pyproj.CRS, "area_of_use", None)
    with pytest.raises(RequestError, match="PROJ knows no area of use of EPSG:3035"):
        load(write(FLANDERS))


def test_sheets_are_sorted(write):
    assert load(write(FLANDERS | {"sheets": ["b", "a"]})).sheets == ("a", "b")


def test_a_region_cannot_be_changed(write):
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        load(write(FLANDERS)).region = "wallonia"


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("colour", "red", "colour: Extra inputs are not permitted (got 'red')"),
        ("composite.percentile", [50], "composite.percentile: Extra inputs are not permitted"),
        ("region", "../etc", "region: String should match pattern"),
        ("region", "flanders\n", "region: String should match pattern"),
        ("calendar", "week", "calendar: Input should be 'day', 'dekad'"),
        ("start", "2018-04", "starts no glad-seasons; its months are 03, 06, 09, 12"),
        ("start", "spring", "is not a key of calendar glad-seasons"),
        ("start", "9999-12", "outside the years"),
        ("bands", ["red", "ultraviolet"], "unknown or repeated bands ['ultraviolet']; known: coastal, blue"),
        ("bands", ["red", "red"], "unknown or repeated bands ['red', 'red']"),
        ("bands", [], "bands: Tuple should have at least 1 item"),
        ("tiles", ["31UDS"], "tiles must be distinct keys like R051_31UDS, got ['31UDS']"),
        ("tiles", ["R051_31UDS\n"], "tiles must be distinct keys"),
        ("tiles", ["R051_../../31"], "tiles must be distinct keys"),
        ("tiles", ["R051_31UDS", "R051_31UDS"], "tiles must be distinct keys"),
        ("tiles", [], "tiles: Tuple should have at least 1 item"),
        ("tiles", [f"R001_{i}" for i in range(MAX_TILE_TRACKS + 1)], f"at most {MAX_TILE_TRACKS} items"),
        ("expressions", {"ndvi": "(norm_diff nir08 red)"}, "expression ndvi uses ['nir08'], which are not among"),
        ("expressions", {"ndvi": "(norm_diff nir)"}, "norm_diff takes 2 arguments, got 1"),
        ("expressions", {"one": "1"}, "expression one uses no band"),
        ("expressions", {"../x": "nir"}, "should match pattern"),
        ("composite.methods", [], "name at least one of s2gm, s2gm_v1, medoid"),
        ("composite.methods", ["median"], "composite.methods.0: Input should be 's2gm', 's2gm_v1'"),
        ("composite.methods", ["medoid", "medoid"], "must not repeat"),
        ("composite.short_term", {"version": 3}, "composite.short_term.version: Input should be 1 or 2"),
        ("composite.short_term", {"thresholds": {"snow": 1}}, "there are no thresholds ['snow']; known: dry_mndwi"),
        ("composite.short_term", {"thresholds": {"snow_tcb": float("inf")}}, "should be a finite number"),
        ("composite.percentile_method", "cubic", "composite.percentile_method: Input should be 'linear' or 'nearest'"),
        ("composite.layers", ["sun"], "composite.layers"),
        ("validity.cloud_confidence_max", 101, "validity.cloud_confidence_max: Input should be less than or equal"),
        ("validity.shadow_dilate_m", -1, "validity.shadow_dilate_m: Input should be greater than or equal to 0"),
        ("composite.percentiles", [], "needs at least one number"),
        ("composite.percentiles", [50, 50], "must not repeat"),
        ("composite.percentiles", [101], "less than or equal to 100"),
        ("composite.percentiles", [float("nan")], "composite.percentiles.0: Input should be"),
        ("composite.medoid_min", 0, "composite.medoid_min: Input should be greater than or equal to 1"),
        ("coregistration.method", "sift", "coregistration.method: Input should be 'none', 'phase' or 'multimodal'"),
        ("coregistration", {"band": "red"}, "coregistration: Value error, band: only with a method"),
        (
            "coregistration",
            {"method": "phase", "band": "coastal"},
            "coregistration.band coastal is not among the bands",
        ),
        ("coregistration", {"method": "phase", "reference": "clear"}, "coregistration.reference.date: Input should be"),
        ("coregistration", {"method": "phase", "max_shift": 1}, "coregistration.max_shift: Input should be greater"),
        ("validity.classes", [256], "validity.classes.0: Input should be less than or equal to 255"),
        ("working_resolution", float("inf"), "working_resolution: Input should be a finite number"),
        ("working_resolution", 0, "working_resolution: Input should be greater than 0"),
        ("mosaic.resolution", 1, "a sheet of 100000 m at 1 m has 100000 pixels a side"),
        ("mosaic.crs", "EPSG:2263", "EPSG:2263 is neither a projected CRS in metres nor a geographic one"),  # feet
        ("mosaic.crs", "EPSG:4807", "EPSG:4807 is neither a projected CRS in metres nor a geographic one"),  # grads
        ("mosaic.crs", "EPSG:4978", "EPSG:4978 is neither a projected CRS in metres nor a geographic one"),  # x, y, z
        ("mosaic.crs", "EPSG:4979", "EPSG:4979 is neither a projected CRS in metres nor a geographic one"),  # heights
        ("mosaic.crs", "EPSG:2048", "EPSG:2048 counts westwards"),
        ("mosaic.crs", "EPSG:4326", "EPSG:4326 has sheets by sheet_deg; remove sheet_km"),
        ("mosaic", {"crs": "EPSG:4326"}, "a sheet of 1 degrees at 30 degrees has 0.0333333 pixels a side"),
        ("mosaic", {"crs": "EPSG:4326", "resolution": 0.01, "sheet_deg": 0.7}, "no whole part of 90 degrees"),
        ("mosaic", {"crs": "EPSG:4326", "resolution": 0.00027}, "no whole number of pixels"),
        ("mosaic.sheet_deg", 1, "EPSG:3035 has sheets by sheet_km; remove sheet_deg"),
        ("mosaic.sheet_km", 0.0333, "a sheet of 0.0333 km is not a whole number of metres"),
        ("sheets", [], "sheets: Tuple should have at least 1 item"),
        ("sheets", ["100kmE39N31", "100kmE39N31"], "sheets must not repeat"),
        ("mosaic.crs", "EPSG:9999", "PROJ knows no EPSG:9999"),
        ("mosaic.crs", "+proj=laea", "mosaic.crs: String should match pattern"),
        ("mosaic.blend", "feather", "mosaic.blend: Input should be 'mean', 'idw' or 'seamless'"),
    ],
)
def test_what_is_wrong_is_named(write, where, value, message):
    path = write(_changed(where, value))
    with pytest.raises(RequestError) as error:
        load(path)
    assert str(error.value).startswith(f"region file {path} is wrong: ")
    assert message in str(error.value)


def test_a_method_whose_bands_are_not_there_is_named(write):
    document = _changed("composite", {"methods": ["s2gm"]}) | {"bands": ["blue", "green", "red"], "expressions": {}}
    with pytest.raises(RequestError, match=r"composite method s2gm needs \['nir', 'swir16', 'swir22'\]"):
        load(write(document))


def test_all_faults_are_named_at_once(write):
    with pytest.raises(RequestError, match=r"calendar: .*; bands: .*"):
        load(write(FLANDERS | {"calendar": "week", "bands": ["x"]}))


@pytest.mark.parametrize("key", ["region", "archive", "tiles"])
def test_a_missing_key_is_named(write, key):
    with pytest.raises(RequestError, match=f"{key}: Field required"):
        load(write({k: v for k, v in FLANDERS.items() if k != key}))


def test_a_file_that_is_missing_or_a_folder(tmp_path):
    with pytest.raises(RequestError, match=r"absent.yaml cannot be read \(No such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(RequestError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    "text", ["region: [", "\t- a", "a: b: c", "!!python/object/apply:os.system ['true']", "\x00", "[" * 5000]
)
def test_what_is_not_yaml(write, text):
    with pytest.raises(RequestError, match="is not YAML"):
        load(write(text))


def test_what_is_not_text(tmp_path):
    path = tmp_path / "region.yaml"
    path.write_bytes(b"region: \xff\xfe")
    with pytest.raises(RequestError, match="is not YAML"):
        load(path)


@pytest.mark.parametrize("text", ["", "- region", "flanders", "42"])
def test_yaml_that_is_no_mapping(write, text):
    with pytest.raises(RequestError, match="is wrong: file: Input should be a valid dictionary"):
        load(write(text))


def test_yaml_cannot_explode(write):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{after}: &{after} [{','.join([f'*{before}'] * 9)}]\n"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(RequestError) as error:
        load(write(bomb))
    assert len(str(error.value)) < 5000
