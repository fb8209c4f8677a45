"""What each track gave to a pixel of the mosaic.

Belongs here: the layers ``track_weight_Rnnn``, and choosing the one track a measured spectrum comes from. Not here: the
weights themselves (``blending``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from weft.rasters.product import LayerSpec

WHOLE = 200
"""Stored value of a track that gave everything: one step is half a percent."""


def contribution_layer(track: str) -> LayerSpec:
    """The layer ``track_weight_{track}``: uint8, 0.005 a step, no nodata value, for 0 means that it gave nothing."""
    return LayerSpec(f"track_weight_{track}", f"Share of track {track}", "uint8", None, 1.0 / WHOLE, unit="1")


def contributions(weights: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Share of each track in the weights of a pixel, exact and rounded half up.

    A track that has a weight at a pixel but no value of some layer (a medoid needs more observations than a percentile)
    gives nothing to that layer there; the others then share it in the same proportions to each other.

    Args:
        weights: (track, y, x) uint32 of at most 2^28, see :func:`weft.mosaicking.blending.weights`.

    Returns:
        (track, y, x) uint8 in steps of 1 / :data:`WHOLE`. At each pixel with data they sum to :data:`WHOLE` but for
        half a step of rounding for each track; where no track has data all are 0.
    """
    out = np.empty(weights.shape, np.uint8)
    _contributions(weights, out)
    return out


def strongest(values: npt.NDArray[np.uint16], weights: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Weights that leave each pixel to one track: of those that have a value the one of the largest weight.

    Args:
        values: (track, y, x) uint16, 0 where a track has no value.
        weights: (track, y, x) uint32.

    Returns:
        (track, y, x) uint32: 1 for that track, the first one of equals, and 0 for all others.
    """
    usable = np.where(values > 0, weights, np.uint32(0))
    chosen = np.zeros_like(weights)
    np.put_along_axis(chosen, usable.argmax(axis=0)[None], np.uint32(1), axis=0)
    return np.where(usable > 0, chosen, np.uint32(0))


@njit(nogil=True, cache=True, error_model="numpy")
def _contributions(weights: npt.NDArray[np.uint32], out: npt.NDArray[np.uint8]) -> None:
    # float64 divides in vectors and is exact here: the sums stay below 2^45, and a quotient (at most 201) that is not
    # whole is further from the next whole number than it can be rounded, as in ``blending``.
    tracks, height, width = weights.shape
    total = np.empty(width, np.float64)
    for y in range(height):
        total[:] = 0.0
        for k in range(tracks):
            for x in range(width):
                total[x] += float(weights[k, y, x])
        for k in range(tracks):
            for x in range(width):
                below = max(total[x], 1.0)
                out[k, y, x] = np.uint8(np.floor((2.0 * WHOLE * float(weights[k, y, x]) + below) / (2.0 * below)))
