"""The invented ground: reflectance as a function of position, band and day of the year.

Belongs here: fields with crops, forest, towns, rivers, coast, relief and snow, as continuous functions of position in
EPSG:3035, so that tiles in two UTM zones and mosaics see the same ground. Not here: weather, the sensor, files.

Two steps: :meth:`Landscape.cover` says what lies at each position, once; :func:`reflectance`
says what that looks like on given days. The ground is sampled at positions, not averaged: the borders in it are at
least about one pixel of the preset wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from weft.rasters.grid import Grid, transformer
from weft.simulation.noise import fractal_noise, hash_cell, octaves, seed_of, step, unit
from weft.simulation.spectra import (
    BARE_TREES,
    BROADLEAF,
    CONIFER,
    CROP_LIMITS,
    CROP_TABLE,
    LEAF,
    ROCK,
    SEDIMENT,
    SNOW,
    SOIL,
    SPECTRA,
    STRAW,
    TOWN,
    VERGE,
    WATER,
)

GROUND_CRS = "EPSG:3035"

# Planes of a cover.
(
    _WATER,
    _TURBID,
    _ALTITUDE,
    _FOREST,
    _CONIFER,
    _TOWN,
    _VERGE,
    _DELAY,
    _VIGOUR,
    _SOIL,
    _TEXTURE,
) = range(11)
_PLANES = 11

# The invented geography, EPSG:3035 metres: a sea in the north-west, mountains in the south-east of the demo's area.
_COAST_X, _COAST_Y = 3_856_000.0, 3_130_000.0
_PEAK_X, _PEAK_Y, _MASSIF_RADIUS, _PEAK_HEIGHT = 4_096_000.0, 3_075_000.0, 30_000.0, 2_950.0
_TOWN_CELL = 14_000.0
_NODE_SPACING = 3_000.0


@dataclass(frozen=True, slots=True)
class Cover:
    """What lies on the ground, whatever the day.

    Attributes:
        planes: float32 (plane, y, x); what each plane holds is this module's business.
        crop: uint8 (y, x), index into the crop calendars.
    """

    planes: npt.NDArray[np.float32]
    crop: npt.NDArray[np.uint8]

    @property
    def water(self) -> npt.NDArray[np.float32]:
        """Share of water (y, x)."""
        share: npt.NDArray[np.float32] = self.planes[_WATER]
        return share

    @property
    def town(self) -> npt.NDArray[np.float32]:
        """Share of built-up land (y, x)."""
        share: npt.NDArray[np.float32] = self.planes[_TOWN]
        return share

    @property
    def forest(self) -> npt.NDArray[np.float32]:
        """Share of forest (y, x)."""
        share: npt.NDArray[np.float32] = self.planes[_FOREST]
        return share

    @property
    def verge(self) -> npt.NDArray[np.float32]:
        """Share of the strips between fields (y, x)."""
        share: npt.NDArray[np.float32] = self.planes[_VERGE]
        return share


@dataclass(frozen=True, slots=True)
class Landscape:
    """A ground without end.

    Attributes:
        seed: everything follows from it.
        pixel: finest pixel it will be looked at with, metres: sets the size of parcels and the sharpness of borders.
    """

    seed: int
    pixel: float

    def cover(self, grid: Grid) -> Cover:
        """What lies at the pixel centres of a grid in any CRS."""
        return self.cover_at(*positions(grid))

    def cover_at(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Cover:
        """What lies at positions in EPSG:3035, metres, both (y, x)."""
        planes = np.empty((_PLANES, *x.shape), np.float32)
        crop = np.empty(x.shape, np.uint8)
        finest = 4.0 * self.pixel
        counts = np.array([octaves(wavelength, finest) for wavelength in (40_000.0, 18_000.0, 6_000.0)])
        _describe(x, y, seed_of(self.seed, "ground"), self.pixel, counts, CROP_LIMITS, planes, crop)
        return Cover(planes, crop)


def positions(grid: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pixel centres in EPSG:3035, x and y (y, x), metres.

    Other projections are transformed at nodes at most 3 km apart and interpolated, which is off by less than 0.2 m.
    """
    columns, rows = np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5
    if grid.crs == GROUND_CRS:
        x, y = np.meshgrid(grid.left + columns * grid.x_size, grid.top - rows * grid.y_size)
        return x, y
    spacing = min(64, max(1, int(_NODE_SPACING / max(grid.x_size, grid.y_size))))
    node_columns = np.arange(0, grid.width + spacing, spacing)
    node_rows = np.arange(0, grid.height + spacing, spacing)
    node_x, node_y = transformer(grid.crs, GROUND_CRS).transform(
        *np.meshgrid(grid.left + node_columns * grid.x_size, grid.top - node_rows * grid.y_size)
    )
    return (
        _between(node_x, rows / spacing, columns / spacing),
        _between(node_y, rows / spacing, columns / spacing),
    )


