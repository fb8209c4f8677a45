from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.oracles import composite as oracle
from tests.scenes import BANDS, GRID, Pixels, make_scene, random_pixels
from weft.compositing.composite import Composited, Recipe, composite
from weft.compositing.observations import plan
from weft.errors import Unavailable
from weft.regions import Composite, Validity
from weft.scenes.scene import Scene

RECIPE = Recipe(BANDS, Validity(), Composite(percentiles=(0, 25, 50, 97.5)), 10)


def here(href: str) -> str:
    return href


def make(scenes: list[Scene], scratch: Path, recipe: Recipe = RECIPE, **options: object) -> Composited:
    return composite(plan(scenes, recipe.bands).observations, recipe, scratch, here, **options)


def pixels_of(outcome: Composited) -> dict[str, np.ndarray]:
    assert outcome.product is not None
    arrays = {}
    for file in outcome.product.files:
        with rasterio.open(file.path) as dataset:
            arrays[file.layer.key] = dataset.read(1)
    return arrays


def digests(outcome: Composited) -> dict[str, str]:
    assert outcome.product is not None
    return {file.layer.key: file.pixel_sha256 for file in outcome.product.files}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("scenes")
    return [
        make_scene(folder, number, offset=-0.1 if number % 3 else 0.0, driver="JP2OpenJPEG" if number == 4 else "GTiff")
        for number in range(7)
    ]


@pytest.fixture(scope="module")
def reference(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> Composited:
    return make(scenes, tmp_path_factory.mktemp("reference"))


def test_every_pixel_equals_the_oracle(scenes: list[Scene], reference: Composited) -> None:
    stack, valid = [], []
    for scene in reversed(scenes):
        layers = {band: oracle.read(layer.href, layer.band, GRID.shape) for band, layer in scene.bands.items()}
        scl = oracle.read(scene.classes.layer.href, 1, GRID.shape)
        values, seen = oracle.observation(layers, scl, scene.bands["red"].offset, RECIPE.validity.classes)
        stack.append(values)
        valid.append(seen)
    days = [(scene.acquired.date() - date(1970, 1, 1)).days for scene in reversed(scenes)]
    expected = oracle.composite(np.stack(stack), np.stack(valid), BANDS, (0, 25, 50, 97.5), days=days)
    found = pixels_of(reference)
    assert set(found) == {key.replace(".", "_") for key in expected}
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key.replace(".", "_")], values, err_msg=key)
    assert (found["count"] == 0).any(), "the scenes must leave a gap, or gaps are not tested"
    assert (found["count"] > 3).any()


@pytest.mark.parametrize("block", [(16, 16), (7, 48), (40, 13)])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_same_bytes_for_any_threads_blocks_and_order(
    scenes: list[Scene], reference: Composited, tmp_path: Path, threads: int, block: tuple[int, int]
) -> None:
    shuffled = scenes.copy()
    random.Random(threads * 100 + block[0]).shuffle(shuffled)
    outcome = make(shuffled, tmp_path, threads=threads, block=block)
    assert digests(outcome) == digests(reference)
    assert outcome.product.files[0].path.read_bytes() == reference.product.files[0].path.read_bytes()


