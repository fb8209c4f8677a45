"""The whole region's mosaic in the lane: made of what is there, followed when a sheet changes, open to anybody."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import rasterio
import yaml

from tests import plain_gdal
from tests.pipelines.conftest import PERIOD, LaneHarness
from weft.rasters.grid import Grid
from weft.rasters.picture import NOTHING
from weft.stac import Item
from weft.stac.parts import grid_of
from weft.stac.products import sources_of


def local(href: str) -> Path:
    return Path(unquote(urlsplit(href).path))


def whole(lane: LaneHarness) -> Item:
    item = lane.catalogue.get("region-mosaics", f"tiny_{PERIOD}")
    assert item is not None
    return item


def status(report) -> str:
    (found,) = [one.status for one in report.partitions if one.asset == "region_mosaic"]
    return found


def sheets(lane: LaneHarness) -> dict[str, Item]:
    ids = {name: f"tiny_{PERIOD}_{name}" for name in lane.partitions.sheets}
    return {name: item for name, item_id in ids.items() if (item := lane.catalogue.get("mosaics", item_id))}


def assembled(lane: LaneHarness, grid: Grid, key: str) -> np.ndarray:
    """All sheets of one layer in one array, 0 where there is none."""
    full = np.zeros(grid.shape, np.uint16)
    for item in sheets(lane).values():
        part = grid_of(item["properties"])
        row, col = round((grid.top - part.top) / grid.y_size), round((part.left - grid.left) / grid.x_size)
        with rasterio.open(local(item["assets"][key]["href"]), driver="GTiff") as dataset:
            full[row : row + part.height, col : col + part.width] = dataset.read(1)
    return full


def small_sheets(region_file: Path) -> None:
    document = yaml.safe_load(region_file.read_text())
    document["mosaic"] |= {"sheet_km": 240, "byte_scale": 0.0025}
    region_file.write_text(yaml.safe_dump(document))


def test_it_holds_the_sheets_there_are_and_follows_them(region_file: Path, tmp_path: Path, request) -> None:
    small_sheets(region_file)
    lane: LaneHarness = request.getfixturevalue("lane")
    first = lane.run(tile_tracks=["R008_31UFS"])
    assert not first.failures
    assert status(first) == "done"
    part = whole(lane)
    assert 0 < len(part["properties"]["weft:sheets"]) < len(lane.partitions.sheets)
    assert set(part["properties"]["weft:sheets"]) == set(sheets(lane))
    assert set(part["properties"]["weft:sheets_missing"]) == set(lane.partitions.sheets) - set(sheets(lane))

    second = lane.run()
    assert not second.failures
    assert status(second) == "done"
    item = whole(lane)
    assert item["properties"]["weft:sheets"] == sorted(sheets(lane))
    assert len(item["properties"]["weft:sheets"]) > len(part["properties"]["weft:sheets"])
    assert {source.id for source in sources_of(item)} == {one["id"] for one in sheets(lane).values()}
    assert grid_of(item["properties"]) == grid_of(part["properties"]), (
        "all sheets of the region decide, not those there"
    )
    assert_anybody_can_read_it(lane, item, tmp_path)
    assert_it_shows_what_the_sheets_say(lane, item)

    again = lane.run(tile_tracks=["R051_31UES"])
    assert status(again) == "unchanged"
    assert whole(lane) == item

    scene = lane.scenes_of("R008", "31UFS")[0]
    document = json.loads(scene.read_text())
    document["properties"]["eo:cloud_cover"] = 12.5
    scene.write_text(json.dumps(document))
    assert status(lane.run(tile_tracks=["R008_31UFS"])) == "done"
    remade = whole(lane)
    index = local(remade["assets"]["count_vrt"]["href"]).read_text()
    for sheet in sheets(lane).values():
        assert lane.store.key_of(sheet["assets"]["count"]["href"]) in index, "it points at the sheets of now"


def assert_anybody_can_read_it(lane: LaneHarness, item: Item, folder: Path) -> None:
    """From a copy of the store in another place, and every path but the sheets' own forgotten."""
    copy = folder / "bucket"
    shutil.copytree(lane.home / "store", copy)
    keys = ("red_p50", "red_p50_8bit", "count")
    paths = {
        (key, kind): str(copy / lane.store.key_of(item["assets"][f"{key}_{kind}"]["href"]))
        for key in keys
        for kind in ("vrt", "gti")
    }
    assert {Path(path).name.split("_", 1)[1] for (key, _), path in paths.items() if key == "count"} == {
        "count_3000m_2021-06-25..2021-09-12_summer.vrt",
        "count_3000m_2021-06-25..2021-09-12_summer.gti.gpkg",
    }
    told, pixels = plain_gdal.read(list(paths.values()), folder, out=folder)
    for (key, _), path in paths.items():
        np.testing.assert_array_equal(pixels[path][0], assembled(lane, grid_of(item["properties"]), key))
        assert told[path]["nodata"] == (None if key == "count" else 0)
    assert told[paths["red_p50_8bit", "gti"]]["scales"] == [0.0025]


def assert_it_shows_what_the_sheets_say(lane: LaneHarness, item: Item) -> None:
    told = item["properties"]
    count = assembled(lane, grid_of(told), "count")
    assert abs(sum(told["weft:gaps"].values()) - 100) < 1e-9
    pixels = sum(np.prod(one["properties"]["proj:shape"]) for one in sheets(lane).values())
    assert abs(told["weft:gaps"]["3+"] - 100 * np.count_nonzero(count >= 3) / pixels) < 1e-9
    with rasterio.open(local(item["assets"]["overview"]["href"]), driver="GTiff") as dataset:
        colours = dataset.read()
    red = assembled(lane, grid_of(told), "red_p50")
    np.testing.assert_array_equal((colours != NOTHING).all(axis=0), red > 0)
    with rasterio.open(local(item["assets"]["overview_count"]["href"]), driver="GTiff") as dataset:
        np.testing.assert_array_equal(dataset.read(1), count)


def test_sheets_of_other_settings_are_not_joined_and_those_that_are_gone_leave(region_file: Path, request) -> None:
    small_sheets(region_file)
    lane: LaneHarness = request.getfixturevalue("lane")
    assert not lane.run(tile_tracks=["R008_31UFS"]).failures
    before = whole(lane)
    job = lane.defs.resolve_job_def("region_mosaics")

    asked = region_file.read_text()
    document = yaml.safe_load(asked)
    document["mosaic"]["resolution"] = 1500
    region_file.write_text(yaml.safe_dump(document))
    result = job.execute_in_process(partition_key=PERIOD, instance=lane.instance, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "make mosaic of all sheets" in failure.step_failure_data.user_failure_data.description
    assert whole(lane) == before
    region_file.write_text(asked)

    gone, *kept = sheets(lane).values()
    lane.catalogue.delete("mosaics", gone["id"])
    assert job.execute_in_process(partition_key=PERIOD, instance=lane.instance).success
    left = whole(lane)
    assert left["properties"]["weft:sheets"] == [item["properties"]["weft:sheet"] for item in kept]
    index = local(left["assets"]["count_vrt"]["href"]).read_text()
    assert lane.store.key_of(gone["assets"]["count"]["href"]) not in index
    for item in kept:
        lane.catalogue.delete("mosaics", item["id"])
    assert job.execute_in_process(partition_key=PERIOD, instance=lane.instance).success
    assert lane.catalogue.get("region-mosaics", f"tiny_{PERIOD}") is None
