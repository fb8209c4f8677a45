"""The regression behind sub-pixel matching: one window of the secondary on the reference and its gradient.

Belongs here: the numba kernels that make the regressors, sum their products and solve the normal equations. Not here:
what is iterated and when a match is believed (``refinement``).

Images are seen through the quintic B-spline. It suppresses the aliases that bias a shift, and it blurs a shifted
window as much as one that is not; a kernel that interpolates blurs in between, which pulls to half pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

REACH = 4
"""Pixels cut around a window of the secondary: one that the match may move, three that the kernel reaches."""
LANES = {"reassoc", "contract", "nsz", "arcp"}
"""Sums may be taken in the order of the processor's lanes, which is the same in every run."""
_WEIGHT = 0.2
"""Least share of the weight of a window that masks must leave."""
_CONTRAST = 1e-6
"""Least standard deviation of a window as a share of its mean: less is flat within float32."""
_REGULAR = 1e-9
"""Least pivot of the normal matrix as a share of its diagonal."""
_SMOOTH = np.array([1, 26, 66], np.float32) / np.float32(120)
"""The quintic B-spline 2, 1 and 0 pixels from its middle."""
_SLOPE = np.array([1, 10], np.float32) / np.float32(24)
"""Its derivative 2 and 1 pixels before its middle."""


class Desk(NamedTuple):
    """What one window is worked on with; made once for a batch."""

    planes: Any  # (3, size, size): the reference smoothed, its slope along x, along y
    weights: Any  # (size, size)
    hann: Any  # (size,)
    place: Any  # (size,): -1 to 1 from edge to edge
    scratch: Any  # (2, size + 8, size)
    gram: Any  # (8, 8): weighted products of the regressors
    sums: Any  # (9,): products of the secondary with the regressors, and with itself


@njit(nogil=True, cache=True, fastmath=LANES)
def regressors(values, desk):  # type: ignore[no-untyped-def]
    """The reference smoothed, and its slopes, from values with a margin of two pixels into ``desk.planes``."""
    smooth, along_x, along_y = desk.planes[0], desk.planes[1], desk.planes[2]
    flat, steep = desk.scratch[0], desk.scratch[1]
    size = smooth.shape[0]
    s2, s1, s0 = _SMOOTH
    d2, d1 = _SLOPE
    for i in range(size + 4):
        row = values[i]
        for j in range(size):
            flat[i, j] = s2 * (row[j] + row[j + 4]) + s1 * (row[j + 1] + row[j + 3]) + s0 * row[j + 2]
            steep[i, j] = d2 * (row[j + 4] - row[j]) + d1 * (row[j + 3] - row[j + 1])
    for i in range(size):
        a, b, c, d, e = flat[i], flat[i + 1], flat[i + 2], flat[i + 3], flat[i + 4]
        p, q, r, s, t = steep[i], steep[i + 1], steep[i + 2], steep[i + 3], steep[i + 4]
        for j in range(size):
            smooth[i, j] = s2 * (a[j] + e[j]) + s1 * (b[j] + d[j]) + s0 * c[j]
            along_y[i, j] = d2 * (e[j] - a[j]) + d1 * (d[j] - b[j])
            along_x[i, j] = s2 * (p[j] + t[j]) + s1 * (q[j] + s[j]) + s0 * r[j]


@njit(nogil=True, cache=True)
def erode(desk, known):  # type: ignore[no-untyped-def]
    """No weight where a pixel under the kernel is unknown; ``known`` has the same margin on all sides."""
    if known.all():
        return
    size = desk.hann.size
    across = desk.scratch[0]
    for i in range(known.shape[0]):
        across[i] = 1
        for k in range(known.shape[1] - size + 1):
            for j in range(size):
                across[i, j] = across[i, j] if known[i, j + k] else np.float32(0)
    for i in range(size):
        for k in range(known.shape[0] - size + 1):
            for j in range(size):
                desk.weights[i, j] *= across[i + k, j]


