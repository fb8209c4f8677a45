from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.oracles import expressions as oracle
from weft.errors import RequestError
from weft.expressions import parse
from weft.expressions.functions import FUNCTIONS
from weft.expressions.grammar import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES

NAMES = ("nir", "1.red", "s0_db_c_vv")
NUMBERS = st.sampled_from([0.0, 1.0, 2.0, -1.0, 0.5, 1e-3, -2.5, 1e6, 0.1])


COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
LOGIC = ("and", "or", "not")
LEAVES = st.sampled_from(NAMES) | NUMBERS
# Compared are bands and numbers only: the last bit of a computed value may differ from the oracle's.
TRUTHS = st.recursive(
    st.tuples(st.sampled_from(COMPARISONS), LEAVES, LEAVES) | st.tuples(st.just("isnan"), st.sampled_from(NAMES)),
    lambda inner: st.tuples(st.sampled_from(("and", "or")), inner, inner) | st.tuples(st.just("not"), inner),
    max_leaves=4,
)


def _calls(inner: SearchStrategy[oracle.Tree]) -> SearchStrategy[oracle.Tree]:
    arithmetic = [f for f in FUNCTIONS.values() if f.name not in (*COMPARISONS, *LOGIC, "isnan", "where", "interp")]
    call = st.sampled_from(arithmetic).flatmap(
        lambda f: st.lists(inner, min_size=f.least, max_size=f.most or f.least + 2).map(lambda args: (f.name, *args))
    )
    where = st.tuples(st.just("where"), TRUTHS, inner, inner)
    table = st.lists(NUMBERS, min_size=1, max_size=4, unique=True).map(lambda numbers: tuple(sorted(numbers)))
    interp = st.builds(lambda x, table: ("interp", x, table, tuple(number * 3 - 1 for number in table)), inner, table)
    return call | where | interp


TREES = st.recursive(LEAVES | TRUTHS, _calls, max_leaves=12)


def test_names_and_canonical_form():
    expression = parse(" ( /\n(+ 1.nir\t1.swir16 ) 2.50 )")
    assert expression.text == str(expression) == "(/ (+ 1.nir 1.swir16) 2.5)"
    assert expression.names == {"1.nir", "1.swir16"}


@pytest.mark.parametrize(
    ("number", "canonical"),
    [("1e5", "100000"), ("+2.0", "2"), ("-0", "0"), ("1234567", "1234567"), ("0.1", "0.1"), ("1E-7", "1e-07")],
)
def test_numbers_have_one_spelling(number, canonical):
    assert parse(f"(+ nir {number})").text == f"(+ nir {canonical})"


def test_spellings_of_rio_calc_mean_the_same():
    assert parse("(& (> nir 0.1) (| red 1))") == parse("(and (> nir 0.1) (or red 1))")


def test_a_dataset_prefix_is_no_decimal_point():
    assert parse("1.e5").names == {"1.e5"}
    assert parse("1.5").names == set()


def test_expressions_are_values():
    one, same, other = parse("(+ nir 1)"), parse("( + nir  1.0)"), parse("(+ nir 2)")
    assert {one, same, other} == {one, other}
    assert hash(one) == hash(same)
    assert repr(one) == "Expression(text='(+ nir 1)')"
    with pytest.raises(AttributeError):
        one.text = "nir"


def test_printing_does_not_depend_on_the_hash_seed():
    code = "from weft.expressions import parse; e = parse('(+ nir red blue green swir16)'); print(repr(e), e)"
    shown = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in "12"
    }
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("", 1, "empty"),
        ("  ", 1, "empty"),
        ("(", 1, "never closed"),
        ("(+ nir (- red 1)", 1, "never closed"),
        ("nir)", 4, "already ended"),
        (")", 1, "closes nothing"),
        ("nir red", 5, "already ended"),
        ("()", 1, "function name must come first"),
        ("((+ 1 nir))", 2, "function name must come first"),
        ("(1 nir)", 2, "'1' is no function"),
        ("(norm_dif nir red)", 2, "'norm_dif' is no function; known: +"),
        ("(+ 1 (norm_diff nir))", 6, "norm_diff takes 2 arguments, got 1: (norm_diff a b)"),
        ("(abs nir red)", 1, "abs takes 1 argument, got 2"),
        ("(max nir)", 1, "max takes 2 or more arguments, got 1"),
        ("(+ nir 1.)", 8, "'1.' is neither a number nor a band name"),
        ("(+ nir .5)", 8, "neither"),
        ("(+ nir nan)", 8, "no finite number"),
        ("(+ nir -Infinity)", 8, "neither"),
        ("(+ nir 1e999)", 8, "too large"),
        ("(+ nir \u0661)", 8, "neither"),
        ("(+ nir 0.red)", 8, "neither"),
        ("(+ nir nir.real)", 8, "neither"),
        ("(+ nir __class__)", 8, "neither"),
        ("(+ nir \x00)", 8, "neither"),
        ("(+ nir 'red')", 8, "neither"),
        ("(asarray 1 2)", 1, "only for the points"),
        ("(+ nir (asarray 1))", 8, "argument 2 of + is a value, no table"),
        ("(interp nir 0 1)", 13, "argument 2 of interp is a table"),
        ("(interp (asarray 1) (asarray 1) (asarray 1))", 9, "argument 1 of interp is a value"),
        ("(interp nir (asarray 0 red) (asarray 0 1))", 13, "numbers only"),
        ("(interp nir (asarray) (asarray))", 13, "numbers only"),
        ("(interp nir (asarray 0 1) (asarray 0 1 2))", 1, "differ in length"),
        ("(interp nir (asarray 0 0) (asarray 0 1))", 13, "must rise"),
        ("(load nir)", 2, "'load' is no function"),
        ("(read 1 nir)", 2, "'read' is no function"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text, place, what):
    with pytest.raises(RequestError) as error:
        parse(text)
    assert f"character {place}:" in str(error.value)
    assert what in str(error.value)


