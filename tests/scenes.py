"""Tiny Sentinel-2-like scenes on disk for tests: one multi-band file and one class file each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio

from weft.rasters.grid import Grid
from weft.scenes.scene import ClassLayer, Layer, Scene

GRID = Grid("EPSG:32631", 399960, 5700000, 10, 10, 48, 40)
BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
START = datetime(2018, 4, 1, 10, 50, tzinfo=UTC)


@dataclass(frozen=True)
class Pixels:
    """Stored numbers of one scene: band -> (y, x) uint16, and SCL (y, x) at half resolution."""

    numbers: Mapping[str, np.ndarray]
    scl: np.ndarray


def random_pixels(seed: int, grid: Grid = GRID, bands: tuple[str, ...] = BANDS, shift: int = 0) -> Pixels:
    """Random reflectances with clouds in blobs, dark water and no-data corners."""
    rng = np.random.default_rng(seed)
    height, width = grid.shape
    scl = rng.choice(
        [4, 5, 6, 8, 9, 3, 2, 0], size=(height // 2, width // 2), p=[0.3, 0.2, 0.1, 0.15, 0.1, 0.1, 0.04, 0.01]
    )
    scl = scl.astype("uint8")
    numbers = {}
    for band in bands:
        values = rng.integers(0, 60, grid.shape) * (rng.random(grid.shape) < 0.1) + rng.integers(2, 4000, grid.shape)
        values[rng.random(grid.shape) < 0.05] = rng.integers(0, 2)
        numbers[band] = (values + shift * (values > 1)).astype("uint16")
    return Pixels(numbers, scl)


def write(path: Path, grid: Grid, arrays: list[np.ndarray], driver: str = "GTiff", block: int = 16) -> None:
    """Write a raster the way archives do, with rasterio alone."""
    options: dict[str, object] = {"driver": driver}
    if driver == "GTiff":
        options |= {"tiled": True, "blockxsize": block, "blockysize": block, "compress": "deflate"}
    else:
        options |= {"QUALITY": 100, "REVERSIBLE": "YES"}
    with rasterio.open(
        path,
        "w",
        width=grid.width,
        height=grid.height,
        count=len(arrays),
        dtype=arrays[0].dtype,
        crs=grid.crs,
        transform=grid.transform,
        **options,
    ) as dataset:
        for index, array in enumerate(arrays, start=1):
            dataset.write(array, index)


def make_scene(
    folder: Path,
    number: int,
    pixels: Pixels | None = None,
    *,
    grid: Grid = GRID,
    offset: float = 0.0,
    driver: str = "GTiff",
    block: int = 16,
) -> Scene:
    """Write one scene and describe it; ``number`` gives its date and its identity."""
    pixels = pixels or random_pixels(number, grid, shift=round(-offset * 10000))
    suffix = ".jp2" if driver == "JP2OpenJPEG" else ".tif"
    folder.mkdir(parents=True, exist_ok=True)
    data, classes = folder / f"scene{number}{suffix}", folder / f"scene{number}_scl.tif"
    coarse = replace(grid, x_size=20, y_size=20, width=grid.width // 2, height=grid.height // 2)
    write(data, grid, list(pixels.numbers.values()), driver, block)
    write(classes, coarse, [pixels.scl], block=block)
    acquired = START + timedelta(days=5 * number)
    return Scene(
        id=f"S2A_31UDS_{number:03d}",
        mission="sentinel-2",
        platform="sentinel-2a",
        acquired=acquired,
        datatake=f"GS2A_{acquired:%Y%m%dT%H%M%S}",
        segment=f"{acquired:%Y%m%dT%H%M%S}",
        tile="31UDS",
        track="R051",
        geolocation=grid,
        bands={
            band: Layer(str(data), index, grid, 0.0001, offset, 0, "1")
            for index, band in enumerate(pixels.numbers, start=1)
        },
        classes=ClassLayer(Layer(str(classes), 1, coarse, nodata=0), "sentinel-2-scl", 0, (6,)),
        baseline="04.00" if offset else "02.12",
        processed=acquired + timedelta(days=1),
    )
