from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from tests.oracles import neighbourhoods as oracle
from weft.errors import RequestError
from weft.expressions import components, parse
from weft.expressions.components import NODATA, WHOLES, Components, truth

NAN = np.nan


def _in_strips(name, mask, heights):
    """The function over strips of the given heights, repeated until the mask ends."""
    function, found, parts, row = WHOLES[name], Components(), [], 0
    while row < len(mask):
        height = heights[len(parts) % len(heights)]
        parts.append(function.labels(truth(mask[row : row + height]), found))
        row += height
    return function.table(found)[np.concatenate(parts)]


def _spiral(size):
    """A wall one pixel wide that winds to the centre, and so does the corridor between its windings."""
    mask = np.zeros((size, size))
    row, col, left, steps, down, across = 0, 0, 0, size - 1, 0, 1
    mask[0, 0] = 1
    while steps > 0:
        for _ in range(steps):
            row, col = row + down, col + across
            mask[row, col] = 1
        down, across, left = across, -down, left + 1
        if left == 3 or (left > 3 and left % 2):
            steps -= 2
    return mask


MASKS = {
    "random": np.random.default_rng(0).random((60, 47)) < 0.55,
    "sparse": np.random.default_rng(1).random((33, 80)) < 0.2,
    "dense": np.random.default_rng(2).random((50, 50)) < 0.8,
    "spiral": _spiral(41),
    "corridor": 1 - _spiral(41),
    "comb": np.pad((np.indices((30, 41))[1] % 2 == 0), ((0, 1), (0, 0)), constant_values=True),
    "board": np.indices((20, 20)).sum(0) % 2,
    "empty": np.zeros((6, 7)),
    "full": np.ones((6, 7)),
    "pixel": np.ones((1, 1)),
}


@pytest.mark.parametrize("heights", [(1,), (2, 5), (7,), (100,)])
@pytest.mark.parametrize("name", MASKS)
def test_strips_of_any_height_give_what_scipy_gives_for_the_whole(name, heights):
    mask = np.asarray(MASKS[name], float)
    np.testing.assert_array_equal(_in_strips("label", mask, heights), ndimage.label(mask)[0])
    np.testing.assert_array_equal(_in_strips("fill_holes", mask, heights), ndimage.binary_fill_holes(mask))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nodata_is_no_part_of_a_mask_and_no_wall(data):
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    pixels = st.sampled_from([0.0, 1.0, 1.0, -2.5, NAN])
    mask = np.array(data.draw(st.lists(pixels, min_size=height * width, max_size=height * width)))
    mask = mask.reshape(height, width)
    heights = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    for name in WHOLES:
        expected = getattr(oracle, name)(mask)
        np.testing.assert_array_equal(_in_strips(name, mask, heights), expected)
        np.testing.assert_array_equal(parse(f"({name} mask)").evaluate({"mask": mask}), expected)


def test_a_ring_is_filled_unless_nodata_opens_it():
    ring = np.zeros((6, 6))
    ring[1:5, 1:5] = 1
    ring[2:4, 2:4] = 0
    filled = ring.copy()
    filled[2:4, 2:4] = 1
    np.testing.assert_array_equal(parse("(fill_holes a)").evaluate({"a": ring}), filled)
    ring[1, 2] = NAN
    np.testing.assert_array_equal(parse("(fill_holes a)").evaluate({"a": ring}), ring)


def test_corners_do_not_connect_and_numbers_follow_the_first_pixels():
    mask = np.array([[0, 0, 0, 2, 0], [1, 0, 0, 1, 0], [0, 1, 1, 1, NAN], [1, 0, 0, 0, 1]])
    expected = [[0, 0, 0, 1, 0], [2, 0, 0, 1, 0], [0, 1, 1, 1, NAN], [3, 0, 0, 0, 4]]
    np.testing.assert_array_equal(parse("(label a)").evaluate({"a": mask}), expected)


def test_only_numbers_of_components_are_categories():
    assert parse("(label a)").categorical
    assert not any(parse(text).categorical for text in ("a", "(fill_holes a)", "(> (label a) 3)"))


def test_a_tiny_number_is_true():
    assert parse("(label a)").evaluate({"a": np.array([[1e-300, 0]])}).tolist() == [[1, 0]]
    assert truth(np.array([NAN, 0.0, -1e-300])).tolist() == [NODATA, 0, 1]


@pytest.mark.parametrize("height", [1, 3, 10])
def test_too_many_components_are_refused_whatever_the_strips(monkeypatch, height):
    board = np.indices((10, 10)).sum(0) % 2.0  # 50 components, and 50 between them
    comb = np.ones((10, 19))
    comb[:9, 1::2] = 0  # 10 teeth that hang together in the last row only
    for limit, refused in ((50, False), (49, True)):
        monkeypatch.setattr(components, "MAX_COMPONENTS", limit)
        if refused:
            for name in WHOLES:
                with pytest.raises(RequestError, match="at most 49 components, and this mask has more; smooth"):
                    _in_strips(name, board, (height,))
        else:
            assert _in_strips("label", board, (height,)).max() == 50
    monkeypatch.setattr(components, "MAX_COMPONENTS", 1)
    assert _in_strips("label", comb, (height,)).max() == 1


def test_a_hopeless_mask_is_refused_before_all_of_it_has_come(monkeypatch):
    monkeypatch.setattr(components, "MAX_COMPONENTS", 100)
    found, board = Components(), np.indices((10, 10)).sum(0) % 2 == 0
    found.add(board)
    found.add(board)
    with pytest.raises(RequestError, match="at most 100"):
        found.add(board)
