from __future__ import annotations

import numpy as np
import pydantic
import pytest

from tests.oracles import composite as oracle
from weft.composite_settings import Composite, Validity
from weft.compositing.preference import preferred
from weft.compositing.recipe import Recipe
from weft.compositing.reduce import Block, reduce_block

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
STATES = {"vegetation": (4, 5), "soil": (5, 4)}


def random_block(seed: int) -> Block:
    rng = np.random.default_rng(seed)
    shape = 6, 9, 11
    return Block(
        rng.integers(1, 5000, (shape[0], len(BANDS), *shape[1:])).astype(np.uint16),
        rng.random(shape) < 0.7,
        rng.choice([2, 4, 5, 6], shape).astype(np.uint8),
    )


@pytest.mark.parametrize("preference", STATES)
def test_leaves_out_the_other_state_only_where_both_were_seen(preference: str) -> None:
    block = random_block(1)
    assert block.classes is not None
    found = preferred(block.valid, block.classes, preference)
    kept, other = STATES[preference]
    for y, x in np.ndindex(*block.valid.shape[1:]):
        seen = [int(c) for c, v in zip(block.classes[:, y, x], block.valid[:, y, x], strict=True) if v]
        for t in range(len(block.valid)):
            expected = block.valid[t, y, x] and not (block.classes[t, y, x] == other and kept in seen)
            assert found[t, y, x] == expected
        assert found[:, y, x].any() == bool(seen)


@pytest.mark.parametrize("method", ["s2gm", "medoid", "max_ndvi", "first_valid", "short_term"])
def test_every_selecting_method_follows_it_and_the_others_do_not(method: str) -> None:
    block = random_block(2)
    assert block.classes is not None
    recipe = Recipe(BANDS, Validity(), Composite(methods=(method, "percentiles"), preference="soil"), 10)
    found = reduce_block(block, recipe, range(6))
    valid = preferred(block.valid, block.classes, "soil")
    index, _ = oracle.select(method, block.stack, valid, BANDS, block.classes, None, "intended", 5)
    np.testing.assert_array_equal(found.winner, index)
    np.testing.assert_array_equal(found.layers["count"], block.valid.sum(0))
    standard = reduce_block(block, Recipe(BANDS, Validity(), Composite(methods=(method, "percentiles")), 10), range(6))
    assert (standard.winner != found.winner).any()
    np.testing.assert_array_equal(standard.layers["red_p50"], found.layers["red_p50"])


def test_needs_something_to_choose_between() -> None:
    with pytest.raises(pydantic.ValidationError, match="chooses among observations"):
        Composite(methods=("percentiles",), preference="soil")
