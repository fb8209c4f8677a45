"""Tie points on a real Sentinel-2 image that was warped by Fourier shift and by splines of order five."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from tests.weft.registration.waves import rmse, seen
from weft.registration import tie_points

SHIFT = 2.37, -1.62
ROWS, COLUMNS = slice(9, 9 + 1080), slice(12, 12 + 1074)


@pytest.fixture(scope="module")
def image(shared_data: Path) -> NDArray[np.float64]:
    with rasterio.open(shared_data / "s2-l2a-fulltile-29RKH" / "B04.tif") as dataset:
        return dataset.read(1).astype(np.float64)


def shifted(image: NDArray[np.float64], dx: float, dy: float, margin: int = 64) -> NDArray[np.float64]:
    """Exact for what is band-limited; the margin keeps the other edge away."""
    wide = np.pad(image, margin, mode="symmetric")
    turn = np.fft.fftfreq(wide.shape[0])[:, None] * dy + np.fft.rfftfreq(wide.shape[1]) * dx
    moved = np.fft.irfft2(np.fft.rfft2(wide) * np.exp(-2j * np.pi * turn), wide.shape)
    return moved[margin:-margin, margin:-margin]


def test_a_constant_shift(image: NDArray[np.float64]) -> None:
    """AROSICS: 0.028 px per point with the same windows, and 0.02 px for the whole."""
    reference = image[ROWS, COLUMNS].astype(np.uint16)
    secondary = seen(shifted(image, *SHIFT)[ROWS, COLUMNS], seed=1, gain=0.9, noise=40)
    points = tie_points(reference, secondary, method="cross_corr", template=256, search=8, spacing=80)
    assert len(points) == 14 * 13
    assert rmse(points, *SHIFT) <= 0.02
    assert abs(np.median(points.dx) - SHIFT[0]) <= 0.005
    assert abs(np.median(points.dy) - SHIFT[1]) <= 0.005


def test_a_smooth_deformation(image: NDArray[np.float64]) -> None:
    """AROSICS: 0.27 px."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(float)
    dx = 2 * np.sin(2 * np.pi * y / 600) * np.cos(1.4 * np.pi * x / 600)
    dy = 2 * np.cos(2 * np.pi * x / 600) * np.sin(1.6 * np.pi * y / 600 + 1)
    reference = ndimage.map_coordinates(image, [y + dy, x + dx], order=5, mode="mirror")[ROWS, COLUMNS]
    secondary = seen(image[ROWS, COLUMNS], seed=1, gain=0.9, noise=40)
    points = tie_points(
        reference.round().astype(np.uint16), secondary, method="cross_corr", template=64, search=6, spacing=50
    )
    at = points.y.astype(int), points.x.astype(int)
    assert len(points) >= 450
    assert rmse(points, dx[ROWS, COLUMNS][at], dy[ROWS, COLUMNS][at]) <= 0.04


def test_the_same_image_turned_around_is_another_place(image: NDArray[np.float64]) -> None:
    reference = image[ROWS, COLUMNS].astype(np.uint16)
    points = tie_points(
        reference, np.ascontiguousarray(reference[::-1, ::-1]), method="cross_corr", template=128, search=10, spacing=80
    )
    assert len(points) < 0.15 * 14 * 13
    assert len(points) == 0 or np.quantile(points.score, 0.9) < 0.25
