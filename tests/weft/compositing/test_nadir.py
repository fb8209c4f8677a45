"""Normalisation to nadir view on the way from files to composites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.oracles import brdf as oracle
from tests.scenes import make_scene, random_pixels, write
from tests.weft.compositing.tiles import BANDS, CLASSES, GRID, SHAPE, digests, layer, make, pixels_of
from weft.bands import SENTINEL2
from weft.composite_settings import Composite, Validity
from weft.compositing.composite import Recipe
from weft.compositing.nadir import ANGLES, Nbar
from weft.scenes.scene import Scene

LABELS = {cbn: label for label, cbn in SENTINEL2.items()}


def recipe(nbar: bool = True, resolution: float = 10, **settings: object) -> Recipe:
    composite = Composite(**({"methods": ("first_valid",)} | settings))
    return Recipe(BANDS, Validity(classes=CLASSES), composite, resolution, nbar)


def scene_with(folder: Path, number: int, angles: Mapping[str, np.ndarray], pixel: float) -> Scene:
    """A scene whose every pixel is valid, with angle layers in hundredths of a degree."""
    pixels = random_pixels(number, GRID, BANDS)
    pixels = replace(
        pixels,
        numbers={band: np.maximum(values, 2) for band, values in pixels.numbers.items()},
        scl=np.full((10, 12), 4, np.uint8),
    )
    scene = make_scene(folder, number, pixels, grid=GRID)
    layers = {
        name: layer(folder / f"angles{number}", name, hundredths, pixel, scale=0.01, nodata=65535)
        for name, hundredths in angles.items()
    }
    return replace(scene, angles=layers)


def angles_of(seed: int, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    most = {"sun_zenith": 7000, "view_zenith": 1500, "sun_azimuth": 36000, "view_azimuth": 36000}
    return {name: rng.integers(0, most[name], shape).astype(np.uint16) for name in ANGLES}


def expected(plain: np.ndarray, band: str, angles: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the oracle makes of stored values (y, x) with angles (y, x) in hundredths of a degree."""
    out = np.empty_like(plain)
    for y, x in np.ndindex(*plain.shape):
        sun, view, sun_azimuth, view_azimuth = (angles[name][y, x] * 0.01 for name in ANGLES)
        out[y, x] = oracle.normalised(int(plain[y, x]), LABELS[band], sun, view, sun_azimuth - view_azimuth)
    return out


def test_every_band_is_multiplied_by_its_factor_before_anything_is_made_of_it(tmp_path: Path) -> None:
    angles = angles_of(1, SHAPE)
    scene = scene_with(tmp_path, 0, angles, 10)
    plain = pixels_of(make([scene], recipe(nbar=False), tmp_path / "plain"))
    outcome = make([scene], recipe(methods=("mean", "first_valid")), tmp_path / "nadir")
    found = pixels_of(outcome)
    for band in BANDS:
        wanted = expected(plain[f"{band}_first_valid"], band, angles)
        np.testing.assert_array_equal(found[f"{band}_first_valid"], wanted, err_msg=band)
        np.testing.assert_array_equal(found[f"{band}_mean"], wanted, err_msg=band)
    assert (found["red_first_valid"] != plain["red_first_valid"]).any()
    assert outcome.nbar == Nbar(1, 0, ("coastal",))
    assert outcome.nbar.applied


def test_angles_finer_than_the_job_are_those_nearest_to_the_middle_of_a_pixel(tmp_path: Path) -> None:
    angles = angles_of(2, SHAPE)
    scene = scene_with(tmp_path, 0, angles, 10)
    plain = pixels_of(make([scene], recipe(nbar=False, resolution=20), tmp_path / "plain"))["nir_first_valid"]
    found = pixels_of(make([scene], recipe(resolution=20), tmp_path / "nadir"))["nir_first_valid"]
    centres = {name: values[1::2, 1::2] for name, values in angles.items()}
    np.testing.assert_array_equal(found, expected(plain, "nir", centres))


