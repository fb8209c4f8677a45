from __future__ import annotations

import numpy as np
import pytest

from weft.bands import BANDS
from weft.errors import RequestError
from weft.expressions import parse
from weft.expressions.grammar import KNOWN, MAX_NODES
from weft.expressions.presets import PRESETS, preset

CHARTER = {
    "NDVI": "(norm_diff nir red)",
    "NDMIR": "(norm_diff swir16 swir22)",
    "NBR": "(norm_diff nir swir22)",
    "NDWI": "(norm_diff green nir)",
    "NDWI2": "(norm_diff nir swir16)",
    "MNDWI": "(norm_diff green swir16)",
    "NDBI": "(norm_diff swir16 nir)",
}


@pytest.mark.parametrize("name", CHARTER)
def test_every_preset_is_the_charters_and_equals_numpy(name):
    assert preset(name) == preset(name.lower()) == CHARTER[name]
    rng = np.random.default_rng(0)
    bands = {f"3.{band}": rng.integers(0, 10_000, (40, 30), np.uint16) * 1e-4 for band in BANDS}
    first, second = (bands[f"3.{band}"] for band in CHARTER[name].strip("()").split()[1:])
    with np.errstate(invalid="ignore"):
        expected = ((first - second) / (first + second)).astype(np.float32)
    np.testing.assert_array_equal(parse(preset(name, dataset=3)).evaluate(bands), expected)


def test_the_table_is_the_charters():
    assert list(PRESETS) == list(CHARTER)
    assert set(BANDS) >= {band for bands in PRESETS.values() for band in bands}
    assert not set(PRESETS) & set(KNOWN)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("NDVI", "(norm_diff nir red)"),
        ("ndvi", "(norm_diff nir red)"),
        (" 1.NDVI ", "(norm_diff 1.nir 1.red)"),
        ("12.ndvi", "(norm_diff 12.nir 12.red)"),
        ("(- 2.NBR 1.NBR)", "(- (norm_diff 2.nir 2.swir22) (norm_diff 1.nir 1.swir22))"),
        ("(median_filter 1.NDWI 3)", "(median_filter (norm_diff 1.green 1.nir) 3)"),
        ("(+ 1.ndvi Ndvi)", "(+ 1.ndvi Ndvi)"),
    ],
)
def test_a_preset_stands_wherever_an_expression_may(text, meaning):
    expression = parse(text)
    assert expression.text == meaning
    assert (expression, expression.names) == (parse(meaning), parse(meaning).names)


def test_presets_count_as_what_they_stand_for():
    few = (MAX_NODES - 1) // 3
    parse(f"(+{' NBR' * few})")
    with pytest.raises(RequestError, match="parts"):
        parse(f"(+{' NBR' * (few + 1)})")


def test_unknown_ones_are_refused():
    with pytest.raises(RequestError, match="'EVI' is no preset; known: NDVI, NDMIR"):
        preset("EVI")
    with pytest.raises(RequestError, match="counted from 1, got 0"):
        preset("NDVI", dataset=0)
