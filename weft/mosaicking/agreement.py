"""How two tracks agree where both saw the ground: robustly, from pairs of values.

Belongs here: the line that most pairs lie on. Not here: where pairs come from (``overlaps``) or what follows for more
than two tracks (``levels``).

Pairs differ for reasons that are no matter of level: a cloud in one of the tracks, a field ploughed in between, glint.
Such pairs may be many and lie all on one side. So the line is that of the 60 % of pairs that lie closest to any line
(least trimmed squares; Rousseeuw 1984, doi 10.1080/01621459.1984.10477105, by the concentration steps of Rousseeuw and
Van Driessen 2006, doi 10.1007/s10618-005-0024-4), then of all pairs within three deviations of it. Both tracks are
noisy alike, so distances are taken at right angles to the line: a regression of one on the other would find too small a
gain, whichever is taken first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_MAJORITY = 0.6
_MOST_STEPS = 20
_DEVIATIONS = 3.0
_MAD_TO_DEVIATION = 1.4826  # of a normal distribution

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The line ``second = second_mean + gain * (first - first_mean)``.

    Attributes:
        gain: its slope, positive.
        gain_error: standard error of the gain; infinite where the pairs show no direction.
        first_mean: mean of the first track over the pairs that agree.
        second_mean: mean of the second.
        pixels: number of pairs that agree.
    """

    gain: float
    gain_error: float
    first_mean: float
    second_mean: float
    pixels: int


def agreement(first: Values, second: Values) -> Agreement:
    """The line that most pairs lie on.

    Args:
        first: values of one track (n,), at least one.
        second: values of the other, pixel by pixel.

    Returns:
        The line; one of gain 1 and infinite error where the pairs that agree have no direction.
    """
    # Tracks nearly agree, so the search begins from equal contrast; more starts find no better line.
    near = _nearest(np.abs(second - first - np.median(second - first)))
    for _ in range(_MOST_STEPS):
        following = _nearest(_distances(first, second, near))
        if (following == near).all():
            break
        near = following
    for _ in range(_MOST_STEPS):
        distance = _distances(first, second, near)
        deviation = _MAD_TO_DEVIATION * float(np.median(distance))
        within = distance <= max(_DEVIATIONS * deviation, 1.0)  # values are whole: a step of one is no outlier
        if (within == near).all():
            break
        near = within
    gain, error = _axis(first[near], second[near])
    return Agreement(gain, error, float(first[near].mean()), float(second[near].mean()), int(near.sum()))


def _nearest(distance: Values) -> npt.NDArray[np.bool_]:
    rank = math.ceil(_MAJORITY * distance.size) - 1
    nearest: npt.NDArray[np.bool_] = distance <= np.partition(distance, rank)[rank]
    return nearest


def _distances(first: Values, second: Values, of: npt.NDArray[np.bool_]) -> Values:
    """Distance of all pairs from the line of some."""
    gain, _ = _axis(first[of], second[of])
    off = second - second[of].mean() - gain * (first - first[of].mean())
    distances: Values = np.abs(off) / math.hypot(1.0, gain)
    return distances


def _axis(first: Values, second: Values) -> tuple[float, float]:
    """Slope of the longer axis of a cloud of pairs, and its standard error."""
    a, b = first - first.mean(), second - second.mean()
    aa, bb, ab = float(a @ a), float(b @ b), float(a @ b)
    spread = math.hypot(bb - aa, 2.0 * ab)
    if ab <= 0.0 or spread <= 0.0:
        return 1.0, math.inf
    gain = (bb - aa + spread) / (2.0 * ab)
    along, across = (aa + bb + spread) / 2.0, max((aa + bb - spread) / 2.0, 0.0)
    return gain, (1.0 + gain * gain) * math.sqrt(along * across / first.size) / spread
