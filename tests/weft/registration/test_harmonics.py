"""The harmonics of the gradient against the oracle, and what they must not see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.oracles import registration_multimodal as oracle
from weft.registration.harmonics import Harmonics, harmonics

SIZE = 44
PART = {"left": 5, "top": -3, "right": 39, "bottom": 50}


def scene(seed: int, size: int = SIZE) -> NDArray[np.float32]:
    """Random values with some structure: every pixel depends on its left and upper neighbours."""
    noise = np.random.default_rng(seed).normal(500, 100, (size, size))
    return (np.cumsum(noise - 500, axis=1) + noise).astype(np.float32)


def holes(seed: int, size: int = SIZE) -> NDArray[np.bool_]:
    mask = np.random.default_rng(seed).random((size, size)) > 0.01
    mask[10:18, 20:31] = False
    return mask


def complexes(part: Harmonics) -> NDArray[np.complex64]:
    real = part.channels
    return np.stack([real[0] + 0j, real[1] + 1j * real[2], real[3] + 1j * real[4]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("masked", [False, True])
def test_every_level_equals_the_oracle(dtype: Any, masked: bool) -> None:
    image = np.abs(scene(1)).astype(dtype)
    usable = holes(2) if masked else np.ones(image.shape, bool)
    values, known = image.astype(np.float64), usable
    if masked and dtype != np.uint16:
        image[~usable] = np.nan
    parts = harmonics(image, usable if dtype == np.uint16 and masked else None, **PART, levels=3)
    for level, part in enumerate(parts):
        expected, trusted = oracle.channels(values, known)
        height, width = part.trusted.shape
        assert part.left << level <= PART["left"]
        assert part.top << level <= PART["top"]
        assert (part.left + width) << level >= PART["right"]
        assert (part.top + height) << level >= PART["bottom"]
        whole = np.zeros((3, 80, 80), complex)
        there = np.zeros((80, 80), bool)
        inside = slice(20, 20 + values.shape[0])
        whole[:, inside, inside], there[inside, inside] = expected, trusted
        rows, columns = (slice(20 + start, 20 + start + n) for start, n in ((part.top, height), (part.left, width)))
        np.testing.assert_array_equal(part.trusted, there[rows, columns])
        np.testing.assert_allclose(complexes(part), whole[:, rows, columns], atol=2e-5 * np.abs(expected).max())
        values, known = oracle.halved(values, known)


def test_a_descriptor_equals_the_oracle() -> None:
    image, usable = scene(3), holes(4)
    (part,) = harmonics(image, usable, left=0, top=0, right=SIZE, bottom=SIZE, levels=1)
    found = part.descriptor(7, 4, 30)
    values, trusted = oracle.channels(image.astype(np.float64), usable)
    window = slice(4, 34), slice(7, 37)
    expected = oracle.normalised(values[:, *window], trusted[window])
    np.testing.assert_array_equal(found.trusted, trusted[window])
    real = found.values
    np.testing.assert_allclose(
        np.stack([real[0] + 0j, real[1] + 1j * real[2], real[3] + 1j * real[4]]), expected, atol=1e-5
    )
    np.testing.assert_allclose(found.energy, (np.abs(expected) ** 2).sum(axis=0), atol=1e-5)
    assert found.energy.max() < 1


def whole_descriptor(image: NDArray[Any]) -> NDArray[np.float32]:
    (part,) = harmonics(image, None, left=0, top=0, right=SIZE, bottom=SIZE, levels=1)
    return part.descriptor(0, 0, SIZE).values


def test_contrast_gain_and_offset_are_not_seen() -> None:
    image = scene(5)
    plain = whole_descriptor(image)
    assert np.abs(plain).max() > 0.5
    for other in (-image, 0.01 * image, 7 * image + 1000):
        np.testing.assert_allclose(whole_descriptor(other), plain, atol=2e-3)


def test_a_quarter_turn_changes_the_sign_of_the_second_harmonic_only() -> None:
    image = scene(6)
    plain, turned = whole_descriptor(image), np.rot90(whole_descriptor(np.rot90(image)), -1, axes=(1, 2))
    inner = slice(4, -4)  # the floor of the norm samples other pixels of the turned window
    signs = np.array([1, -1, -1, 1, 1])[:, None, None]
    np.testing.assert_allclose(turned[:, inner, inner], (signs * plain)[:, inner, inner], atol=0.02)


def test_no_value_depends_on_the_part_asked_for() -> None:
    image, mask = scene(7, 120), holes(8, 120)
    whole = harmonics(image, mask, left=0, top=0, right=120, bottom=120, levels=3)
    for left, top, right, bottom in ((0, 0, 9, 120), (37, 51, 90, 77), (101, -30, 160, 6)):
        for big, small in zip(
            whole, harmonics(image, mask, left=left, top=top, right=right, bottom=bottom, levels=3), strict=True
        ):
            height, width = small.trusted.shape
            rows = slice(max(small.top, 0), min(small.top + height, big.trusted.shape[0]))
            columns = slice(max(small.left, 0), min(small.left + width, big.trusted.shape[1]))
            same = (
                slice(rows.start - small.top, rows.stop - small.top),
                slice(columns.start - small.left, columns.stop - small.left),
            )
            np.testing.assert_array_equal(small.channels[:, *same], big.channels[:, rows, columns])
            np.testing.assert_array_equal(small.trusted[same], big.trusted[rows, columns])
            outside = np.ones(small.trusted.shape, bool)
            outside[same] = False
            assert not small.trusted[outside].any()
            assert not small.channels[:, outside].any()


def test_what_is_masked_or_not_finite_carries_no_weight() -> None:
    mask = holes(10)
    pure = scene(9)
    dirty = np.where(mask, pure, 1e30).astype(np.float32)
    holed = np.where(mask, pure, np.nan).astype(np.float32)
    infinite = np.where(mask, pure.astype(np.float64), 1e300)
    (expected,) = harmonics(pure, mask, left=0, top=0, right=SIZE, bottom=SIZE, levels=1)
    for image, usable in ((dirty, mask), (holed, None), (infinite, None)):
        (found,) = harmonics(image, usable, left=0, top=0, right=SIZE, bottom=SIZE, levels=1)
        np.testing.assert_array_equal(found.channels, expected.channels)
        np.testing.assert_array_equal(found.trusted, expected.trusted)
    near = ~mask
    for axis in (0, 1):
        near = near | np.roll(near, 1, axis) | np.roll(near, -1, axis)
    assert not expected.trusted[near].any()


def test_a_flat_image_has_no_energy_but_is_trusted() -> None:
    (part,) = harmonics(np.full((SIZE, SIZE), 7, np.uint16), None, left=0, top=0, right=SIZE, bottom=SIZE, levels=1)
    found = part.descriptor(2, 2, 40)
    assert found.trusted.all()
    assert not found.energy.any()
    assert not found.values.any()


def test_absurd_values_stay_finite() -> None:
    image = np.zeros((SIZE, SIZE), np.float32)
    image[10:20, 10:20] = 3e38
    image[30, 30] = 1e-38
    (part,) = harmonics(image, None, left=0, top=0, right=SIZE, bottom=SIZE, levels=1)
    found = part.descriptor(0, 0, SIZE)
    assert np.isfinite(found.values).all()
    assert np.isfinite(found.energy).all()
