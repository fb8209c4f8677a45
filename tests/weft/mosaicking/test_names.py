from __future__ import annotations

import pytest

from weft.mosaicking.names import file_name
from weft.rasters.grid import Grid
from weft.regions import Archive, Region

METRES = Grid("EPSG:3035", 3_900_000, 3_200_000, 30, 30, 10, 10)
DEGREES = Grid("EPSG:4326", 4, 52, 0.00025, 0.00025, 10, 10)


def region(calendar: str, start: str) -> Region:
    return Region(
        region="europe-north",
        archive=Archive(stac="file:a.json", collection="c"),
        calendar=calendar,
        start=start,
        bands=("red",),
        tiles=("R051_31UDS",),
    )


@pytest.mark.parametrize(
    ("period", "when"),
    [
        ("2018-12", "2018-12-02..2019-03-20_winter"),
        ("2018-03", "2018-03-21..2018-06-24_spring"),
        ("2018-06", "2018-06-25..2018-09-12_summer"),
        ("2018-09", "2018-09-13..2018-12-01_autumn"),
    ],
)
def test_a_name_tells_what_where_and_when(period: str, when: str) -> None:
    name = file_name(region("glad-seasons", "2018-03"), period, METRES, "red_p50", "100kmE39N31")
    assert name == f"europe-north_red_p50_30m_100kmE39N31_{when}"


def test_a_calendar_without_seasons_ends_with_the_period() -> None:
    name = file_name(region("month", "2018-03"), "2020-02", DEGREES, "count_vrt")
    assert name == "europe-north_count_vrt_0.00025deg_2020-02-01..2020-02-29_2020-02"
