"""The observations of a tile brought onto one of them: who is the reference, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from tests.scenes import Pixels, make_scene
from weft.composite_settings import Validity
from weft.compositing.observations import Observation, plan
from weft.periods import TimeWindow
from weft.rasters.grid import Grid
from weft.regions import Coregistration
from weft.registration.scenes import Aligned, Look, align, candidates, matching_grid
from weft.scenes.scene import Scene

GRID = Grid("EPSG:32631", 399960, 5700000, 10, 10, 144, 128)
PERIOD = TimeWindow(datetime(2018, 4, 1, tzinfo=UTC), datetime(2018, 5, 1, tzinfo=UTC))
MIDDLE = datetime(2018, 4, 16, tzinfo=UTC)
PHASE = Coregistration(method="phase", template=32)
CLOUD = 9


def looks(*seen: tuple[float, float]) -> list[Look]:
    """From days after the middle of the period, and clear shares."""
    return [Look(MIDDLE + timedelta(days=days), clear) for days, clear in seen]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([(-10, 0.9), (1, 0.85), (8, 0.9)], [1, 2, 0]),
        ([(-10, 0.9), (1, 0.6), (8, 0.9)], [2, 0, 1]),
        ([(-5, 0.9), (5, 0.95)], [1, 0]),
        ([(-5, 0.9), (5, 0.9)], [0, 1]),
        ([(0, 0.3), (9, 0.5), (3, 0.4)], [2, 1, 0]),
        ([(0, 0.0), (9, 0.5), (3, 0.01)], [1]),
        ([(0, 0.0), (9, 0.019)], []),
        ([], []),
    ],
    ids=["nearest", "clear first", "clearer of equals", "older of equals", "then by clearness", "blind", "all", "none"],
)
def test_the_reference_is_clear_and_in_the_middle_of_the_period(
    seen: list[tuple[float, float]], expected: list[int]
) -> None:
    assert candidates(looks(*seen), PERIOD) == expected


def test_a_date_wants_the_usable_observation_nearest_to_it() -> None:
    seen = looks((-10, 0.3), (1, 1.0), (-7, 0.0), (-4, 0.9))
    assert candidates(seen, PERIOD, date(2018, 4, 8)) == [0, 3, 1]


def test_a_large_tile_is_matched_in_whole_multiples_of_its_pixel() -> None:
    tile = Grid("EPSG:32631", 399960, 5700000, 10, 10, 10980, 10980)
    assert matching_grid(tile, 10) == tile.at_resolution(20)
    assert matching_grid(tile, 20) == tile.at_resolution(20)
    assert matching_grid(GRID, 10) == GRID


def ground(seed: int = 0) -> np.ndarray:
    """A texture with a margin of 32 pixels."""
    noise = np.random.default_rng(seed).normal(0, 1, (GRID.height + 64, GRID.width + 64))
    texture = ndimage.gaussian_filter(noise, 1.5) * 4 + ndimage.gaussian_filter(noise, 6) * 12
    return 1500 + 400 * texture


def picture(texture: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """What lies at (x, y) of the ground is shown at (x + dx, y + dy), without interpolation."""
    shifted = np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(texture), (dy, dx))).real
    return shifted[32:-32, 32:-32].round().clip(2, 20000).astype(np.uint16)


def scene(
    folder: Path,
    number: int,
    shift: tuple[float, float] = (0.0, 0.0),
    clouds: Sequence[tuple[slice, slice]] = (),
    seed: int = 0,
) -> Scene:
    """A scene of the ground with its own noise; clouds are slices of its classes at half resolution."""
    rng = np.random.default_rng(50 + number)
    scl = np.full((GRID.height // 2, GRID.width // 2), 4, np.uint8)
    red = picture(ground(seed), *shift)
    for part in clouds:
        scl[part] = CLOUD
    hidden = scl.repeat(2, 0).repeat(2, 1) == CLOUD
    red[hidden] = rng.integers(5000, 9000, int(hidden.sum()))
    noise = rng.normal(0, 15, red.shape).round().astype(int)
    bands = {"blue": rng.integers(2, 3000, red.shape).astype(np.uint16), "red": (red + noise).clip(2).astype(np.uint16)}
    return make_scene(folder / str(number), number, Pixels(bands, scl), grid=GRID, block=64)


def aligned(scenes: Sequence[Scene], scratch: Path, settings: Coregistration = PHASE, **options: object) -> Aligned:
    arguments: dict[str, object] = {
        "bands": ("blue", "red"),
        "validity": Validity(),
        "resolution": 10,
        "window": PERIOD,
        "place": lambda href: href,
        "scratch": scratch,
    }
    return align(observations(scenes), settings, **(arguments | options))


def observations(scenes: Sequence[Scene]) -> tuple[Observation, ...]:
    return plan(scenes, ("blue", "red")).observations


def shifts(made: Aligned) -> Mapping[str, tuple[float, float]]:
    """First scene of each displaced observation -> displacement in the middle of the tile."""
    found = {}
    for outcome in made.outcomes:
        if outcome.displaced:
            dx, dy = outcome.registration.displacement.at(GRID.width / 2, GRID.height / 2)
            found[outcome.scene_ids[0]] = float(dx), float(dy)
    return found


EDGE = (slice(None), slice(0, 18))
EVERYWHERE = (slice(None), slice(None))
KNOWN = {0: (1.3, -0.7), 1: (-2.4, 0.55), 2: (3.6, 4.25), 3: (0.0, 0.0), 4: (-0.45, -1.15)}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """Five dates five days apart: the fourth is in the middle of the period, clear, and where it should be."""
    folder = tmp_path_factory.mktemp("scenes")
    clouds = {2: (EDGE,)}
    return [scene(folder, number, shift, clouds.get(number, ())) for number, shift in KNOWN.items()]


@pytest.fixture(scope="module")
def made(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> Aligned:
    return aligned(scenes, tmp_path_factory.mktemp("scratch"))


def test_known_shifts_are_found(scenes: list[Scene], made: Aligned) -> None:
    assert made.reference == (scenes[3].id,)
    assert (made.grid, made.band) == (GRID, "red")
    found = shifts(made)
    assert found.keys() == {one.id for one in scenes} - {scenes[3].id}
    for number, (dx, dy) in KNOWN.items():
        if number != 3:
            assert np.hypot(found[scenes[number].id][0] - dx, found[scenes[number].id][1] - dy) < 0.05, number
            quality = made.outcomes[number].registration.quality
            assert quality.ce90_after < quality.ce90_before


def test_the_number_of_threads_changes_nothing(scenes: list[Scene], made: Aligned, tmp_path: Path) -> None:
    assert shifts(aligned(scenes[2:4], tmp_path, workers=1)) == {scenes[2].id: shifts(made)[scenes[2].id]}


def test_a_scene_that_proves_nothing_keeps_its_geolocation_and_says_why(scenes: list[Scene], tmp_path: Path) -> None:
    clouded = scene(tmp_path, 6, (1.0, 1.0), [EVERYWHERE])
    unlike = scene(tmp_path, 7, seed=9)
    made = aligned([*scenes[2:4], clouded, unlike], tmp_path)
    outcomes = {outcome.scene_ids[0]: outcome for outcome in made.outcomes}
    assert shifts(made).keys() == {scenes[2].id}
    assert made.reference == (scenes[3].id,)
    for one in (clouded, unlike):
        assert not outcomes[one.id].displaced
        assert outcomes[one.id].reason
    assert outcomes[unlike.id].registration is not None


def test_one_scene_is_the_reference_of_itself(scenes: list[Scene], tmp_path: Path) -> None:
    made = aligned(scenes[:1], tmp_path)
    assert made.reference == (scenes[0].id,)
    assert [(outcome.registration, outcome.reason, outcome.displaced) for outcome in made.outcomes] == [
        (None, "", False)
    ]


def test_without_a_clear_scene_there_is_no_reference(tmp_path: Path) -> None:
    made = aligned([scene(tmp_path, number, clouds=[EVERYWHERE]) for number in (1, 2)], tmp_path)
    assert made.reference is None
    assert {outcome.reason for outcome in made.outcomes} == {
        "no observation of the period is clear enough to be the reference"
    }
    assert not shifts(made)


def test_a_reference_that_cannot_be_read_gives_way_to_the_next(scenes: list[Scene], tmp_path: Path) -> None:
    broken = scene(tmp_path, 3)
    Path(broken.bands["red"].href).write_bytes(b"not a raster")
    made = aligned([scenes[1], broken, scenes[4]], tmp_path)
    assert made.reference == (scenes[4].id,)
    assert shifts(made).keys() == {scenes[1].id}
    (lost,) = (outcome for outcome in made.outcomes if outcome.scene_ids == (broken.id,))
    assert "cannot be read" in lost.reason
    assert np.hypot(*np.subtract(shifts(made)[scenes[1].id], np.subtract(KNOWN[1], KNOWN[4]))) < 0.05


def test_classes_or_bands_that_cannot_be_read_cost_a_scene_its_registration_only(
    scenes: list[Scene], tmp_path: Path
) -> None:
    blind, broken = scene(tmp_path, 1), scene(tmp_path, 2)
    Path(blind.classes.layer.href).write_bytes(b"not a raster")
    Path(broken.bands["red"].href).write_bytes(b"not a raster")
    made = aligned([blind, broken, scenes[3], scenes[4]], tmp_path)
    assert made.reference == (scenes[3].id,)
    assert shifts(made).keys() == {scenes[4].id}
    assert [blind.id in made.outcomes[0].reason, broken.id in made.outcomes[1].reason] == [True, True]


def test_granules_of_one_pass_share_one_displacement(scenes: list[Scene], made: Aligned, tmp_path: Path) -> None:
    cut = [(slice(None), slice(0, 30)), (slice(None), slice(30, 72))]
    left, right = (scene(tmp_path / str(part), 1, KNOWN[1], [cut[1 - part]]) for part in (0, 1))
    right = replace(right, id="S2A_31UDS_001_b", segment="later")
    joined = aligned([left, right, scenes[3]], tmp_path)
    assert [outcome.scene_ids for outcome in joined.outcomes] == [(left.id, right.id), (scenes[3].id,)]
    assert np.hypot(*np.subtract(shifts(joined)[left.id], shifts(made)[scenes[1].id])) < 0.05


def test_settings_reach_the_matching(scenes: list[Scene], tmp_path: Path) -> None:
    near = aligned(scenes[2:4], tmp_path, Coregistration(method="phase", template=32, max_shift=2))
    assert not shifts(near), "it lies 3.6, 4.25 off, beyond what is looked for"
    strict = aligned(scenes[2:4], tmp_path, Coregistration(method="phase", template=32, max_ce90=0.001))
    assert not shifts(strict)
    assert "0.001" in strict.outcomes[0].reason
    other = aligned(scenes[2:4], tmp_path, Coregistration(method="phase", template=32, band="blue"))
    assert other.band == "blue"
    assert not shifts(other), "blue is noise"
    edges = aligned(scenes[2:4], tmp_path, Coregistration(method="multimodal", template=40))
    assert edges.outcomes[0].registration.method == "multimodal"
    assert np.hypot(*np.subtract(shifts(edges)[scenes[2].id], KNOWN[2])) < 0.15
    dated = aligned(scenes[2:4], tmp_path, Coregistration(method="phase", template=32, reference=date(2018, 4, 11)))
    assert dated.reference == (scenes[2].id,)
