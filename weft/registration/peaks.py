"""The shift of best agreement of similarity surfaces, to a fraction of a pixel, and how far to believe it.

Belongs here: bringing surfaces of a pyramid to one lattice, their joint peak, its score and expected error. Not here:
making the surfaces (``multimodal``).

The highest point of a weighted mean of the levels is found first. There the levels are weighted anew: a paraboloid of
curvature k on a surface whose slope wavers by s has its top at a place uncertain by s / k, so a level counts as
k / s^2, which makes the error of the sum least. A paraboloid fitted to that sum, about a place between the pixels that
moves until it is the top, gives the fraction of the pixel; the waver of the sum gives the error to be expected.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

LARGEST_ERROR = 1.0
"""A match with a larger expected error is none, pixels."""
APART = 5
"""What is farther than this from the highest point is another peak, pixels."""


@njit(nogil=True, cache=True)
def _cubic(distance):  # type: ignore[no-untyped-def]
    """Keys' interpolation kernel (IEEE TASSP 29, 1981), a = -1/2."""
    distance = abs(distance)
    if distance < 1:
        return (1.5 * distance - 2.5) * distance * distance + 1
    if distance < 2:
        return ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return 0.0


@njit(nogil=True, cache=True)
def enlarge(coarse, pixel, over_x, over_y, beyond, surface):  # type: ignore[no-untyped-def]
    """Add the surface of a coarser level, whose start lies ``over`` finer pixels before ours, to an empty one.

    Coarse pixels are ``pixel`` fine ones wide; the middle of the coarse surface is its element ``beyond``.
    """
    size, reach = surface.shape[0], surface.shape[0] // 2
    across = np.zeros((coarse.shape[0], size), np.float32)
    for j in range(size):
        place = (j - reach + over_x) / pixel + beyond
        first = math.floor(place) - 1
        for k in range(first, first + 4):
            tap = np.float32(_cubic(place - k))
            for i in range(coarse.shape[0]):
                across[i, j] += tap * coarse[i, k]
    for i in range(size):
        place = (i - reach + over_y) / pixel + beyond
        first = math.floor(place) - 1
        for k in range(first, first + 4):
            tap = np.float32(_cubic(place - k))
            for j in range(size):
                surface[i, j] += tap * across[k, j]


_AROUND = 2
_SPAN = 2 * _AROUND + 1
_STEPS = 4


def _paraboloid() -> NDArray[np.float64]:
    """Rows that turn 5 x 5 values into x, y, x^2, xy and y^2 terms: least squares with weights exp(-2 x^2 - 2 y^2)."""
    y, x = (axis.ravel().astype(np.float64) for axis in np.mgrid[-_AROUND : _AROUND + 1, -_AROUND : _AROUND + 1])
    weights = np.exp(-2 * (x * x + y * y))
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    solution: NDArray[np.float64] = np.linalg.solve(terms.T @ (weights[:, None] * terms), terms.T * weights)
    return np.ascontiguousarray(solution[1:])


_PARABOLOID = _paraboloid()


@njit(nogil=True, cache=True)
def measure(surfaces, search, first):  # type: ignore[no-untyped-def]
    """Columns and rows from the middle to the place of best agreement, and its score; NaN, NaN, 0 if there is none.

    Args:
        surfaces: similarities, float32, shape (level, size, size), size odd; the middle is the shift 0.
        search: largest shift along each axis that may be found, at most size // 2 - 1.
        first: weight of each level when the highest point is looked for.
    """
    nothing = np.nan, np.nan, np.float32(0)
    levels, size, _ = surfaces.shape
    reach = size // 2
    surface = _mean(surfaces, first[:levels])
    row, column = _highest(surface)
    if max(abs(row - reach), abs(column - reach)) > search:
        return nothing
    common, second = _rest(surface, row, column)
    height = surface[row, column] - common
    if not height > 0:
        return nothing
    score = np.float32(math.sqrt((surface[row, column] - second) / height * min(1.0, height / max(1 - common, 1e-6))))

    weights = np.zeros(levels)
    for level in range(levels):
        _, _, xx, _, yy = _fit(surfaces[level], row, column)
        waver = _waver(surfaces[level], row, column)
        weights[level] = max(-xx - yy, 0.0) / waver if waver > 0 else 0.0
    if not weights.sum() > 0:
        return nothing
    surface = _mean(surfaces, weights)
    waver = _waver(surface, row, column)
    up, back = _highest(surface[row - 1 : row + 2, column - 1 : column + 2])
    y, x = row + up - 1.0, column + back - 1.0
    error = np.inf
    for _ in range(_STEPS):
        gx, gy, xx, xy, yy = _fit(surface, y, x)
        determinant = 4 * xx * yy - xy * xy
        if xx >= 0 or determinant <= 0:
            return nothing
        x += (xy * gy - 2 * yy * gx) / determinant
        y += (xy * gx - 2 * xx * gy) / determinant
        error = math.sqrt(waver * (0.25 / (xx * xx) + 0.25 / (yy * yy)))
        if max(abs(x - column), abs(y - row)) > 2:
            return nothing
    if error > LARGEST_ERROR or max(abs(x - reach), abs(y - reach)) > search:
        return nothing
    return x - reach, y - reach, score


