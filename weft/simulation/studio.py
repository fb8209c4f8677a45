"""Taking the pictures: every file of a granule, block by block.

Belongs here: bringing ground, weather, swath, sensor and classifier together. Not here: any of their physics, or the
documents that describe the files (``archive``).

Granules of one tile are taken several at a time, so that the ground, which is the dearest part, is described once for
all of them; memory depends on the block size only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from weft.mosaicking.tracks import HALF_SWATH_KM
from weft.rasters.cog import LayerWriter, write_layers
from weft.rasters.grid import Grid, Window
from weft.rasters.product import LayerSpec, RasterFile
from weft.simulation.classifier import UNOBSERVED, WATER, classify
from weft.simulation.files import as_jp2, as_one_file
from weft.simulation.landscape import Cover, Landscape, positions, reflectance
from weft.simulation.noise import seed_of
from weft.simulation.passes import view_zenith
from weft.simulation.plan import Granule, swath_over
from weft.simulation.presets import ANGLE_PIXEL, COARSE_RATIO
from weft.simulation.sensor import OUTSIDE, at_sensor, digitise
from weft.simulation.spectra import BANDS, COARSE_BANDS
from weft.simulation.swaths import Sight, TileSwath
from weft.simulation.weather import Sky, Weather

ANGLE_NODATA = 65_535
MULTIBAND_KEY = "msi"
QUALITY_NODATA = {"cloud": 255, "aot": 0}
"""Layers that only granules with :attr:`Granule.tells_quality` have, and their fill."""

_BLOCK = 512
_FINE_BANDS = tuple(band for band in BANDS if band not in COARSE_BANDS)
_STRIPED_BANDS = ("green", "swir16")
_OLD_GAIN = 1.01
_SCL = LayerSpec("scl", "Scene classification", "uint8", UNOBSERVED, categorical=True)
_CLOUD = LayerSpec("cloud", "Cloud confidence, percent", "uint8", QUALITY_NODATA["cloud"])
_AOT = LayerSpec("aot", "Aerosol optical thickness, thousandths", "uint16", QUALITY_NODATA["aot"])


@dataclass(frozen=True, slots=True)
class Shot:
    """A finished granule.

    Attributes:
        granule: what was asked for.
        files: asset key -> file.
        class_counts: pixels of each SCL class, 12 numbers.
    """

    granule: Granule
    files: Mapping[str, Path]
    class_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scenery:
    """What all granules of an archive share."""

    seed: int
    landscape: Landscape
    weather: Mapping[str, Weather]


@dataclass(slots=True)
class _Exposure:
    """A granule being taken."""

    granule: Granule
    swath: TileSwath
    weather: Weather
    fine: LayerWriter
    coarse: LayerWriter
    seed: int
    class_counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(12, np.int64))


def take(scenery: Scenery, granules: Sequence[Granule], folder: Path) -> list[Shot]:
    """Make the files of granules of one tile, each in ``folder / id``."""
    grid = swath_over(granules[0].flight.track, granules[0].tile, scenery.landscape.pixel).grid
    coarse_grid = grid.at_resolution(grid.x_size * COARSE_RATIO)
    with contextlib.ExitStack() as stack:
        exposures = [_exposure(scenery, granule, grid, coarse_grid, folder, stack) for granule in granules]
        shifts = sorted({granule.shift for granule in granules})
        for window, shift in product(grid.blocks(_BLOCK, _BLOCK), shifts):
            block = _shifted(grid.of_window(window), shift)
            cover, place = scenery.landscape.cover(block), positions(block)
            for exposure in exposures:
                if exposure.granule.shift == shift:
                    _expose(exposure, window, cover, exposure.weather.sky(*place))
        return [_develop(exposure, folder) for exposure in exposures]


def _shifted(grid: Grid, shift: tuple[float, float]) -> Grid:
    """Where on the ground pixels really look whose ground lies off by columns and rows."""
    return replace(grid, left=grid.left - shift[0] * grid.x_size, top=grid.top + shift[1] * grid.y_size)


def _exposure(
    scenery: Scenery, granule: Granule, grid: Grid, coarse_grid: Grid, folder: Path, stack: contextlib.ExitStack
) -> _Exposure:
    place = folder / granule.id
    fine = [_band_layer(band) for band in _FINE_BANDS]
    coarse = [*(_band_layer(band) for band in COARSE_BANDS), _SCL, *((_CLOUD, _AOT) if granule.tells_quality else ())]
    return _Exposure(
        granule,
        swath_over(granule.flight.track, granule.tile, scenery.landscape.pixel),
        scenery.weather[granule.flight.name],
        stack.enter_context(LayerWriter(grid, fine, place)),
        stack.enter_context(LayerWriter(coarse_grid, coarse, place)),
        scenery.seed,
    )


def _band_layer(band: str) -> LayerSpec:
    # The files hold bare numbers as ESA's do; scale and offset are the item's to tell.
    return LayerSpec(band, f"{band}, stored numbers", "uint16", 0)


class _Level(NamedTuple):
    """A block at one of the two pixel sizes; arrays (y, x)."""

    window: Window
    edge: npt.NDArray[np.uint8]
    water: npt.NDArray[np.bool_]
    stripe: npt.NDArray[np.bool_]


def _expose(exposure: _Exposure, window: Window, cover: Cover, sky: Sky) -> None:
    granule = exposure.granule
    coarse_window = Window(
        *(number // COARSE_RATIO for number in (window.row, window.col, window.height, window.width))
    )
    sight = exposure.swath.sight(window, granule.part)
    ground, snow = (days[0] for days in reflectance(cover, np.array([granule.flight.day_of_year], np.float64)))
    classes = _classes(exposure, coarse_window, sight, cover, ground, snow, sky)
    exposure.class_counts += np.bincount(classes.ravel(), minlength=12)
    water = classes == WATER
    fine = _Level(window, sight.edge, water.repeat(COARSE_RATIO, 0).repeat(COARSE_RATIO, 1), sight.stripe)
    # A coarse pixel needs all its light, so the coarse bands end earlier than the classification, as real ones do.
    coarse = _Level(coarse_window, _quads(sight.edge).min((1, 3)), water, _quads(sight.stripe).max((1, 3)))
    seen = dict(
        zip(BANDS, at_sensor(ground, sky, sight.position, _OLD_GAIN if granule.superseded else 1.0), strict=True)
    )
    exposure.fine.write(window, {band: _numbers(exposure, band, seen[band], fine) for band in _FINE_BANDS})
    coarse_numbers = {band: _numbers(exposure, band, _mean(seen[band]), coarse) for band in COARSE_BANDS}
    exposure.coarse.write(coarse_window, {**coarse_numbers, _SCL.key: classes, **_quality(classes, sky)})


def _quality(classes: npt.NDArray[np.uint8], sky: Sky) -> dict[str, npt.NDArray[Any]]:
    observed = classes != UNOBSERVED
    cloud, cirrus = _mean(sky.cloud), _mean(sky.cirrus)
    percent = np.floor(100 * np.maximum(cloud, cirrus) + 0.5).astype(np.uint8)
    thousandths = np.floor(80 + 600 * cirrus + 120 * cloud + 0.5).astype(np.uint16)
    return {
        _CLOUD.key: np.where(observed, percent, np.uint8(QUALITY_NODATA["cloud"])),
        _AOT.key: np.where(observed, thousandths, np.uint16(QUALITY_NODATA["aot"])),
    }


def _classes(
    exposure: _Exposure,
    window: Window,
    sight: Sight,
    cover: Cover,
    ground: npt.NDArray[np.float32],
    snow: npt.NDArray[np.float32],
    sky: Sky,
) -> npt.NDArray[np.uint8]:
    red, nir = (_mean(ground[BANDS.index(band)]) for band in ("red", "nir"))
    classes: npt.NDArray[np.uint8] = classify(
        _quads(sight.edge).max((1, 3)) != OUTSIDE,
        _mean(cover.water),
        _mean(snow),
        _mean(cover.town),
        (nir - red) / (nir + red),
        _mean(sky.cloud),
        _mean(sky.shadow),
        _mean(sky.cirrus),
        seed_of(exposure.seed, "classifier", exposure.granule.id),
        window.row,
        window.col,
    )
    return classes


def _numbers(exposure: _Exposure, band: str, seen: npt.NDArray[np.float32], level: _Level) -> npt.NDArray[np.uint16]:
    granule = exposure.granule
    numbers = digitise(
        seen,
        level.edge,
        level.water,
        seed=seed_of(exposure.seed, "noise", granule.id, band),
        row=level.window.row,
        column=level.window.col,
        offset=granule.offset,
    )
    if granule.zero_stripe and band in _STRIPED_BANDS:
        numbers[level.stripe] = 0
    return numbers


def _develop(exposure: _Exposure, folder: Path) -> Shot:
    granule, place = exposure.granule, folder / exposure.granule.id
    written = [*exposure.fine.finish(workers=1), *exposure.coarse.finish(workers=1), *_angles(exposure.swath, place)]
    files = {file.layer.key: file.path for file in written}
    if granule.jp2:
        files |= {key: as_jp2(files[key]) for key in (*BANDS, _SCL.key)}
    if granule.multiband:
        files[MULTIBAND_KEY] = as_one_file([files.pop(band) for band in BANDS], place / f"{MULTIBAND_KEY}.tif")
    return Shot(granule, files, tuple(int(count) for count in exposure.class_counts))


def _angles(swath: TileSwath, folder: Path) -> Sequence[RasterFile]:
    over = TileSwath(swath.track, swath.grid.at_resolution(ANGLE_PIXEL))
    sight = over.sight(Window(0, 0, *over.grid.shape), None)
    zenith = np.floor(view_zenith(sight.position * np.float32(HALF_SWATH_KM * 1000)) * 100 + 0.5).astype(np.uint16)
    layer = LayerSpec("view_zenith", "View zenith angle, hundredths of a degree", "uint16", ANGLE_NODATA)
    return write_layers(over.grid, {layer: np.where(sight.edge == OUTSIDE, np.uint16(ANGLE_NODATA), zenith)}, folder)


def _quads(fine: npt.NDArray[Any]) -> npt.NDArray[Any]:
    height, width = fine.shape
    return fine.reshape(height // COARSE_RATIO, COARSE_RATIO, width // COARSE_RATIO, COARSE_RATIO)


def _mean(fine: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    mean: npt.NDArray[np.float32] = _quads(fine).mean(axis=(1, 3), dtype=np.float32)
    return mean