def test_coarse_angles_are_met_at_their_nodes_and_smooth_between_them(tmp_path: Path) -> None:
    """Nodes of 50 m: the middle pixel of each lies on it."""
    steady = {name: np.full((4, 5), value, np.uint16) for name, value in zip(ANGLES, (4500, 0, 15000, 0), strict=True)}
    steady["view_zenith"] = (np.arange(20).reshape(4, 5) * 50).astype(np.uint16)
    scene = scene_with(tmp_path, 0, steady, 50)
    plain = pixels_of(make([scene], recipe(nbar=False), tmp_path / "plain"))["red_first_valid"]
    found = pixels_of(make([scene], recipe(), tmp_path / "nadir"))["red_first_valid"]
    at_nodes = (slice(2, None, 5), slice(2, None, 5))
    np.testing.assert_array_equal(found[at_nodes], expected(plain[at_nodes], "red", steady))
    ratio = found[2, 2:23].astype(float) / plain[2, 2:23]
    assert (np.diff(ratio)[plain[2, 2:22] > 2000] != 0).any()


@pytest.mark.parametrize("block", [(7, 5), (1, 24), (20, 3)])
@pytest.mark.parametrize("pixel", [10, 20, 50])
def test_same_bytes_for_any_blocks_threads_and_order(tmp_path: Path, block: tuple[int, int], pixel: int) -> None:
    shape = -(-GRID.height * 10 // pixel), -(-GRID.width * 10 // pixel)
    scenes = [scene_with(tmp_path, number, angles_of(number, shape), pixel) for number in range(3)]
    asked = recipe(methods=("medoid", "percentiles"), percentiles=(50,))
    reference = make(scenes, asked, tmp_path / "whole", threads=1)
    cut = make(list(reversed(scenes)), asked, tmp_path / "cut", block=block, threads=2)
    assert digests(cut) == digests(reference)
    off = make(scenes, replace(asked, nbar=False), tmp_path / "off")
    assert digests(off)["red_p50"] != digests(reference)["red_p50"]


def test_what_has_no_angles_stays_as_it_was_and_is_counted(tmp_path: Path) -> None:
    angles = angles_of(5, (4, 5))
    full = scene_with(tmp_path, 0, angles, 50)
    poor = scene_with(tmp_path, 1, {name: angles[name] for name in ANGLES if name != "view_azimuth"}, 50)
    alone = make([poor], recipe(), tmp_path / "alone")
    assert alone.nbar == Nbar(1, 1, ("coastal",))
    assert not alone.nbar.applied
    plain = make([poor], recipe(nbar=False), tmp_path / "plain")
    assert digests(alone) == digests(plain)
    assert plain.nbar is None
    assert make([full, poor], recipe(), tmp_path / "both").nbar == Nbar(2, 1, ("coastal",))
    granule = replace(poor, segment="later", acquired=full.acquired, datatake=full.datatake)
    assert make([full, granule], recipe(), tmp_path / "granules").nbar == Nbar(1, 1, ("coastal",))


def test_granules_of_one_pass_are_normalised_each_by_its_own_angles_and_once(tmp_path: Path) -> None:
    angles = [angles_of(seed, SHAPE) for seed in (1, 2)]
    one, two = (scene_with(tmp_path / str(n), n, angles[n], 10) for n in range(2))
    seen = np.full((10, 12), 4, np.uint8)
    seen[:, 5:] = 0
    write(Path(one.classes.layer.href), one.classes.layer.geolocation, [seen])
    two = replace(two, segment="later", acquired=one.acquired, datatake=one.datatake, processed=one.processed)
    plain = pixels_of(make([one, two], recipe(nbar=False), tmp_path / "plain"))["red_first_valid"]
    found = pixels_of(make([one, two], recipe(), tmp_path / "nadir"))["red_first_valid"]
    both = {name: np.hstack([angles[0][name][:, :10], angles[1][name][:, 10:]]) for name in ANGLES}
    np.testing.assert_array_equal(found, expected(plain, "red", both))


def test_an_angle_layer_that_cannot_be_read_sets_its_scene_aside(tmp_path: Path) -> None:
    good, bad = (scene_with(tmp_path / str(n), n, angles_of(n, (4, 5)), 50) for n in range(2))
    Path(bad.angles["sun_azimuth"].href).write_bytes(b"not a raster")
    outcome = make([good, bad], recipe(), tmp_path / "out")
    assert [one.scene_id for one in outcome.rejected] == [bad.id]
    assert "sun_azimuth" in outcome.rejected[0].reason
    assert outcome.nbar == Nbar(1, 0, ("coastal",))
