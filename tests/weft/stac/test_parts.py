from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from shapely.geometry import Point, shape

from tests.weft.stac import examples
from weft.bands import COMMON_NAMES
from weft.periods import TimeWindow
from weft.rasters.grid import Grid
from weft.stac.parts import (
    grid_fields,
    grid_of,
    ground_sample_distance,
    moment_of,
    nodata_of,
    period_fields,
    place,
    spectrum_fields,
    timestamp,
    value_fields,
)
from weft.stac.validation import validate

ANTIMERIDIAN = Grid("EPSG:32601", 200000.0, 7300000.0, 1000.0, 1000.0, 200, 100)


def test_a_footprint_across_the_antimeridian_is_cut_there() -> None:
    geometry, bbox = place(ANTIMERIDIAN)
    west, south, east, north = bbox
    assert west > 170
    assert east < -170
    assert south < north
    outline = shape(geometry)
    assert geometry["type"] == "MultiPolygon"
    assert outline.area < 20
    assert outline.contains(Point(179.95, (south + north) / 2))
    assert outline.contains(Point(-179.95, (south + north) / 2))
    assert not outline.contains(Point(0, (south + north) / 2))


def test_a_grid_in_degrees_says_itself_how_far_it_reaches() -> None:
    geometry, bbox = place(Grid("EPSG:4326", 175.0, 60.0, 0.01, 0.01, 1000, 500))
    assert bbox == [175.0, 55.0, -175.0, 60.0]
    assert shape(geometry).area == pytest.approx(50)
    geometry, bbox = place(Grid("EPSG:4326", -170.0, 60.0, 0.5, 0.5, 680, 100))
    assert bbox == [-170.0, 10.0, 170.0, 60.0]
    assert shape(geometry).area == pytest.approx(340 * 50)


def test_items_across_the_antimeridian_validate() -> None:
    validate(examples.calibrated(geolocation=ANTIMERIDIAN))


@pytest.mark.parametrize("west", [166021.44, 300000.0, 600000.0])
def test_ordinary_footprints_have_west_before_east(west: float) -> None:
    geometry, (left, bottom, right, top) = place(Grid("EPSG:32631", west, 5700000.0, 10.0, 10.0, 100, 100))
    assert geometry["type"] == "Polygon"
    assert left < right
    assert bottom < top


def test_times_are_utc_and_exact() -> None:
    moment = datetime(2018, 4, 1, 12, 50, 31, 24001, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(moment) == "2018-04-01T10:50:31.024001Z"
    assert moment_of(timestamp(moment)) == moment


def test_neighbouring_periods_do_not_touch() -> None:
    march, june = (datetime(2018, month, 1, tzinfo=UTC) for month in (3, 6))
    assert period_fields(TimeWindow(march, june))["end_datetime"] == "2018-05-31T23:59:59Z"


@pytest.mark.parametrize("nodata", [None, 0, -1, 0.5, math.nan, math.inf, -math.inf])
def test_nodata_survives(nodata: float | None) -> None:
    back = nodata_of(value_fields(1.0, 0.0, nodata, None))
    assert back is nodata or back == nodata or (math.isnan(back) and math.isnan(nodata))


def test_grids_survive_and_degrees_have_no_ground_distance() -> None:
    assert grid_of(grid_fields(examples.GRID)) == examples.GRID
    assert ground_sample_distance(examples.GRID) == {"gsd": 10}
    assert ground_sample_distance(Grid("EPSG:4326", 0.0, 1.0, 0.1, 0.1, 10, 10)) == {}


def test_every_common_name_has_a_spectrum_and_nothing_else_has() -> None:
    for name, band in COMMON_NAMES.items():
        assert spectrum_fields(name)["eo:common_name"] == name
        assert spectrum_fields(name)["eo:center_wavelength"] == band.centre_um
    assert spectrum_fields("vv") == spectrum_fields("ndvi") == spectrum_fields(None) == {}
