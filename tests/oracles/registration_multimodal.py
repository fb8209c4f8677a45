"""Slow, obvious harmonics of the gradient and their similarity at every shift, in float64.

Not here: anything fast, or anything imported from the code under test.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def halved(image: Array, usable: Mask) -> tuple[Array, Mask]:
    """Half the size of an image of even size: weights 1 3 3 1 over what is usable, if that is half of the weight."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    values, known = np.zeros((height, width)), np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            total = weights = 0.0
            for down, one in zip((-1, 0, 1, 2), (1, 3, 3, 1), strict=True):
                for right, two in zip((-1, 0, 1, 2), (1, 3, 3, 1), strict=True):
                    y, x = 2 * row + down, 2 * column + right
                    if 0 <= y < image.shape[0] and 0 <= x < image.shape[1] and usable[y, x]:
                        total += one * two * image[y, x]
                        weights += one * two
            if weights >= 32:
                values[row, column], known[row, column] = total / weights, True
    return values, known


def channels(image: Array, usable: Mask) -> tuple[NDArray[np.complex128], Mask]:
    """0.3 |z|, 0.96 |z| u^2 and 0.48 |z| u^4 (3, y, x), smoothed by a Gaussian of 0.8 pixels; and where to trust it."""
    height, width = image.shape
    sharp, trusted = np.zeros((3, height, width), complex), np.zeros((height, width), bool)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if not usable[y - 1 : y + 2, x - 1 : x + 2].all():
                continue
            trusted[y, x] = True
            window = image[y - 1 : y + 2, x - 1 : x + 2]
            gx = np.array([3, 10, 3]) @ (window[:, 2] - window[:, 0]) / 32
            gy = np.array([3, 10, 3]) @ (window[2] - window[0]) / 32
            angle, magnitude = np.arctan2(gy, gx), np.hypot(gx, gy)
            sharp[:, y, x] = magnitude * np.array([0.3, 0.96 * np.exp(2j * angle), 0.48 * np.exp(4j * angle)])
    weights = np.exp(-0.5 * (np.arange(-3, 4) / 0.8) ** 2)
    weights /= weights.sum()
    padded = np.pad(sharp, ((0, 0), (3, 3), (3, 3)))
    smooth = np.zeros_like(sharp)
    for down in range(7):
        for right in range(7):
            smooth += weights[down] * weights[right] * padded[:, down : down + height, right : right + width]
    return np.where(trusted, smooth, 0), trusted


def normalised(values: NDArray[np.complex128], trusted: Mask) -> NDArray[np.complex128]:
    """Channels of a window over their norm, whose floor is 0.6 of the median magnitude of every third pixel."""
    floor = 2 * np.median(values[0].real[::3, ::3][trusted[::3, ::3]]) if trusted[::3, ::3].any() else 0.0
    norm = np.sqrt((np.abs(values) ** 2).sum(axis=0) + floor**2)
    return values / np.where(norm > 0, norm, 1)


def similarity(
    template: NDArray[np.complex128], trusted_t: Mask, window: NDArray[np.complex128], trusted_w: Mask
) -> Array:
    """Sum of products over the root of both energies where both are trusted, for every place of the template."""
    size = trusted_t.shape[0]
    shifts = trusted_w.shape[0] - size + 1
    products, own, under = (np.zeros((shifts, shifts)) for _ in range(3))
    for down in range(shifts):
        for right in range(shifts):
            part = window[:, down : down + size, right : right + size]
            both = trusted_t & trusted_w[down : down + size, right : right + size]
            products[down, right] = ((template * part.conj()).real * both).sum()
            own[down, right] = (np.abs(template) ** 2 * both).sum()
            under[down, right] = (np.abs(part) ** 2 * both).sum()
    whole = (np.abs(template) ** 2).sum()
    if whole == 0 or under.max() == 0:
        return np.zeros((shifts, shifts))
    return products / np.sqrt(np.maximum(own, whole / 2) * np.maximum(under, under.max() / 4))
