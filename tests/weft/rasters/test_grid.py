from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point

from weft.errors import RequestError
from weft.rasters.grid import Bounds, Grid, Window, transformer

TILE = Grid("EPSG:32631", 499980, 5700000, 10, 10, 10980, 10980)


@pytest.mark.parametrize(
    "changes",
    [{"width": 0}, {"height": 0}, {"height": -1}, {"x_size": 0}, {"y_size": -10}, {"x_size": float("nan")}],
)
def test_a_grid_has_an_area(changes):
    shape = {"crs": "EPSG:32631", "left": 0.0, "top": 0.0, "x_size": 10.0, "y_size": 10.0, "width": 2, "height": 2}
    with pytest.raises(RequestError, match="at least one pixel of positive size"):
        Grid(**(shape | changes))


def test_transform_there_and_back():
    grid = Grid("EPSG:3035", 3_900_000, 3_200_000, 30, 20, 7, 5)
    assert Grid.from_transform("EPSG:3035", grid.transform, height=5, width=7) == grid
    assert grid.transform @ (0, 0) == (3_900_000, 3_200_000)
    assert grid.transform @ (7, 5) == (grid.bounds.right, grid.bounds.bottom) == (3_900_210, 3_199_900)
    assert grid.shape == (5, 7)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 1, 0, 0, -10, 0),
        Affine(10, 0, 0, 1, -10, 0),
        Affine(10, 0, 0, 0, 10, 0),
        Affine(-10, 0, 0, 0, -10, 0),
    ],
)
def test_rotated_and_mirrored_transforms_are_refused(transform):
    with pytest.raises(RequestError, match="is not north-up; warp the raster first"):
        Grid.from_transform("EPSG:32631", transform, height=2, width=2)


@pytest.mark.parametrize(
    ("right", "bottom", "shape"),
    [
        (30, -20, (2, 3)),
        (30.001, -20, (2, 4)),
        (30 + 1e-7, -20 - 1e-7, (2, 3)),
        (0.1, -0.1, (1, 1)),
        (100, -100, (10, 10)),
    ],
)
def test_from_bounds_covers_them(right, bottom, shape):
    grid = Grid.from_bounds("EPSG:32631", Bounds(0, bottom, right, 0), 10)
    assert grid.shape == shape
    assert (grid.left, grid.top) == (0, 0)


@given(
    left=st.integers(-1000, 1000),
    width=st.floats(0.1, 500),
    height=st.floats(0.1, 500),
    resolution=st.sampled_from([0.1, 0.3, 10, 20, 30]),
)
def test_from_bounds_is_the_smallest_cover(left, width, height, resolution):
    bounds = Bounds(left, -height, left + width, 0)
    edges = (grid := Grid.from_bounds("EPSG:32631", bounds, resolution)).bounds
    slack = 1e-5 * resolution
    assert edges.right >= bounds.right - slack
    assert edges.bottom <= bounds.bottom + slack
    assert edges.right - resolution < bounds.right + slack or grid.width == 1
    assert edges.bottom + resolution > bounds.bottom - slack or grid.height == 1


def test_at_resolution_keeps_whole_pixels_of_the_extent():
    assert TILE.at_resolution(20).shape == (5490, 5490)
    assert TILE.at_resolution(60).shape == (1830, 1830)
    assert TILE.at_resolution(10) == TILE
    assert Grid("EPSG:32631", 0, 0, 10, 10, 7, 5).at_resolution(20) == Grid("EPSG:32631", 0, 0, 20, 20, 3, 2)
    with pytest.raises(RequestError):
        Grid("EPSG:32631", 0, 0, 10, 10, 1, 1).at_resolution(20)


@pytest.mark.parametrize(("height", "width"), [(512, 512), (1, 7), (100, 3), (5, 7), (2, 2)])
def test_blocks_tile_the_grid_exactly(height, width):
    grid = Grid("EPSG:32631", 0, 0, 10, 10, 7, 5)
    hits = np.zeros(grid.shape, int)
    windows = list(grid.blocks(height, width))
    for window in windows:
        assert window.height <= height
        assert window.width <= width
        hits[window.slices] += 1
    assert (hits == 1).all()
    assert windows == sorted(windows)


@given(row=st.integers(0, 4), col=st.integers(0, 6))
def test_of_window_keeps_the_pixels_in_place(row, col):
    grid = Grid("EPSG:32631", 500, 900, 10, 20, 7, 5)
    part = grid.of_window(Window(row, col, 5 - row, 7 - col))
    assert part.transform @ (0, 0) == grid.transform @ (col, row)
    assert (part.bounds.right, part.bounds.bottom) == (grid.bounds.right, grid.bounds.bottom)
    assert part.shape == (5 - row, 7 - col)


def test_bounds_that_only_touch_do_not_intersect():
    one = Bounds(0, 0, 10, 10)
    assert one.intersects(Bounds(9, 9, 20, 20))
    assert not one.intersects(Bounds(10, 0, 20, 10))
    assert not one.intersects(Bounds(0, -5, 10, 0))
    assert not one.intersects(Bounds(11, 0, 20, 10))


def test_footprint_is_longitude_latitude_with_curved_edges():
    footprint = TILE.footprint()
    west, south, east, north = footprint.bounds
    assert (west, east) == pytest.approx((3.0, 4.58), abs=0.02)
    assert (south, north) == pytest.approx((50.45, 51.45), abs=0.02)
    assert footprint.is_valid
    assert len(footprint.exterior.coords) > 60
    # The middle of the northern edge of a tile bulges away from the straight line between its corners.
    to_wgs84 = transformer(TILE.crs, "EPSG:4326")
    middle = to_wgs84.transform((TILE.bounds.left + TILE.bounds.right) / 2, TILE.bounds.top)
    corners = [to_wgs84.transform(x, TILE.bounds.top) for x in (TILE.bounds.left, TILE.bounds.right)]
    assert abs(middle[1] - (corners[0][1] + corners[1][1]) / 2) > 1e-3
    from_edge = footprint.exterior.distance(Point(middle))
    assert from_edge < 1e-4


def test_transformers_are_longitude_first_and_shared():
    assert transformer("EPSG:4326", "EPSG:32631") is transformer("EPSG:4326", "EPSG:32631")
    assert transformer("EPSG:4326", "EPSG:32631").transform(3.0, 0.0) == pytest.approx((500_000, 0), abs=1e-6)
