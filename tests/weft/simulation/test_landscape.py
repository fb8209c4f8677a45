from __future__ import annotations

import numpy as np
import pytest

from weft.mosaicking.tiles import tile_grid
from weft.rasters.grid import Grid, Window, transformer
from weft.simulation.landscape import GROUND_CRS, Landscape, positions, reflectance
from weft.simulation.noise import fractal_field, normal, seed_of
from weft.simulation.spectra import BANDS

LAND = Landscape(3, 180.0)
SUMMER = np.array([200.0])


def _seen(grid: Grid, days: np.ndarray = SUMMER) -> np.ndarray:
    return reflectance(LAND.cover(grid), days)[0]


def test_two_utm_zones_see_the_same_ground() -> None:
    # One pixel of either tile, shrunk around the same point: only a function of position can agree on both.
    lon, lat = 6.5, 51.0
    seen = []
    for crs in ("EPSG:32631", "EPSG:32632", GROUND_CRS):
        x, y = transformer("EPSG:4326", crs).transform(lon, lat)
        seen.append(_seen(Grid(crs, x - 0.5, y + 0.5, 1.0, 1.0, 1, 1))[0, :, 0, 0])
    np.testing.assert_allclose(seen[0], seen[2], atol=2e-4)
    np.testing.assert_allclose(seen[1], seen[2], atol=2e-4)


def test_neighbouring_tiles_agree_where_they_overlap() -> None:
    west, east = tile_grid("31UFS", 180), tile_grid("31UGS", 180)
    columns = round((east.left - west.left) / 180)
    overlap = Window(100, columns, 60, west.width - columns)
    there = Window(100, 0, 60, west.width - columns)
    left, right = _seen(west.of_window(overlap)), _seen(east.of_window(there))
    # The grids are 120 m apart modulo 180 m, so the same pixels are never sampled: borders differ, fields do not.
    assert np.median(np.abs(left - right)) < 0.004
    assert np.corrcoef(left[0, 3].ravel(), right[0, 3].ravel())[0, 1] > 0.85


def test_blocks_and_whole_give_the_same_ground() -> None:
    grid = tile_grid("32ULB", 900)
    whole = _seen(grid)
    part = _seen(grid.of_window(Window(64, 32, 40, 50)))
    np.testing.assert_allclose(part, whole[:, :, 64:104, 32:82], atol=0.01)


def test_interpolated_positions_are_close_to_exact_ones() -> None:
    grid = tile_grid("31UES", 180)
    x, y = positions(grid)
    rows, columns = np.mgrid[0:610:97, 0:610:89]
    exact = transformer(grid.crs, GROUND_CRS).transform(
        grid.left + (columns + 0.5) * 180, grid.top - (rows + 0.5) * 180
    )
    assert np.abs(x[rows, columns] - exact[0]).max() < 0.2
    assert np.abs(y[rows, columns] - exact[1]).max() < 0.2


def test_vegetation_greens_up_and_snow_melts() -> None:
    cover = LAND.cover(Grid(GROUND_CRS, 3_850_000, 3_170_000, 2_000, 2_000, 150, 70))
    seen, snow = reflectance(cover, np.array([32.0, 200.0]))
    red, nir = seen[:, BANDS.index("red")], seen[:, BANDS.index("nir")]
    fields = (snow[0] == 0) & (cover.water == 0)
    ndvi = ((nir - red) / (nir + red))[:, fields].mean(axis=1)
    assert ndvi[1] > ndvi[0] + 0.2
    assert snow[0].mean() > 5 * snow[1].mean() > 0
    assert 0.05 < (cover.water > 0.5).mean() < 0.4
    assert (cover.town > 0.5).any()
    assert seen.min() > 0
    assert seen.max() < 1


def test_reflectance_changes_little_between_neighbouring_days() -> None:
    cover = LAND.cover(tile_grid("31UFS", 1800))
    seen, _ = reflectance(cover, np.arange(1.0, 366.0))
    assert np.abs(np.diff(seen, axis=0)).max() < 0.12
    assert np.abs(seen[0] - seen[-1]).max() < 0.05  # the year closes


def test_noise_has_the_moments_it_promises_and_depends_on_the_seed() -> None:
    x, y = np.random.default_rng(0).uniform(0, 1e6, (2, 300, 300))
    one, other = (fractal_field(x, y, seed_of(5, name), 1_000.0, 4, 0.5) for name in "ab")
    assert one.mean() == pytest.approx(0, abs=0.02)
    assert one.std() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02
    deviates = np.array([normal(column, row, seed_of(5)) for column in range(100) for row in range(100)])
    assert deviates.mean() == pytest.approx(0, abs=0.03)
    assert deviates.std() == pytest.approx(1, abs=0.03)
