"""Matching windows of unlike sensors (optical, radar, thermal) by the directions of their edges.

Belongs here: the similarity of two descriptors at every shift, and the matcher. Not here: the descriptors
(``harmonics``), the peak of a similarity (``peaks``), where windows lie (``windows``), threads (``tie_points``).

Windows lie on a regular grid. Each channel of a descriptor is correlated by a 2-D Fourier transform of its own; the sum
over the channels is divided by the energies under the template at each shift, which box sums give, or further
correlations where pixels are masked. Coarser levels of the pyramid, which noise disturbs less, are compared likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft

from weft.registration.harmonics import Descriptor, Harmonics, harmonics
from weft.registration.peaks import enlarge, measure
from weft.registration.windows import Centres, Image, Mask, Matches

WEIGHTS = (1.0, 0.5, 0.25)
"""Weight of each level of the pyramid when the highest point is looked for, finest first."""
SMALLEST = 12
"""Levels at which the template would be smaller than this are left out, pixels."""
LEAST_REACH = 12
"""Shifts are looked at this far along each axis, however small the search, to know how a wrong one looks; pixels."""

_FIRST = np.array(WEIGHTS)


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
        possible. NaN with score 0 where there is nothing to see, where the best shift lies beyond the search, or
        where its expected error is larger than :data:`weft.registration.peaks.LARGEST_ERROR`.
    """
    levels = max(1, sum(template >> level >= SMALLEST for level in range(len(WEIGHTS))))
    reach = max(search + 1, LEAST_REACH)
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
            right, down, score[n] = measure(surfaces, search, _FIRST)
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
            enlarge(alike, pixel, start[0] % pixel, start[1] % pixel, beyond, surfaces[level])
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
