"""Even angular harmonics of the gradient: what two sensors have in common where their grey values have nothing.

Belongs here: maps of the harmonics of a part of an image at several scales, and the descriptors of windows made from
them. Not here: comparing descriptors (``multimodal``), or where windows lie (``windows``).

With the gradient z = gx + i gy and u = z / |z|, the channels |z|, |z| u^2 and |z| u^4 are the leading even Fourier
terms of |z| |cos(theta - arg z)|, the response of an edge filter of direction theta. u^2 and u^4 do not change when z
turns into -z, so a light field on dark ground looks like a dark one on light ground. The channels are smoothed and
divided by their common norm at each pixel, which takes out how strong an edge is. Forebears: orientation correlation
(Fitch et al., BMVC 2002) and normalised gradient fields (Haber & Modersitzki, MICCAI 2006).

The norm has a floor in proportion to the median magnitude of the window. Without it the noise of a flat field would
count as much as a hedge, and speckle would drown everything.

Level n of the pyramid has pixels of 2^n x 2^n pixels of the image, on a lattice that starts at its upper left corner.
No value depends on which part of the image was asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

CHANNELS = 5
"""|z|, and the real and imaginary parts of |z| u^2 and |z| u^4."""
FIRST = np.float32(0.3)
"""Weight of |z|: how strong an edge is means little to another sensor."""
SECOND = np.float32(0.96)
"""Weight of |z| u^2."""
FOURTH = np.float32(0.48)
"""Weight of |z| u^4."""
SIGMA = 0.8
"""Standard deviation of the Gaussian that smooths the channels, pixels."""
FLOOR = 0.6
"""Floor of the norm, as a share of the median of |z| in a window."""

_RADIUS = 3
_MARGIN = _RADIUS + 2
_BAND = 32
_STEEPEST = np.float32(1e36)
_TAPS = np.exp(-0.5 * (np.arange(_RADIUS + 1) / SIGMA) ** 2).astype(np.float32)
_TAPS /= _TAPS[0] + 2 * _TAPS[1:].sum()


@dataclass(frozen=True, slots=True, eq=False)
class Harmonics:
    """Smoothed channels of a part of an image at one level of its pyramid.

    Attributes:
        left: column of the first pixel, in pixels of this level.
        top: its row.
        channels: float32, shape (CHANNELS, height, width), in units of the image per pixel; 0 where not trusted.
        trusted: bool, shape (height, width): the pixel and its eight neighbours are usable.
    """

    left: int
    top: int
    channels: NDArray[np.float32]
    trusted: NDArray[np.bool_]

    def descriptor(self, left: int, top: int, size: int) -> Descriptor:
        """The descriptor of a square window inside this part, its corner given in pixels of this level."""
        rows, columns = (slice(start, start + size) for start in (top - self.top, left - self.left))
        trusted = self.trusted[rows, columns]
        values = np.empty((CHANNELS, size, size), np.float32)
        energy = np.empty((size, size), np.float32)
        _normalise(self.channels[:, rows, columns], trusted, values, energy)
        return Descriptor(values, energy, trusted)


@dataclass(frozen=True, slots=True, eq=False)
class Descriptor:
    """What a square window looks like, whatever the sensor.

    Attributes:
        values: float32, shape (CHANNELS, size, size), without unit.
        energy: squared norm of the channels of each pixel, float32, shape (size, size), 0 to 1.
        trusted: bool, shape (size, size); values and energy are 0 where it is False.
    """

    values: NDArray[np.float32]
    energy: NDArray[np.float32]
    trusted: NDArray[np.bool_]


def harmonics(
    image: NDArray[Any], mask: NDArray[np.bool_] | None, *, left: int, top: int, right: int, bottom: int, levels: int
) -> tuple[Harmonics, ...]:
    """Maps of the columns ``left`` to ``right`` and rows ``top`` to ``bottom`` of an image (ends excluded).

    Args:
        image: 2-D, any real dtype.
        mask: bool of the same shape, True where usable; None means everywhere. What is not finite is never usable.
        left: first column; the part may reach outside the image, where nothing is trusted.
        top: first row.
        right: column after the last.
        bottom: row after the last.
        levels: how many levels of the pyramid, finest first.

    Returns:
        One map a level, each of at least the part asked for.
    """
    coarsest = 1 << (levels - 1)
    margin = _MARGIN * coarsest
    left, top = (start // coarsest * coarsest - margin for start in (left, top))
    right, bottom = (-(-end // coarsest) * coarsest + margin for end in (right, bottom))
    values = _load(image, mask, left, top, right, bottom)
    found = []
    for level in range(levels):
        if level:
            values = _halve(values)
        spare = (margin >> level) - _RADIUS - 1
        inner = values[spare : values.shape[0] - spare, spare : values.shape[1] - spare]
        height, width = (length - 2 * (_RADIUS + 1) for length in inner.shape)
        channels = np.empty((CHANNELS, height, width), np.float32)
        trusted = np.empty((height, width), np.bool_)
        _transform(inner, _TAPS, channels, trusted)
        inset = margin >> level
        found.append(Harmonics((left >> level) + inset, (top >> level) + inset, channels, trusted))
    return tuple(found)


def _load(
    image: NDArray[Any], mask: NDArray[np.bool_] | None, left: int, top: int, right: int, bottom: int
) -> NDArray[np.float32]:
    """The part of an image as float32, NaN where nothing is usable."""
    values = np.full((bottom - top, right - left), np.nan, np.float32)
    inside = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
    part = image[inside]
    if part.size:
        row, column = max(-top, 0), max(-left, 0)
        within = values[row : row + part.shape[0], column : column + part.shape[1]]
        with np.errstate(over="ignore"):
            within[...] = part
        if mask is not None:
            within[~mask[inside]] = np.nan
    return values


@njit(nogil=True, cache=True, error_model="numpy")
def _halve(fine):  # type: ignore[no-untyped-def]
    """Half the size: weights 1 3 3 1 along each axis, over what is usable if that is at least half of the weight."""
    height, width = fine.shape[0] // 2, fine.shape[1] // 2
    coarse = np.empty((height, width), np.float32)
    # Down the columns first, with an unusable column at either end.
    totals, weights = np.zeros(2 * width + 2, np.float32), np.zeros(2 * width + 2, np.float32)
    for i in range(height):
        totals[:] = 0
        weights[:] = 0
        for m in range(max(2 * i - 1, 0), min(2 * i + 3, fine.shape[0])):
            line = fine[m]
            weight = np.float32(3 if 2 * i <= m <= 2 * i + 1 else 1)
            for j in range(2 * width):
                known = abs(line[j]) < np.float32(np.inf)
                totals[j + 1] += weight * line[j] if known else np.float32(0)
                weights[j + 1] += weight if known else np.float32(0)
        for j in range(width):
            k = 2 * j
            total = totals[k] + totals[k + 3] + np.float32(3) * (totals[k + 1] + totals[k + 2])
            weight = weights[k] + weights[k + 3] + np.float32(3) * (weights[k + 1] + weights[k + 2])
            coarse[i, j] = total / weight if weight >= np.float32(32) else np.float32(np.nan)
    return coarse


@njit(nogil=True, cache=True, error_model="numpy")
def _transform(values, taps, channels, trusted):  # type: ignore[no-untyped-def]
    """Channels of the values without their outer four pixels, band by band to stay in the cache."""
    height, width = trusted.shape
    wide = width + 2 * _RADIUS
    sharp = np.empty((CHANNELS, _BAND + 2 * _RADIUS, wide), np.float32)
    partly = np.empty((_BAND + 2 * _RADIUS, width), np.float32)
    for start in range(0, height, _BAND):
        rows = min(_BAND, height - start)
        for i in range(rows + 2 * _RADIUS):
            _channels(values[start + i], values[start + i + 1], values[start + i + 2], sharp[:, i])
        for i in range(rows):
            # Scharr's two filters leave out the pixel in the middle; its own value asks for itself.
            above, here, below = values[start + i + _RADIUS : start + i + _RADIUS + 3]
            for j in range(width):
                k = j + _RADIUS
                around = above[k] + above[k + 1] + above[k + 2] + here[k] + here[k + 1] + here[k + 2]
                around += below[k] + below[k + 1] + below[k + 2]
                trusted[start + i, j] = np.isfinite(around)
        for channel in range(CHANNELS):
            for i in range(rows + 2 * _RADIUS):
                line = sharp[channel, i]
                for j in range(width):
                    partly[i, j] = (
                        taps[0] * line[j + 3]
                        + taps[1] * (line[j + 2] + line[j + 4])
                        + taps[2] * (line[j + 1] + line[j + 5])
                        + taps[3] * (line[j] + line[j + 6])
                    )
            for i in range(rows):
                out, good = channels[channel, start + i], trusted[start + i]
                for j in range(width):
                    smooth = (
                        taps[0] * partly[i + 3, j]
                        + taps[1] * (partly[i + 2, j] + partly[i + 4, j])
                        + taps[2] * (partly[i + 1, j] + partly[i + 5, j])
                        + taps[3] * (partly[i, j] + partly[i + 6, j])
                    )
                    out[j] = smooth if good[j] else np.float32(0)


@njit(nogil=True, cache=True, error_model="numpy")
def _channels(above, here, below, out):  # type: ignore[no-untyped-def]
    """Harmonics of the gradient by Scharr's filters along one row; 0 where a neighbour is not usable."""
    zero, two = np.float32(0), np.float32(2)
    near, far = np.float32(10 / 32), np.float32(3 / 32)
    for j in range(out.shape[1]):
        gx = near * (here[j + 2] - here[j]) + far * (above[j + 2] - above[j] + below[j + 2] - below[j])
        gy = near * (below[j + 1] - above[j + 1]) + far * (below[j] - above[j] + below[j + 2] - above[j + 2])
        square = gx * gx + gy * gy + zero * here[j + 1]
        known = square > zero and square < _STEEPEST
        magnitude = math.sqrt(square) if known else np.float32(1)
        inverse = np.float32(1) / magnitude
        real, imaginary = (gx * gx - gy * gy) * inverse, two * gx * gy * inverse
        out[0, j] = FIRST * magnitude if known else zero
        out[1, j] = SECOND * real if known else zero
        out[2, j] = SECOND * imaginary if known else zero
        out[3, j] = FOURTH * (real * real - imaginary * imaginary) * inverse if known else zero
        out[4, j] = FOURTH * two * real * imaginary * inverse if known else zero


@njit(nogil=True, cache=True, error_model="numpy")
def _normalise(channels, trusted, values, energy):  # type: ignore[no-untyped-def]
    height, width = trusted.shape
    # Every third pixel each way tells the median well enough: the channels are smooth.
    sample = np.empty(-(-height // 3) * -(-width // 3), np.float32)
    count = 0
    for i in range(0, height, 3):
        for j in range(0, width, 3):
            if trusted[i, j]:
                sample[count] = channels[0, i, j]
                count += 1
    floor = np.float32(FLOOR / FIRST * np.median(sample[:count])) ** 2 if count else np.float32(0)
    for i in range(height):
        for j in range(width):
            square = np.float32(0)
            for channel in range(CHANNELS):
                square += channels[channel, i, j] ** 2
            raised = square + floor
            inverse = np.float32(1) / math.sqrt(raised) if raised > 0 else np.float32(0)
            for channel in range(CHANNELS):
                values[channel, i, j] = channels[channel, i, j] * inverse
            energy[i, j] = square * inverse * inverse
