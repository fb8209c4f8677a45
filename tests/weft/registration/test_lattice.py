from __future__ import annotations

import numpy as np
import pytest

from weft.rasters.grid import Grid, Window, transformer
from weft.registration.lattice import places

GRID = Grid("EPSG:3035", 3_900_000.0, 3_000_000.0, 10.0, 10.0, 3000, 2000)


class Counting:
    """Exact places that count how many were asked for."""

    def __init__(self, locate):
        self.locate, self.asked = locate, 0

    def __call__(self, column, row):
        self.asked += column.size
        return self.locate(column, row)


def utm(column, row):
    to_utm = transformer("EPSG:3035", "EPSG:32631")
    x, y = to_utm.transform(GRID.left + (column + 0.5) * 10, GRID.top - (row + 0.5) * 10)
    return x / 10, -y / 10


def wiggle(length):
    return lambda column, row: (column + np.sin(row / length), row + 3 * np.cos(column / length))


def exact(locate, window):
    rows, cols = np.mgrid[window.slices].astype(float)
    x, y = locate(cols.ravel(), rows.ravel())
    return x.reshape(rows.shape), y.reshape(rows.shape)


@pytest.mark.parametrize(
    ("locate", "tolerance", "share"),
    [(utm, 0.01, 0.001), (utm, 1e-7, 0.6), (wiggle(300), 0.01, 0.03), (wiggle(20), 0.01, 0.6), (wiggle(1), 0.01, 1.6)],
)
def test_the_bound_is_kept_with_few_exact_places(locate, tolerance, share):
    window = Window(700, 500, 300, 600)
    counting = Counting(locate)
    x, y = places(GRID, window, counting, tolerance)
    true_x, true_y = exact(locate, window)
    assert max(np.abs(x - true_x).max(), np.abs(y - true_y).max()) <= tolerance
    cells = 4 * 2 * 256**2  # that the window touches, at most
    assert counting.asked < share * cells


def test_a_bend_as_long_as_the_lattice_is_not_overlooked():
    """Zero at all nodes of the coarsest lattice and in the middle between them."""
    locate = wiggle(32 / (2 * np.pi))
    window = Window(0, 0, 256, 256)
    assert np.abs(places(GRID, window, locate, 0.01)[1] - exact(locate, window)[1]).max() <= 0.01


def test_places_do_not_depend_on_the_window():
    locate = wiggle(50)
    whole = places(GRID, Window(0, 0, 600, 700), locate, 0.01)
    for window in [Window(0, 0, 1, 1), Window(255, 255, 2, 2), Window(100, 300, 400, 333)]:
        for part, all_of_it in zip(places(GRID, window, locate, 0.01), whole, strict=True):
            np.testing.assert_array_equal(part, all_of_it[window.slices])


def test_jumps_and_places_that_are_nowhere_are_exact():
    """As at the date line, and where a projection ends."""

    def locate(column, row):
        return np.where(column < 100, column, column - 360.0), np.where(column > 200, np.inf, row)

    x, y = places(GRID, Window(5, 0, 20, 256), locate, 0.01)
    np.testing.assert_array_equal(x[0, 95:105], [95, 96, 97, 98, 99, -260, -259, -258, -257, -256])
    assert np.isnan(x[:, 201:]).all()
    assert np.isnan(y[:, 201:]).all()
    assert np.isfinite(x[:, :201]).all()
    np.testing.assert_array_equal(y[:, 0], np.arange(5, 25))
