"""Reading displaced scenes, compared with whole arrays interpolated in memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.scenes import write
from weft.rasters.grid import Grid, Window
from weft.rasters.interpolation import interpolate
from weft.rasters.moving import Moved, MovedReader
from weft.rasters.parking import Parking
from weft.registration.displacement import Displacement
from weft.scenes.scene import Layer

GRID = Grid("EPSG:32631", 399960, 5700000, 10, 10, 90, 70)
WHOLE = Window(0, 0, 70, 90)
SHIFT = Displacement.shift(1.3, -0.6, GRID.shape)
BENT = Displacement("polynomial", GRID.shape, ((0.4, 1.1, -0.7, 0.6, -0.3, 0.2), (-1.2, 0.3, 0.5, 0.1, 0.4, -0.8)))


def smooth(grid: Grid) -> np.ndarray:
    """Waves of about 8 pixels of the fine grid, so that every kernel has something to do."""
    rows, cols = np.indices(grid.shape)
    x, y = (cols + 0.5) * grid.x_size / 10, (rows + 0.5) * grid.y_size / 10
    return (1500 + 700 * np.sin(x * 0.8) * np.cos(y * 0.7) + 5 * x + 3 * y).round().astype(np.uint16)


def layer(folder: Path, name: str, values: np.ndarray, pixel: float) -> Layer:
    height, width = values.shape
    grid = replace(GRID, x_size=pixel, y_size=pixel, width=width, height=height)
    write(folder / f"{name}.tif", grid, [values], block=16)
    return Layer(str(folder / f"{name}.tif"), 1, grid)


def reader(folder: Path, displacement: Displacement, grid: Grid = GRID, kernel: str = "cubic") -> MovedReader:
    parking = Parking(folder)
    return MovedReader("scene", grid, lambda href: href, parking, 8, Moved(displacement, GRID, kernel))


def numbers(one: MovedReader, source: Layer, window: Window) -> np.ndarray:
    out = np.full((1, window.height, window.width), 9, np.uint16)
    one.numbers([source], window, out, 1)
    return out[0]


def places(displacement: Displacement, grid: Grid, pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions in pixels of some size, from the definition of a displacement on the 10 m grid."""
    rows, cols = np.indices(grid.shape)
    x, y = (cols + 0.5) * grid.x_size / 10 - 0.5, (rows + 0.5) * grid.y_size / 10 - 0.5
    dx, dy = displacement.at(x, y)
    return (x + dx + 0.5) * 10 / pixel - 0.5, (y + dy + 0.5) * 10 / pixel - 0.5


def cut(one: MovedReader, source: Layer, grid: Grid, height: int, width: int) -> np.ndarray:
    whole = np.zeros(grid.shape, np.uint16)
    for window in grid.blocks(height, width):
        whole[window.slices] = numbers(one, source, window)
    return whole


@pytest.mark.parametrize("displacement", [SHIFT, BENT], ids=["shift", "bent"])
@pytest.mark.parametrize("pixel", [10, 20])
def test_numbers_are_interpolated_once_in_the_pixels_of_their_layer(
    tmp_path: Path, displacement: Displacement, pixel: int
) -> None:
    values = smooth(GRID.at_resolution(pixel))
    found = numbers(reader(tmp_path, displacement), layer(tmp_path, "red", values, pixel), WHOLE)
    x, y = places(displacement, GRID, pixel)
    expected, seen = interpolate(values, None, x, y, "cubic")
    np.testing.assert_array_equal(found > 0, seen)
    np.testing.assert_allclose(found[seen], expected[seen], atol=0.51)
    assert not seen.all(), "something must lie beyond the scene"


def test_a_finer_layer_is_averaged_before_it_is_interpolated(tmp_path: Path) -> None:
    coarse = GRID.at_resolution(30)
    fine = smooth(GRID)
    source = layer(tmp_path, "red", fine, 10)
    one = reader(tmp_path, SHIFT, coarse)
    found = numbers(one, source, Window(0, 0, *coarse.shape))
    np.testing.assert_array_equal(cut(one, source, coarse, 5, 7), found)
    means = fine[:69].reshape(23, 3, 30, 3).mean((1, 3)).round().astype(np.uint16)
    expected, seen = interpolate(means, None, *places(SHIFT, coarse, 30), "cubic")
    np.testing.assert_array_equal(found > 0, seen)
    np.testing.assert_allclose(found[seen], expected[seen], atol=1.1)


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic", "lanczos"])
@pytest.mark.parametrize("block", [(16, 16), (7, 90), (70, 11), (1, 37)])
def test_a_pixel_does_not_depend_on_its_window(tmp_path: Path, kernel: str, block: tuple[int, int]) -> None:
    source = layer(tmp_path, "red", smooth(GRID), 10)
    one = reader(tmp_path, BENT, kernel=kernel)
    np.testing.assert_array_equal(cut(one, source, GRID, *block), numbers(one, source, WHOLE))


