"""Where windows lie and what is cut out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.registration.windows import LEAST, OVERHANGING, cut, place, sizes, usable


def nowhere(x, y):
    return np.zeros_like(x), np.zeros_like(y)


@given(st.integers(8, 1024))
def test_sizes_shrink_to_a_documented_least(template: int) -> None:
    found = sizes(template)
    assert found[0] == template
    assert list(found) == sorted(set(found), reverse=True)
    assert all((template - size) % 2 == 0 for size in found), "odd and even windows have different centres"
    assert found[-1] >= min(template, max(LEAST, template // 2))
    assert found[-1] <= max(LEAST + 1, template // 2 + 1, min(template, LEAST))


def test_centres_cover_the_image_and_never_cluster() -> None:
    centres = place(None, None, (400, 610), template=64, spacing=50, offsets=nowhere)
    assert len(centres) == 8 * 12
    cells = set(zip(centres.y * 8 // 400, centres.x * 12 // 610, strict=True))
    assert len(cells) == len(centres), "one in each cell"
    places = np.column_stack([centres.x, centres.y]).astype(float)
    gaps = np.hypot(*(places[:, None] - places).T)
    assert gaps[~np.eye(len(gaps), dtype=bool)].min() >= 25


def test_windows_lie_inside_both_images() -> None:
    centres = place(None, None, (300, 300), template=101, spacing=30, offsets=lambda x, y: (x * 0 + 20, y * 0 - 7))
    half = centres.size // 2
    for start, length in ((centres.x, 300), (centres.y, 300), (centres.x + 20, 300), (centres.y - 7, 300)):
        assert (start - half >= 0).all()
        assert (start - half + centres.size <= length).all()
    assert set(centres.size) == {101, 75, 51}
    assert (centres.size[(np.abs(centres.x - 140) < 50) & (np.abs(centres.y - 150) < 50)] == 101).all()


def test_a_window_next_to_a_mask_shrinks_or_steps_aside() -> None:
    mask = np.ones((200, 200), bool)
    mask[:, 110:] = False
    centres = place(mask, None, (200, 200), template=64, spacing=40, offsets=nowhere)
    assert ((centres.x < 110) | (centres.size < 64)).all()
    for x, y, size in zip(centres.x, centres.y, centres.size, strict=True):
        window = mask[y - size // 2 : y - size // 2 + size, x - size // 2 : x - size // 2 + size]
        assert window.mean() >= 0.5
    assert centres.x.max() >= 100, "the cells at the mask have a point"
    assert centres.x.max() <= 115, "those behind it have none"


def test_a_centre_stays_in_the_middle_of_its_cell_unless_a_larger_window_fits_elsewhere() -> None:
    centres = place(None, None, (90, 90), template=101, spacing=18, offsets=nowhere)
    sizes_at = dict(zip(zip(centres.x, centres.y, strict=True), centres.size, strict=True))
    assert sizes_at[45, 45] == 75


def test_both_masks_count_where_the_search_starts() -> None:
    seen = np.zeros((200, 200), bool)
    seen[:, 60:140] = True
    other = np.zeros((200, 200), bool)
    other[:, 90:170] = True
    apart = place(seen, other, (200, 200), template=32, spacing=20, offsets=nowhere)
    together = place(seen, other, (200, 200), template=32, spacing=20, offsets=lambda x, y: (x * 0 + 30, y * 0))
    assert len(together) > len(apart) > 0


def test_an_image_smaller_than_any_window_has_no_centres() -> None:
    assert len(place(None, None, (40, 12), template=32, spacing=20, offsets=nowhere)) == 0


def test_what_is_cut_is_what_is_there() -> None:
    image = np.arange(60, dtype=np.float64).reshape(6, 10)
    image[2, 3] = np.nan
    mask = np.ones(image.shape, bool)
    mask[1, 2] = False
    values, known = cut(image, mask, np.array([2, 9]), np.array([2, 5]), 3)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(known[0], [[1, 0, 1], [1, 1, 0], [1, 1, 1]])
    np.testing.assert_array_equal(values[0], [[11, 0, 13], [21, 22, 0], [31, 32, 33]])
    np.testing.assert_array_equal(known[1], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(values[1], [[48, 49, 0], [58, 59, 0], [0, 0, 0]])


@pytest.mark.parametrize("size", [4, 5])
def test_the_centre_of_a_window_is_at_half_its_size(size: int) -> None:
    image = np.zeros((9, 9), np.uint16)
    image[4, 3] = 7
    values, _ = cut(image, None, np.array([3]), np.array([4]), size)
    assert values[0, size // 2, size // 2] == 7


def test_nobody_looks_where_all_is_usable() -> None:
    assert usable(np.ones((2, 2)), None) is None
    assert usable(np.ones((2, 2), np.uint16), None) is None
    mask = np.array([[True, False]])
    assert usable(np.ones((1, 2), np.uint16), mask) is mask
    np.testing.assert_array_equal(usable(np.array([[np.nan, 1.0]]), None), [[False, True]])
    np.testing.assert_array_equal(usable(np.array([[np.nan, 1.0]]), mask), [[False, False]])


def test_a_window_may_hang_over_where_enough_of_it_is_left() -> None:
    def still(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros_like(x), np.zeros_like(y)

    inside = place(None, None, (200, 200), template=64, spacing=40, offsets=still)
    over = place(None, None, (200, 200), template=64, spacing=40, offsets=still, overhang=True)
    everywhere = np.ones((200, 200), bool)
    masked = place(everywhere, everywhere, (200, 200), template=64, spacing=40, offsets=still, overhang=True)
    for name in ("x", "y", "size"):
        np.testing.assert_array_equal(getattr(over, name), getattr(masked, name))
    reach = 32 - np.minimum(over.x, 199 - over.x), 32 - np.minimum(over.y, 199 - over.y)
    left = [(64 - np.maximum(0, one)) / 64 for one in reach]
    whole = over.size == 64
    assert whole.sum() > (inside.size == 64).sum()
    assert ((left[0] * left[1])[whole] > OVERHANGING - 0.03).all()
    beyond = np.maximum(over.size // 2 - over.x, over.size // 2 - over.y)
    assert (beyond[~whole] <= 0.25 * over.size[~whole]).all()
