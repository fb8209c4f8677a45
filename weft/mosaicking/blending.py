"""How much each track gives to a pixel, and the exact weighted mean.

Belongs here: pure functions from distances, counts and values to weights and blended values. Not here: files and
sheets (``mosaic``), distances (``tracks``), measuring seams (``seams``).

Weights are integers, so that sums of weights times values are exact and the result has the same bits for any order of
tracks and any cut into blocks.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from weft.errors import RequestError
from weft.mosaicking.tracks import EDGE_MARGIN_KM, HALF_SWATH_KM

Method = Literal["mean", "idw", "seamless"]

TAPER_END_KM = HALF_SWATH_KM - EDGE_MARGIN_KM
"""Where ``seamless`` weights reach zero, measured from the centre line: 140 km for Sentinel-2's swath."""

COUNT_HALF = 2.0
"""Number of observations at which ``seamless`` gives a track half the weight it could have.

The error of a track's composite has a part that averages out over its n observations (noise, residual cloud) and a part
that does not (view geometry). The inverse of the variance s^2 / n + t^2 is proportional to n / (n + s^2 / t^2).
"""

# A track at 140 km keeps 2^28 / 140 = 1.9 million steps of weight. Larger would endanger the exactness of ``blend``.
_ONE = float(1 << 28)
_NEAREST_KM = 1.0
_MAX_EXPONENT = 3.0


def weights(
    method: Method,
    distance_km: npt.NDArray[np.float32],
    count: npt.NDArray[np.uint16],
    *,
    half_swath_km: float = TAPER_END_KM,
    taper_km: float = 30.0,
    exponent: float = 1.0,
) -> npt.NDArray[np.uint32]:
    """Weight of one track at every pixel.

    * ``mean``: 1.
    * ``idw``: ``1 / max(d, 1 km) ** exponent``, the method of the pan-European seasonal mosaic (doi 10.5446/55261).
    * ``seamless``: that, times a smoothstep that falls to zero over the last ``taper_km`` before ``half_swath_km``,
      times ``n / (n + 2)`` for n valid observations. The first makes a track vanish before its data end, the second
      lets a track fade where clouds have thinned it out.

    Args:
        method: one of the above.
        distance_km: (y, x) float32, distance to the track's centre line.
        count: (y, x) uint16, valid observations of the track; 0 where it has no data.
        half_swath_km: distance at which ``seamless`` reaches zero, ``Track.taper_end_km``.
        taper_km: width of the smoothstep.
        exponent: of the distance, above 0 and at most 3.

    Returns:
        (y, x) uint32, at most 2^28: at least 1 wherever the track has data, so that it still fills pixels that no other
        track saw, and 0 elsewhere.

    Raises:
        RequestError: unknown method or an exponent out of range.
    """
    if method == "mean":
        return (count > 0).astype(np.uint32)
    if method not in ("idw", "seamless"):
        raise RequestError(f"blend {method!r} is unknown; use mean, idw or seamless")
    if not 0 < exponent <= _MAX_EXPONENT:
        raise RequestError(f"exponent {exponent} is out of range; use more than 0 and at most {_MAX_EXPONENT:g}")
    out = np.empty(count.shape, np.uint32)
    _weigh(distance_km, count, method == "seamless", half_swath_km, taper_km, exponent, out)
    return out


def blend(values: npt.NDArray[np.uint16], weights: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16]:
    """Weighted mean over tracks, exact and rounded half up.

    Args:
        values: (track, y, x) uint16, 0 where a track has no value.
        weights: (track, y, x) uint32 of at most 2^28, see :func:`weights`.

    Returns:
        (y, x) uint16; 0 where no track has both a value and a weight, never 0 elsewhere. Exact for up to 200 tracks,
        more than there are.
    """
    if not len(values):
        return np.zeros(values.shape[1:], np.uint16)
    out = np.empty(values.shape[1:], np.uint16)
    _blend(tuple(values), tuple(weights), out)
    return out


def share(weights: npt.NDArray[np.uint32]) -> npt.NDArray[np.float32]:
    """Share of each track at each pixel: (track, y, x) float32, summing to 1 where any track has data, else 0."""
    total = weights.sum(axis=0, dtype=np.float64)
    return (weights / np.where(total > 0, total, 1.0)).astype(np.float32)


@njit(nogil=True, cache=True, error_model="numpy")
def _weigh(
    distance_km: npt.NDArray[np.float32],
    count: npt.NDArray[np.uint16],
    seamless: bool,
    half_swath_km: float,
    taper_km: float,
    exponent: float,
    out: npt.NDArray[np.uint32],
) -> None:
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            n = float(count[y, x])
            d = float(distance_km[y, x])
            nearness = max(d, _NEAREST_KM)
            weight = _ONE / (nearness if exponent == 1.0 else nearness**exponent)
            if seamless:
                t = min(max((half_swath_km - d) / taper_km, 0.0), 1.0)
                weight *= t * t * (3.0 - 2.0 * t) * n / (n + COUNT_HALF)
            out[y, x] = np.uint32(max(weight + 0.5, 1.0)) if n > 0 else np.uint32(0)


@njit(nogil=True, cache=True, error_model="numpy")
def _blend(
    values: tuple[npt.NDArray[np.uint16], ...], weights: tuple[npt.NDArray[np.uint32], ...], out: npt.NDArray[np.uint16]
) -> None:
    # Tuples, because their length is known to the compiler: sums then stay in registers, and memory is read once.
    # float64 because processors divide it in vectors and uint64 not. It is exact here: with at most 200 tracks the sums
    # stay below 2^53, a quotient (below 2^16) is rounded by at most 2^-37, and one that is not whole is at least
    # 1 / (2^29 * 200) > 2^-37 away from the next whole number, so that floor cannot err.
    height, width = out.shape
    for y in range(height):
        for x in range(width):
            numerator = denominator = 0.0
            for k in range(len(values)):
                value = values[k][y, x]
                weight = float(weights[k][y, x]) if value else 0.0
                numerator += weight * float(value)
                denominator += weight
            below = max(denominator, 1.0)
            out[y, x] = np.uint16(np.floor((2.0 * numerator + below) / (2.0 * below)))
