"""One pixel at a time, plain Python: what an expression tree means. None is nodata."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping

Tree = float | str | tuple
"""A number, a band name, or (function, argument, ...); a tuple of floats is a table."""


def text_of(tree: Tree) -> str:
    if isinstance(tree, tuple):
        head, *rest = tree if isinstance(tree[0], str) else ("asarray", *tree)
        return f"({head} {' '.join(text_of(part) for part in rest)})"
    return tree if isinstance(tree, str) else repr(tree)


def value_of(tree: Tree, pixel: Mapping[str, float | None]) -> float | None:
    if isinstance(tree, str):
        return pixel[tree]
    if not isinstance(tree, tuple):
        return tree
    head, *rest = tree
    if head == "interp":
        x = value_of(rest[0], pixel)
        return None if x is None else _interpolated(x, rest[1], rest[2])
    values = [value_of(part, pixel) for part in rest]
    if head == "isnan":
        return float(values[0] is None)
    if head == "where":
        return None if values[0] is None else values[1 if values[0] else 2]
    if any(value is None for value in values):
        return None
    try:
        result = float(_FUNCTIONS[head](*values))
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):  # TypeError: a complex power
        return None
    return result if math.isfinite(result) else None


def _interpolated(x: float, positions: tuple[float, ...], heights: tuple[float, ...]) -> float:
    if x <= positions[0]:
        return heights[0]
    for i in range(1, len(positions)):
        if x <= positions[i]:
            share = (x - positions[i - 1]) / (positions[i] - positions[i - 1])
            return heights[i - 1] + share * (heights[i] - heights[i - 1])
    return heights[-1]


def _divided(first: float, *others: float) -> float:
    for other in others:
        first = first / other
    return first


def _product(*values: float) -> float:
    product = 1.0
    for value in values:
        product *= value
    return product


_FUNCTIONS: dict[str, Callable[..., float]] = {
    "+": lambda *v: sum(v),
    "-": lambda *v: -v[0] if len(v) == 1 else v[0] - sum(v[1:]),
    "*": _product,
    "/": _divided,
    "pow": lambda a, b: a**b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "and": lambda *v: all(v),
    "or": lambda *v: any(v),
    "not": lambda a: not a,
    "clip": lambda a, low, high: min(max(a, low), high),
    "min": min,
    "max": max,
    "mean": lambda *v: sum(v) / len(v),
    "median": lambda *v: statistics.median(v),
    "std": lambda *v: statistics.pstdev(v),
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "norm_diff": lambda a, b: (a - b) / (a + b),
    "db": lambda a: 10 * math.log10(a),
    "linear": lambda a: 10 ** (a / 10),
}
