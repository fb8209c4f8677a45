"""Whether another displacement would explain two images as well: rows of trees, waves, roofs in a grid.

Belongs here: the similarity of two images around a displacement that was found, and its highest rival. Not here:
finding displacements (``tie_points``) or what a rival means (``registration``).
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from weft.registration.displacement import Displacement
from weft.registration.points import Floats, Mask, TiePoints
from weft.registration.windows import Image, cut

_WINDOWS = 36
_SMOOTHING = 1.0
# The peak itself: where the model may be off, and how far edges of coarse sensors reach.
_AT, _BESIDE = 2, 8
# A shift that leaves less than this of the windows' edges has no say.
_SEEN = 0.3


def rivalry(
    reference: Image,
    secondary: Image,
    mask_reference: Mask | None,
    mask_secondary: Mask | None,
    found: Displacement,
    inliers: TiePoints,
    *,
    template: int,
    reach: int,
) -> float:
    """Height of the second peak of the similarity of both images as a share of the first.

    The directions of edges in some windows are correlated at all shifts around the displacement found, and summed up: a
    true displacement is the same everywhere, a chance likeness of one window is not. Images that repeat themselves have
    rivals that are as high as the peak, whether they belong together or not.

    Args:
        reference: 2-D.
        secondary: of the same shape, on the same grid.
        mask_reference: bool, True = usable; all pixels if None.
        mask_secondary: likewise.
        found: what is doubted.
        inliers: where windows are taken.
        template: edge of a window, pixels.
        reach: largest shift from ``found`` along each axis, pixels.

    Returns:
        0 or more; below 1 if no other shift is as good as the one found.
    """
    reach = max(reach, 2 * _BESIDE)
    some = inliers.select(np.unique(np.linspace(0, len(inliers) - 1, _WINDOWS).astype(np.int64)))
    dx, dy = found.at(some.x, some.y)
    x, y = np.rint(some.x).astype(np.int64), np.rint(some.y).astype(np.int64)
    to_x, to_y = np.rint(some.x + dx).astype(np.int64), np.rint(some.y + dy).astype(np.int64)
    likeness, own_energy, other_energy = np.zeros((3, 2 * reach + 1, 2 * reach + 1))
    for n in range(len(some)):
        own, own_known = _edges(*cut(reference, mask_reference, x[n : n + 1], y[n : n + 1], template))
        wide = template + 2 * reach
        other, other_known = _edges(*cut(secondary, mask_secondary, to_x[n : n + 1], to_y[n : n + 1], wide))
        likeness += _correlation(own, other, reach)
        own_energy += _correlation(np.abs(own) ** 2, other_known, reach)
        other_energy += _correlation(own_known, np.abs(other) ** 2, reach)
    seen = own_energy > _SEEN * own_energy.max()
    energy = np.sqrt(np.maximum(own_energy * other_energy, 1e-12))
    likeness = np.where(seen, likeness / energy, 0.0)
    away = np.abs(np.arange(-reach, reach + 1))
    distance = np.maximum(away[:, None], away[None, :])
    first = likeness[distance <= _AT].max()
    # The slope of a broad peak is no rival; the ridge that stripes make is, all along.
    summits = (likeness >= maximum_filter(likeness, 2 * _AT + 1)) & (distance > _BESIDE)
    second = likeness[summits].max(initial=0.0)
    return float(second / first) if first > 0 else math.inf


def _edges(values: NDArray[np.float32], known: Mask) -> tuple[NDArray[np.complex128], Floats]:
    """Twice the direction of the gradient, so that reversed contrast looks the same; length 0 to 1, 0 at unknowns."""
    window, usable = values[0].astype(np.float64), known[0].astype(np.float64)
    weight = gaussian_filter(usable, _SMOOTHING)
    smooth = gaussian_filter(window * usable, _SMOOTHING) / np.maximum(weight, 1e-6)
    # Half the kernel known: what lies beside a mask or the border shows the edge of the mask.
    usable = (weight > 1 - 1e-3).astype(np.float64)
    down, right = np.gradient(smooth)
    gradient = (right + 1j * down) * usable
    strength = np.abs(gradient)
    floor = strength.sum() / max(usable.sum(), 1.0)
    return gradient**2 / np.maximum(strength * (strength + floor), 1e-12), usable


def _correlation(own: NDArray[np.number], other: NDArray[np.number], reach: int) -> Floats:
    """Real part of the correlation of a window with a wider one at shifts of -reach to reach along each axis."""
    length = scipy.fft.next_fast_len(other.shape[0])
    spectrum = scipy.fft.fft2(other, (length, length)) * scipy.fft.fft2(own, (length, length)).conj()
    return np.asarray(scipy.fft.ifft2(spectrum)[: 2 * reach + 1, : 2 * reach + 1].real)
