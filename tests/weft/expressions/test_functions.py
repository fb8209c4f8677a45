from __future__ import annotations

import numpy as np
import pytest

from weft.expressions import parse
from weft.expressions.functions import ALIASES, FUNCTIONS

NAN = np.nan
A = np.array([0.2, 0.0, -1.0, NAN, 5.0])
B = np.array([0.1, 0.0, 1.0, 2.0, NAN])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(+ a)", [0.2, 0, -1, NAN, 5]),
        ("(+ a b 1)", [1.3, 1, 1, NAN, NAN]),
        ("(- a)", [-0.2, 0, 1, NAN, -5]),
        ("(- a b 1)", [-0.9, -1, -3, NAN, NAN]),
        ("(/ a b)", [2, NAN, -1, NAN, NAN]),
        ("(/ 1 (/ 1 0))", [NAN] * 5),
        ("(pow a 0.5)", [np.sqrt(0.2), 0, NAN, NAN, np.sqrt(5)]),
        ("(pow a 0)", [1, 1, 1, NAN, 1]),
        ("(< a b)", [0, 0, 1, NAN, NAN]),
        ("(!= a b)", [1, 0, 1, NAN, NAN]),
        ("(and a b)", [1, 0, 1, NAN, NAN]),
        ("(or a b)", [1, 0, 1, NAN, NAN]),
        ("(not a)", [0, 1, 0, NAN, 0]),
        ("(where (isnan a) b a)", [0.2, 0, -1, 2, 5]),
        ("(where (> a 0) b 7)", [0.1, 7, 7, NAN, NAN]),
        ("(clip a 0 1)", [0.2, 0, 0, NAN, 1]),
        ("(min a b)", [0.1, 0, -1, NAN, NAN]),
        ("(max a b)", [0.2, 0, 1, NAN, NAN]),
        ("(mean a b)", [0.15, 0, 0, NAN, NAN]),
        ("(median a b 100)", [0.2, 0, 1, NAN, NAN]),
        ("(std a b)", [0.05, 0, 1, NAN, NAN]),
        ("(sqrt a)", [np.sqrt(0.2), 0, NAN, NAN, np.sqrt(5)]),
        ("(exp (* 1000 a))", [NAN, 1, 0, NAN, NAN]),
        ("(log a)", [np.log(0.2), NAN, NAN, NAN, np.log(5)]),
        ("(norm_diff a b)", [1 / 3, NAN, NAN, NAN, NAN]),
        ("(db a)", [10 * np.log10(0.2), NAN, NAN, NAN, 10 * np.log10(5)]),
        ("(linear (db a))", [0.2, NAN, NAN, NAN, 5]),
        ("(isnan a)", [0, 0, 0, 1, 0]),
        ("(interp a (asarray 0 0.5 1) (asarray 0 100 110))", [40, 0, 0, NAN, 110]),
        ("(interp a (asarray 0) (asarray 9))", [9, 9, 9, NAN, 9]),
    ],
)
def test_values_and_nodata(text, expected):
    found = parse(text).evaluate({"a": A, "b": B})
    np.testing.assert_allclose(found, np.array(expected, np.float32), rtol=1e-6, atol=1e-7)


def test_ndvi_equals_numpy_exactly_for_stored_integers():
    stored = np.arange(1, 20001, dtype=np.uint16)
    nir, red = stored * 1e-4, stored[::-1] * 1e-4
    found = parse("(norm_diff nir red)").evaluate({"nir": nir, "red": red})
    np.testing.assert_array_equal(found, ((nir - red) / (nir + red)).astype(np.float32))


def test_integers_do_not_wrap_around():
    bands = {"nir": np.array([[1]], np.uint8), "red": np.array([[255]], np.uint8)}
    assert parse("(- nir red)").evaluate(bands) == -254
    assert parse("(+ nir red)").evaluate(bands) == 256


def test_the_table_is_consistent():
    assert set(ALIASES.values()) <= set(FUNCTIONS)
    assert not set(ALIASES) & set(FUNCTIONS)
    for name, function in FUNCTIONS.items():
        assert function.name == name
        assert function.least >= 1
        assert function.most in (None, function.least)
        assert function.usage.startswith(f"({name} ")
    with pytest.raises(TypeError):
        FUNCTIONS["eval"] = FUNCTIONS["+"]
