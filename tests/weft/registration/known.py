"""Tie points of displacements that are known, with noise and with matches that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weft.registration.points import Floats, Mask, TiePoints

SHAPE = (1000, 1100)


@dataclass(frozen=True)
class Known:
    """Points, which of them are right, and the truth."""

    points: TiePoints
    right: Mask
    truth: Callable[[Floats, Floats], tuple[Floats, Floats]]

    def error(self, found: object) -> Floats:
        """Lengths of the error of a displacement all over the grid, in pixels, but for the outermost 2 %."""
        y, x = np.mgrid[20:980:16.0, 22:1078:16.0]
        dx, dy = found.at(x, y)  # type: ignore[attr-defined]
        right_x, right_y = self.truth(x, y)
        return np.hypot(dx - right_x, dy - right_y)


def shift(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    return 2.37 + 0 * x, -1.62 + 0 * y


def affine(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    return 2 + 0.01 * x - 0.004 * y, -1 + 0.012 * x + 0.006 * y


def cubic(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    u, v = x / 550 - 1, y / 500 - 1
    return 2 + 3 * u**3 - u * v, -1 + 2 * v**2 * u + v


def smooth(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    return 2 * np.sin(x / 80) * np.cos(y / 90), 2 * np.cos(x / 100 + y / 120)


def known(
    truth: Callable[[Floats, Floats], tuple[Floats, Floats]],
    *,
    noise: float = 0.03,
    wrong: float = 0.4,
    spacing: int = 25,
    search: float = 20,
    seed: int = 1,
) -> Known:
    """A grid of points with normal noise per axis, ``wrong`` of them anywhere within the search."""
    rng = np.random.default_rng(seed)
    y, x = (at.ravel().astype(float) for at in np.mgrid[10 : SHAPE[0] : spacing, 10 : SHAPE[1] : spacing])
    dx, dy = truth(x, y)
    is_wrong = rng.random(x.size) < wrong
    moves = np.stack([dx, dy]) + rng.normal(0, noise, (2, x.size))
    moves[:, is_wrong] = rng.uniform(-search, search, (2, x.size))[:, is_wrong]
    return Known(TiePoints(x, y, *moves, np.ones(x.size, np.float32), np.ones(x.size, bool)), ~is_wrong, truth)