def reflectance(cover: Cover, days: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Surface reflectance without cloud, seen from above.

    Args:
        cover: what lies on the ground.
        days: day of the year.

    Returns:
        Reflectance (day, band, y, x) in the order of ``spectra.BANDS``, and share of snow (day, y, x).
    """
    height, width = cover.crop.shape
    seen = np.empty((len(days), len(SPECTRA[0]), height, width), np.float32)
    snow = np.empty((len(days), height, width), np.float32)
    _reflect(cover.planes, cover.crop, days, SPECTRA, CROP_TABLE, seen, snow)
    return seen, snow


def _between(
    nodes: npt.NDArray[np.float64], rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    row, column = rows.astype(np.intp), columns.astype(np.intp)
    down, right = (rows - row)[:, None], columns - column
    lines = nodes[row] * (1 - down) + nodes[row + 1] * down
    values: npt.NDArray[np.float64] = lines[:, column] * (1 - right) + lines[:, column + 1] * right
    return values


@numba.njit(nogil=True, cache=True)
def _describe(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    seed: np.uint64,
    pixel: float,
    counts: npt.NDArray[np.int64],
    crop_limits: npt.NDArray[np.float64],
    planes: npt.NDArray[np.float32],
    crop: npt.NDArray[np.uint8],
) -> None:
    wide, middle, small = counts
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            px, py = x[i, j], y[i, j]
            rough = fractal_noise(px, py, seed + np.uint64(100), 40_000.0, wide, 0.5)
            altitude = _altitude(px, py, rough)
            sea = (px - _COAST_X) * 0.6 - (py - _COAST_Y) * 0.8 + 9_000.0 * rough
            bend = fractal_noise(px, py, seed + np.uint64(200), 60_000.0, 4, 0.45)
            # |noise| times a typical distance per unit of it: metres from the nearest river, roughly.
            bank = abs(bend) * 9_000.0 + max(0.0, altitude - 900.0)
            river = 1.0 - step(0.9 * pixel + 60.0, 2.4 * pixel + 60.0, bank)
            water = max(river, 1.0 - step(-pixel, pixel, sea))
            wood = fractal_noise(px, py, seed + np.uint64(300), 18_000.0, middle, 0.55)
            wood += 0.9 * step(250.0, 700.0, altitude) - 4.0 * step(1_700.0, 2_100.0, altitude)
            small_scale = fractal_noise(px, py, seed + np.uint64(400), 6_000.0, small, 0.7)
            verge, parcel = _parcel(px, py, seed + np.uint64(500), pixel, 0.12 * small_scale)
            planes[_WATER, i, j] = water
            planes[_TURBID, i, j] = max(0.7 * river * step(-4_000.0, 0.0, sea), math.exp(-abs(sea) / 9_000.0)) * (
                0.8 + 0.1 * rough
            )
            planes[_ALTITUDE, i, j] = altitude + 40.0 * small_scale
            planes[_FOREST, i, j] = step(0.75, 0.95, wood)
            planes[_CONIFER, i, j] = step(-0.5, 1.5, bend + 0.001 * altitude)
            planes[_TOWN, i, j] = _town(px, py, seed + np.uint64(600), small_scale)
            planes[_VERGE, i, j] = verge
            planes[_DELAY, i, j] = 16.0 * unit(parcel, 0) - 8.0 + 2.0 * rough
            planes[_VIGOUR, i, j] = 0.84 + 0.16 * unit(parcel, 1) + 0.03 * small_scale
            planes[_SOIL, i, j] = 0.8 + 0.4 * unit(parcel, 2) + 0.08 * rough
            planes[_TEXTURE, i, j] = 1.0 + 0.035 * small_scale
            kind = 0
            while unit(parcel, 3) >= crop_limits[kind]:
                kind += 1
            crop[i, j] = kind


@numba.njit(nogil=True, cache=True)
def _altitude(x: float, y: float, rough: float) -> float:
    away = ((x - _PEAK_X) ** 2 + (y - _PEAK_Y) ** 2) / _MASSIF_RADIUS**2
    return max(0.0, 160.0 + 70.0 * rough + _PEAK_HEIGHT * math.exp(-away) * (0.95 + 0.18 * rough))


@numba.njit(nogil=True, cache=True)
def _parcel(x: float, y: float, seed: np.uint64, pixel: float, warp: float) -> tuple[float, np.uint64]:
    # Cells of a jittered lattice under the maximum norm look like fields. Second minus first distance is zero on the
    # border and continuous, so the verge there hides the step from one crop to the next.
    length = 12.0 * pixel + 120.0
    u = (0.956 * x + 0.292 * y) / (1.5 * length) + warp
    v = (-0.292 * x + 0.956 * y) / length - warp
    column, row = math.floor(u), math.floor(v)
    first, second, parcel = 1e9, 1e9, np.uint64(0)
    for dc in range(-1, 2):
        for dr in range(-1, 2):
            bits = hash_cell(column + dc, row + dr, seed)
            away = max(abs(column + dc + 0.2 + 0.6 * unit(bits, 0) - u), abs(row + dr + 0.2 + 0.6 * unit(bits, 1) - v))
            if away < first:
                first, second, parcel = away, first, bits
            elif away < second:
                second = away
    verge = 1.0 - step(0.0, 1.2 * pixel, (second - first) * length)
    return verge, hash_cell(int(parcel & np.uint64(0xFFFFFFFF)), 1, seed)


@numba.njit(nogil=True, cache=True)
def _town(x: float, y: float, seed: np.uint64, small_scale: float) -> float:
    column, row = math.floor(x / _TOWN_CELL), math.floor(y / _TOWN_CELL)
    built = 0.0
    for dc in range(-1, 2):
        for dr in range(-1, 2):
            bits = hash_cell(column + dc, row + dr, seed)
            size = unit(bits, 2)
            if size < 0.45:
                continue
            dx = (column + dc + unit(bits, 0)) * _TOWN_CELL - x
            dy = (row + dr + unit(bits, 1)) * _TOWN_CELL - y
            radius = 600.0 + 4_500.0 * (size - 0.45) ** 2 / 0.3
            built = max(built, 1.0 - math.sqrt(dx * dx + dy * dy) / radius)
    return 0.85 * step(0.0, 0.5, built + 0.22 * small_scale * min(1.0, max(0.0, 4.0 * built)))


@numba.njit(nogil=True, cache=True)
def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


@numba.njit(nogil=True, cache=True)
def _green_and_straw(day: float, crop: npt.NDArray[np.float64]) -> tuple[float, float]:
    green_up, green_up_width, ripening, ripening_width, harvest, cover, winter_cover, straw = crop
    grown = _logistic((day - green_up) / green_up_width)
    ripe = _logistic((day - ripening) / ripening_width)
    cleared = _logistic((day - harvest) / 2.5)
    regrown = _logistic((day - harvest - 25.0) / 8.0)
    green = winter_cover * (1.0 - grown) + cover * grown * (1.0 - ripe) + winter_cover * regrown
    return green, straw * ripe * (1.0 - cleared)


@numba.njit(nogil=True, cache=True)
def _reflect(
    planes: npt.NDArray[np.float32],
    crops: npt.NDArray[np.uint8],
    days: npt.NDArray[np.float64],
    spectra: npt.NDArray[np.float64],
    crop_table: npt.NDArray[np.float64],
    seen: npt.NDArray[np.float32],
    snow_share: npt.NDArray[np.float32],
) -> None:
    for t in range(len(days)):
        day = days[t]
        leaves = _logistic((day - 115.0) / 7.0) * (1.0 - _logistic((day - 295.0) / 10.0))
        snow_line = 1_600.0 - 1_200.0 * math.cos(2.0 * math.pi * (day - 32.0) / 365.25)
        for i in range(crops.shape[0]):
            for j in range(crops.shape[1]):
                water, forest, town = planes[_WATER, i, j], planes[_FOREST, i, j], planes[_TOWN, i, j]
                altitude, verge = planes[_ALTITUDE, i, j], planes[_VERGE, i, j]
                # Spring comes four days later for every 100 m; see Hopkins' bioclimatic law.
                late = planes[_DELAY, i, j] + min(40.0, 0.04 * altitude)
                green, straw = _green_and_straw(day - late, crop_table[crops[i, j]])
                green *= planes[_VIGOUR, i, j]
                rock = step(1_900.0, 2_500.0, altitude)
                snow = step(-150.0, 150.0, altitude - snow_line) * (1.0 - 0.6 * forest) * (1.0 - water)
                snow_share[t, i, j] = snow
                for b in range(spectra.shape[1]):
                    soil = spectra[SOIL, b] * planes[_SOIL, i, j] * max(0.0, 1.0 - green - straw)
                    value = soil + spectra[LEAF, b] * green + spectra[STRAW, b] * straw
                    value += verge * (spectra[VERGE, b] - value)
                    value += rock * (spectra[ROCK, b] - value)
                    trees = spectra[BARE_TREES, b] + leaves * (spectra[BROADLEAF, b] - spectra[BARE_TREES, b])
                    trees += planes[_CONIFER, i, j] * (spectra[CONIFER, b] - trees)
                    value += forest * (trees - value)
                    value += town * (spectra[TOWN, b] - value)
                    value *= planes[_TEXTURE, i, j]
                    value += snow * (spectra[SNOW, b] - value)
                    deep = spectra[WATER, b] + planes[_TURBID, i, j] * (spectra[SEDIMENT, b] - spectra[WATER, b])
                    value += water * (deep - value)
                    seen[t, b, i, j] = value
