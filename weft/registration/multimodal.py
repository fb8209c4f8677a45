"""Matching windows of unlike sensors (optical, radar, thermal) by the directions of their edges.

Belongs here: the similarity of two descriptors at every shift, its peak, and the matcher made of both. Not here: the
descriptors (``harmonics``), where windows lie (``windows``), threads and batches (``tie_points``).

Windows lie on a regular grid. Each channel of a descriptor is correlated by a 2-D Fourier transform of its own; the sum
over the channels is divided by the energies under the template at each shift, which box sums give, or further
correlations where pixels are masked. Surfaces of coarser levels of the pyramid, which noise disturbs less, are enlarged
and added, and the highest point is found. There the levels are weighted anew: a paraboloid of curvature k on a surface
whose slope wavers by s has its top at a place uncertain by s / k, so a level counts as k / s^2, which makes the error
of the sum least. The paraboloid fitted to that sum gives the fraction of the pixel and the error to be expected.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft

from weft.registration.harmonics import Descriptor, Harmonics, harmonics
from weft.registration.windows import Centres, Image, Mask, Matches

WEIGHTS = (1.0, 0.5, 0.25)
"""Weight of each level of the pyramid when the highest point is looked for, finest first."""
SMALLEST = 12
"""Levels at which the template would be smaller than this are left out, pixels."""
LEAST_REACH = 12
"""Shifts are looked at this far along each axis, however small the search, to know how a wrong one looks; pixels."""
LARGEST_ERROR = 1.0
"""A match with a larger expected error is none, pixels."""
APART = 5
"""What is farther than this from the highest point is another peak, pixels."""


def match(
    reference: Image,
    secondary: Image,
    mask_reference: Mask | None,
    mask_secondary: Mask | None,
    centres: Centres,
    *,
    template: int,
    search: int,
) -> Matches:
    """Match windows by the even angular harmonics of their gradients; a :class:`weft.registration.windows.Matcher`.

    Args:
        reference: 2-D, any real dtype.
        secondary: of the same shape.
        mask_reference: True where usable. Masked pixels and those beside them carry no weight, nor does NaN.
        mask_secondary: likewise.
        centres: where to match, near to each other or in the order of a grid, so that maps can be shared.
        template: edge of the windows, pixels.
        search: largest shift from the start offset along each axis, pixels.

    Returns:
        Shifts, and a score from 0 to 1: the root of (prominence x agreement). Prominence is how far the best shift
        stands above the second best, agreement how far it stands above the common one, each as a share of what is
        possible. NaN with score 0 where there is nothing to see, or no shift within the search stands out.
    """
    levels = max(1, sum(template >> level >= SMALLEST for level in range(len(WEIGHTS))))
    reach = max(search + _AROUND + 1, LEAST_REACH)
    dx, dy, score = np.full(len(centres), np.nan), np.full(len(centres), np.nan), np.zeros(len(centres), np.float32)
    left, top = centres.x - template // 2, centres.y - template // 2
    around = reach + 4 * (1 << (levels - 1))
    for group in _groups(left, top, centres.ox, centres.oy, template + 2 * around):
        own = _part(reference, mask_reference, left[group], top[group], template, 0, levels)
        others_left, others_top = (left + centres.ox)[group], (top + centres.oy)[group]
        other = _part(secondary, mask_secondary, others_left, others_top, template, around, levels)
        for n in range(group.start, group.stop):
            start = int(centres.ox[n]), int(centres.oy[n])
            surfaces = _surfaces(own, other, int(left[n]), int(top[n]), start, template, reach)
            right, down, score[n] = _measure(surfaces, search, _PARABOLOID)
            dx[n], dy[n] = centres.ox[n] + right, centres.oy[n] + down
    return Matches(dx, dy, score)


def similarity(template: Descriptor, window: Descriptor) -> NDArray[np.float32]:
    """How alike a template and each part of a larger window are, over the pixels trusted in both.

    The sum of products divided by the root of both energies (1 = equal). The template's energy counts as at least
    half of its whole, and the window's as at least a quarter of the largest under any shift: shifts at which little is
    seen must not win by chance.

    Args:
        template: of edge t.
        window: of edge w, at least t.

    Returns:
        float32, shape (w - t + 1, w - t + 1), indexed by the row and column of the window where the template begins.
    """
    size = template.energy.shape[0]
    product = _correlate(template.values, window.values)
    whole = float(template.energy.sum())
    seen = np.full_like(product, whole)
    if not window.trusted.all():
        seen = _correlate(template.energy[None], window.trusted[None].astype(np.float32))
    if template.trusted.all():
        under = _box_sums(window.energy, size)
    else:
        under = _correlate(template.trusted[None].astype(np.float32), window.energy[None])
    largest = float(under.max())
    if whole <= 0 or largest <= 0:
        return np.zeros_like(product)
    energy = np.maximum(seen, np.float32(whole / 2)) * np.maximum(under, np.float32(largest / 4))
    alike: NDArray[np.float32] = product / np.sqrt(energy)
    return alike


def _groups(left: Any, top: Any, ox: Any, oy: Any, size: int) -> Iterator[slice]:
    """Runs of centres whose windows cost less to transform together than one by one."""
    columns, rows = np.stack([left, left + ox]), np.stack([top, top + oy])
    start = 0
    for end in range(1, left.size + 1):
        if end < left.size:
            members = slice(start, end + 1)
            widths, heights = (np.ptp(values[:, members], axis=1) + size for values in (columns, rows))
            if (widths * heights).max() <= (end + 1 - start) * size * size:
                continue
        yield slice(start, end)
        start = end


def _part(
    image: Image, mask: Mask | None, left: Any, top: Any, template: int, around: int, levels: int
) -> tuple[Harmonics, ...]:
    return harmonics(
        image,
        mask,
        left=int(left.min()) - around,
        top=int(top.min()) - around,
        right=int(left.max()) + template + around,
        bottom=int(top.max()) + template + around,
        levels=levels,
    )


def _surfaces(
    own: tuple[Harmonics, ...],
    other: tuple[Harmonics, ...],
    left: int,
    top: int,
    start: tuple[int, int],
    template: int,
    reach: int,
) -> NDArray[np.float32]:
    """Similarity at each level, (level, row, column), at whole shifts of up to ``reach`` from the start."""
    surfaces = np.zeros((len(own), 2 * reach + 1, 2 * reach + 1), np.float32)
    for level, (here, there) in enumerate(zip(own, other, strict=True)):
        pixel = 1 << level
        size, beyond = template // pixel, -(-reach // pixel) + (2 if level else 0)
        first_x, first_y = (left + pixel // 2) // pixel, (top + pixel // 2) // pixel
        to_right, down = start[0] // pixel, start[1] // pixel
        alike = similarity(
            here.descriptor(first_x, first_y, size),
            there.descriptor(first_x + to_right - beyond, first_y + down - beyond, size + 2 * beyond),
        )
        if level:
            _enlarge(alike, pixel, start[0] % pixel, start[1] % pixel, beyond, surfaces[level])
        else:
            surfaces[level] = alike
    return surfaces


def _correlate(template: NDArray[np.float32], window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums of products at every shift, added up over the planes, each of which is transformed in two dimensions."""
    shifts = window.shape[-1] - template.shape[-1] + 1
    length = fft.next_fast_len(window.shape[-1], real=True)
    one, two = (
        fft.fft(fft.rfft(planes, length, axis=-1), length, axis=-2, overwrite_x=True) for planes in (template, window)
    )
    product = np.empty(one.shape[1:], np.complex64)
    _multiply(one, two, product)
    rows = fft.ifft(product, axis=-2, overwrite_x=True)[:shifts]
    found: NDArray[np.float32] = fft.irfft(rows, length, axis=-1)[:, :shifts]
    return found


