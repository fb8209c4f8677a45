"""The Belgian stack by its two tracks: where they are, and every month of it blended against the oracle."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.oracles import mosaicking as oracle
from tests.real import stacks
from tests.real.stacks import Stack
from tests.weft.compositing.random_stacks import BANDS
from tests.weft.mosaicking.products import COUNT, digests, reflectance, source
from weft.compositing import percentiles
from weft.mosaicking import Sheet, blend, distance_to_centre, mosaic, tile_grid, track, weights
from weft.mosaicking.tracks import signed_distance
from weft.rasters.grid import Grid
from weft.rasters.product import Product
from weft.regions import Mosaic

GRID = Grid("EPSG:32631", 501_360, 5_629_680, 10, 10, 64, 64)
METHODS = ("mean", "idw", "seamless")
QUANTILES = (25, 50, 75)
TRACKS = ("R051", "R094")


@dataclass(frozen=True)
class Passes:
    stack: Stack
    tracks: tuple[str, ...]  # of each date
    azimuth: tuple[float, ...]  # degrees, towards the satellite
    zenith: tuple[float, ...]

    def composite(self, key: str, band: str, times: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Percentiles (rank, y, x) of one track and the number of its observations (y, x), uint16."""
        chosen = [t for t in times if self.tracks[t] == key]
        values = self.stack.numbers[chosen, BANDS.index(band)]
        quantiles, count = percentiles(values, self.stack.valid[chosen], QUANTILES)
        rounded = np.floor(np.nan_to_num(quantiles, nan=0.0) + 0.5)
        return rounded.astype(np.uint16), count.astype(np.uint16)

    def pair(self, band: str, times: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Percentiles (rank, track, y, x) and counts (track, y, x) of both tracks."""
        values, counts = zip(*(self.composite(key, band, times) for key in TRACKS), strict=True)
        return np.stack(values, axis=1), np.stack(counts)


@pytest.fixture(scope="module")
def passes(shared_data: Path, scratch: Path) -> Passes:
    stack = stacks.load("belgium", shared_data, scratch)
    with (shared_data / "belgium-s2-s1-l8-stack" / "s2_scenes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["date"] for row in rows] == [str(day) for day in stack.dates]
    return Passes(
        stack,
        tuple(f"R{int(row['relative_orbit_derived']):03d}" for row in rows),
        tuple(float(row["view_azimuth"]) for row in rows),
        tuple(float(row["view_zenith"]) for row in rows),
    )


def test_the_lines_lie_where_the_satellite_was_seen(passes: Passes) -> None:
    here = np.array([3.02]), np.array([50.81])
    tile = tile_grid("31UDS", 1830)
    for key, sign, times in (("R051", -1, 64), ("R094", 1, 54)):
        seen = [t for t, name in enumerate(passes.tracks) if name == key]
        assert len(seen) == times
        signed = signed_distance(track(key), *here)[0]
        assert np.sign(signed) == sign, "the line of R051 lies east of the place, that of R094 west"
        assert all(math.sin(math.radians(passes.azimuth[t])) * sign < 0 for t in seen)
        # The angle of a product is the mean over what its tile shows; from there to a distance by an orbit 786 km up.
        zenith = np.radians(np.median([passes.zenith[t] for t in seen]))
        arc = zenith - np.arcsin(np.sin(zenith) * 6371.0 / (6371.0 + 786.0))
        distance = distance_to_centre(key, tile)
        assert distance[distance < 145].mean() == pytest.approx(6371.0 * arc, abs=2.0)


def test_both_tracks_of_the_other_belgian_place_see_it() -> None:
    # belgium-s2-s1-cdse-2023: R008 on 2, 7, ... 27 April 2023, R051 on 5, 10, ... 30 April.
    away = {n: abs(signed_distance(track(n), np.array([5.05]), np.array([51.22]))[0]) for n in range(1, 144)}
    assert [number for number, distance in away.items() if distance < 145] == [8, 51]


@pytest.mark.parametrize("method", METHODS)
def test_every_month_blends_to_the_oracle(passes: Passes, method: str) -> None:
    distance = np.stack([distance_to_centre(key, GRID) for key in TRACKS])
    blended = 0
    for month in passes.stack.months():
        values, counts = passes.pair("red", month)
        weight = np.stack([weights(method, d, n) for d, n in zip(distance, counts, strict=True)])  # type: ignore[arg-type]
        exact = oracle_weights(method, distance, counts)
        assert np.abs(weight.astype(np.int64) - exact).max() <= 1
        for rank in values[:, :, ::3, ::3]:
            assert np.array_equal(blend(rank, weight[:, ::3, ::3]), oracle.blend(rank, exact[:, ::3, ::3]))
        blended += int((counts > 0).all(axis=0).sum())
    assert blended > 20_000, "pixels and months in which both tracks have something to say"


def oracle_weights(method: str, distance: np.ndarray, counts: np.ndarray) -> np.ndarray:
    weight = np.zeros(counts.shape, np.int64)
    for k, y, x in np.ndindex(*counts.shape):
        weight[k, y, x] = oracle.integer_weight(method, float(distance[k, y, x]), int(counts[k, y, x]))
    return weight


def pixels(product: Product, key: str) -> np.ndarray:
    with rasterio.open(product.file(key).path) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize("method", METHODS)
def test_the_mosaic_of_a_season_is_that_of_the_oracle(passes: Passes, method: str, tmp_path: Path) -> None:
    summer = [t for t, day in enumerate(passes.stack.dates) if date(2018, 6, 25) <= day <= date(2018, 9, 12)]
    layers = {key: _layers(passes, key, summer) for key in TRACKS}
    tracks = {key: source(f"x_2018-03_{key}_test", GRID, layers[key], tmp_path) for key in TRACKS}
    settings = Mosaic(crs="EPSG:32631", resolution=10, sheet_km=1, blend=method)  # type: ignore[arg-type]
    sheet = Sheet("test", GRID)
    found = [
        mosaic({key: tracks[key] for key in order}, sheet, settings, tmp_path / "-".join(order))
        for order in permutations(TRACKS)
    ]
    assert found[0] is not None
    assert found[1] is not None
    product = found[0].product
    assert digests(product) == digests(found[1].product)
    distance = np.stack([distance_to_centre(key, GRID) for key in TRACKS])
    counts = np.stack([layers[key][COUNT] for key in TRACKS])
    exact = oracle_weights(method, distance, counts)
    assert np.array_equal(pixels(product, "count"), counts.sum(axis=0))
    for layer in layers["R051"]:
        if layer is not COUNT:
            values = np.stack([layers[key][layer] for key in TRACKS])
            assert np.array_equal(pixels(product, layer.key), oracle.blend(values, exact))


def _layers(passes: Passes, key: str, times: list[int]) -> Mapping:
    made = {}
    for band in ("red", "nir"):
        values, count = passes.composite(key, band, times)
        made |= {reflectance(f"{band}_p{q}"): rank for q, rank in zip(QUANTILES, values, strict=True)}
    return made | {COUNT: count}