@njit(nogil=True, cache=True, fastmath=LANES)
def products(desk):  # type: ignore[no-untyped-def]
    """Weighted products of the regressors 1, R, Rx, Ry, x Rx, x Ry, y Rx and y Ry with each other."""
    smooth, along_x, along_y = desk.planes[0], desk.planes[1], desk.planes[2]
    place, gram = desk.place, desk.gram
    gram[:] = 0
    zero = np.float32(0)
    for i in range(place.size):
        s00 = s01 = s02 = s03 = s04 = s05 = s11 = s12 = s13 = s14 = s15 = zero
        s22 = s23 = s24 = s25 = s33 = s34 = s35 = s44 = s45 = s55 = zero
        weights, one, two, three = desk.weights[i], smooth[i], along_x[i], along_y[i]
        for j in range(place.size):
            w, r, x, y = weights[j], one[j], two[j], three[j]
            u, v = place[j] * x, place[j] * y
            wr, wx, wy, wu, wv = w * r, w * x, w * y, w * u, w * v
            s00, s01, s02, s03, s04, s05 = s00 + w, s01 + wr, s02 + wx, s03 + wy, s04 + wu, s05 + wv
            s11, s12, s13, s14, s15 = s11 + wr * r, s12 + wr * x, s13 + wr * y, s14 + wr * u, s15 + wr * v
            s22, s23, s24, s25 = s22 + wx * x, s23 + wx * y, s24 + wx * u, s25 + wx * v
            s33, s34, s35 = s33 + wy * y, s34 + wy * u, s35 + wy * v
            s44, s45, s55 = s44 + wu * u, s45 + wu * v, s55 + wv * v
        products = (
            (s00, s01, s02, s03, s04, s05),
            (s01, s11, s12, s13, s14, s15),
            (s02, s12, s22, s23, s24, s25),
            (s03, s13, s23, s33, s34, s35),
            (s04, s14, s24, s34, s44, s45),
            (s05, s15, s25, s35, s45, s55),
        )
        _add_row(products, place[i], gram)
    for k in range(6):
        gram[k, 6], gram[k, 7] = gram[6, k], gram[7, k]


@njit(nogil=True, cache=True)
def _add_row(products, down, gram):  # type: ignore[no-untyped-def]
    for k in range(6):
        for m in range(6):
            gram[k, m] += products[k][m]
        gram[6, k] += down * products[2][k]
        gram[7, k] += down * products[3][k]
    for k in range(2):
        for m in range(2):
            gram[6 + k, 6 + m] += down * down * products[2 + k][2 + m]


@njit(nogil=True, cache=True)
def textured(desk, level):  # type: ignore[no-untyped-def]
    """Whether masks leave enough weight, and the window is not flat; ``level`` is its mean in the image."""
    weight = desk.gram[0, 0]
    if weight < _WEIGHT * desk.hann.sum() ** 2:
        return False
    return desk.gram[1, 1] - desk.gram[0, 1] ** 2 / weight > weight * (_CONTRAST * level) ** 2


@njit(nogil=True, cache=True, fastmath=LANES)
def against(values, x, y, desk):  # type: ignore[no-untyped-def]
    """Products of the secondary, moved by less than two pixels, with the regressors and with itself."""
    smooth, along_x, along_y = desk.planes[0], desk.planes[1], desk.planes[2]
    place, sums, across = desk.place, desk.sums, desk.scratch[0]
    size = place.size
    whole_x, whole_y = int(np.floor(x)), int(np.floor(y))
    first_x, first_y = whole_x + REACH - 2, whole_y + REACH - 2
    a0, a1, a2, a3, a4, a5 = _taps(x - whole_x)
    b0, b1, b2, b3, b4, b5 = _taps(y - whole_y)
    for i in range(size + 5):
        row = values[first_y + i, first_x : first_x + size + 5]
        for j in range(size):
            across[i, j] = (
                a0 * row[j] + a1 * row[j + 1] + a2 * row[j + 2] + a3 * row[j + 3] + a4 * row[j + 4] + a5 * row[j + 5]
            )
    sums[:] = 0
    for i in range(size):
        weights, one, two, three = desk.weights[i], smooth[i], along_x[i], along_y[i]
        r0, r1, r2, r3, r4, r5 = (across[i], across[i + 1], across[i + 2], across[i + 3], across[i + 4], across[i + 5])
        t0 = t1 = t2 = t3 = t4 = t5 = t8 = np.float32(0)
        for j in range(size):
            value = b0 * r0[j] + b1 * r1[j] + b2 * r2[j] + b3 * r3[j] + b4 * r4[j] + b5 * r5[j]
            weighted = value * weights[j]
            aside = weighted * place[j]
            t0, t1, t2, t3 = t0 + weighted, t1 + weighted * one[j], t2 + weighted * two[j], t3 + weighted * three[j]
            t4, t5, t8 = t4 + aside * two[j], t5 + aside * three[j], t8 + weighted * value
        down = place[i]
        row_sums = (t0, t1, t2, t3, t4, t5, down * t2, down * t3, t8)
        for k in range(9):
            sums[k] += row_sums[k]


