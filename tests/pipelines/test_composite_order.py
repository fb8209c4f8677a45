"""A composite order over two UTM zones and two tracks: the production lane's pixels, without a region of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import rasterio
import yaml

from assets.partitions import RegionPartitions
from pipelines.definitions import build_defs
from pipelines.orders import carry_out
from pipelines.settings import Settings
from tests.pipelines.conftest import PERIOD, LaneHarness, check_results, told
from weft.orders import CompositeOrder
from weft.orders.composite_plan import plan_composite
from weft.orders.document import check
from weft.rasters.grid import Grid
from weft.regions import load
from weft.stac import Item
from weft.stac.parts import grid_of

pytestmark = pytest.mark.slow

TILE_TRACKS = ["R008_31UFS", "R008_31UGS", "R008_32ULB", "R051_31UFS", "R051_31UGS"]
BANDS = ["blue", "green", "nir", "red", "swir16", "swir22"]
METHODS = ["s2gm", "percentiles"]
# From where both tracks see the ground to the border of zones 31 and 32 and beyond.
AREA = "POLYGON((4.8 50.6, 6.4 50.6, 6.4 50.9, 4.8 50.9, 4.8 50.6))"


@pytest.fixture
def lane(region_file: Path, tmp_path: Path) -> Iterator[LaneHarness]:
    document = yaml.safe_load(region_file.read_text())
    document |= {"tiles": TILE_TRACKS, "bands": BANDS}
    document["composite"] = {"methods": METHODS, "percentiles": [50], "layers": "all"}
    document["mosaic"] = {"resolution": 1200}
    region_file.write_text(yaml.safe_dump(document))
    home = tmp_path / "home"
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        defs = build_defs(Settings.of_home(home, region_file))
        yield LaneHarness(region_file, home, defs, RegionPartitions(load(region_file)), instance)


def order_like(lane: LaneHarness, **changes: object) -> CompositeOrder:
    region = load(lane.region_file)
    return check(
        CompositeOrder,
        {
            "area": AREA,
            "calendar": region.calendar,
            "period": PERIOD,
            "bands": BANDS,
            "crs": region.mosaic.crs,
            "resolution": region.mosaic.resolution,
            "working_resolution": region.working_resolution,
            "method": METHODS,
            "percentiles": [50],
            "layers": "all",
            "validity": region.validity.model_dump(mode="json"),
            **changes,
        },
    )


def pixels(lane: LaneHarness, item: Item, key: str) -> np.ndarray:
    store = lane.store
    with rasterio.open(store.fetch(store.key_of(item["assets"][key]["href"]), lane.home / "fetched")) as dataset:
        return dataset.read(1)


def mosaicked(lane: LaneHarness, grid: Grid, key: str) -> np.ndarray:
    """The lane's sheets side by side, as far as they lie in the grid."""
    out = np.zeros(grid.shape, np.uint16)
    for sheet in lane.partitions.sheets:
        item = lane.catalogue.get("mosaics", f"tiny_{PERIOD}_{sheet}")
        if item is None or key not in item["assets"]:
            continue
        place, values = grid_of(item["properties"]), pixels(lane, item, key)
        down = round((grid.top - place.top) / grid.y_size)
        right = round((place.left - grid.left) / grid.x_size)
        for y, x in np.ndindex(*values.shape):
            if 0 <= y + down < grid.height and 0 <= x + right < grid.width:
                out[y + down, x + right] = values[y, x]
    return out


def test_equals_the_production_lane_pixel_by_pixel(lane: LaneHarness) -> None:
    assert not lane.run().failures
    assert len(lane.partitions.sheets) > 1
    settings = Settings.of_home(lane.home, lane.region_file)
    order = order_like(lane)
    report = carry_out(order, settings, lane.instance)
    assert not report.failures, report.failures
    assert {one.asset: one.status for one in report.partitions} == {"order_inputs": "done", "composite_order": "done"}
    item = lane.catalogue.get("composites", order.id)
    assert item is not None
    grid = plan_composite(order).grid
    assert grid_of(item["properties"]) == grid
    keys = [f"{band}_{statistic}" for band in BANDS for statistic in ("p50", "s2gm")]
    for key in [*keys, "count", "track_weight_R008", "track_weight_R051"]:
        expected = mosaicked(lane, grid, key)
        assert (expected > 0).mean() > (0.1 if "R051" in key else 0.5), key
        np.testing.assert_array_equal(pixels(lane, item, key), expected, err_msg=key)
    shares = [pixels(lane, item, f"track_weight_{track}") for track in ("R008", "R051")]
    assert ((shares[0] > 20) & (shares[1] > 20)).any(), "the area lies in both swaths"
    _describes_its_observations(lane, item)
    found = check_results(lane.instance, order.id, "composite_order")
    assert {"stored_bytes", "valid_stac", "enough_valid_pixels", "plausible_values"} == set(found)
    assert all(found.values())
    assert told(lane.instance, order.id)
    assert all(told(lane.instance, f"{PERIOD}|{key}") for key in lane.partitions.region.tiles)
    again = carry_out(order, settings, lane.instance)
    assert again.unchanged


def _describes_its_observations(lane: LaneHarness, item: Item) -> None:
    observations = item["properties"]["weft:observations"]
    index, date = pixels(lane, item, "source_index"), pixels(lane, item, "observation_date")
    assert index.max() < len(observations)
    assert len(np.unique(index[index >= 0])) > 3
    for number in np.unique(index[index >= 0]):
        ids = observations[number]
        scene = lane.catalogue.get("calibrated-datasets", ids[0])
        assert scene is not None
        day = np.datetime64(scene["properties"]["datetime"][:10]).astype(int)
        assert (date[index == number] == day).all()
    assert {"order", "thumbnail", "quality_scene_classification", "valid_obs"} <= set(item["assets"])
    assert "sun_zenith" in item["properties"]["weft:layers_left_out"]


def test_nobody_was_there(lane: LaneHarness) -> None:
    order = order_like(lane, area="POLYGON((20 40, 21 40, 21 41, 20 41, 20 40))")
    report = carry_out(order, Settings.of_home(lane.home, lane.region_file), lane.instance)
    (failure,) = report.failures
    assert failure.kind == "RequestError"
    assert "area, period" in failure.message
