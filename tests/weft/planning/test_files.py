from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from shapely.geometry import MultiPolygon, box

from weft import regions
from weft.errors import RequestError
from weft.planning import Plan, plan, region_files, template
from weft.regions import MAX_TILE_TRACKS, Mosaic

LIKE = {
    "region": "flanders",
    "archive": {
        "stac": "file:./archive/catalog.json",
        "collection": "sentinel-2-l2a",
        "allow": ["file:scenes/", "s3://bucket/"],
    },
    "calendar": "day",
    "start": "2018-03-21",
    "bands": ["red", "nir"],
    "mosaic": {"resolution": 25, "sheet_km": 50, "blend": "idw"},
    "tiles": ["R051_31UDS"],
    "sheets": ["50kmE76N62"],
}


@pytest.fixture(scope="module")
def small() -> Plan:
    return plan(MultiPolygon([box(3, 51, 3.5, 51.3)]), Mosaic())


@pytest.fixture
def like(tmp_path: Path) -> Path:
    path = tmp_path / "old" / "like.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(LIKE))
    return path


def test_a_planned_region_loads(small: Plan, tmp_path: Path) -> None:
    document, mosaic = template(None, tmp_path / "region.yaml")
    assert mosaic == Mosaic()
    path = tmp_path / "region.yaml"
    files = region_files([small], path, document, name="polders", source="polders.geojson")
    assert list(files) == [path]
    path.write_text(files[path])
    region = regions.load(path)
    assert region.region == "polders"
    assert region.tiles == tuple(small.tile_tracks)
    assert region.sheets == small.sheets
    lines = path.read_text().splitlines()
    assert lines[0] == "# Planned from polders.geojson."
    counts = small.counts
    assert lines[1] == (
        f"# {counts['tile_tracks']} tile_tracks of {counts['tiles']} tiles and {counts['tracks']} tracks, "
        f"for {counts['sheets']} sheets of 100 km in EPSG:3035."
    )
    assert lines[2].startswith("# What is under 1% of a tile")


def test_several_regions_are_numbered(small: Plan, tmp_path: Path) -> None:
    document, _ = template(None, tmp_path / "region.yaml")
    files = region_files([small, small], tmp_path / "region.yaml", document, name="polders", source="x.geojson")
    assert [path.name for path in files] == ["region-1.yaml", "region-2.yaml"]
    assert [yaml.safe_load(text)["region"] for text in files.values()] == ["polders-1", "polders-2"]
    assert all("x.geojson, part " in text for text in files.values())


def test_the_other_keys_are_those_of_the_template(small: Plan, like: Path, tmp_path: Path) -> None:
    document, mosaic = template(like, tmp_path / "new" / "region.yaml")
    assert mosaic == Mosaic(resolution=25, sheet_km=50, blend="idw")
    (text,) = region_files([small], tmp_path / "r.yaml", document, name="polders", source="polders.geojson").values()
    found = yaml.safe_load(text)
    moved = {
        "stac": "file:../old/archive/catalog.json",
        "collection": "sentinel-2-l2a",
        "allow": ["file:../old/scenes/", "s3://bucket/"],
    }
    assert found == LIKE | {
        "region": "polders",
        "archive": moved,
        "tiles": list(small.tile_tracks),
        "sheets": list(small.sheets),
    }


def test_paths_stay_when_the_file_stays_where_it_is(like: Path) -> None:
    document, _ = template(like, like.parent / "region.yaml")
    assert document["archive"]["stac"] == "file:archive/catalog.json"
    absolute = like.parent / "absolute.yaml"
    absolute.write_text(yaml.safe_dump(LIKE | {"archive": {"stac": "file:/data/catalog.json", "collection": "s2"}}))
    document, _ = template(absolute, like.parent.parent / "region.yaml")
    assert document["archive"] == {"stac": "file:/data/catalog.json", "collection": "s2"}


def test_another_crs_brings_its_own_sheets(like: Path, tmp_path: Path) -> None:
    _, mosaic = template(like, tmp_path / "r.yaml", crs="EPSG:4326", resolution=0.00025)
    assert mosaic == Mosaic(crs="EPSG:4326", resolution=0.00025, blend="idw")
    with pytest.raises(RequestError, match=r"mosaic is wrong: .* a sheet of 1 degrees at 25 degrees"):
        template(like, tmp_path / "r.yaml", crs="EPSG:4326")
    with pytest.raises(RequestError, match="PROJ knows no EPSG:9999"):
        template(None, tmp_path / "r.yaml", crs="EPSG:9999")


def test_what_cannot_be_a_region_is_refused(small: Plan, tmp_path: Path) -> None:
    document, _ = template(None, tmp_path / "region.yaml")
    with pytest.raises(RequestError, match=r"region Low Lands is wrong: region: String should match"):
        region_files([small], tmp_path / "r.yaml", document, name="Low Lands", source="x")
    large = Plan({f"R001_{i}": 1.0 for i in range(MAX_TILE_TRACKS + 1)}, small.sheets, {})
    with pytest.raises(RequestError, match="at most 2000 items"):
        region_files([large], tmp_path / "r.yaml", document, name="large", source="x")
    with pytest.raises(RequestError, match="cannot be read"):
        template(tmp_path / "absent.yaml", tmp_path / "region.yaml")
