"""Images for registration: textures, the same place seen by another sensor, and pairs that have nothing in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Image = NDArray[np.float32]


def texture(seed: int, size: int = 256, slope: float = 1.5) -> Image:
    """Noise whose spectrum falls with the power ``slope`` of the frequency, as that of landscapes does."""
    white = np.fft.fft2(np.random.default_rng(seed).normal(size=(size, size)))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    frequency[0, 0] = 1
    image = np.fft.ifft2(white * frequency**-slope).real
    return (1000 + 200 * image / image.std()).astype(np.float32)


def fields(seed: int, size: int = 256) -> Image:
    """Parcels of even brightness."""
    rng = np.random.default_rng(seed)
    seeds, levels = rng.uniform(0, size, (2, size // 3)), rng.uniform(200, 2000, size // 3)
    y, x = np.mgrid[:size, :size]
    nearest = ((y[..., None] - seeds[0]) ** 2 + (x[..., None] - seeds[1]) ** 2).argmin(axis=-1)
    return gaussian_filter(levels[nearest] + rng.normal(0, 20, (size, size)), 0.7).astype(np.float32)


def moved(image: Image, dx: NDArray[np.float64] | float, dy: NDArray[np.float64] | float) -> Image:
    """What shows at (x + dx, y + dy) what ``image`` shows at (x, y), for displacements that change slowly."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(float)
    return map_coordinates(image, [y - dy, x - dx], order=5, mode="mirror").astype(np.float32)


def other_sensor(image: Image, seed: int = 9) -> Image:
    """Contrast that is reversed in places, squeezed, and speckled."""
    rng = np.random.default_rng(seed)
    scaled = (image - image.mean()) / image.std()
    return (50 * np.abs(scaled - 0.3) ** 0.7 * rng.gamma(12, 1 / 12, image.shape)).astype(np.float32)


@dataclass(frozen=True)
class Strangers:
    """Two images that have nothing in common, or nothing that tells where."""

    kind: str
    reference: Image
    secondary: Image


def strangers(size: int, seeds: range) -> Iterator[Strangers]:
    """Seventeen kinds for each seed."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        one, two = texture(2 * seed, size), texture(2 * seed + 1, size)
        flat = np.full((size, size), 1000, np.float32)
        for slope in (1.0, 2.0):
            yield Strangers(f"spectrum {slope}", texture(2 * seed, size, slope), texture(2 * seed + 1, size, slope))
        yield Strangers("noise", *(rng.normal(0, 1, (2, size, size)).astype(np.float32)))
        yield Strangers("parcels", fields(2 * seed, size), fields(2 * seed + 1, size))
        yield Strangers("upside down", one, one[::-1].copy())
        yield Strangers("mirrored", one, one[:, ::-1].copy())
        yield Strangers("turned", one, np.rot90(one).copy())
        yield Strangers("turned twice", one, np.rot90(one, 2).copy())
        yield Strangers("constants", flat, flat)
        yield Strangers("constant and texture", flat, one)
        hole = np.s_[size // 3 : size // 2, size // 3 : size // 2]
        holed, also = one.copy(), two.copy()
        holed[hole] = also[hole] = 0
        yield Strangers("the same hole", holed, also)
        yield Strangers("few grey values", np.round(one / 300) * 300, np.round(two / 300) * 300)
        stripes = ((np.arange(size) % 8 == 0) * 300).astype(np.float32)
        yield Strangers("the same stripes", one + stripes, two + stripes)
        yield from _periodic(rng, one, two, size)


def _periodic(rng: np.random.Generator, one: Image, two: Image, size: int) -> Iterator[Strangers]:
    y, x = np.mgrid[:size, :size]
    period, angle, (first, second) = rng.uniform(6, 24), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 2)
    across = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period

    def waves(phase: float) -> Image:
        return (1000 * np.sin(across + phase)).astype(np.float32)

    def grid(phase: float) -> Image:
        both = np.sin(2 * np.pi * x / period + phase) + np.sin(2 * np.pi * y / period + phase)
        return (1000 * both).astype(np.float32)

    yield Strangers("waves", waves(first), waves(second))
    yield Strangers("waves on land", waves(first) + one / 2, waves(second) + two / 2)
    yield Strangers("grid", grid(first), grid(second))
    yield Strangers("grid on land", grid(first) + one / 2, grid(second) + two / 2)
