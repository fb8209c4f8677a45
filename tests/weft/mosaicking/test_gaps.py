from __future__ import annotations

import numpy as np
import pytest

from weft.mosaicking import tile_grid
from weft.mosaicking.gaps import PICTURE_SIZE, Expected, GapMeter, Gaps
from weft.mosaicking.sheets import sheet
from weft.mosaicking.tracks import distance_to_centre
from weft.rasters.grid import Grid, Window, transformer
from weft.regions import Mosaic

GRID = Grid("EPSG:3035", 3_900_000, 3_200_000, 100, 100, 300, 170)


def measured(count: np.ndarray, block: int, *, backwards: bool = False) -> Gaps:
    meter = GapMeter(GRID)
    for window in sorted(GRID.blocks(block, block), reverse=backwards):
        meter.add(window, count[window.slices])
    return meter.gaps()


def test_pixels_are_counted_by_their_observations() -> None:
    count = np.random.default_rng(1).integers(0, 6, GRID.shape).astype(np.uint16)
    found = measured(count, 64)
    assert found.pixels == tuple(int(n) for n in np.bincount(np.minimum(count, 3).ravel()))
    assert found.observed == (count > 0).sum()
    percent = found.percent()
    assert list(percent) == ["0", "1", "2", "3+"]
    assert percent["2"] == pytest.approx(100 * (count == 2).mean())
    assert sum(percent.values()) == pytest.approx(100)


def test_any_blocks_in_any_order_give_the_same() -> None:
    count = np.random.default_rng(2).integers(0, 6, GRID.shape).astype(np.uint16)
    whole = measured(count, 1000)
    for block, backwards in ((17, False), (64, True), (1, False)):
        found = measured(count, block, backwards=backwards)
        assert found == whole
        assert np.array_equal(found.sample, whole.sample)


def test_the_sample_shows_pixels_not_means() -> None:
    count = np.zeros(GRID.shape, np.uint16)
    count[:, 150:] = 65535
    sample = measured(count, 64).sample
    assert max(sample.shape) == PICTURE_SIZE
    assert sample.shape[0] / sample.shape[1] == pytest.approx(170 / 300, abs=0.01)
    assert set(np.unique(sample)) == {0, 3}
    assert (sample[:, : sample.shape[1] // 2] == 0).all()
    assert (sample[:, sample.shape[1] // 2 :] == 3).all()


def test_a_small_sheet_is_sampled_pixel_by_pixel() -> None:
    grid = Grid("EPSG:3035", 0, 0, 10, 10, 3, 2)
    meter = GapMeter(grid)
    meter.add(Window(0, 0, 2, 3), np.uint16([[0, 1, 2], [3, 4, 0]]))
    assert meter.gaps().sample.tolist() == [[0, 1, 2], [3, 3, 0]]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Mosaic(), "100kmE38N31"),
        (Mosaic(), "100kmE37N30"),
        (Mosaic(crs="EPSG:32631"), "X5Y57"),
        (Mosaic(crs="EPSG:4326", resolution=0.001), None),
    ],
)
def test_what_tracks_can_see_is_tile_and_swath(settings: Mosaic, name: str | None) -> None:
    grid = sheet(name, settings).grid if name else Grid("EPSG:4326", 3.0, 52.0, 0.001, 0.001, 1000, 1000)
    height, width = grid.height // 10, grid.width // 10
    coarse = Grid(grid.crs, grid.left, grid.top, grid.x_size * 10, grid.y_size * 10, width, height)
    tile_tracks = ["R051_31UDS", "R051_31UES", "R094_31UES"]
    seen = np.zeros(coarse.shape, bool)
    for key in tile_tracks:
        track, tile = key.split("_")
        seen |= (distance_to_centre(track, coarse) < 140) & inside(coarse, tile)
    # Swath sides are good to 0.2 km, and pixels of 300 m are counted whole.
    assert Expected.of(grid, tile_tracks).percent == pytest.approx(100 * seen.mean(), abs=0.5)


def test_pictures_tell_gaps_from_what_no_track_can_see() -> None:
    grid = sheet("100kmE38N31", Mosaic()).grid
    expected = Expected.of(grid, ["R051_31UDS"])
    assert 5 < expected.percent < 95
    coarse = Grid(
        grid.crs, grid.left, grid.top, grid.x_size * 50, grid.y_size * 50, grid.width // 50, grid.height // 50
    )
    seen = (distance_to_centre("R051", coarse) < 140) & inside(coarse, "31UDS")
    none = expected.only(np.zeros(coarse.shape, np.uint8))
    assert (np.isnan(none) != seen).mean() > 0.99  # borders of tile and swath apart
    assert not np.nan_to_num(none).any()
    # What was observed is shown wherever it lies.
    assert (expected.only(np.full(coarse.shape, 2, np.uint8)) == 2).all()


def inside(grid: Grid, tile: str) -> np.ndarray:
    edges = tile_grid(tile).bounds
    x, y = np.meshgrid(
        grid.left + (np.arange(grid.width) + 0.5) * grid.x_size, grid.top - (np.arange(grid.height) + 0.5) * grid.y_size
    )
    x, y = transformer(grid.crs, tile_grid(tile).crs).transform(x, y)
    return (edges.left < x) & (x < edges.right) & (edges.bottom < y) & (y < edges.top)


def test_nothing_is_expected_where_no_tile_lies() -> None:
    grid = sheet("100kmE38N31", Mosaic()).grid
    assert Expected.of(grid, []).percent == 0
    assert Expected.of(grid, ["R094_32TMT"]).percent == 0


def test_a_tile_across_the_antimeridian_is_expected_on_both_sides() -> None:
    for left in (-180.0, 179.0, 180.0):
        grid = Grid("EPSG:4326", left, -16.0, 0.01, 0.01, 100, 100)
        assert Expected.of(grid, ["R029_01KAB"]).percent > 10
