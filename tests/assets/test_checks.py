"""What the checks find."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from assets.checks import enough_valid_pixels, few_gaps, plausible_values, sheets_are_stored, stored_bytes, valid_stac
from resources.object_store import ObjectStore, ObjectStoreResource
from weft.mosaicking.virtual import Piece, vrt
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStoreResource(url=str(tmp_path / "store")).open()


def reflectance(**statistics: float) -> dict[str, Any]:
    return {"assets": {"red_p50": {"bands": [{"weft:cbn": "red", "statistics": statistics}]}, "count": {"bands": [{}]}}}


def test_bytes_that_changed_and_bytes_that_went_are_told_apart_from_sound_ones(store: ObjectStore) -> None:
    data = b"pixels"
    store.put_bytes("composites/a/b/count.tif", data)
    asset = {
        "href": store.url("composites/a/b/count.tif"),
        "file:checksum": f"1220{hashlib.sha256(data).hexdigest()}",
        "file:size": len(data),
    }
    assert stored_bytes({"assets": {"count": asset}}, store) is None
    assert "other bytes" in (stored_bytes({"assets": {"count": asset | {"file:size": 7}}}, store) or "")
    other = f"1220{hashlib.sha256(b'other').hexdigest()}"
    assert "other bytes" in (stored_bytes({"assets": {"count": asset | {"file:checksum": other}}}, store) or "")
    store.delete("composites/a/b/count.tif")
    assert "does not exist" in (stored_bytes({"assets": {"count": asset}}, store) or "")


def test_reflectances_no_surface_has_are_named(store: ObjectStore) -> None:
    assert plausible_values(reflectance(minimum=0.0001, maximum=1.2), store) is None
    assert "red_p50" in (plausible_values(reflectance(minimum=0.0001, maximum=6.5), store) or "")
    assert plausible_values(reflectance(minimum=-0.1, maximum=0.5), store)
    assert plausible_values(reflectance(valid_percent=0.0), store) is None, "nothing valid has no values to judge"


def test_products_that_are_nearly_empty_are_named(store: ObjectStore) -> None:
    assert enough_valid_pixels(reflectance(valid_percent=5.0), store) is None
    assert enough_valid_pixels(reflectance(valid_percent=4.9), store)


@pytest.mark.parametrize(
    ("never", "expected", "missing"),
    [
        (0.0, 100.0, None),
        (1.0, 100.0, None),
        (1.1, 100.0, "1.1 %"),
        (60.0, 40.0, None),  # all that lies in tiles and swaths was observed
        (58.0, 40.0, None),  # and a little beyond, where swaths are wider than can be relied on
        (61.0, 40.0, "2.5 %"),
        (100.0, 0.0, None),
    ],
)
def test_gaps_are_judged_by_what_could_be_seen(
    never: float, expected: float, missing: str | None, store: ObjectStore
) -> None:
    gaps = {"0": never, "1": 100.0 - never, "2": 0.0, "3+": 0.0}
    found = few_gaps({"properties": {"weft:gaps": gaps, "weft:expected": expected}}, store)
    assert found is None if missing is None else missing in (found or "")


def test_a_mosaic_whose_gaps_were_never_counted_is_named(store: ObjectStore) -> None:
    assert "make it again" in (few_gaps({"properties": {}}, store) or "")


def test_a_virtual_mosaic_whose_sheet_is_gone_is_named(store: ObjectStore) -> None:
    grid = Grid("EPSG:3035", 0, 300, 30, 30, 10, 10)
    paths = [f"../../../mosaics/{name}/0123/count_2018..2019.tif" for name in ("s1", "s2")]
    count = LayerSpec("count", "Count", "uint16", None)
    store.put_bytes("region-mosaics/r/4567/count.vrt", vrt(count, grid, [Piece(path, grid) for path in paths]))
    item = {"assets": {"count_vrt": {"href": store.url("region-mosaics/r/4567/count.vrt")}}}
    store.put_bytes("mosaics/s1/0123/count_2018..2019.tif", b"x")
    assert "mosaics/s2/0123/count_2018..2019.tif is gone" in (sheets_are_stored(item, store) or "")
    store.put_bytes("mosaics/s2/0123/count_2018..2019.tif", b"x")
    assert sheets_are_stored(item, store) is None


def test_what_is_no_stac_item_is_named(store: ObjectStore) -> None:
    assert valid_stac({"id": "x", "type": "Feature"}, store)