def test_limits():
    nested = "(abs " * MAX_DEPTH + "nir" + ")" * MAX_DEPTH
    assert parse(nested).names == {"nir"}
    with pytest.raises(RequestError, match=f"deeper than {MAX_DEPTH}"):
        parse(f"(abs {nested})")
    assert parse("(+" + " 1" * (MAX_NODES - 1) + ")").names == set()
    with pytest.raises(RequestError, match=f"more than {MAX_NODES} parts"):
        parse("(+" + " 1" * MAX_NODES + ")")
    assert parse("nir" + " " * (MAX_CHARACTERS - 3)).text == "nir"
    with pytest.raises(RequestError, match=f"{MAX_CHARACTERS + 1} characters"):
        parse("nir" + " " * (MAX_CHARACTERS - 2))


def test_a_long_wrong_text_makes_a_short_message():
    with pytest.raises(RequestError) as error:
        parse("(" + "x" * 4000 + ")")
    assert len(str(error.value)) < 500


def test_the_deepest_expression_evaluates():
    text = "(pow 9 " * (MAX_DEPTH - 1) + "(pow nir 9)" + ")" * (MAX_DEPTH - 1)
    assert np.isnan(parse(text).evaluate({"nir": np.full((2, 2), 9.0)})).all()


def test_missing_bands_and_different_shapes_are_named():
    expression = parse("(+ nir 2.red)")
    with pytest.raises(RequestError, match=r"needs \['2.red'\]; the bands given are \['nir', 'red'\]"):
        expression.evaluate({"nir": np.ones((2, 2)), "red": np.ones((2, 2))})
    with pytest.raises(RequestError, match="different shapes"):
        expression.evaluate({"nir": np.ones((2, 2)), "2.red": np.ones((1, 2))})


def test_a_constant_takes_the_shape_of_the_bands():
    constant = parse("(+ 1 2)").evaluate({"nir": np.full((2, 3), np.nan)})
    assert constant.dtype == np.float32
    np.testing.assert_array_equal(constant, np.full((2, 3), 3, np.float32))
    constant[0, 0] = 5  # an array of its own, not a view of one value
    assert constant[1, 1] == 3


def test_the_bands_given_are_not_touched():
    band = np.array([[1.0, np.inf, np.nan]])
    result = parse("nir").evaluate({"nir": band})
    np.testing.assert_array_equal(result, np.array([[1, np.nan, np.nan]], np.float32))
    np.testing.assert_array_equal(band, [[1.0, np.inf, np.nan]])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(tree=TREES)
def test_equals_one_pixel_at_a_time(tree):
    values = {
        "nir": [0.4, 0.0, -1.0, None, 2.0, 0.5],
        "1.red": [0.1, 0.0, 3.0, 1.0, None, -0.5],
        "s0_db_c_vv": [-12.0, 5.0, 1.0, 1.0, 1e6, None],
    }
    bands = {name: np.array([np.nan if v is None else v for v in column]) for name, column in values.items()}
    expression = parse(oracle.text_of(tree))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = expression.evaluate(bands)
    assert found.dtype == np.float32
    for position in range(6):
        pixel = {name: column[position] for name, column in values.items()}
        expected = oracle.value_of(tree, pixel)
        with np.errstate(over="ignore"):
            wanted = np.float32(np.nan if expected is None else expected)
        np.testing.assert_allclose(
            found[position], wanted if np.isfinite(wanted) else np.nan, rtol=1e-5, atol=1e-5, err_msg=expression.text
        )


@settings(max_examples=200, deadline=None)
@given(tree=TREES)
def test_the_canonical_form_is_a_fixed_point(tree):
    expression = parse(oracle.text_of(tree))
    again = parse(expression.text)
    assert (again.text, again.names) == (expression.text, expression.names)
