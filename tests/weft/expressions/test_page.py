"""The page on expressions is complete and right."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from weft.expressions import components, filters, grammar, parse, streaming
from weft.expressions.functions import ALIASES
from weft.expressions.presets import PRESETS, preset

PAGE = (ROOT / "docs" / "expressions.md").read_text()
ROWS = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in re.findall(r"^\| `.*\|$", PAGE, re.M)]
EXAMPLES = [line for block in re.findall(r"^```lisp\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]


def _code(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_every_function_and_preset_has_its_row_and_no_other():
    named = [name for row in ROWS for name in _code(row[0])]
    assert sorted(named) == sorted([*grammar.KNOWN, *PRESETS])
    for alias in ALIASES:
        assert f"`{alias}`".replace("|", r"\|") in PAGE
    for first, meaning in (row for row in ROWS if len(row) == 2):
        assert _code(meaning) == [preset(*_code(first))]


@pytest.mark.parametrize("text", [*EXAMPLES, *(_code(row[1])[0] for row in ROWS)])
def test_every_example_can_be_written(text):
    parse(text)


def test_the_limits_are_those_of_the_code():
    size, sigma = filters.FILTERS["median_filter"].parameter, filters.FILTERS["gaussian"].parameter
    text = " ".join(PAGE.split())
    for sentence in (
        f"at most {grammar.MAX_CHARACTERS} characters and {grammar.MAX_NODES} parts",
        f"nested at most {grammar.MAX_DEPTH} deep",
        f"an odd number of pixels from {size.least} to {size.most}",
        f"is {sigma.least} to {sigma.most} pixels, weights end at {filters.GAUSSIAN_TRUNCATION:g} of them",
        f"up to {components.MAX_COMPONENTS} parts",
        f"look {grammar.MAX_HALO} pixels far together",
        f"`fill_holes` and `label` {grammar.MAX_WHOLES} times",
        f"call them {streaming.MAX_WHOLES} times together",
    ):
        assert sentence in text
