"""What the checks find."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from assets.checks import enough_valid_pixels, plausible_values, stored_bytes, valid_stac
from resources.object_store import ObjectStore, ObjectStoreResource


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


def test_what_is_no_stac_item_is_named(store: ObjectStore) -> None:
    assert valid_stac({"id": "x", "type": "Feature"}, store)
