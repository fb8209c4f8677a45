"""The allow-list: every function an expression may call, with its arity and its meaning.

Belongs here: one table entry per function and the rules of nodata. Not here: reading text (``grammar``).

Values are float64 arrays or scalars in which NaN means nodata; truth is 1, falsehood 0, and any number but 0 counts as
true. Nodata propagates: a function of nodata is nodata, comparisons and logic included. The exceptions are ``isnan``,
which asks, and ``where``, which ignores the branch it does not take. A result that is no finite number (division by
zero, logarithm of a negative number, overflow) is nodata. All functions work on one pixel at a time: ``(mean a b)`` is
the mean of two bands at each pixel, so that the result cannot depend on how the raster is cut into blocks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Function:
    """One entry of the allow-list.

    Attributes:
        name: as written in an expression.
        usage: an example call, for error messages.
        apply: takes and gives float64 arrays or scalars that broadcast against each other.
        least: fewest arguments.
        most: most arguments, None for any number.
        tables: positions (from 0) of arguments that are constant tables, ``(asarray 0 0.5 1)``.
    """

    name: str
    usage: str
    apply: Callable[..., Values]
    least: int
    most: int | None
    tables: tuple[int, ...] = ()

    def __call__(self, *arguments: Values) -> Values:
        """Apply; results that are not finite become NaN. Meant to run where NumPy's warnings are off."""
        result = np.asarray(self.apply(*arguments), np.float64)
        return np.where(np.isfinite(result), result, np.nan)

    @property
    def arity(self) -> str:
        """The accepted number of arguments in words."""
        if self.most is None:
            return f"{self.least} or more arguments"
        return f"{self.least} argument{'s' if self.least > 1 else ''}"


def _fold(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda *arguments: functools.reduce(operation, arguments)


def _minus(first: Values, *others: Values) -> Values:
    return functools.reduce(np.subtract, others, first) if others else np.negative(first)


def _propagating(operation: Callable[..., Any]) -> Callable[..., Values]:
    """For what NumPy answers although an argument is NaN: comparisons, logic, NaN to the power of 0."""

    def apply(*arguments: Values) -> Values:
        missing = functools.reduce(np.logical_or, [np.isnan(argument) for argument in arguments])
        return np.where(missing, np.nan, operation(*arguments))

    return apply


def _across(reduce: Callable[..., Values]) -> Callable[..., Values]:
    return lambda *arguments: reduce(np.stack(np.broadcast_arrays(*arguments)), axis=0)


def _where(condition: Values, then: Values, otherwise: Values) -> Values:
    return np.where(np.isnan(condition), np.nan, np.where(condition != 0, then, otherwise))


def _clip(values: Values, low: Values, high: Values) -> Values:
    return np.minimum(np.maximum(values, low), high)


def _norm_diff(first: Values, second: Values) -> Values:
    return (first - second) / (first + second)


def _db(values: Values) -> Values:
    return 10.0 * np.log10(values)


def _linear(values: Values) -> Values:
    return np.power(10.0, values / 10.0)


def _interp(values: Values, positions: Values, heights: Values) -> Values:
    # np.interp gives a number for NaN if there is only one point
    return np.where(np.isnan(values), np.nan, np.interp(values, positions, heights))


FUNCTIONS: MappingProxyType[str, Function] = MappingProxyType(
    {
        function.name: function
        for function in (
            Function("+", "(+ a b ...)", _fold(np.add), 1, None),
            Function("-", "(- a b ...) or (- a)", _minus, 1, None),
            Function("*", "(* a b ...)", _fold(np.multiply), 1, None),
            Function("/", "(/ a b ...)", _fold(np.divide), 2, None),
            Function("pow", "(pow base exponent)", _propagating(np.power), 2, 2),
            Function("<", "(< a b)", _propagating(np.less), 2, 2),
            Function("<=", "(<= a b)", _propagating(np.less_equal), 2, 2),
            Function(">", "(> a b)", _propagating(np.greater), 2, 2),
            Function(">=", "(>= a b)", _propagating(np.greater_equal), 2, 2),
            Function("==", "(== a b)", _propagating(np.equal), 2, 2),
            Function("!=", "(!= a b)", _propagating(np.not_equal), 2, 2),
            Function("and", "(and a b ...)", _propagating(_fold(np.logical_and)), 2, None),
            Function("or", "(or a b ...)", _propagating(_fold(np.logical_or)), 2, None),
            Function("not", "(not a)", _propagating(np.logical_not), 1, 1),
            Function("where", "(where condition then otherwise)", _where, 3, 3),
            Function("clip", "(clip a low high)", _clip, 3, 3),
            Function("min", "(min a b ...)", _fold(np.minimum), 2, None),
            Function("max", "(max a b ...)", _fold(np.maximum), 2, None),
            Function("mean", "(mean a b ...)", _across(np.mean), 2, None),
            Function("median", "(median a b ...)", _across(np.median), 2, None),
            Function("std", "(std a b ...)", _across(np.std), 2, None),
            Function("abs", "(abs a)", np.abs, 1, 1),
            Function("sqrt", "(sqrt a)", np.sqrt, 1, 1),
            Function("exp", "(exp a)", np.exp, 1, 1),
            Function("log", "(log a)", np.log, 1, 1),
            Function("log10", "(log10 a)", np.log10, 1, 1),
            Function("norm_diff", "(norm_diff a b)", _norm_diff, 2, 2),
            Function("db", "(db a)", _db, 1, 1),
            Function("linear", "(linear a)", _linear, 1, 1),
            Function("isnan", "(isnan a)", np.isnan, 1, 1),
            Function("interp", "(interp a (asarray 0 1) (asarray 0 255))", _interp, 3, 3, tables=(1, 2)),
        )
    }
)
"""Name to function. ``std`` is the population's, ``log`` the natural one; ``norm_diff`` is (a - b) / (a + b);
``db`` is 10 log10(a) and ``linear`` its inverse; ``interp`` is piecewise linear between the points of its two tables
and constant beyond them."""

ALIASES: MappingProxyType[str, str] = MappingProxyType({"&": "and", "|": "or"})
"""Spellings of ``rio calc`` that mean the same."""
