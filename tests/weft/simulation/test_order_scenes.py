"""The datasets that orders are tried on: repeatable, displaced by what they say, and valid items."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio

from tests.order_scenes import Datasets
from weft.simulation.order_scenes import Drift, Take, simulate_order_scenes, takes
from weft.stac.calibrated import scene_from_item
from weft.stac.validation import validate


def pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def small(index: int, **changes) -> Take:
    take = takes(64)[index]
    return replace(take, **({"bands": take.bands[-1:], "coarse": ()} | changes))


def test_equal_seeds_give_equal_bytes_and_other_seeds_others(tmp_path: Path) -> None:
    made = [simulate_order_scenes(tmp_path / str(run), [small(2)], seed=seed) for run, seed in enumerate((1, 1, 2))]
    first, again, other = ((scene.path.parent / "s0_db_c_vh.tif").read_bytes() for (scene,) in made)
    assert first == again
    assert first != other


def test_items_are_calibrated_datasets(datasets: Datasets) -> None:
    for scene in datasets.all.values():
        validate(scene.item)
        assert set(scene_from_item(scene.item).bands) == set(scene.take.bands)
        written = json.loads(scene.path.read_text())
        assert all(asset["href"].startswith("./") for asset in written["assets"].values())
    assert datasets.radar.item["assets"]["s0_db_c_vv"]["bands"][0]["unit"] == "dB"
    assert datasets.optical.item["assets"]["swir16"]["proj:transform"][0] == 20


def test_a_drift_of_whole_pixels_moves_the_picture_by_them(tmp_path: Path) -> None:
    here = small(0, id="here", bands=("red",))
    there = replace(here, id="there", drift=Drift(30.0, -20.0))
    still, moved = (pixels(scene.path.parent / "red.tif") for scene in simulate_order_scenes(tmp_path, [here, there]))
    ground, shown = still[:-2, :-3].astype(float), moved[2:, 3:].astype(float)
    seen = shown > 0  # the others lie in a swath that does not fill the file
    assert 0.5 < seen.mean() < 1
    assert np.percentile(np.abs(ground - shown)[seen], 95) < 0.02 * ground.mean() + 60  # two times the noise
    x, y = np.array([10.0]), np.array([20.0])
    assert there.drift.pixels(here.grid, x, y) == (3.0, 2.0)


def test_radar_brightness_is_no_function_of_reflectance(datasets: Datasets) -> None:
    """Or else matching by values would do, and nothing would be shown by registering the two."""
    optical = pixels(datasets.optical.path.parent / "nir.tif")
    radar = pixels(datasets.radar.path.parent / "s0_db_c_vv.tif")
    there = ~np.isnan(radar)
    assert radar[there].std() > 2
    assert -25 < np.median(radar[there]) < -5
    shift = 15  # the radar image begins 203 m west and 147 m north
    side = 400
    a, b = optical[50 : 50 + side, 50 : 50 + side], radar[50 + shift : 50 + shift + side, 70 : 70 + side]
    both = ~np.isnan(b)
    assert abs(np.corrcoef(a[both], b[both])[0, 1]) < 0.5