@njit(nogil=True, cache=True)
def _multiply(one, two, product):  # type: ignore[no-untyped-def]
    planes, rows, columns = one.shape
    for i in range(rows):
        for j in range(columns):
            product[i, j] = one[0, i, j].conjugate() * two[0, i, j]
        for plane in range(1, planes):
            for j in range(columns):
                product[i, j] += one[plane, i, j].conjugate() * two[plane, i, j]


@njit(nogil=True, cache=True)
def _box_sums(values, size):  # type: ignore[no-untyped-def]
    """Sums over every square of edge ``size``."""
    shifts = values.shape[0] - size + 1
    sums = np.empty((shifts, shifts), np.float32)
    columns = np.zeros(values.shape[1])
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            columns[j] += values[i, j]
            if i >= size:
                columns[j] -= values[i - size, j]
        if i >= size - 1:
            total = columns[:size].sum()
            sums[i - size + 1, 0] = total
            for j in range(1, shifts):
                total += columns[j + size - 1] - columns[j - 1]
                sums[i - size + 1, j] = total
    return sums


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
def _enlarge(coarse, pixel, over_x, over_y, beyond, surface):  # type: ignore[no-untyped-def]
    """Add the surface of a coarser level, whose start lies ``over`` finer pixels before ours, to an empty one."""
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


def _paraboloid() -> NDArray[np.float64]:
    """Rows that turn 5 x 5 values into x, y, x^2, xy and y^2 terms: least squares with weights exp(-2 x^2 - 2 y^2)."""
    y, x = (axis.ravel().astype(np.float64) for axis in np.mgrid[-_AROUND : _AROUND + 1, -_AROUND : _AROUND + 1])
    weights = np.exp(-2 * (x * x + y * y))
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    solution: NDArray[np.float64] = np.linalg.solve(terms.T @ (weights[:, None] * terms), terms.T * weights)
    return np.ascontiguousarray(solution[1:])


_PARABOLOID = _paraboloid()


@njit(nogil=True, cache=True)
def _measure(surfaces, search, paraboloid):  # type: ignore[no-untyped-def]
    """Columns and rows from the middle to the place of best agreement, and its score; NaN, NaN, 0 if there is none."""
    nothing = np.nan, np.nan, np.float32(0)
    levels, size, _ = surfaces.shape
    reach = size // 2
    surface = _mean(surfaces, _FIRST[:levels])
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
        _, _, xx, _, yy = _fit(surfaces[level], row, column, paraboloid)
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
        gx, gy, xx, xy, yy = _fit(surface, y, x, paraboloid)
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


_STEPS = 4
_FIRST = np.array(WEIGHTS)


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
def _fit(surface, y, x, paraboloid):  # type: ignore[no-untyped-def]
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
                terms[term] += paraboloid[term, i * _SPAN + j] * value
    return terms


@njit(nogil=True, cache=True)
def _lanczos(fraction):  # type: ignore[no-untyped-def]
    """Weights of the pixels -2 to 3 at a fraction between the pixels 0 and 1 (Lanczos, three lobes)."""
    weights = np.sinc(fraction - np.arange(-2, 4)) * np.sinc((fraction - np.arange(-2, 4)) / 3)
    return weights / weights.sum()
