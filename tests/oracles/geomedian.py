"""Slow, obvious geometric median of one pixel and its deviations, in float64.

Not here: anything fast, or anything imported from the code under test.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize


def objective(point: NDArray[np.float64], observations: NDArray[np.float64]) -> float:
    """Sum of the Euclidean distances of a point to all observations (n, band)."""
    return float(sum(np.sqrt(((one - point) ** 2).sum()) for one in observations))


def geomedian(observations: NDArray[np.float64]) -> NDArray[np.float64]:
    """The point of the smallest objective: the best observation, or what a general minimiser finds below it."""
    candidates = [*observations, observations.mean(axis=0)]
    start = min(candidates, key=lambda point: objective(point, observations))
    found = minimize(
        objective,
        start + 1e-3,
        (observations,),
        "Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-8, "maxiter": 20000},
    ).x
    return min([start, found], key=lambda point: objective(point, observations))


def deviations(median: NDArray[np.float64], observations: NDArray[np.float64]) -> tuple[float, float, float]:
    """Medians of the cosine, Euclidean and Bray-Curtis distances."""
    cosine = [1 - one @ median / np.sqrt((one @ one) * (median @ median)) for one in observations]
    euclidean = [np.sqrt(((one - median) ** 2).sum()) for one in observations]
    bray_curtis = [np.abs(one - median).sum() / np.abs(one + median).sum() for one in observations]
    return float(np.median(cosine)), float(np.median(euclidean)), float(np.median(bray_curtis))
