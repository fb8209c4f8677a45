from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from weft import periods
from weft.errors import RequestError
from weft.mosaicking.tiles import tile_grid
from weft.rasters.gdal import environment, open_raster
from weft.rasters.grid import Grid
from weft.simulation.landscape import Landscape, reflectance
from weft.simulation.plan import granules, swath_over
from weft.simulation.presets import preset_of
from weft.simulation.sensor import VIEW_GRADIENT
from weft.simulation.spectra import BANDS
from weft.simulation.truth import Truth

SEASON = periods.window("glad-seasons", "2021-06")


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    return Truth.load(folder)


def test_percentiles_are_those_of_the_ground_over_the_season(truth: Truth) -> None:
    grid = Grid("EPSG:3035", 3_950_000, 3_100_000, 900, 900, 30, 20)
    days = np.array([(SEASON.start + timedelta(days=2.5 + 5 * k)).timetuple().tm_yday for k in range(16)], float)
    seen, _ = reflectance(Landscape(11, 900).cover(grid), days)
    for percentile in (0, 25, 50, 100):
        expected = np.percentile(seen[:, BANDS.index("nir")], percentile, axis=0)
        np.testing.assert_allclose(truth.reflectance("nir", grid, SEASON, percentile), expected, atol=1e-3)


def test_coarse_pixels_are_means_of_fine_ones(truth: Truth) -> None:
    day = periods.TimeWindow(datetime(2021, 7, 4, tzinfo=UTC), datetime(2021, 7, 5, tzinfo=UTC))
    fine = truth.reflectance("red", Grid("EPSG:3035", 3_950_000, 3_100_000, 900, 900, 40, 40), day, 50)
    coarse = truth.reflectance("red", Grid("EPSG:3035", 3_950_000, 3_100_000, 1_800, 1_800, 20, 20), day, 50)
    np.testing.assert_allclose(coarse, fine.reshape(20, 2, 20, 2).mean((1, 3)), atol=1e-6)


def test_a_clear_scene_shows_the_truth_brightened_across_the_swath(truth: Truth, folder: Path) -> None:
    preset = preset_of("tiny")
    granule = next(
        one
        for one in granules(preset, 11)
        if one.tile == "31UFS" and one.flight.track == "R051" and one.offset and not one.jp2
    )
    place = folder / "archive" / "sentinel-2-l2a" / granule.id
    with environment(), open_raster(place / "nir.tif") as nir, open_raster(place / "scl.tif") as scl:
        numbers, classes = nir.read(1), scl.read(1)
    seen = (numbers.astype(float) - granule.offset) / 10_000
    start = granule.flight.sensed.replace(hour=0, minute=0, second=0)
    grid = tile_grid("31UFS", 900)
    clean = truth.reflectance("nir", grid, periods.TimeWindow(start, start + timedelta(days=1)), 50)
    sight = swath_over("R051", "31UFS", 900).sight(window=next(grid.blocks(122, 122)), part=None)
    clear = np.isin(classes, (4, 5)).repeat(2, 0).repeat(2, 1) & (sight.edge == 2)
    ratio = (seen / clean)[clear]
    slope, level = np.polyfit(sight.position[clear], ratio, 1)
    assert level == pytest.approx(1.0, abs=0.03)
    assert slope == pytest.approx(VIEW_GRADIENT["nir"], abs=0.03)
    assert np.median(np.abs(ratio - 1 - VIEW_GRADIENT["nir"] * sight.position[clear])) < 0.012


def test_two_tracks_differ_by_the_gradient_times_their_distance() -> None:
    window = next(tile_grid("31UFS", 900).blocks(122, 122))
    west, east = (swath_over(track, "31UFS", 900).sight(window, None) for track in ("R051", "R008"))
    both = (west.edge == 2) & (east.edge == 2)
    assert both.mean() > 0.9
    apart = (west.position - east.position)[both]
    assert apart.min() > 1.1  # share of the half swath: centre lines are about 170 km apart here
    assert apart.max() < 1.3


def test_unknown_band_and_missing_truth_are_named(truth: Truth, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="coastal"):
        truth.reflectance("coastal", tile_grid("31UFS", 1800), SEASON, 50)
    with pytest.raises(RequestError, match="weft simulate"):
        Truth.load(tmp_path)