@njit(nogil=True, cache=True)
def _taps(t):  # type: ignore[no-untyped-def]
    """The quintic B-spline at the six pixels around a fraction ``t`` of a pixel."""
    u = 1 - t
    near, far = _middle(t), _middle(u)
    one, other = _flank(1 + t), _flank(1 + u)
    return (
        np.float32(u**5 / 120),
        np.float32(one),
        np.float32(near),
        np.float32(far),
        np.float32(other),
        np.float32(t**5 / 120),
    )


@njit(nogil=True, cache=True)
def _middle(d):  # type: ignore[no-untyped-def]
    return (66 - 60 * d**2 + 30 * d**4 - 10 * d**5) / 120


@njit(nogil=True, cache=True)
def _flank(d):  # type: ignore[no-untyped-def]
    return (51 + 75 * d - 210 * d**2 + 150 * d**3 - 45 * d**4 + 5 * d**5) / 120


@njit(nogil=True, cache=True)
def cholesky(gram):  # type: ignore[no-untyped-def]
    """The lower factor of a symmetric matrix, and whether it is regular; all sizes are a few rows."""
    factor = np.zeros_like(gram)
    for i in range(gram.shape[0]):
        for j in range(i + 1):
            value = gram[i, j] - (factor[i, :j] * factor[j, :j]).sum()
            if i == j:
                if value <= _REGULAR * gram[i, i]:
                    return factor, False
                factor[i, i] = np.sqrt(value)
            else:
                factor[i, j] = value / factor[j, j]
    return factor, True


@njit(nogil=True, cache=True)
def solved(factor, sums):  # type: ignore[no-untyped-def]
    """The solution of the normal equations by a factor from :func:`cholesky`."""
    solution = sums.copy()
    size = solution.size
    for i in range(size):
        solution[i] = (solution[i] - (factor[i, :i] * solution[:i]).sum()) / factor[i, i]
    for i in range(size - 1, -1, -1):
        solution[i] = (solution[i] - (factor[i + 1 :, i] * solution[i + 1 :]).sum()) / factor[i, i]
    return solution


@njit(nogil=True, cache=True)
def widest(factor):  # type: ignore[no-untyped-def]
    """The larger of the two diagonal elements of the inverse that belong to the displacement."""
    widest = 0.0
    for k in range(2, 4):
        unit = np.zeros(factor.shape[0])
        unit[k] = 1
        widest = max(widest, solved(factor, unit)[k])
    return widest


@njit(nogil=True, cache=True)
def correlation(desk):  # type: ignore[no-untyped-def]
    """Weighted correlation of the reference and the secondary where it was last compared, 0 to 1."""
    gram, sums = desk.gram, desk.sums
    weight = gram[0, 0]
    product = sums[1] - sums[0] * gram[0, 1] / weight
    squares = (gram[1, 1] - gram[0, 1] ** 2 / weight) * (sums[8] - sums[0] ** 2 / weight)
    return min(1.0, max(0.0, product / np.sqrt(squares))) if squares > 0 else 0.0
