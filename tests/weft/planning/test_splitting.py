from __future__ import annotations

import pytest
from shapely.geometry import MultiPolygon, box

from weft.errors import RequestError
from weft.mosaicking import sheet, track_sheets
from weft.mosaicking.sheets import tile_track_sheets
from weft.planning import Plan, plan, split
from weft.regions import Mosaic

SETTINGS = Mosaic(sheet_km=50)


@pytest.fixture(scope="module")
def lowlands() -> Plan:
    return plan(MultiPolygon([box(2.5, 50, 8.5, 53)]), SETTINGS)


def test_a_small_plan_is_one_region(lowlands: Plan) -> None:
    assert split(lowlands, SETTINGS, len(lowlands.tile_tracks)) == (lowlands,)


@pytest.mark.parametrize("limit", [30, 20, 12])
def test_parts_have_disjoint_sheets_and_all_that_these_need(lowlands: Plan, limit: int) -> None:
    parts = split(lowlands, SETTINGS, limit)
    assert len(parts) > 1
    assert all(len(part.tile_tracks) <= limit for part in parts)
    assert sorted(name for part in parts for name in part.sheets) == list(lowlands.sheets)
    touched = tile_track_sheets(list(lowlands.tile_tracks), SETTINGS)
    for part in parts:
        # A mosaic of this part sees what the mosaic of the whole would see on these sheets.
        assert set(part.tile_tracks) == {key for key, names in touched.items() if names & set(part.sheets)}
        assert all(part.tile_tracks[key] == lowlands.tile_tracks[key] for key in part.tile_tracks)
        track_sheets(list(part.tile_tracks), SETTINGS, part.sheets)


def test_parts_are_compact(lowlands: Plan) -> None:
    for part in split(lowlands, SETTINGS, 20):
        bounds = [sheet(name, SETTINGS).grid.bounds for name in part.sheets]
        width = max(b.right for b in bounds) - min(b.left for b in bounds)
        height = max(b.top for b in bounds) - min(b.bottom for b in bounds)
        assert max(width, height) <= 4 * min(width, height)


def test_a_sheet_that_needs_too_much_is_refused(lowlands: Plan) -> None:
    with pytest.raises(
        RequestError, match=r"sheet 50kmE\d+N\d+ needs \d+ tile_tracks, more than 1; make sheets smaller"
    ):
        split(lowlands, SETTINGS, 1)
