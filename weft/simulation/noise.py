"""Repeatable randomness in space: every value is a pure function of a seed and a position.

Belongs here: the integer hash, gradient noise and normal deviates, compiled, callable from other kernels. Not here:
what the noise stands for. Nothing keeps state, so blocks may be computed in any order, by any thread, in any division.
"""

from __future__ import annotations

import hashlib
import math

import numba
import numpy as np
import numpy.typing as npt

_U16 = np.uint64(0xFFFF)
_SHIFT_16, _SHIFT_32, _SHIFT_48 = np.uint64(16), np.uint64(32), np.uint64(48)
_SHIFT_27, _SHIFT_30, _SHIFT_31 = np.uint64(27), np.uint64(30), np.uint64(31)
_ODD_X, _ODD_Y = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
# Standard deviation of the gradient noise below, measured once over a million points.
_GRADIENT_DEVIATION = 0.1761


def seed_of(seed: int, *names: str | int) -> np.uint64:
    """Independent 64-bit seed for one named purpose."""
    text = "/".join([str(seed), *map(str, names)])
    return np.uint64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def uniform_of(seed: int, *names: str | int) -> float:
    """One number in [0, 1) for one named purpose."""
    return float(int(seed_of(seed, *names)) >> 11) / float(1 << 53)


def octaves(wavelength: float, finest: float) -> int:
    """How many halvings of ``wavelength`` stay at or above ``finest``, counting the first; at least one."""
    return max(1, math.floor(math.log2(wavelength / finest)) + 1)


@numba.njit(nogil=True, cache=True)
def hash_cell(column: int, row: int, seed: np.uint64) -> np.uint64:
    """64 well mixed bits of an integer lattice point (the finaliser of SplitMix64, Steele et al. 2014)."""
    bits = seed ^ (np.uint64(column) * _ODD_X)
    bits = (bits ^ (bits >> _SHIFT_32)) * _ODD_Y
    bits ^= np.uint64(row) * _MIX_2
    bits = (bits ^ (bits >> _SHIFT_30)) * _MIX_1
    bits = (bits ^ (bits >> _SHIFT_27)) * _MIX_2
    return bits ^ (bits >> _SHIFT_31)


@numba.njit(nogil=True, cache=True)
def unit(bits: np.uint64, part: int) -> float:
    """One of four independent numbers in [0, 1) held by a hash; ``part`` is 0 to 3."""
    return float((bits >> np.uint64(16 * part)) & _U16) / 65536.0


@numba.njit(nogil=True, cache=True)
def normal(column: int, row: int, seed: np.uint64) -> float:
    """Nearly normal deviate, mean 0, deviation 1, bounded by 3.5: sum of four uniform numbers (Irwin-Hall)."""
    bits = hash_cell(column, row, seed)
    total = (bits & _U16) + ((bits >> _SHIFT_16) & _U16) + ((bits >> _SHIFT_32) & _U16) + (bits >> _SHIFT_48)
    return (float(total) / 65536.0 - 2.0) * 1.7320508


@numba.njit(nogil=True, cache=True)
def _slope(column: int, row: int, dx: float, dy: float, seed: np.uint64) -> float:
    bits = hash_cell(column, row, seed)
    return (unit(bits, 0) * 2.0 - 1.0) * dx + (unit(bits, 1) * 2.0 - 1.0) * dy


@numba.njit(nogil=True, cache=True)
def gradient_noise(x: float, y: float, seed: np.uint64) -> float:
    """Smooth noise of wavelength 1 (Perlin 2002: random slopes, quintic fade), mean 0, deviation about 1."""
    column, row = math.floor(x), math.floor(y)
    dx, dy = x - column, y - row
    fade_x = dx * dx * dx * (dx * (dx * 6.0 - 15.0) + 10.0)
    fade_y = dy * dy * dy * (dy * (dy * 6.0 - 15.0) + 10.0)
    column, row = int(column), int(row)
    low = _slope(column, row, dx, dy, seed)
    low += fade_x * (_slope(column + 1, row, dx - 1.0, dy, seed) - low)
    high = _slope(column, row + 1, dx, dy - 1.0, seed)
    high += fade_x * (_slope(column + 1, row + 1, dx - 1.0, dy - 1.0, seed) - high)
    return (low + fade_y * (high - low)) / _GRADIENT_DEVIATION


@numba.njit(nogil=True, cache=True)
def fractal_noise(x: float, y: float, seed: np.uint64, wavelength: float, count: int, persistence: float) -> float:
    """Sum of ``count`` octaves of gradient noise from ``wavelength`` down, each ``persistence`` times the last."""
    total, squares, weight, frequency = 0.0, 0.0, 1.0, 1.0 / wavelength
    for octave in range(count):
        # Each octave is shifted, or all of them would be zero at the same lattice points.
        shift = 0.37 * octave
        total += weight * gradient_noise(x * frequency + shift, y * frequency - shift, seed + np.uint64(octave))
        squares += weight * weight
        weight *= persistence
        frequency *= 2.0
    return total / math.sqrt(squares)


@numba.njit(nogil=True, cache=True)
def step(low: float, high: float, value: float) -> float:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


@numba.njit(nogil=True, cache=True)
def fractal_field(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    seed: np.uint64,
    wavelength: float,
    count: int,
    persistence: float,
) -> npt.NDArray[np.float32]:
    """:func:`fractal_noise` at the positions of two arrays (y, x)."""
    field = np.empty(x.shape, np.float32)
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            field[row, column] = fractal_noise(x[row, column], y[row, column], seed, wavelength, count, persistence)
    return field
