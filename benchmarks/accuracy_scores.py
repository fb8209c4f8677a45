"""Errors of the compositing methods against the truth, and what they say about each other.

Belongs here: RMSE and bias of every method, number of observations and seed; regret; means with standard errors. Not
here: where observations come from (``accuracy_model``), methods (``accuracy_methods``), or documents and plots
(``accuracy_report``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_methods import estimates
from benchmarks.accuracy_model import OBSERVATIONS, Sample

COUNTS = tuple(range(1, OBSERVATIONS + 1))
"""Numbers of valid observations."""

_UNITS = 10_000.0


class Figure(NamedTuple):
    """A mean over seeds and its standard error, arrays of one shape."""

    mean: NDArray[np.float64]
    error: NDArray[np.float64]

    @classmethod
    def over_seeds(cls, values: NDArray[np.float64]) -> Figure:
        """Mean and standard error over the first axis."""
        return cls(values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values)))


@dataclass(frozen=True, slots=True)
class Scores:
    """Errors under one leakage (or averaged over several), reflectance x 10000.

    Attributes:
        methods: names, in the order of the axis.
        rmse: float64 (seed, count, method, band), counts as in ``COUNTS``; over the pixels that have a value.
        bias: mean of method minus truth, the same axes.
        missing: share of pixels without a value, float64 (seed, count, method).
    """

    methods: tuple[str, ...]
    rmse: NDArray[np.float64]
    bias: NDArray[np.float64]
    missing: NDArray[np.float64]

    @classmethod
    def pooled(cls, scores: Sequence[Scores]) -> Scores:
        """The mean over several leakages."""
        layers = ([getattr(one, name) for one in scores] for name in ("rmse", "bias", "missing"))
        return cls(scores[0].methods, *(np.mean(layer, axis=0) for layer in layers))

    def row(self, count: int, method: str) -> NDArray[np.float64]:
        """RMSE averaged over bands of one method, for each seed."""
        row: NDArray[np.float64] = self.rmse[:, count - 1, self.methods.index(method)].mean(axis=-1)
        return row

    def best(self, count: int) -> str:
        """Method with the smallest RMSE, averaged over bands and seeds; the first of equals."""
        return self.methods[int(self.rmse[:, count - 1].mean(axis=(0, 2)).argmin())]

    def excess(self, count: int, method: str, over: str) -> Figure:
        """How much larger the RMSE of one method is than that of another, as a share of the latter."""
        return Figure.over_seeds(self.row(count, method) / self.row(count, over) - 1)

    def regret(self, count: int, method: str) -> Figure:
        """:meth:`excess` over the best."""
        return self.excess(count, method, self.best(count))

    def worst_regret(self, count: int, method: str) -> float:
        """The largest :meth:`regret` of any seed over its own best method."""
        least = self.rmse[:, count - 1].mean(axis=-1).min(axis=-1)
        return float((self.row(count, method) / least - 1).max())


def score(samples: Sequence[Sample]) -> Scores:
    """Errors of every method on samples of one leakage, one sample for each seed."""
    found = [[_errors(sample, count) for count in COUNTS] for sample in samples]
    methods = tuple(found[0][0])
    table = np.array([[[numbers[method] for method in methods] for numbers in row] for row in found])
    bands = samples[0].truth.shape[0]
    return Scores(methods, table[..., :bands], table[..., bands : 2 * bands], table[..., -1])


def _errors(sample: Sample, count: int) -> dict[str, NDArray[np.float64]]:
    truth = sample.truth * _UNITS
    return {
        method: _numbers((estimate - truth).astype(np.float64))
        for method, estimate in estimates(sample, sample.draw < count).items()
    }


def _numbers(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    given = ~np.isnan(difference[0, 0])
    kept = difference[:, 0, given]
    return np.concatenate([np.sqrt(np.square(kept).mean(axis=1)), kept.mean(axis=1), [1 - given.mean()]])