@njit(nogil=True, cache=True)
def _mean(surfaces, weights):  # type: ignore[no-untyped-def]
    mean = np.zeros(surfaces.shape[1:], np.float32)
    for level in range(len(weights)):
        share = np.float32(weights[level] / weights.sum())
        mean += share * surfaces[level]
    return mean


@njit(nogil=True, cache=True)
def _highest(surface):  # type: ignore[no-untyped-def]
    row, column = 0, 0
    for i in range(surface.shape[0]):
        for j in range(surface.shape[1]):
            if surface[i, j] > surface[row, column]:
                row, column = i, j
    return row, column


@njit(nogil=True, cache=True)
def _rest(surface, row, column):  # type: ignore[no-untyped-def]
    """Median and maximum of what is apart from a peak."""
    values = np.empty(surface.size, np.float32)
    count = 0
    for i in range(surface.shape[0]):
        for j in range(surface.shape[1]):
            if (i - row) ** 2 + (j - column) ** 2 > APART * APART:
                values[count] = surface[i, j]
                count += 1
    return np.median(values[:count]), values[:count].max()


@njit(nogil=True, cache=True)
def _waver(surface, row, column):  # type: ignore[no-untyped-def]
    """Mean square of the slope along an axis apart from a peak."""
    total, count = 0.0, 0
    for i in range(1, surface.shape[0] - 1):
        for j in range(1, surface.shape[1] - 1):
            if (i - row) ** 2 + (j - column) ** 2 > APART * APART:
                across, down = surface[i, j + 1] - surface[i, j - 1], surface[i + 1, j] - surface[i - 1, j]
                total += across * across + down * down
                count += 8
    return total / count


@njit(nogil=True, cache=True)
def _fit(surface, y, x):  # type: ignore[no-untyped-def]
    """Terms of the paraboloid about a place between the pixels, so that no fraction is favoured."""
    row, column = math.floor(y), math.floor(x)
    down, across = _lanczos(y - row), _lanczos(x - column)
    rows, columns = surface.shape
    lines = np.zeros((_SPAN, _SPAN + 5))
    for i in range(_SPAN):
        for j in range(_SPAN + 5):
            k = min(max(column + j - _AROUND - 2, 0), columns - 1)
            for tap in range(6):
                lines[i, j] += down[tap] * surface[min(max(row + i + tap - _AROUND - 2, 0), rows - 1), k]
    terms = np.zeros(5)
    for i in range(_SPAN):
        for j in range(_SPAN):
            value = (across * lines[i, j : j + 6]).sum()
            for term in range(5):
                terms[term] += _PARABOLOID[term, i * _SPAN + j] * value
    return terms


@njit(nogil=True, cache=True)
def _lanczos(fraction):  # type: ignore[no-untyped-def]
    """Weights of the pixels -2 to 3 at a fraction between the pixels 0 and 1 (Lanczos, three lobes)."""
    weights = np.sinc(fraction - np.arange(-2, 4)) * np.sinc((fraction - np.arange(-2, 4)) / 3)
    return weights / weights.sum()
