from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.weft.stac import examples
from weft.calibration.validity import clear, halo, limits_not_applied, limits_of
from weft.composite_settings import Validity
from weft.rasters.grid import Grid

GRID = Grid("EPSG:32631", 0, 0, 10, 10, 9, 9)


def judged(labels: np.ndarray, **rule: object) -> np.ndarray:
    return clear(labels, Validity(**rule), nodata_class=0, grid=GRID)


@pytest.mark.parametrize("label", range(12))
def test_classes(label: int) -> None:
    assert judged(np.full((1, 1), label, np.uint8)).item() is (label in (2, 4, 5, 6, 11))


def test_no_data_is_invalid_even_if_a_region_lists_class_zero() -> None:
    assert judged(np.array([[0, 4]], np.uint8), classes=(0, 4)).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("label", "rule", "grows"),
    [
        (9, {"dilate_m": 20}, True),
        (7, {"dilate_m": 20}, True),
        (1, {"dilate_m": 20}, True),
        (3, {"dilate_m": 20}, False),
        (0, {"dilate_m": 20}, False),
        (9, {"shadow_dilate_m": 20}, False),
        (3, {"shadow_dilate_m": 20}, True),
        (0, {"shadow_dilate_m": 20}, False),
        (3, {"shadow_dilate_m": 20, "classes": (3, 4)}, False),
        (9, {"dilate_m": 20, "classes": (9, 4)}, False),
    ],
)
def test_what_grows_and_what_does_not(label: int, rule: dict[str, object], grows: bool) -> None:
    classes = np.full((9, 9), 4, np.uint8)
    classes[4, 4] = label
    valid = judged(classes, **rule)
    disc = np.array([[(y - 2) ** 2 + (x - 2) ** 2 <= 4 for x in range(5)] for y in range(5)])
    alone = np.zeros((5, 5), bool)
    alone[2, 2] = label not in rule.get("classes", ())
    np.testing.assert_array_equal(~valid, disc if grows else alone)


def test_the_halo_covers_the_larger_of_the_two() -> None:
    assert halo(Validity(), GRID) == 0
    assert halo(Validity(dilate_m=20, shadow_dilate_m=35), GRID) == 4
    assert halo(Validity(dilate_m=1), GRID) == 1


def test_limits_find_their_layers() -> None:
    scene = examples.scene()
    rule = Validity(view_zenith_max=11, cloud_confidence_max=30)
    limits = limits_of(scene, rule)
    assert [(limit.name, limit.maximum) for limit in limits] == [("view_zenith_max", 11), ("cloud_confidence_max", 30)]
    assert limits[0].layer == scene.angles["view_zenith"]
    assert limits_of(scene, Validity()) == ()
    assert limits_not_applied([replace(scene, angles={}, quality={}), scene], rule) == (
        () if "cloud_confidence" in scene.quality else ("cloud_confidence_max",)
    )
    assert limits_not_applied([replace(scene, angles={}, quality={})], rule) == (
        "view_zenith_max",
        "cloud_confidence_max",
    )
