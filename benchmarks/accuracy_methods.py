"""The compositing methods under comparison, all over the same observations.

Belongs here: how each method of ``weft.compositing`` is called, the "nearest to the median" that others call a medoid,
and which method Weft's documentation names as the default. Not here: where observations come from (``accuracy_model``)
or scores (``accuracy_scores``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_model import STACK_BANDS, Sample
from weft.compositing import first_valid, geomedian, max_ndvi, mean, medoid, percentiles, s2gm, short_term
from weft.simulation.spectra import BANDS

Mask = NDArray[np.bool_]
Estimate = NDArray[np.float32]
"""Reflectance x 10000 (band, y, x) in the order of ``spectra.BANDS``, NaN where a method has no value."""

PERCENTILES = (25.0, 40.0, 45.0, 48.0, 50.0, 75.0)

_COMPARED = len(BANDS)  # the first bands of a stack: distances and errors are over these


def default_method(count: int) -> str:
    """The method that ``docs/methods.md`` names as the default for a pixel with so many valid observations.

    Args:
        count: number of valid observations, at least 1; one alone is its own percentile.
    """
    if count <= 2:
        return "p25"
    return "p45" if count <= 7 else "p48"


def estimates(sample: Sample, valid: Mask) -> dict[str, Estimate]:
    """What every method makes of the valid observations of a sample, by name.

    ``p25`` is what CDSE's quarterly mosaics take. ``s2gm_v1`` is the published script: a medoid from 4 on, the literal
    short-term rules below; ``s2gm`` has the mission's 5 and the intended rules. ``newest`` is ``first_valid`` of
    observations that come newest first.
    """
    values, bands = sample.values[:, :_COMPARED], STACK_BANDS
    hints = sample.classes, sample.cloud_confidence
    indices = {
        "medoid": medoid(values, valid)[0],
        "nearest_to_median": nearest_to_median(sample, valid),
        "s2gm": s2gm(sample.values, valid, bands, *hints, medoid_bands=BANDS)[0],
        "s2gm_v1": s2gm(sample.values, valid, bands, *hints, medoid_min=4, medoid_bands=BANDS, mode="literal")[0],
        "short_term_v1": short_term(sample.values, valid, bands, *hints),
        "short_term_v1_literal": short_term(sample.values, valid, bands, *hints, mode="literal"),
        "short_term_v2": short_term(sample.values, valid, bands, *hints, version=2),
        "max_ndvi": max_ndvi(sample.values, valid, bands),
        "newest": first_valid(sample.values, valid),
    }
    average, count = mean(values, valid)
    return {
        **_percentiles(values, valid),
        "mean": np.where(count > 0, average, np.nan).astype(np.float32),
        "geomedian": geomedian(values, valid).median,
        **{name: _chosen(values, index) for name, index in indices.items()},
    }


def nearest_to_median(sample: Sample, valid: Mask) -> NDArray[np.int16]:
    """Index of the valid observation nearest to the median of every band, which others call a medoid; -1 for none."""
    values = sample.values[:, :_COMPARED]
    away = np.square(values - _percentiles(values, valid)["p50"]).sum(axis=1)
    index = np.where(valid, away, np.inf).argmin(axis=0)
    return np.where(valid.any(axis=0), index, -1).astype(np.int16)


def regret_of_nearest(sample: Sample, valid: Mask) -> tuple[float, float, float]:
    """How the observation nearest to the median falls short of the medoid, over pixels with valid observations.

    Returns:
        Share of pixels where it is another observation; by how much its summed distance to all observations exceeds
        the smallest, as a share of that: mean over all pixels, and 99th percentile.
    """
    best, near = medoid(sample.values[:, :_COMPARED], valid)[0], nearest_to_median(sample, valid)
    smallest = _summed_distance(sample, valid, best)
    excess = _summed_distance(sample, valid, near) / smallest - 1
    return float((best != near).mean()), float(excess.mean()), float(np.quantile(excess, 0.99))


def _summed_distance(sample: Sample, valid: Mask, index: NDArray[np.int16]) -> NDArray[np.float64]:
    values = sample.values[:, :_COMPARED].astype(np.float64)
    own = np.take_along_axis(values, index[None, None].astype(np.intp), axis=0)
    distances = np.sqrt(np.square(values - own).sum(axis=1))
    total: NDArray[np.float64] = np.where(valid, distances, 0).sum(axis=0)
    return total


def _percentiles(values: NDArray[np.uint16], valid: Mask) -> dict[str, Estimate]:
    found = np.stack([percentiles(values[:, band], valid, PERCENTILES)[0] for band in range(_COMPARED)], axis=1)
    return {f"p{q:g}": estimate for q, estimate in zip(PERCENTILES, found, strict=True)}


def _chosen(values: NDArray[np.uint16], index: NDArray[np.int16]) -> Estimate:
    taken = np.take_along_axis(values, np.maximum(index, 0)[None, None].astype(np.intp), axis=0)[0]
    return np.where(index >= 0, taken, np.nan).astype(np.float32)
