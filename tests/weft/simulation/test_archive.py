"""The archive as its readers see it: valid STAC, readable scenes, the promised defects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import shapely
from shapely.geometry import shape

from weft.bands import BANDS
from weft.rasters.cog import check_cog, pixel_digest
from weft.rasters.gdal import environment, open_raster
from weft.scenes.scene import Layer, Scene
from weft.scenes.sentinel2 import scene_of
from weft.simulation import Simulation
from weft.stac import Item
from weft.stac.extensions import used
from weft.stac.validation import core_problems

REFLECTANCE = ("blue", "green", "red", "nir", "swir16", "swir22")


def _collection(folder: Path) -> Path:
    return folder / "archive" / "sentinel-2-l2a"


def _items(folder: Path) -> Iterator[tuple[Path, Item]]:
    collection = json.loads((_collection(folder) / "collection.json").read_text())
    for link in collection["links"]:
        if link["rel"] == "item":
            path = _collection(folder) / link["href"]
            yield path.parent, json.loads(path.read_text())


@pytest.fixture(scope="module")
def scenes(folder: Path) -> dict[str, Scene]:
    return {item["id"]: scene_of(item) for _, item in _items(folder)}


@pytest.fixture(scope="module")
def defects(folder: Path) -> dict[str, list]:
    return json.loads((folder / "truth.json").read_text())["defects"]


def _numbers(folder: Path, scene: Scene, layer: Layer) -> npt.NDArray[np.uint16]:
    with environment(), open_raster(_collection(folder) / scene.id / layer.href) as dataset:
        assert dataset.shape == layer.geolocation.shape
        return dataset.read(layer.band)


def test_every_item_is_valid_stac_and_tells_true_sizes_and_checksums(tiny: Simulation, folder: Path) -> None:
    found = list(_items(folder))
    assert len(found) == tiny.granules
    assert not core_problems(json.loads((_collection(folder) / "collection.json").read_text()))
    for place, item in found:
        assert not core_problems(item)
        assert item["stac_extensions"] == used(item)
        for asset in item["assets"].values():
            data = (place / asset["href"]).read_bytes()
            assert asset["file:size"] == len(data)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()


def test_scenes_have_all_bands_at_their_resolutions(folder: Path, scenes: dict[str, Scene]) -> None:
    for scene in scenes.values():
        assert tuple(band for band in BANDS if band in scene.bands) == REFLECTANCE
        assert scene.geolocation.shape == (122, 122)
        whole = any(layer.href.endswith("msi.tif") for layer in scene.bands.values())
        assert scene.bands["swir16"].geolocation.shape == ((122, 122) if whole else (61, 61))
        assert scene.classes is not None
        assert scene.classes.layer.geolocation.shape == (61, 61)


def test_all_cogs_are_strictly_valid(folder: Path) -> None:
    for place, item in list(_items(folder))[::6]:
        for asset in item["assets"].values():
            path = place / asset["href"]
            if path.suffix == ".tif":
                check_cog(path, pixel_digest(path))


def test_offsets_follow_the_baseline_told_or_not(scenes: dict[str, Scene], defects: dict[str, list]) -> None:
    assert defects["offset"]
    assert defects["scale_not_told"]
    for scene in scenes.values():
        expected = -0.1 if scene.id in defects["offset"] else 0.0
        assert {layer.offset for layer in scene.bands.values()} == {expected}
        assert (scene.baseline >= "04.00") == (expected < 0)


def test_the_duplicate_shares_identity_and_is_older(scenes: dict[str, Scene], defects: dict[str, list]) -> None:
    (pair,) = defects["duplicates"]
    old, new = scenes[pair["id"]], scenes[pair["superseded_by"]]
    assert (old.datatake, old.tile, old.segment) == (new.datatake, new.tile, new.segment)
    assert old.processed < new.processed
    assert old.baseline < "04.00" <= new.baseline


def test_the_duplicate_differs_slightly(folder: Path, scenes: dict[str, Scene], defects: dict[str, list]) -> None:
    (pair,) = defects["duplicates"]
    old, new = (
        _numbers(folder, scene, scene.bands["red"]) * 1e-4 + scene.bands["red"].offset
        for scene in (scenes[pair["id"]], scenes[pair["superseded_by"]])
    )
    assert 0 < np.median(np.abs(old - new)) < 0.01


def test_split_granules_are_one_datatake_and_fill_the_tile(
    folder: Path, scenes: dict[str, Scene], defects: dict[str, list]
) -> None:
    ((north, south),) = defects["split"]
    assert scenes[north].datatake == scenes[south].datatake
    assert scenes[north].segment != scenes[south].segment
    seen = [_numbers(folder, scenes[key], scenes[key].bands["nir"]) > 0 for key in (north, south)]
    assert all(0.2 < part.mean() < 0.8 for part in seen)
    whole = next(scene for scene in scenes.values() if _same_view(scene, scenes[north]))
    np.testing.assert_array_equal(seen[0] | seen[1], _numbers(folder, whole, whole.bands["nir"]) > 0)
    assert (seen[0] & seen[1]).any()


def _same_view(scene: Scene, other: Scene) -> bool:
    return (scene.tile, scene.track) == (other.tile, other.track) and scene.datatake != other.datatake


def test_edges_hold_ones_and_a_stripe_of_zeros_under_valid_classes(
    folder: Path, scenes: dict[str, Scene], defects: dict[str, list]
) -> None:
    rims = 0
    for scene in (scenes[key] for key in defects["zero_stripes"]):
        blue, green = (_numbers(folder, scene, scene.bands[band]) for band in ("blue", "green"))
        classes = _numbers(folder, scene, scene.classes.layer).repeat(2, 0).repeat(2, 1)
        stripe = (green == 0) & (blue > 1) & (classes != 0)
        assert stripe.any()
        rims += int(((blue == 1) & (classes != 0)).sum())
    assert rims > 50
    assert set(defects["zero_stripes"]) <= set(defects["dn1_edges"])


def test_water_without_offset_has_true_zeros_and_land_has_none(
    folder: Path, scenes: dict[str, Scene], defects: dict[str, list]
) -> None:
    zeros = 0
    for scene in scenes.values():
        if scene.id in defects["zero_stripes"] or not scene.bands["swir22"].href.startswith("./swir22"):
            continue
        swir = _numbers(folder, scene, scene.bands["swir22"])
        classes = _numbers(folder, scene, scene.classes.layer)
        # Beyond the swath's edge coarse bands end one pixel before the classification.
        blue = _numbers(folder, scene, scene.bands["blue"]).reshape(61, 2, 61, 2).min((1, 3))
        true_zero = (swir == 0) & (blue > 1)
        assert set(np.unique(classes[true_zero])) <= {6}
        assert not (scene.bands["swir22"].offset and true_zero.any())
        zeros += int(true_zero.sum())
    assert zeros > 10


def test_reprocessed_scenes_have_quality_layers(folder: Path, scenes: dict[str, Scene]) -> None:
    for scene in scenes.values():
        assert set(scene.quality) == ({"aot", "cloud_confidence"} if scene.baseline >= "04.00" else set())
    scene = next(scene for scene in scenes.values() if scene.quality and scene.classes)
    classes = _numbers(folder, scene, scene.classes.layer)
    cloud, aot = (_numbers(folder, scene, scene.quality[name]) for name in ("cloud_confidence", "aot"))
    np.testing.assert_array_equal(cloud == 255, classes == 0)
    np.testing.assert_array_equal(aot == 0, classes == 0)
    assert cloud[classes == 9].mean() > 50 > 10 > cloud[classes == 4].mean()
    assert 0.05 < aot[aot > 0].mean() * scene.quality["aot"].scale < 0.5


def test_jp2_scenes_hold_jp2_files(folder: Path, scenes: dict[str, Scene], defects: dict[str, list]) -> None:
    assert defects["jp2"]
    assert defects["multiband"]
    for key in defects["jp2"]:
        assert all(layer.href.endswith(".jp2") for layer in scenes[key].bands.values())
        numbers = _numbers(folder, scenes[key], scenes[key].bands["nir"])
        assert numbers.max() > 1000


def test_footprints_hold_the_data_and_little_more(folder: Path, scenes: dict[str, Scene]) -> None:
    for _, item in _items(folder):
        scene = scenes[item["id"]]
        numbers = _numbers(folder, scene, scene.bands["blue"])
        footprint = shape(item["geometry"])
        assert footprint.is_valid
        share = footprint.area / scene.geolocation.footprint().area
        assert share == pytest.approx((numbers > 0).mean(), abs=0.02)
        assert shapely.box(*item["bbox"]).covers(footprint)


def test_view_zenith_falls_towards_the_centre_line(folder: Path, scenes: dict[str, Scene]) -> None:
    for scene in list(scenes.values())[::5]:
        layer = scene.angles["view_zenith"]
        numbers = _numbers(folder, scene, layer)
        angles = np.where(numbers == layer.nodata, np.nan, numbers * layer.scale)
        assert np.nanmin(angles) >= 0
        assert np.nanmax(angles) < 12