def test_numbers_that_are_no_measurements_are_neither_used_nor_made(tmp_path: Path) -> None:
    values = smooth(GRID)
    values[20:30, 40:60] = 0
    values[:, 5] = 1
    values[50:60, 20:30] = 2
    found = numbers(reader(tmp_path, SHIFT), layer(tmp_path, "red", values, 10), WHOLE)
    assert not found[22:29, 40:57].any()
    assert 1 not in found
    # At the rim of a dark patch the kernel undershoots: never to what would not be a measurement.
    assert found[51:59, 19:28].min() == 2
    clean = numbers(reader(tmp_path, SHIFT), layer(tmp_path, "clean", smooth(GRID), 10), WHOLE)
    np.testing.assert_array_equal(found[35:45, 30:80], clean[35:45, 30:80])
    rim = found[18:33, 36:62].astype(float)
    rim[rim == 0] = np.nan
    assert np.nanmax(np.abs(rim - clean[18:33, 36:62])) < 300


def test_labels_come_from_the_nearest_pixel_and_are_not_invented_beyond_the_scene(tmp_path: Path) -> None:
    labels = np.random.default_rng(3).integers(1, 12, (35, 45)).astype(np.uint8)
    source = layer(tmp_path, "scl", labels, 20)
    one = reader(tmp_path, SHIFT)
    x, y = places(SHIFT, GRID, 20)
    cols, rows = np.floor(x + 0.5).astype(int), np.floor(y + 0.5).astype(int)
    inside = (cols >= 0) & (cols < 45) & (rows >= 0) & (rows < 35)
    nearest = labels[rows.clip(0, 34), cols.clip(0, 44)]
    np.testing.assert_array_equal(one.labels(source, WHOLE), nearest)
    np.testing.assert_array_equal(one.labels(source, WHOLE, unobserved=77), np.where(inside, nearest, 77))
    assert not inside.all()
    part = Window(20, 30, 10, 12)
    np.testing.assert_array_equal(one.labels(source, part, 4), nearest[16:34, 26:46])


def test_another_grid_sees_the_same_displacement(tmp_path: Path) -> None:
    angles = np.arange(63).reshape(7, 9).astype(np.uint8)
    source = layer(tmp_path, "angle", angles, 100)
    lattice = source.geolocation
    far = Displacement.shift(10.0, -20.0, GRID.shape)
    found = reader(tmp_path, far).on(lattice).labels(source, Window(0, 0, 7, 9))
    np.testing.assert_array_equal(found[2:, :8], angles[:5, 1:])


def test_reading_takes_no_more_memory_than_is_counted(tmp_path: Path) -> None:
    grid = replace(GRID, width=1024, height=1024)
    source = layer(tmp_path, "red", smooth(grid), 10)
    nodes = tuple(tuple(tuple(row) for row in plane) for plane in np.ones((2, 8, 8)).tolist())
    field = Displacement("field", grid.shape, ((0.4, 1.1, -0.7), (-1.2, 0.3, 0.5)), nodes)
    one = MovedReader("scene", grid, lambda href: href, Parking(tmp_path), 8, Moved(field, grid, "cubic"))
    window = Window(10, 10, 1000, 1000)
    out = np.empty((1, 1000, 1000), np.uint16)
    for read in (lambda: one.numbers([source], window, out, 1), lambda: one.labels(source, window, 4, unobserved=0)):
        read()  # kernels are compiled
        tracemalloc.start()
        read()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MovedReader.bytes_reading * out.size


def test_file_blocks_are_decoded_once_while_windows_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = layer(tmp_path, "red", smooth(GRID), 10)
    one = reader(tmp_path, SHIFT)
    decoded = []
    genuine = MovedReader._read

    def counted(self: MovedReader, *arguments: object, **options: object) -> np.ndarray:
        decoded.append(arguments)
        return genuine(self, *arguments, **options)

    monkeypatch.setattr(MovedReader, "_read", counted)
    cut(one, source, GRID, 16, 16)
    assert len(decoded) == 5 * 6
