"""The functions of one pixel, with their arity and their meaning.

Belongs here: one table entry per function and the rules of nodata. Not here: reading text (``grammar``) or functions of
a pixel's neighbourhood (``filters``, ``components``).

Values are float64 arrays or scalars in which NaN means nodata; truth is 1, falsehood 0, and any number but 0 counts as
true. Nodata propagates: a function of nodata is nodata, comparisons and logic included. The exceptions are ``isnan``,
which asks, and ``where``, which ignores the branch it does not take. A result that is no finite number (division by
zero, logarithm of a negative number, overflow) is nodata. All work on one pixel at a time: ``(mean a b)`` is the mean
of two bands at each pixel, so that the result cannot depend on how the raster is cut into blocks.
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
class Signature:
    """How a function is called, whatever it does.

    Attributes:
        name: as written in an expression.
        usage: an example call, for error messages.
        least: fewest arguments.
        most: most arguments, None for any number.
    """

    name: str
    usage: str
    least: int
    most: int | None

    @property
    def arity(self) -> str:
        """The accepted number of arguments in words."""
        if self.most is None:
            return f"{self.least} or more arguments"
        return f"{self.least} argument{'s' if self.least > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Function(Signature):
    """A function of one pixel.

    Attributes:
        apply: takes and gives float64 arrays or scalars that broadcast against each other.
        tables: positions (from 0) of arguments that are constant tables, ``(asarray 0 0.5 1)``.
    """

    apply: Callable[..., Values]
    tables: tuple[int, ...] = ()

    def __call__(self, *arguments: Values) -> Values:
        """Apply; results that are not finite become NaN. Meant to run where NumPy's warnings are off."""
        return finite(self.apply(*arguments))


def finite(values: npt.ArrayLike) -> Values:
    """As float64 with NaN for what is no finite number."""
    numbers = np.asarray(values, np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


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
            Function("+", "(+ a b ...)", 1, None, _fold(np.add)),
            Function("-", "(- a b ...) or (- a)", 1, None, _minus),
            Function("*", "(* a b ...)", 1, None, _fold(np.multiply)),
            Function("/", "(/ a b ...)", 2, None, _fold(np.divide)),
            Function("pow", "(pow base exponent)", 2, 2, _propagating(np.power)),
            Function("<", "(< a b)", 2, 2, _propagating(np.less)),
            Function("<=", "(<= a b)", 2, 2, _propagating(np.less_equal)),
            Function(">", "(> a b)", 2, 2, _propagating(np.greater)),
            Function(">=", "(>= a b)", 2, 2, _propagating(np.greater_equal)),
            Function("==", "(== a b)", 2, 2, _propagating(np.equal)),
            Function("!=", "(!= a b)", 2, 2, _propagating(np.not_equal)),
            Function("and", "(and a b ...)", 2, None, _propagating(_fold(np.logical_and))),
            Function("or", "(or a b ...)", 2, None, _propagating(_fold(np.logical_or))),
            Function("not", "(not a)", 1, 1, _propagating(np.logical_not)),
            Function("where", "(where condition then otherwise)", 3, 3, _where),
            Function("clip", "(clip a low high)", 3, 3, _clip),
            Function("min", "(min a b ...)", 2, None, _fold(np.minimum)),
            Function("max", "(max a b ...)", 2, None, _fold(np.maximum)),
            Function("mean", "(mean a b ...)", 2, None, _across(np.mean)),
            Function("median", "(median a b ...)", 2, None, _across(np.median)),
            Function("std", "(std a b ...)", 2, None, _across(np.std)),
            Function("abs", "(abs a)", 1, 1, np.abs),
            Function("sqrt", "(sqrt a)", 1, 1, np.sqrt),
            Function("exp", "(exp a)", 1, 1, np.exp),
            Function("log", "(log a)", 1, 1, np.log),
            Function("log10", "(log10 a)", 1, 1, np.log10),
            Function("norm_diff", "(norm_diff a b)", 2, 2, _norm_diff),
            Function("db", "(db a)", 1, 1, _db),
            Function("linear", "(linear a)", 1, 1, _linear),
            Function("isnan", "(isnan a)", 1, 1, np.isnan),
            Function("interp", "(interp a (asarray 0 1) (asarray 0 255))", 3, 3, _interp, tables=(1, 2)),
        )
    }
)
"""Name to function. ``std`` is the population's, ``log`` the natural one; ``norm_diff`` is (a - b) / (a + b);
``db`` is 10 log10(a) and ``linear`` its inverse; ``interp`` is piecewise linear between the points of its two tables
and constant beyond them."""

ALIASES: MappingProxyType[str, str] = MappingProxyType({"&": "and", "|": "or"})
"""Spellings of ``rio calc`` that mean the same."""
