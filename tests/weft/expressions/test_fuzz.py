"""Whatever is typed is parsed or refused: no other error, no hang, no import."""

from __future__ import annotations

import random
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import RequestError
from weft.expressions import Expression, parse
from weft.expressions.functions import Function
from weft.expressions.grammar import KNOWN
from weft.expressions.presets import PRESETS

NUMBERS = ("0", "1", "3", "-1", "0.5", "1e308", "1e-300", "2.0", "16")
NAMES = ("nir", "1.nir", "2.s0_db_c_vv", "ndvi", "9999.x")
ODD = (
    *(
        "1e999",
        "nan",
        "inf",
        ".",
        "1.",
        ".5",
        "--1",
        "0x1",
        "1_0",
        "'",
        '"',
        "\x00",
        "\u0661",
        "\ud800",
        "😀",
        "\u200b",
    ),
    *("__import__", "eval", "os.system", "nir.real", "__class__", "numpy.load", "read", "take", "map", "nil", "lambda"),
    *("0.nir", "10000.nir", "a" * 65, "asarray", "(asarray 0 1)", "()", "((", "))", ";", ",", "&", "|", "1.NDVI"),
)
TOKENS = (*KNOWN, *PRESETS, *NUMBERS, *NAMES, *ODD)
BAND = np.array([[0.25, 0.0, np.nan], [-1.0, 7.0, 1e30]])


@pytest.fixture(scope="module", autouse=True)
def _everything_is_loaded():
    """Kernels are compiled at the first call, which imports the compiler."""
    for function in KNOWN.values():
        parse(function.usage.split(" or ")[0].replace(" ...", "")).evaluate(
            dict.fromkeys(("a", "b", "low", "high", "mask", "condition", "then", "otherwise", "base", "exponent"), BAND)
        )


def _tree(rng, depth=0):
    """Mostly right: the right number of arguments, now and then the right kind."""
    if depth > 4 or rng.random() < 0.3:
        return rng.choice(NAMES if rng.random() < 0.6 else NUMBERS)
    function = rng.choice(list(KNOWN.values()))
    count = rng.randint(function.least, function.most or function.least + 2)
    arguments = [_tree(rng, depth + 1) for _ in range(count)]
    if not isinstance(function, Function) and count == 2:
        arguments[1] = rng.choice(("3", "5", "1.5", "0.7", "4"))
    if function.name == "interp":
        arguments[1:] = "(asarray 0 1)", "(asarray 0 255)"
    return f"({function.name} {' '.join(arguments)})"


def _damaged(rng, text):
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(("", "(", ")", " ", rng.choice(ODD))) + text[place + rng.randint(0, 3) :]


def _texts(rng, count):
    for number in range(count):
        kind = number % 4
        if kind == 0:
            yield "".join(map(chr, (rng.choice((rng.randrange(32, 127), rng.randrange(0x3000))) for _ in range(30))))
        elif kind == 1:
            yield rng.choice((" ", "")).join(rng.choices((*"(((()))) ", *TOKENS), k=rng.randrange(25)))
        elif kind == 2:
            yield _damaged(rng, _tree(rng))
        else:
            yield _tree(rng)


def _parsed(text):
    try:
        return parse(text)
    except RequestError:
        return None


def _try_out(expression):
    assert isinstance(expression, Expression)
    assert parse(expression.text) == expression
    block = expression.evaluate(dict.fromkeys(expression.names, BAND))
    assert block.dtype == np.float32
    assert block.shape == (BAND.shape if expression.names else ())
    assert not np.isinf(block).any()


def test_a_hundred_thousand_random_texts():
    loaded, rng, started = set(sys.modules), random.Random(5), time.process_time()
    slowest, parsed = 0.0, 0
    for text in _texts(rng, 100_000):
        before = time.process_time()
        expression = _parsed(text)
        if expression:
            parsed += 1
            if parsed % 10 == 0:
                _try_out(expression)
        slowest = max(slowest, time.process_time() - before)
    assert parsed > 20_000
    assert slowest < 1
    assert time.process_time() - started < 100
    assert set(sys.modules) == loaded


SPRINKLED = st.lists(st.sampled_from(["(", ")", " ", *TOKENS]) | st.text(max_size=3), max_size=40).map(" ".join)


@settings(max_examples=1000, deadline=None)
@given(text=st.text(max_size=60) | SPRINKLED | st.text(alphabet="()1.e+-n ", max_size=120))
def test_random_text_is_parsed_or_refused_and_imports_nothing(text):
    loaded = set(sys.modules)
    if expression := _parsed(text):
        _try_out(expression)
    assert set(sys.modules) == loaded


@pytest.mark.parametrize(
    "text", ["(" * 4096, ")" * 4096, "(+ " * 1365, "(pow 9 " * 585, "a " * 2048, "1" * 4096, "(" + "\u0661" * 4000]
)
def test_towers_are_refused_at_once(text):
    started = time.process_time()
    with pytest.raises(RequestError):
        parse(text)
    assert time.process_time() - started < 0.5
