"""Measuring what a blending method leaves at swath edges.

Belongs here: numbers for reports and checks. Not here: blending itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from weft.mosaicking.blending import Method, share, weights
from weft.mosaicking.tracks import HALF_SWATH_KM

# Data of a track that end nearer to its centre line than this end for another reason: clouds, or a tile left out.
_EDGE_BEYOND_KM = HALF_SWATH_KM - 15.0


def largest_edge_step(method: Method, distance_km: npt.NDArray[np.float32], count: npt.NDArray[np.uint16]) -> float:
    """Largest step that a method leaves at any swath edge, as a share of the difference between the tracks.

    For each track in turn the field is blended in which that track says 1 and all others 0; the step is the difference
    between two of the four neighbours across the end of that track's data. Pairs count only where another track has
    data on both sides (without one the picture ends or changes track for good, whatever the method), and where the
    data end because the swath does, at least 130 km from the centre line, not because of clouds.

    Args:
        method: see :func:`weft.mosaicking.blending.weights`.
        distance_km: (track, y, x) float32, distance to each track's centre line.
        count: (track, y, x) uint16, valid observations of each track; 0 where it has no data.

    Returns:
        0 to 1; NaN if there is no such edge.

    Raises:
        RequestError: unknown method.
    """
    pairs = zip(distance_km, count, strict=True)
    shares = share(np.stack([weights(method, distance, seen) for distance, seen in pairs]))
    data = count > 0
    worst = np.nan
    for this, that in _neighbours():
        for k in range(len(data)):
            others = np.delete(data, k, axis=0)
            edge = (data[k][this] != data[k][that]) & (others[:, *this] & others[:, *that]).any(axis=0)
            edge &= np.minimum(distance_km[k][this], distance_km[k][that]) > _EDGE_BEYOND_KM
            if edge.any():
                worst = np.fmax(worst, np.abs(shares[k][this] - shares[k][that])[edge].max())
    return float(worst)


def _neighbours() -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    every, first, second = slice(None), slice(None, -1), slice(1, None)
    yield (first, every), (second, every)
    yield (every, first), (every, second)
