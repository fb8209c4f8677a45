"""Multimodal matching: the similarity against the oracle, and pairs of unlike images with a known displacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from scipy.spatial import cKDTree

from tests.oracles import registration_multimodal as oracle
from weft.registration import multimodal
from weft.registration.harmonics import Descriptor, harmonics
from weft.registration.windows import Centres, Matches

FINE = 4
"""Scenes are drawn with pixels of a quarter and averaged, so displacements by quarters are exact."""
SIZE = 224

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """Fields of random shape with the number of their crop, and a texture of their own, on the fine grid."""

    fields: NDArray[np.int64]
    texture: Image

    @classmethod
    def draw(cls, seed: int, margin: int = 32) -> Scene:
        rng = np.random.default_rng(seed)
        edge = (SIZE + 2 * margin) * FINE
        places = rng.random((edge * edge // 7000, 2)) * edge
        rows, columns = np.mgrid[:edge, :edge]
        _, fields = cKDTree(places).query(np.stack([rows, columns], axis=-1).reshape(-1, 2))
        texture = gaussian_filter(rng.normal(size=(edge, edge)), 5)
        return cls(fields.reshape(edge, edge), (texture / texture.std()).astype(np.float32))

    def seen(self, tone: Callable[[NDArray[np.int64], Image], Image], dx: float = 0, dy: float = 0) -> Image:
        """What a sensor sees that shows at (x + dx, y + dy) what an undisplaced one shows at (x, y)."""
        margin = (self.fields.shape[0] // FINE - SIZE) // 2
        left, top = (round((margin - shift) * FINE) for shift in (dx, dy))
        part = slice(top, top + SIZE * FINE), slice(left, left + SIZE * FINE)
        fine = tone(self.fields[part], self.texture[part])
        return fine.reshape(SIZE, FINE, SIZE, FINE).mean(axis=(1, 3)).astype(np.float32)


def crops(seed: int, texture: float) -> Callable[[NDArray[np.int64], Image], Image]:
    """A sensor that gives each crop a value of its own."""
    values = np.random.default_rng(seed).random(5000).astype(np.float32)
    return lambda fields, roughness: 1000 + 2000 * values[fields] + texture * roughness


OPTICAL = crops(1, 150)


def inverted(scene: Scene, dx: float, dy: float) -> Image:
    return 5000 - scene.seen(OPTICAL, dx, dy)


def bent(scene: Scene, dx: float, dy: float) -> Image:
    """A grey mapping that rises, falls and rises again."""
    seen = scene.seen(OPTICAL, dx, dy)
    return np.sin(seen / 350).astype(np.float32) + 2


def other_sensor(scene: Scene, dx: float, dy: float) -> Image:
    return scene.seen(crops(2, -40), dx, dy)


def uneven(scene: Scene, dx: float, dy: float) -> Image:
    """Gain and offset change from region to region, by a factor of ten."""
    rng = np.random.default_rng(5)
    gain = zoom(rng.random((4, 4)) * 0.9 + 0.1, SIZE / 4, order=1)
    return (scene.seen(OPTICAL, dx, dy) * gain).astype(np.float32)


def radar(scene: Scene, dx: float, dy: float) -> Image:
    """Other values for each crop under the speckle of four looks smoothed a little, in decibels."""
    rng = np.random.default_rng(6)
    power = 10 ** (scene.seen(crops(3, 0), dx, dy) / 1500)
    return (10 * np.log10(power * gaussian_filter(rng.gamma(4, 0.25, power.shape), 0.5))).astype(np.float32)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.draw(11)


def centres(x: list[int], y: list[int], ox: int = 0, oy: int = 0, template: int = 101) -> Centres:
    columns, rows = (axis.ravel() for axis in np.meshgrid(np.array(x), np.array(y)))
    return Centres(columns, rows, columns * 0 + ox, rows * 0 + oy, columns * 0 + template)


GRID = centres(list(range(72, 153, 16)), list(range(72, 153, 16)))


def errors(found: Matches, dx: float, dy: float) -> NDArray[np.float64]:
    """Distances from the truth; infinite where there is no match."""
    return np.where(found.score > 0, np.hypot(found.dx - dx, found.dy - dy), np.inf)


def descriptors(seed: int, holes: bool) -> tuple[Descriptor, Descriptor]:
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.normal(size=(60, 60)), 1).astype(np.float32)
    parts = []
    for values in (image, np.sqrt(2 - image) + 0.1 * rng.normal(size=image.shape).astype(np.float32)):
        mask = np.ones(image.shape, bool)
        if holes:
            mask[rng.integers(60, size=20), rng.integers(60, size=20)] = False
            mask[:, :24] = False
        parts.append(harmonics(values, mask, left=0, top=0, right=60, bottom=60, levels=1)[0])
    return parts[0].descriptor(18, 21, 20), parts[1].descriptor(10, 14, 37)


def as_complex(part: Descriptor) -> NDArray[np.complex128]:
    real = part.values.astype(np.float64)
    return np.stack([real[0] + 0j, real[1] + 1j * real[2], real[3] + 1j * real[4]])


@pytest.mark.parametrize("holes", [False, True])
def test_similarity_equals_the_oracle(holes: bool) -> None:
    template, window = descriptors(21, holes)
    found = multimodal.similarity(template, window)
    expected = oracle.similarity(as_complex(template), template.trusted, as_complex(window), window.trusted)
    assert found.shape == expected.shape == (18, 18)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    if not holes:
        assert np.unravel_index(found.argmax(), found.shape) == (7, 8)
    assert expected.max() <= 1


def test_similarity_of_equal_windows_is_one() -> None:
    template, _ = descriptors(22, False)
    np.testing.assert_allclose(multimodal.similarity(template, template), [[1]], atol=1e-5)


@pytest.mark.parametrize(
    ("sensor", "mean", "largest"),
    [(inverted, 0.02, 0.03), (bent, 0.05, 0.1), (other_sensor, 0.05, 0.1), (uneven, 0.03, 0.08), (radar, 0.3, 1.0)],
)
def test_unlike_images_are_matched_to_a_fraction_of_a_pixel(
    scene: Scene, sensor: Callable[[Scene, float, float], Image], mean: float, largest: float
) -> None:
    reference = scene.seen(OPTICAL)
    for dx, dy in ((2.25, -1.5), (-7.75, 11.5)):
        found = multimodal.match(reference, sensor(scene, dx, dy), None, None, GRID, template=101, search=20)
        wrong = errors(found, dx, dy)
        assert wrong.mean() < mean
        assert wrong.max() < largest
        assert np.hypot(np.mean(found.dx - dx), np.mean(found.dy - dy)) < mean / 1.5
        assert found.score.min() > 0.15
        assert found.score.max() <= 1


def test_the_search_starts_where_it_is_told(scene: Scene) -> None:
    reference, dx, dy = scene.seen(OPTICAL), 24.25, -27.5
    secondary = inverted(scene, dx, dy)
    for ox, oy in ((24, -28), (21, -25), (26, -31), (19, -22)):
        some = centres([90, 120], [110, 130], ox, oy, 61)
        found = multimodal.match(reference, secondary, None, None, some, template=61, search=8)
        assert errors(found, dx, dy).max() < 0.12
        far = centres([90, 120], [110, 130], ox + 12, oy, 61)
        missed = multimodal.match(reference, secondary, None, None, far, template=61, search=4)
        assert (missed.score < 0.1).all(), "beyond the search there is no match"


@pytest.mark.parametrize("template", [16, 24, 33, 48, 64, 100])
def test_small_and_even_windows(scene: Scene, template: int) -> None:
    dx, dy = -1.5, 2.75
    found = multimodal.match(
        scene.seen(OPTICAL), inverted(scene, dx, dy), None, None, GRID, template=template, search=6
    )
    seen = found.score > 0
    assert seen.mean() > 0.8
    assert np.median(errors(found, dx, dy)[seen]) < 0.1


def test_clouds_and_gaps_carry_no_weight(scene: Scene) -> None:
    dx, dy = 3.25, 1.75
    reference, secondary = scene.seen(OPTICAL), other_sensor(scene, dx, dy)
    rng = np.random.default_rng(31)
    mask_reference, mask_secondary = np.ones(reference.shape, bool), np.ones(reference.shape, bool)
    mask_reference[:, 100:130] = False
    mask_secondary[120:150] = False
    reference[~mask_reference] = 30_000
    secondary[~mask_secondary] = rng.normal(0, 30_000, 30 * SIZE)
    secondary[rng.integers(SIZE, size=300), rng.integers(SIZE, size=300)] = np.nan
    found = multimodal.match(reference, secondary, mask_reference, mask_secondary, GRID, template=101, search=20)
    assert errors(found, dx, dy).mean() < 0.12
    assert errors(found, dx, dy).max() < 0.4


def test_windows_may_reach_outside(scene: Scene) -> None:
    dx, dy = -2.5, 3.25
    some = centres([20, 110, 204], [20, 110, 204])
    found = multimodal.match(
        scene.seen(OPTICAL), other_sensor(scene, dx, dy), None, None, some, template=101, search=20
    )
    assert errors(found, dx, dy).max() < 0.3


def test_where_there_is_nothing_to_see_there_is_no_match(scene: Scene) -> None:
    reference = scene.seen(OPTICAL)
    nothing = np.zeros(reference.shape, bool)
    cases = [
        (reference, reference, nothing, None),
        (reference, reference, None, nothing),
        (reference, np.full_like(reference, 5), None, None),
        (np.full_like(reference, np.nan), reference, None, None),
    ]
    for one, two, mask_one, mask_two in cases:
        found = multimodal.match(one, two, mask_one, mask_two, GRID, template=101, search=20)
        assert not found.score.any()
        assert np.isnan(found.dx).all()
        assert np.isnan(found.dy).all()
    none = multimodal.match(reference, reference, None, None, GRID.select(slice(0)), template=101, search=20)
    assert none.dx.size == none.dy.size == none.score.size == 0


def test_unrelated_images_do_not_look_good(scene: Scene) -> None:
    reference = scene.seen(OPTICAL)
    related = multimodal.match(reference, radar(scene, 4.5, -3.25), None, None, GRID, template=101, search=20)
    other = Scene.draw(12)
    for secondary in (other.seen(OPTICAL), radar(other, 0, 0)):
        unrelated = multimodal.match(reference, secondary, None, None, GRID, template=101, search=20)
        assert np.median(unrelated.score) < 0.1
        assert np.percentile(unrelated.score, 90) < np.percentile(related.score, 10)


def test_a_match_depends_on_neither_its_batch_nor_its_type(scene: Scene) -> None:
    reference, secondary = scene.seen(OPTICAL).round(), radar(scene, 1.25, 0.5)
    some = centres([60, 80, 97, 205], [71, 160])
    mask = np.ones(reference.shape, bool)
    mask[90:99, 60:90] = False
    together = multimodal.match(reference, secondary, mask, None, some, template=61, search=10)
    whole = reference.astype(np.uint16)
    for n in range(len(some)):
        one = multimodal.match(whole, secondary, mask, None, some.select(slice(n, n + 1)), template=61, search=10)
        for name in ("dx", "dy", "score"):
            np.testing.assert_array_equal(getattr(one, name), getattr(together, name)[n : n + 1])
