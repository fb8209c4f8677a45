from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest

from tests.weft.mosaicking.products import COUNT, reflectance, source
from weft.errors import RequestError
from weft.mosaicking import overview
from weft.mosaicking.overview import Overview, overview_grid, shown_layers
from weft.rasters.grid import Grid, Window
from weft.rasters.product import LayerSpec, SourceProduct
from weft.rasters.quicklook import brightness

RGB = tuple(reflectance(f"{band}_p50") for band in ("red", "green", "blue"))


def fields(shape: tuple[int, int], seed: int = 1) -> dict[LayerSpec, np.ndarray]:
    """Three bands with a hole in one of them, and counts."""
    noise = np.random.default_rng(seed)
    layers = {layer: noise.integers(1, 4000, shape, dtype=np.uint16) for layer in RGB}
    layers[RGB[1]][5:40, 9:31] = 0
    layers[RGB[0]][noise.random(shape) < 0.2] = 0
    return layers | {COUNT: noise.integers(0, 9, shape, dtype=np.uint16)}


def sheets(
    whole: Grid, layers: dict[LayerSpec, np.ndarray], rows: list[int], cols: list[int], folder: Path
) -> list[tuple[Window, SourceProduct]]:
    """Cut at these rows and columns."""
    windows = [
        Window(top, left, bottom - top, right - left)
        for top, bottom in zip([0, *rows], [*rows, whole.height], strict=True)
        for left, right in zip([0, *cols], [*cols, whole.width], strict=True)
    ]
    return [
        (
            window,
            source(
                f"s{number}",
                whole.of_window(window),
                {layer: array[window.slices] for layer, array in layers.items()},
                folder,
            ),
        )
        for number, window in enumerate(windows)
    ]


