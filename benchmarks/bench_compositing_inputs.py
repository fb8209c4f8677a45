"""Scenes of one tile for `make bench-compositing`: as large, as cloudy and as hard to decode as real ones.

Belongs here: the pixels of the inputs and the scenes that describe them. Not here: file formats (``rasters``), timing.

Reflectance is fractal noise (amplitude proportional to wavelength, as in landscapes) plus white noise of a few units,
which decides how well it compresses. Dates share the files of a few distinct scenes, since the time to decode does not
depend on which file is decoded; every date has its own scene classification, so that no two pixels share a history of
clouds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks import rasters
from benchmarks.rasters import SUFFIX, Kind
from weft.compositing.observations import Observation, plan
from weft.rasters.grid import Grid
from weft.scenes.scene import ClassLayer, Layer, Scene

FULL = 10980
"""Rows and columns of a Sentinel-2 tile at 10 m."""
FINE = {"blue": 500, "green": 800, "red": 700, "nir": 3000}
COARSE = {"swir16": 2200, "swir22": 1400}
BANDS = (*FINE, *COARSE)
DISTINCT = 3
MISSING = 0.45

_PIECE = 1024
_START = datetime(2021, 4, 1, 10, 50, tzinfo=UTC)
_NOISE = 12.0
_OFFSET = -0.1


def tile(folder: Path, size: int, dates: int, kind: Kind) -> tuple[Observation, ...]:
    """Observations of ``dates`` days over a tile of ``size`` x ``size`` pixels of 10 m; files are written once."""
    folder = folder / f"{kind}-{size}"
    folder.mkdir(parents=True, exist_ok=True)
    grid = Grid("EPSG:32631", 399960.0, 5700000.0, 10.0, 10.0, size, size)
    coarse = replace(grid, x_size=20.0, y_size=20.0, width=size // 2, height=size // 2)
    wanted = {folder / f"scl{date}.tif": (coarse, "scl", date) for date in range(dates)}
    for scene in range(min(dates, DISTINCT)):
        wanted |= {folder / f"{band}{scene}{SUFFIX[kind]}": (grid, band, scene) for band in FINE}
        wanted |= {folder / f"{band}{scene}{SUFFIX[kind]}": (coarse, band, scene) for band in COARSE}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_write, wanted.items()))
    scenes = [_scene(folder, grid, coarse, date, SUFFIX[kind]) for date in range(dates)]
    return plan(scenes, BANDS).observations


def _write(wanted: tuple[Path, tuple[Grid, str, int]]) -> None:
    path, (grid, name, number) = wanted
    if path.exists():
        return
    if name == "scl":
        rasters.write(path, grid, _classes(grid.width, number), "cog")
    else:
        kind: Kind = "jp2" if path.suffix == ".jp2" else "cog"
        rasters.write(path, grid, _reflectance(grid.width, name, number), kind)


def _reflectance(size: int, band: str, scene: int) -> NDArray[np.uint16]:
    rng = np.random.default_rng([1, BANDS.index(band), scene])
    level = {**FINE, **COARSE}[band]
    piece = fractal(rng, _PIECE, 1.0)
    values = np.empty((size, size), np.uint16)
    for row in range(0, size, _PIECE):
        for col in range(0, size, _PIECE):
            part = values[row : row + _PIECE, col : col + _PIECE]
            turned = np.rot90(piece, rng.integers(4))[: part.shape[0], : part.shape[1]]
            noise = rng.standard_normal(part.shape, np.float32) * np.float32(_NOISE)
            part[...] = np.clip(1000 + level * (1 + 0.3 * turned) + noise, 2, 20000)
    return values


def _classes(size: int, date: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng([2, date])
    coarse = fractal(rng, 1 << (size // 8 - 1).bit_length(), 1.2)[: -(-size // 8), : -(-size // 8)]
    clouds = ndimage.zoom(coarse, 8, order=1, grid_mode=True, mode="nearest")[:size, :size]
    values = np.where(rng.random((size, size), np.float32) < 0.5, 4, 5).astype(np.uint8)
    values = np.repeat(np.repeat(values[::4, ::4], 4, 0), 4, 1)[:size, :size]
    edge = np.quantile(coarse, 1 - MISSING)
    values[clouds > edge] = 8
    values[clouds > edge + 0.4] = 9
    return values


def fractal(rng: np.random.Generator, size: int, slope: float) -> NDArray[np.float32]:
    """Noise of zero mean and unit variance whose amplitude falls with frequency to the power of ``slope``."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * frequency**-slope
    field = np.fft.irfft2(spectrum, (size, size))
    return (field / field.std()).astype(np.float32)


def _scene(folder: Path, grid: Grid, coarse: Grid, date: int, suffix: str) -> Scene:
    acquired = _START + timedelta(days=5 * date)
    files = {
        band: Layer(
            str(folder / f"{band}{date % DISTINCT}{suffix}"),
            1,
            grid if band in FINE else coarse,
            0.0001,
            _OFFSET,
            0,
            "1",
        )
        for band in BANDS
    }
    return Scene(
        id=f"S2A_31UDS_{date:03d}",
        mission="sentinel-2",
        platform="sentinel-2a",
        acquired=acquired,
        datatake=f"GS2A_{acquired:%Y%m%dT%H%M%S}",
        segment=f"{acquired:%Y%m%dT%H%M%S}",
        tile="31UDS",
        track="R051",
        geolocation=grid,
        bands=files,
        classes=ClassLayer(Layer(str(folder / f"scl{date}.tif"), 1, coarse), "sentinel-2-scl", 0, (6,)),
        baseline="05.09",
        processed=acquired + timedelta(days=1),
    )
