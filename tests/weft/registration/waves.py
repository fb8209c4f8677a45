"""A landscape that is known between its pixels too: a sum of plane waves, so that any warp of it is exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weft.registration import TiePoints


class Waves:
    """Random plane waves of up to 0.35 cycles a pixel, the power of which falls as that of landscapes does."""

    def __init__(self, seed: int, count: int = 400) -> None:
        rng = np.random.default_rng(seed)
        frequency = np.exp(rng.uniform(np.log(0.01), np.log(0.35), count))
        direction = rng.uniform(0, np.pi, count)
        self._across = 2 * np.pi * frequency * np.cos(direction)
        self._down = 2 * np.pi * frequency * np.sin(direction)
        self._phase = rng.uniform(0, 2 * np.pi, count)
        self._height = 300 * (frequency / 0.01) ** -0.5 * np.sqrt(2 / count) * 4

    def image(self, shape: tuple[int, int], dx: float = 0.0, dy: float = 0.0) -> NDArray[np.float64]:
        """The landscape moved by (dx, dy): what another image shows at (x, y), this one shows at (x + dx, y + dy)."""
        rows, columns = (np.arange(length)[:, None] - moved for length, moved in zip(shape, (dy, dx), strict=True))
        along_rows = np.exp(1j * rows * self._down) * self._height
        along_columns = np.exp(1j * (columns * self._across + self._phase))
        return 3000 + (along_rows @ along_columns.T).real

    def at(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Values at any places."""
        x, y = np.asarray(x, float), np.asarray(y, float)
        total = np.full(x.shape, 3000.0)
        waves = zip(self._across, self._down, self._phase, self._height, strict=True)
        for across, down, phase, height in waves:
            total += height * np.cos(across * x + down * y + phase)
        return total


def seen(values: NDArray[np.float64], seed: int, gain: float = 0.9, noise: float = 40.0) -> NDArray[np.uint16]:
    """The same through another sensor: gain, offset, noise, whole numbers."""
    noisy = gain * values + 100 + np.random.default_rng(seed).normal(0, noise, values.shape)
    return np.clip(np.round(noisy), 0, 65535).astype(np.uint16)


def rmse(points: TiePoints, dx: ArrayLike, dy: ArrayLike) -> float:
    """Root mean square length of the errors of tie points, pixels."""
    return float(np.sqrt(np.mean((points.dx - dx) ** 2 + (points.dy - dy) ** 2)))