def slow_means(
    values: np.ndarray, valid: np.ndarray, factor: int, pieces: list[Window], shape: tuple[int, int]
) -> np.ndarray:
    """Mean of the pixels of one sheet, the one that the centre lies in, under each pixel of the overview."""
    means = np.full(shape, np.nan)
    for row in range(shape[0]):
        for col in range(shape[1]):
            y, x = (row + 0.5) * factor, (col + 0.5) * factor
            (piece,) = [
                one for one in pieces if one.row <= y < one.row + one.height and one.col <= x < one.col + one.width
            ]
            under = (
                slice(max(row * factor, piece.row), min((row + 1) * factor, piece.row + piece.height)),
                slice(max(col * factor, piece.col), min((col + 1) * factor, piece.col + piece.width)),
            )
            if valid[under].any():
                means[row, col] = values[under][valid[under]].mean()
    return means


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_it_is_the_mean_of_the_sheet_under_each_centre(
    factor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Grid("EPSG:3035", 3_900_000, 3_100_000, 30, 30, 93, 61)
    monkeypatch.setattr(overview, "MAX_SIDE", -(-93 // factor))
    monkeypatch.setattr(overview, "_STRIP", 3)
    layers = fields(whole.shape)
    parts = sheets(whole, layers, [23], [31, 62], tmp_path)
    made = Overview(whole, RGB)
    assert made.grid.x_size == 30 * factor
    for _, product in random.Random(factor).sample(parts, len(parts)):
        made.paint(product)
    pieces = [window for window, _ in parts]
    counted = slow_means(layers[COUNT].astype(float), np.ones(whole.shape, bool), factor, pieces, made.grid.shape)
    np.testing.assert_array_equal(made.count, np.floor(counted + 0.5))
    channels = np.stack(
        [slow_means(layers[one] * 1e-4, layers[one] > 0, factor, pieces, made.grid.shape) for one in RGB]
    )
    there = ~np.isnan(channels).any(axis=0)
    assert there.any()
    assert not there.all() or factor == 8
    np.testing.assert_array_equal((made.colour > 0).all(axis=0), there)
    np.testing.assert_array_equal((made.colour == 0).all(axis=0), ~there)
    expected = np.maximum(1, brightness(channels))[:, there]
    assert np.abs(made.colour[:, there] - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(("side", "factor"), [(700, 4), (1400, 2), (400, 8)])
def test_large_sheets_are_read_from_their_own_overviews(
    side: int, factor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of these sheets are 2 and 4."""
    whole = Grid("EPSG:3035", 3_900_000, 3_100_000, 30, 30, 2667, 1333)
    y, x = np.mgrid[0:1333, 0:2667]
    smooth = {
        layer: (2000 + 900 * np.sin(x / 210 + index) * np.cos(y / 170)).astype(np.uint16)
        for index, layer in enumerate((*RGB, COUNT))
    }
    parts = sheets(whole, smooth, [], [1334], tmp_path)
    monkeypatch.setattr(overview, "MAX_SIDE", side)
    read, genuine = [], overview.physical
    monkeypatch.setattr(
        overview, "physical", lambda stored, **about: read.append(stored.size) or genuine(stored, **about)
    )
    made = Overview(whole, RGB)
    for _, product in parts:
        made.paint(product)
    assert sum(read) < 1.2 * 4 * whole.width * whole.height / min(factor, 4) ** 2
    height, width = whole.height // factor, whole.width // factor
    whole_pixels = smooth[COUNT][: height * factor, : width * factor]
    blocks = whole_pixels.reshape(height, factor, width, factor).mean(axis=(1, 3))
    assert np.abs(made.count[:height, :width] - blocks).max() < 12  # less than a pixel of the field's slope


def test_the_darkest_ground_is_not_nothing(tmp_path: Path) -> None:
    whole = Grid("EPSG:3035", 3_900_000, 3_100_000, 30, 30, 60, 50)
    dark = tuple(dataclasses.replace(layer, offset=-0.1) for layer in RGB)
    layers = {layer: np.full(whole.shape, 7, np.uint16) for layer in (*dark, COUNT)}
    (part,) = sheets(whole, layers, [], [], tmp_path)
    made = Overview(whole, dark)
    made.paint(part[1])
    assert (made.colour == 1).all()


def test_where_no_sheet_lies_there_is_nothing(tmp_path: Path) -> None:
    whole = Grid("EPSG:3035", 3_900_000, 3_100_000, 30, 30, 60, 50)
    parts = sheets(whole, fields(whole.shape), [], [30], tmp_path)
    made = Overview(whole, RGB)
    made.paint(parts[0][1])
    assert not made.colour[:, :, 30:].any()
    assert not made.count[:, 30:].any()
    seen = made.observations(60)
    assert np.isnan(seen[:, 30:]).all()
    np.testing.assert_array_equal(seen[:, :30], made.count[:, :30])
    assert max(made.observations(7).shape) <= 7


def test_without_a_band_it_counts_only(tmp_path: Path) -> None:
    whole = Grid("EPSG:3035", 3_900_000, 3_100_000, 30, 30, 60, 50)
    (part,) = sheets(whole, {COUNT: np.full(whole.shape, 3, np.uint16)}, [], [], tmp_path)
    made = Overview(whole, shown_layers([COUNT]))
    made.paint(part[1])
    assert (made.count == 3).all()
    assert not made.colour.any()


def test_a_sheet_of_another_lattice_is_refused(tmp_path: Path) -> None:
    whole = Grid("EPSG:3035", 3_900_000, 3_100_000, 30, 30, 60, 50)
    (part,) = sheets(whole, fields(whole.shape), [], [], tmp_path)
    other = dataclasses.replace(part[1], grid=dataclasses.replace(whole, left=3_900_010))
    with pytest.raises(RequestError, match="lattice"):
        Overview(whole, RGB).paint(other)


@pytest.mark.parametrize(
    ("width", "height", "factor", "shape"),
    [
        (10, 20, 1, (20, 10)),
        (8192, 8192, 1, (8192, 8192)),
        (8193, 5, 2, (2, 4096)),
        (200_000, 160_001, 32, (5000, 6250)),
    ],
)
def test_the_longer_side_has_at_most_8192_pixels(width: int, height: int, factor: int, shape: tuple[int, int]) -> None:
    grid = overview_grid(Grid("EPSG:3035", 1.0, 2.0, 30, 30, width, height))
    assert (grid.left, grid.top, grid.x_size, grid.y_size) == (1.0, 2.0, 30 * factor, 30 * factor)
    assert grid.shape == shape
    assert max(grid.shape) <= overview.MAX_SIDE


def keys(*names: str) -> list[LayerSpec]:
    return [reflectance(name) for name in names]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (
            ("blue_p25", "green_p25", "red_p25", "blue_p50", "green_p50", "red_p50"),
            ("red_p50", "green_p50", "blue_p50"),
        ),
        (("blue_p50", "green_p50", "red_p50", "red_medoid"), ("red_p50", "green_p50", "blue_p50")),
        (("nir_p50", "red_p50", "swir16_p50", "green_p50"), ("swir16_p50", "nir_p50", "red_p50")),
        (("nir_p50", "red_p50", "green_p50"), ("nir_p50", "red_p50", "green_p50")),
        (("red_p25", "green_p50", "blue_p75"), ("green_p50",) * 3),
        ((), ()),
    ],
)
def test_natural_colours_of_the_median_come_first(names: tuple[str, ...], shown: tuple[str, ...]) -> None:
    layers = [*keys(*names), COUNT]
    assert tuple(layer.key for layer in shown_layers(layers)) == shown
    assert shown_layers(layers[::-1]) == shown_layers(layers)
