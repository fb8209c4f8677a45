"""Real pairs of unlike sensors whose displacement is known: blue and thermal, optical and radar, two satellites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from weft.registration.points import TiePoints
from weft.registration.tie_points import tie_points

Image = NDArray[np.float32]


def bands(path: Path) -> Image:
    with rasterio.open(path) as raster:
        return raster.read().astype(np.float32)


def fit(points: TiePoints, shape: tuple[int, int], template: int) -> TiePoints:
    """The points whose whole window lies inside the image, so that it did not shrink."""
    half, (height, width) = template // 2, shape
    across = (points.x >= half) & (points.x < width - half)
    return points.select(across & (points.y >= half) & (points.y < height - half))


def test_blue_and_displaced_thermal(shared_data: Path) -> None:
    folder = shared_data / "landsat8-b2-b10-offset"
    (blue,), (thermal,) = bands(folder / "LC08b2_sub1.tif"), bands(folder / "LC08B10offset_sub1.tif")
    found = tie_points(blue, thermal, method="multimodal", template=101, search=20, spacing=40)
    error = np.hypot(found.dx + 1.5, found.dy + 1.7)
    assert len(found) >= 165
    assert error.max() < 1.5
    assert error.mean() < 0.13
    found = tie_points(blue, thermal, method="multimodal", template=141, search=20, spacing=40)
    assert np.hypot(found.dx + 1.5, found.dy + 1.7).mean() < 0.13


def displaced(flow: Image, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where an image resampled at p + flow(p) shows what the original shows at (x, y), minus (x, y)."""
    shift = np.zeros((2, x.size))
    for _ in range(10):
        place = [y + shift[1], x + shift[0]]
        shift = -np.stack([map_coordinates(part, place, order=1, mode="nearest") for part in flow])
    return shift


@pytest.mark.parametrize(("template", "whole"), [(101, True), (141, False), (141, True)])
def test_optical_and_radar_under_a_displacement_field(shared_data: Path, template: int, whole: bool) -> None:
    folder = shared_data / "creuse-s1-s2-flow"
    optical = bands(folder / "S2_patch11.tif").mean(axis=0)
    (radar,), flow = bands(folder / "S1_patch11.tif"), bands(folder / "Flow_patch11.tif")
    rows, columns = np.mgrid[: radar.shape[0], : radar.shape[1]]
    moved = map_coordinates(radar, [rows + flow[1], columns + flow[0]], order=3, mode="nearest")
    found = tie_points(optical, moved, method="multimodal", template=template, search=20, spacing=40)
    assert len(found) > 0.85 * (448 // 40) ** 2
    if whole:
        found = fit(found, optical.shape, template)
    dx, dy = displaced(flow, found.x, found.y)
    error = np.hypot(found.dx - dx, found.dy - dy)
    assert (error < 1.5).mean() >= 0.9
    assert np.median(error) <= 0.75


def test_two_satellites_a_year_apart(shared_data: Path) -> None:
    folder = shared_data / "belgium-s2-l8-pair-10m"
    (sentinel,), (landsat,) = bands(folder / "ref_input_S2_B08.tif"), bands(folder / "ref_input_L8_B04.tif")
    found = tie_points(sentinel, landsat, method="multimodal", template=101, search=20, spacing=60)
    right, down = np.median(-found.dx), np.median(-found.dy)
    assert 0 < right < 1
    assert 1.5 < down < 2
    assert (np.hypot(found.dx + right, found.dy + down) < 1.5).mean() > 0.8


def test_other_places_score_low(shared_data: Path) -> None:
    (blue,) = bands(shared_data / "landsat8-b2-b10-offset" / "LC08b2_sub1.tif")
    folder = shared_data / "belgium-s2-l8-pair-10m"
    (sentinel,), (landsat,) = bands(folder / "ref_input_S2_B04.tif"), bands(folder / "ref_input_L8_B04.tif")
    settings = {"method": "multimodal", "template": 101, "search": 20, "spacing": 60}
    same = tie_points(sentinel[512:], landsat[512:], **settings)
    for other in (landsat[:512], blue, landsat[512:][::-1].copy()):
        unlike = tie_points(sentinel[512:], other, **settings)
        assert len(unlike) < 0.7 * len(same)
        assert np.median(unlike.score) < 0.5 * np.median(same.score)
