"""Composites of displaced scenes, compared with composites of scenes that were resampled in memory first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.oracles import composite as oracle
from tests.scenes import BANDS, GRID, Pixels, make_scene, random_pixels
from tests.weft.compositing.tiles import digests, full_scene, layer, pixels_of
from tests.weft.compositing.tiles import recipe as full_recipe
from weft.composite_settings import Composite, Validity
from weft.compositing.composite import Composited, Recipe, composite
from weft.compositing.observations import Observation, plan
from weft.rasters.moving import Moved, MovedReader
from weft.registration.displacement import Displacement
from weft.registration.resampling import resample
from weft.scenes.scene import Scene

RECIPE = Recipe(BANDS, Validity(dilate_m=20), Composite(percentiles=(0, 25, 50, 97.5)), 10)
MEANS = Recipe(BANDS, Validity(), Composite(methods=("mean",)), 10)
# What float32 holds exactly, because resample() works with it: then not even a rounding may differ.
SHIFTS = [Displacement.shift(dx, dy, GRID.shape) for dx, dy in ((1.25, -0.5), (-2.75, 3.125), (0.375, 0.0))]
BENT = Displacement("affine", GRID.shape, ((0.6, 1.1, -0.4), (-0.9, 0.7, 0.8)))


def observed(scenes: Sequence[Scene], displacements: Sequence[Displacement | None]) -> list[Observation]:
    """Observations in which a scene is displaced where it has a displacement."""
    moved = {
        scene.id: Moved(displacement, GRID, "cubic")
        for scene, displacement in zip(scenes, displacements, strict=True)
        if displacement
    }
    planned = plan(scenes, scenes[0].bands).observations
    return [replace(one, moved=moved.get(one.scene_ids[0])) for one in planned]


def make(observations: Sequence[Observation], recipe: Recipe, scratch: Path, **options: object) -> Composited:
    return composite(observations, recipe, scratch, lambda href: href, **options)


def resampled(folder: Path, number: int, displacement: Displacement | None, offset: float) -> Scene:
    """The scene that make_scene would write, displaced in memory before it is written."""
    pixels = random_pixels(number, shift=round(-offset * 10000))
    scl = pixels.scl.repeat(2, 0).repeat(2, 1)
    numbers = dict(pixels.numbers)
    if displacement:
        for band, values in numbers.items():
            made = resample(np.ma.masked_array(values, values <= 1), displacement)
            numbers[band] = np.where(made.mask, 0, np.maximum(made.data, 2)).astype(np.uint16)
        # Labels are taken from their own pixels of 20 m.
        rows, cols = np.indices(GRID.shape)
        dx, dy = displacement.at(cols, rows)
        row, col = (np.floor((index + shift + 0.5) / 2).astype(int) for index, shift in ((rows, dy), (cols, dx)))
        inside = (row >= 0) & (row < 20) & (col >= 0) & (col < 24)
        scl = np.where(inside, pixels.scl[row.clip(0, 19), col.clip(0, 23)], 0).astype(np.uint8)
    scene = make_scene(folder, number, Pixels(numbers, pixels.scl), offset=offset)
    return replace(scene, classes=replace(scene.classes, layer=layer(folder / "scl", str(number), scl, 10)))


OFFSETS = (0.0, -0.1, -0.1, 0.0, -0.1)
DISPLACEMENTS = (*SHIFTS, None, None)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("scenes")
    drivers = ("GTiff", "JP2OpenJPEG", "GTiff", "GTiff", "GTiff")
    return [
        make_scene(folder, number, offset=offset, driver=driver)
        for number, (offset, driver) in enumerate(zip(OFFSETS, drivers, strict=True))
    ]


@pytest.fixture(scope="module")
def reference(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> Composited:
    return make(observed(scenes, DISPLACEMENTS), RECIPE, tmp_path_factory.mktemp("reference"))


def test_it_equals_the_composite_of_scenes_resampled_in_memory(
    scenes: list[Scene], reference: Composited, tmp_path: Path
) -> None:
    stand_ins = [
        resampled(tmp_path, number, displacement, offset)
        for number, (displacement, offset) in enumerate(zip(DISPLACEMENTS, OFFSETS, strict=True))
    ]
    expected = pixels_of(make(observed(stand_ins, [None] * 5), RECIPE, tmp_path / "out"))
    found = pixels_of(reference)
    # Clouds beyond the tile, which a displaced scene knows of, grow two pixels into it.
    inner = slice(2, -2), slice(2, -2)
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key][inner], values[inner], err_msg=key)
    assert (found["count"] > 2).any()
    as_they_are = pixels_of(make(observed(scenes, [None] * 5), RECIPE, tmp_path / "plain"))
    assert (found["red_p50"] != as_they_are["red_p50"]).mean() > 0.3


def test_a_bent_displacement_equals_resampling_within_rounding(tmp_path: Path) -> None:
    scene, stand_in = make_scene(tmp_path / "a", 1), resampled(tmp_path / "b", 1, BENT, 0.0)
    found = pixels_of(make(observed([scene], [BENT]), MEANS, tmp_path / "found"))
    expected = pixels_of(make(observed([stand_in], [None]), MEANS, tmp_path / "expected"))
    np.testing.assert_array_equal(found["count"], expected["count"])
    for key in found.keys() - {"count"}:
        np.testing.assert_allclose(found[key], expected[key], atol=1, err_msg=key)


@pytest.mark.parametrize("block", [(16, 16), (7, 48), (40, 13), (1, 48)])
@pytest.mark.parametrize("threads", [1, 3])
def test_same_bytes_for_any_threads_and_blocks(
    scenes: list[Scene], reference: Composited, tmp_path: Path, threads: int, block: tuple[int, int]
) -> None:
    outcome = make(observed(scenes, DISPLACEMENTS), RECIPE, tmp_path, threads=threads, block=block)
    assert digests(outcome) == digests(reference)


def test_same_bytes_for_any_blocks_of_a_field(tmp_path: Path) -> None:
    waves = np.random.default_rng(1).normal(0, 1, (2, 6, 7))
    field = Displacement(
        "field", GRID.shape, ((0.3, 0.1, 0.2), (0.1, 0.5, 0.0)), tuple(map(tuple, map(rows_of, waves)))
    )
    observations = observed([make_scene(tmp_path, 1), make_scene(tmp_path, 2)], [field, BENT])
    outcomes = [make(observations, MEANS, tmp_path / str(block), block=block) for block in (None, (7, 5), (16, 48))]
    assert digests(outcomes[0]) == digests(outcomes[1]) == digests(outcomes[2])


def rows_of(lattice: np.ndarray) -> list[tuple[float, ...]]:
    return [tuple(row) for row in lattice.tolist()]


def test_no_displacement_leaves_no_trace(scenes: list[Scene], tmp_path: Path) -> None:
    """A whole number of pixels moves pixels and changes none; nothing is read differently where nothing moves."""
    whole = Displacement.shift(2, 4, GRID.shape)
    found = pixels_of(make(observed(scenes[:1], [whole]), MEANS, tmp_path / "moved"))
    plain = pixels_of(make(observed(scenes[:1], [None]), MEANS, tmp_path / "plain"))
    both = (found["count"][:-4, :-2] == 1) & (plain["count"][4:, 2:] == 1)
    assert both.mean() > 0.3
    for key in plain.keys() - {"count"}:
        np.testing.assert_array_equal(found[key][:-4, :-2][both], plain[key][4:, 2:][both], err_msg=key)
    assert not found["count"][-4:].any()
    assert not found["count"][:, -2:].any()


def test_dark_water_does_not_go_on_beyond_the_scene(tmp_path: Path) -> None:
    """There a number of zero is a true value, so nothing but the classes tells that nothing was observed."""
    water = Pixels({"nir": np.full(GRID.shape, 50, np.uint16)}, np.full((20, 24), 6, np.uint8))
    (still,) = plan([make_scene(tmp_path, 0, water)], ("nir",)).observations
    moved = replace(still, moved=Moved(Displacement.shift(8, 0, GRID.shape), GRID, "cubic"))
    found = pixels_of(make([moved], Recipe(("nir",), Validity(), MEANS.composite, 10), tmp_path / "out"))
    assert found["count"][:, :40].all()
    assert not found["count"][:, 40:].any()


def test_angles_and_quality_move_with_the_pixels(tmp_path: Path) -> None:
    scene = full_scene(tmp_path, 3)
    grid = scene.geolocation
    moved = Moved(Displacement.shift(40, 20, grid.shape), grid, "cubic")
    (observation,) = plan([scene], scene.bands).observations
    wanted = full_recipe(methods=("first_valid",), layers=("quality_aot", "quality_scene_classification"))
    found = pixels_of(make([replace(observation, moved=moved)], wanted, tmp_path / "out"))
    assert not found["count"].any(), "everything lies beyond the scene"
    moved = Moved(Displacement.shift(4, 2, grid.shape), grid, "cubic")
    found = pixels_of(make([replace(observation, moved=moved)], wanted, tmp_path / "near"))
    seen = found["count"][:-2, :-4] == 1
    assert seen.mean() > 0.3
    aot = oracle.read(scene.quality["aot"].href, 1, grid.shape)[2:, 4:]
    np.testing.assert_array_equal(found["quality_aot"][:-2, :-4][seen], 10 * aot[seen])
    classes = oracle.read(scene.classes.layer.href, 1, grid.shape)[2:, 4:]
    np.testing.assert_array_equal(found["quality_scene_classification"][:-2, :-4][seen], classes[seen])


def test_a_granule_that_cannot_be_read_leaves_the_others_where_they_belong(tmp_path: Path) -> None:
    good = make_scene(tmp_path / "a", 1)
    bad = replace(make_scene(tmp_path / "b", 1), id="S2A_31UDS_001_b", segment="later")
    Path(bad.bands["red"].href).write_bytes(b"not a raster")
    both, alone = ([replace(one, moved=Moved(BENT, GRID, "cubic"))] for one in (joined(good, bad), joined(good)))
    outcome = make(both, MEANS, tmp_path / "both")
    assert [one.scene_id for one in outcome.rejected] == [bad.id]
    assert outcome.observations[0].moved is both[0].moved
    assert digests(outcome) == digests(make(alone, MEANS, tmp_path / "alone"))


def joined(*scenes: Scene) -> Observation:
    (observation,) = plan(scenes, BANDS).observations
    return observation


def test_the_memory_of_displaced_reading_is_counted(tmp_path: Path) -> None:
    from weft.compositing.blocks import BlockReader
    from weft.compositing.provenance import ProvenanceReader

    scene = full_scene(tmp_path, 1)
    still = joined(replace(scene, bands={band: scene.bands[band] for band in BANDS}))
    moved = replace(still, moved=Moved(BENT, GRID, "cubic"))
    lean, rich = (BlockReader([one], MEANS, GRID, {}).bytes_decoding for one in (still, moved))
    assert rich == lean + MovedReader.bytes_reading
    lean, rich = (ProvenanceReader([one], ["quality_aot"], {}).bytes_decoding for one in (still, moved))
    assert rich == lean + MovedReader.bytes_reading
