"""Sub-pixel refinement of matches by least squares on intensities.

Belongs here: moving a match of whole-pixel accuracy to its last hundredths, and saying how well the windows agree then.
Not here: the sums behind it (``regression``), finding the match (``correlation``), models of many (``estimate``).

Least-squares matching (Foerstner 1982, Gruen 1985) in its inverse-compositional form (Baker and Matthews 2004): the
secondary S at the current displacement d is regressed on the reference R and its gradient,

    S(x + d) = offset + gain R + (a + A x) . grad R,

and d moves by -a / gain until a vanishes. Gain and offset free the result of radiometry, A frees it of rotation, scale
and shear within the window. The gradient is that of the reference alone, so noise of the secondary cannot pull.

Both images are freed of a local mean first: fields, haze and shading change between dates, edges stay. (Without, a
third as many windows of a pair of different seasons and sensors came out right.)

Pixels weigh as a separable Hann window tells, so that the result belongs to the centre where displacements vary. Those
with an unusable pixel under their kernel weigh nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from weft.registration.regression import (
    LANES,
    REACH,
    Desk,
    against,
    cholesky,
    correlation,
    erode,
    products,
    regressors,
    solved,
    textured,
    widest,
)
from weft.registration.windows import Mask, cut_one, looked_at

_ANCHORS = 4
"""How often a window of the secondary is cut: anew whenever the match has moved by more than a pixel."""
_ITERATIONS = 30
"""Sharp windows take three. Where one image is more blurred than the other, steps are too short."""
_CONVERGED = 0.002
"""A smaller step ends the iteration, pixels."""
_LOCAL = 4
"""The local mean reaches so many pixels to each side."""
_UNSURE = 0.25
"""Largest standard error of a displacement, pixels: with more, the texture does not tell it."""


def refine(
    reference: NDArray[Any],
    secondary: NDArray[Any],
    mask_reference: Mask | None,
    mask_secondary: Mask | None,
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    dx: NDArray[np.float64],
    dy: NDArray[np.float64],
    *,
    template: int,
    leap: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """Refine displacements that are right to about a pixel.

    Args:
        reference: 2-D, any real dtype.
        secondary: 2-D, any real dtype.
        mask_reference: False where the reference is not usable; None if all is. NaN is never usable.
        mask_secondary: the same of the secondary.
        x: columns of the window centres in the reference.
        y: rows.
        dx: columns to where the match is believed to lie in the secondary; NaN for none.
        dy: rows.
        template: edge of the window, pixels.
        leap: a refined displacement farther than this from where it began is no match, pixels.

    Returns:
        dx and dy, and the weighted correlation of the two windows there (0 to 1); the correlation is 0 where there is
        no match: too few usable pixels, texture that does not tell both directions, or no convergence.
    """
    found_x, found_y, score = dx.copy(), dy.copy(), np.zeros(x.size, np.float32)
    masks = looked_at(mask_reference), looked_at(mask_secondary)
    _refine(reference, secondary, *masks, x, y, found_x, found_y, score, template, leap)
    return found_x, found_y, score


@njit(nogil=True, cache=True)
def _refine(reference, secondary, mask_r, mask_s, x, y, dx, dy, score, size, leap):  # type: ignore[no-untyped-def]
    place = ((np.arange(size) - size // 2) / (size / 2)).astype(np.float32)
    desk = Desk(
        np.empty((3, size, size), np.float32),
        np.empty((size, size), np.float32),
        (0.5 + 0.5 * np.cos(np.pi * place)).astype(np.float32),
        place,
        np.empty((2, size + 2 * REACH, size), np.float32),
        np.empty((8, 8)),
        np.empty(9),
    )
    own, known = np.empty((size + 4, size + 4), np.float32), np.empty((size + 4, size + 4), np.bool_)
    for n in range(x.size):
        if np.isfinite(dx[n]) and np.isfinite(dy[n]):
            left, top = x[n] - size // 2, y[n] - size // 2
            level = _load(reference, mask_r, left - 2, top - 2, own, known)
            score[n] = _follow(secondary, mask_s, left, top, n, dx, dy, leap, own, known, level, desk)


@njit(nogil=True, cache=True)
def _follow(secondary, mask, left, top, n, dx, dy, leap, own, known, level, desk):  # type: ignore[no-untyped-def]
    """Move the n-th displacement to where the windows agree; their correlation, 0 if there is no such place."""
    size = desk.hann.size
    wide = size + 2 * REACH
    other, known_other = np.empty((wide, wide), np.float32), np.empty((wide, wide), np.bool_)
    rough, rough_other = np.empty(own.shape, np.float32), np.empty(other.shape, np.float32)
    to_x, to_y, score = dx[n], dy[n], 0.0
    for _ in range(_ANCHORS):
        anchor_x, anchor_y = int(np.rint(to_x)), int(np.rint(to_y))
        _load(secondary, mask, left + anchor_x - REACH, top + anchor_y - REACH, other, known_other)
        shared = _shared(known, known_other)
        less_local_mean(own, shared, _LOCAL, rough)
        less_local_mean(other, known_other, _LOCAL, rough_other)
        regressors(rough, desk)
        for i in range(size):
            desk.weights[i] = desk.hann[i] * desk.hann
        erode(desk, shared)
        erode(desk, known_other)
        products(desk)
        if not textured(desk, level):
            break
        move_x, move_y, score, ran_away = _descend(rough_other, to_x - anchor_x, to_y - anchor_y, desk)
        to_x, to_y = anchor_x + move_x, anchor_y + move_y
        if abs(to_x - dx[n]) > leap or abs(to_y - dy[n]) > leap:
            return 0.0
        if not ran_away:
            break
    if score > 0:
        dx[n], dy[n] = to_x, to_y
    return score


@njit(nogil=True, cache=True)
def _descend(values, x, y, desk):  # type: ignore[no-untyped-def]
    """Displacement from the anchor, correlation there (0: no match), and whether it ran away from the anchor."""
    factor, regular = cholesky(desk.gram)
    if not regular:
        return x, y, 0.0, False
    for _ in range(_ITERATIONS):
        if abs(x) > 1 or abs(y) > 1:
            return x, y, 0.0, True
        against(values, x, y, desk)
        solution = solved(factor, desk.sums[:8])
        gain = solution[1]
        if gain <= 0:
            return x, y, 0.0, False
        step_x, step_y = solution[2] / gain, solution[3] / gain
        x, y = x - step_x, y - step_y
        if step_x * step_x + step_y * step_y < _CONVERGED**2:
            unexplained = max(0.0, desk.sums[8] - (solution * desk.sums[:8]).sum()) / desk.gram[0, 0]
            variance = unexplained * widest(factor) / gain**2
            return x, y, correlation(desk) if variance < _UNSURE**2 else 0.0, False
    return x, y, 0.0, False


@njit(nogil=True, cache=True, fastmath=LANES)
def _load(image, mask, left, top, values, known):  # type: ignore[no-untyped-def]
    """Cut a window and take its mean away, since sums in float32 want small numbers; returns the mean."""
    count = cut_one(image, mask, left, top, values, known)
    total = 0.0
    for i in range(values.shape[0]):
        in_row = np.float32(0)
        for j in range(values.shape[1]):
            in_row += values[i, j]
        total += np.float64(in_row)
    mean = np.float32(total / max(1, count))
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] -= mean
    return mean


@njit(nogil=True, cache=True)
def _shared(known, known_other):  # type: ignore[no-untyped-def]
    """What is known in both, for both: a local mean over other pixels would differ, and that looks like texture."""
    both = known.copy()
    margin = (known_other.shape[0] - known.shape[0]) // 2
    for i in range(known.shape[0]):
        for j in range(known.shape[1]):
            both[i, j] &= known_other[i + margin, j + margin]
            known_other[i + margin, j + margin] = both[i, j]
    return both


@njit(nogil=True, cache=True, fastmath=LANES)
def less_local_mean(values, known, radius, out):  # type: ignore[no-untyped-def]
    """Values less the mean of the known ones up to ``radius`` pixels away along both axes; 0 where unknown."""
    rows, columns = values.shape
    sums, counts = np.zeros(columns + 2 * radius, np.float32), np.zeros(columns + 2 * radius, np.float32)
    total, count = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for i in range(-radius, rows):
        enter, leave = i + radius, i - radius - 1
        for j in range(columns if enter < rows else 0):
            sums[j + radius] += values[enter, j] * np.float32(known[enter, j])
            counts[j + radius] += np.float32(known[enter, j])
        for j in range(columns if leave >= 0 else 0):
            sums[j + radius] -= values[leave, j] * np.float32(known[leave, j])
            counts[j + radius] -= np.float32(known[leave, j])
        if i < 0:
            continue
        total[:] = 0
        count[:] = 0
        for k in range(2 * radius + 1):
            for j in range(columns):
                total[j] += sums[j + k]
                count[j] += counts[j + k]
        for j in range(columns):
            out[i, j] = (values[i, j] - total[j] / max(count[j], np.float32(1))) * np.float32(known[i, j])