def test_the_budget_decides_the_block(scenes: list[Scene], reference: Composited, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    outcome = make(scenes, tmp_path, memory_bytes=40_000, progress=lambda done, total: steps.append((done, total)))
    assert len(steps) > 3
    assert steps[-1] == (len(steps), len(steps))
    assert digests(outcome) == digests(reference)


def test_granules_of_one_pass_fill_each_other(tmp_path: Path) -> None:
    whole = random_pixels(1)
    left, right = (
        Pixels({band: np.where(mask, values, 0).astype("uint16") for band, values in whole.numbers.items()}, whole.scl)
        for mask in (np.arange(48) < 30, np.arange(48) >= 30)
    )
    first = make_scene(tmp_path / "a", 1, left)
    second = replace(make_scene(tmp_path / "b", 1, right), id="S2A_31UDS_001_b", segment="later")
    full = make([make_scene(tmp_path / "c", 1, whole)], tmp_path / "full")
    merged = make([first, second], tmp_path / "merged")
    assert merged.observations[0].scene_ids == (first.id, second.id)
    for key, digest in digests(full).items():
        assert digests(merged)[key] == digest, key


def test_a_truncated_scene_is_set_aside_and_the_rest_is_done(tmp_path: Path, scenes: list[Scene]) -> None:
    bad = make_scene(tmp_path / "bad", 9)
    data = Path(bad.bands["blue"].href)
    data.write_bytes(data.read_bytes()[: data.stat().st_size * 2 // 3])
    outcome = make([*scenes, bad], tmp_path / "with")
    assert [one.scene_id for one in outcome.rejected] == [bad.id]
    assert "fetch the scene again" in outcome.rejected[0].reason
    assert outcome.product.rejected == outcome.rejected
    assert digests(outcome) == digests(make(scenes, tmp_path / "without"))
    assert bad.id not in [scene for one in outcome.observations for scene in one.scene_ids]


def test_a_header_that_contradicts_its_item_is_set_aside(tmp_path: Path, scenes: list[Scene]) -> None:
    lying = make_scene(tmp_path / "lie", 9, grid=replace(GRID, crs="EPSG:32632"))
    bands = {band: replace(layer, geolocation=GRID) for band, layer in lying.bands.items()}
    outcome = make([*scenes, replace(lying, geolocation=GRID, bands=bands)], tmp_path / "out")
    assert outcome.rejected[0].scene_id == lying.id
    assert "EPSG:32632" in outcome.rejected[0].reason


def test_nothing_left_gives_no_product(tmp_path: Path) -> None:
    bad = make_scene(tmp_path, 0)
    Path(bad.bands["blue"].href).write_bytes(b"not a raster")
    outcome = make([bad], tmp_path / "out")
    assert outcome.product is None
    assert [one.scene_id for one in outcome.rejected] == [bad.id]


def test_a_forbidden_href_is_the_scenes_fault_but_a_silent_server_is_not(tmp_path: Path, scenes: list[Scene]) -> None:
    far = replace(
        scenes[0], bands={b: replace(one, href="https://nowhere.invalid/x.tif") for b, one in scenes[0].bands.items()}
    )
    with pytest.raises(Unavailable, match="run the same materialisation again"):
        composite(
            plan([far], BANDS).observations,
            RECIPE,
            tmp_path,
            lambda href: f"/vsicurl/{href}" if href.startswith("https") else href,
        )


def test_view_zenith_limit(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, 0)
    coarse = replace(GRID, x_size=240, y_size=200, width=2, height=2)
    with rasterio.open(
        tmp_path / "vz.tif",
        "w",
        driver="GTiff",
        width=2,
        height=2,
        count=1,
        dtype="uint16",
        crs=coarse.crs,
        transform=coarse.transform,
    ) as dataset:
        dataset.write(np.array([[500, 1200], [500, 1100]], "uint16"), 1)
    layer = replace(scene.classes.layer, href=str(tmp_path / "vz.tif"), geolocation=coarse, scale=0.01, nodata=None)
    recipe = replace(RECIPE, validity=Validity(view_zenith_max=11))
    limited = pixels_of(make([replace(scene, angles={"view_zenith": layer})], tmp_path / "a", recipe))["count"]
    free = pixels_of(make([scene], tmp_path / "b", recipe))["count"]
    assert limited[:20, 24:].max() == 0
    limited[:20, 24:] = free[:20, 24:]
    np.testing.assert_array_equal(limited, free)


def test_coarser_output_averages_bands_and_takes_the_nearest_class(tmp_path: Path) -> None:
    numbers = np.arange(2, 2 + 40 * 48).reshape(40, 48).astype("uint16")
    scene = make_scene(tmp_path, 0, Pixels({"red": numbers}, np.full((20, 24), 4, "uint8")))
    recipe = Recipe(("red",), Validity(), Composite(methods=("medoid",)), 20)
    found = pixels_of(make([scene], tmp_path / "out", recipe))
    expected = numbers.reshape(20, 2, 24, 2).mean((1, 3))
    np.testing.assert_allclose(found["red_medoid"], expected, atol=0.5)
    assert found["red_medoid"].shape == (20, 24)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "few", "many", "growth"),
    [("default", 24, 72, 1.05), ("many", 24, 72, 1.05)],
)
def test_memory_does_not_grow_with_dates(tmp_path: Path, settings: str, few: int, many: int, growth: float) -> None:
    """One tile of 1792 x 1792 pixels, each number of dates in a process of its own."""
    peaks = {dates: _peak_mib(tmp_path, dates, settings) for dates in (few, many)}
    assert peaks[many] < growth * peaks[few], peaks
    assert peaks[many] < 1024, peaks


def _peak_mib(folder: Path, dates: int, settings: str) -> float:
    command = [sys.executable, "-m", "tests.weft.compositing.peak_memory", str(folder), str(dates), settings]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=500).stdout
    return float(output.split()[-1])
