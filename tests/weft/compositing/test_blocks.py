"""Reading observations: validity with a halo across blocks, limits with and without layers, and pixel sizes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.oracles import composite as oracle
from tests.scenes import Pixels, make_scene, random_pixels
from tests.weft.compositing.tiles import GRID, digests, full_scene, layer, make, pixels_of, recipe
from weft.composite_settings import Composite, Validity
from weft.compositing.composite import Recipe
from weft.scenes.scene import Scene

COUNT = Composite(methods=("mean",))


def counted(scene: Scene, validity: Validity, scratch: Path, **options: object) -> np.ndarray:
    return pixels_of(make([scene], Recipe(("red",), validity, COUNT, 10), scratch, **options))["count"]


@pytest.mark.parametrize("block", [None, (7, 5), (1, 24)])
@pytest.mark.parametrize(("dilate", "shadow"), [(0, 0), (20, 0), (0, 35), (50, 20)])
def test_clouds_and_shadows_grow_by_metres_across_blocks(
    tmp_path: Path, dilate: float, shadow: float, block: tuple[int, int] | None
) -> None:
    rng = np.random.default_rng(5)
    scl = rng.choice([4, 4, 5, 6, 0, 8, 3, 10], (10, 12), p=[0.5, 0.2, 0.1, 0.1, 0.04, 0.02, 0.02, 0.02])
    numbers = {"red": rng.integers(2, 3000, GRID.shape).astype(np.uint16)}
    scene = make_scene(tmp_path, 0, Pixels(numbers, scl.astype(np.uint8)), grid=GRID)
    validity = Validity(dilate_m=dilate, shadow_dilate_m=shadow)
    fine = scl.repeat(2, 0).repeat(2, 1)
    expected = np.isin(fine, (2, 4, 5, 6, 11))
    if dilate:
        expected &= ~oracle.within(np.isin(fine, (8, 10)), dilate / 10)
    if shadow:
        expected &= ~oracle.within(fine == 3, shadow / 10)
    np.testing.assert_array_equal(counted(scene, validity, tmp_path / "out", block=block), expected)


def test_limits_apply_where_the_layer_exists(tmp_path: Path) -> None:
    scene = full_scene(tmp_path, 3)
    free = counted(scene, Validity(), tmp_path / "free")
    cloud = oracle.read(scene.quality["cloud_confidence"].href, 1, GRID.shape)
    for limit, allowed in (
        ("cloud_confidence_max", cloud <= 1),
        ("snow_confidence_max", 100 - cloud.astype(int) <= 98),
    ):
        rule = Validity(**{limit: 1 if limit.startswith("cloud") else 98})
        np.testing.assert_array_equal(counted(scene, rule, tmp_path / limit), free * allowed)
        bare = replace(scene, quality={})
        np.testing.assert_array_equal(counted(bare, rule, tmp_path / f"{limit}0"), free)


def test_a_pixel_without_a_value_does_not_keep_within_a_limit(tmp_path: Path) -> None:
    scene = full_scene(tmp_path, 3)
    values = np.zeros((10, 12), np.uint8)
    values[:5] = 255
    scene = replace(scene, quality={"cloud_confidence": layer(tmp_path, "c", values, 20, nodata=255)})
    free = counted(scene, Validity(), tmp_path / "free")
    limited = counted(scene, Validity(cloud_confidence_max=100), tmp_path / "limited")
    assert free[:10].any()
    assert not limited[:10].any()
    np.testing.assert_array_equal(limited[10:], free[10:])


def test_a_limit_without_any_layer_is_named(tmp_path: Path) -> None:
    with_layers, without = full_scene(tmp_path, 1), replace(full_scene(tmp_path, 2), quality={}, angles={})
    rule = Validity(view_zenith_max=90, cloud_confidence_max=100, snow_confidence_max=100)
    asked = Recipe(("red",), rule, COUNT, 10)
    assert make([with_layers, without], asked, tmp_path / "a").validity_not_applied == ()
    assert make([without], asked, tmp_path / "b").validity_not_applied == (
        *("view_zenith_max", "cloud_confidence_max", "snow_confidence_max"),
    )
    assert make([without], Recipe(("red",), Validity(), COUNT, 10), tmp_path / "c").validity_not_applied == ()


def mixed_scene(folder: Path, number: int) -> Scene:
    """Red at 10 m, swir16 at 20 m and coastal at 60 m, as Sentinel-2 has them."""
    grid = replace(GRID, width=72, height=60)
    rng = np.random.default_rng(number)
    pixels = random_pixels(number, grid, ("red",))
    scene = make_scene(
        folder, number, replace(pixels, numbers={"red": np.maximum(pixels.numbers["red"], 2)}), grid=grid
    )
    here = folder / f"coarse{number}"
    coarse = {
        band: layer(here, band, rng.integers(2, 4000, (600 // size, 720 // size)).astype(np.uint16), size, scale=0.0001)
        for band, size in (("swir16", 20), ("coastal", 60))
    }
    return replace(scene, bands={**scene.bands, **coarse})


def on_grid(scene: Scene, band: str, resolution: int) -> np.ndarray:
    """A band at a resolution, exactly: repeated if it is coarser, else the mean by area."""
    one = scene.bands[band]
    values = oracle.read(one.href, one.band, one.geolocation.shape)
    size = int(one.geolocation.x_size)
    rows, cols = (count * 10 // resolution for count in (60, 72))
    if size >= resolution:
        return values[np.ix_(*(((np.arange(n) + 0.5) * resolution / size).astype(int) for n in (rows, cols)))]
    out = np.zeros((rows, cols), np.uint16)
    for y, x in np.ndindex(*out.shape):
        total = weight = Fraction(0)
        for v in range(y * resolution // size, -(-(y + 1) * resolution // size)):
            for u in range(x * resolution // size, -(-(x + 1) * resolution // size)):
                high = min((v + 1) * size, (y + 1) * resolution) - max(v * size, y * resolution)
                wide = min((u + 1) * size, (x + 1) * resolution) - max(u * size, x * resolution)
                total += high * wide * int(values[v, u])
                weight += high * wide
        out[y, x] = int(total / weight + Fraction(1, 2))
    return out


@pytest.mark.parametrize("resolution", [10, 12, 20, 25, 60])
def test_any_resolution_averages_finer_bands_and_repeats_coarser_ones_before_selecting(
    tmp_path: Path, resolution: int
) -> None:
    scenes = [mixed_scene(tmp_path, number) for number in range(4)]
    bands = ("red", "swir16", "coastal")
    wanted = Recipe(
        bands, Validity(dilate_m=30), Composite(methods=("medoid", "percentiles"), percentiles=(50,)), resolution
    )
    outcome = make(scenes, wanted, tmp_path / "out")
    assert outcome.product.grid.shape == (600 // resolution, 720 // resolution)
    assert digests(make(scenes, wanted, tmp_path / "cut", block=(3, 4), threads=1)) == digests(outcome)
    stack = np.stack([[on_grid(scene, band, resolution) for band in bands] for scene in reversed(scenes)])
    found = pixels_of(outcome)
    valid = np.stack([validity_at(scene, resolution, 30) for scene in reversed(scenes)])
    np.testing.assert_array_equal(found["count"], valid.sum(0))
    expected = oracle.composite(stack, valid, bands, (50,))
    for key in ("red_medoid", "swir16_medoid", "coastal_medoid", "red_p50", "source_index"):
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


def validity_at(scene: Scene, resolution: int, metres: float) -> np.ndarray:
    rows, cols = (count * 10 // resolution for count in (60, 72))
    scl = oracle.read(scene.classes.layer.href, 1, (30, 36))
    # Pixels that the grid leaves out at its edge still grow into it.
    beyond = (((np.arange(n + 4) + 0.5) * resolution / 20).astype(int) for n in (rows, cols))
    scl = scl[np.ix_(*(np.minimum(pixels, edge - 1) for pixels, edge in zip(beyond, scl.shape, strict=True)))]
    cloud = ~np.isin(scl, (2, 4, 5, 6, 11, 0, 3))
    return (np.isin(scl, (2, 4, 5, 6, 11)) & ~oracle.within(cloud, metres / resolution))[:rows, :cols]


def test_the_recipe_of_a_tile_without_layers_keeps_no_more_than_it_needs(tmp_path: Path) -> None:
    from weft.compositing.blocks import BlockReader
    from weft.compositing.observations import plan

    observations = plan([full_scene(tmp_path, 1)], ("red",)).observations
    lean, rich = (
        BlockReader(observations, recipe(methods=methods), GRID, {}).bytes_held for methods in (("medoid",), ("s2gm",))
    )
    assert rich == lean + 2
