"""Neighbourhood functions of expressions, one pixel at a time in plain Python. NaN is nodata."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterator

import numpy as np


def mirrored(position: int, length: int) -> int:
    """Index inside of an axis for one that may lie outside: d c b a | a b c d | d c b a."""
    position %= 2 * length
    return position if position < length else 2 * length - 1 - position


def around(image: np.ndarray, row: int, col: int, reach: int) -> Iterator[tuple[int, int, float]]:
    """Offsets and value of each pixel of the window around one."""
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            yield dy, dx, float(image[mirrored(row + dy, image.shape[0]), mirrored(col + dx, image.shape[1])])


def median_filter(image: np.ndarray, size: int) -> np.ndarray:
    def one(row, col):
        return statistics.median(v for _, _, v in around(image, row, col, size // 2) if not math.isnan(v))

    return _each_valid(image, one)


def gaussian(image: np.ndarray, sigma: float) -> np.ndarray:
    def one(row, col):
        total = weights = 0.0
        for dy, dx, value in around(image, row, col, int(4 * sigma + 0.5)):
            if not math.isnan(value):
                weight = math.exp(-(dy * dy + dx * dx) / (2 * sigma * sigma))
                total += weight * value
                weights += weight
        return total / weights

    return _each_valid(image, one)


def sobel(image: np.ndarray) -> np.ndarray:
    def one(row, col):
        down = sum(dy * (2 - abs(dx)) * value for dy, dx, value in around(image, row, col, 1))
        across = sum(dx * (2 - abs(dy)) * value for dy, dx, value in around(image, row, col, 1))
        return math.hypot(down, across)  # NaN * 0 is NaN: one missing neighbour is enough

    return _each_valid(image, one)


def label(mask: np.ndarray) -> np.ndarray:
    numbers = np.where(np.isnan(mask), np.nan, 0.0)
    count = 0
    for start in zip(*np.nonzero(_true(mask)), strict=True):
        if numbers[start] == 0:
            count += 1
            for place in _flood(_true(mask), [start]):
                numbers[place] = count
    return numbers


def fill_holes(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    edge = [(r, c) for r in range(height) for c in range(width) if r in (0, height - 1) or c in (0, width - 1)]
    filled = np.where(np.isnan(mask), np.nan, 1.0)
    for place in _flood(~_true(mask), [place for place in edge if not _true(mask)[place]]):
        if not np.isnan(filled[place]):
            filled[place] = 0
    return filled


def _each_valid(image, one):
    return np.array(
        [
            [math.nan if math.isnan(image[row, col]) else one(row, col) for col in range(image.shape[1])]
            for row in range(image.shape[0])
        ]
    )


def _true(mask):
    return ~np.isnan(mask) & (mask != 0)


def _flood(free, starts):
    found = set(starts)
    queue = deque(starts)
    while queue:
        row, col = queue.popleft()
        for near in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            inside = 0 <= near[0] < free.shape[0] and 0 <= near[1] < free.shape[1]
            if inside and free[near] and near not in found:
                found.add(near)
                queue.append(near)
    return found
