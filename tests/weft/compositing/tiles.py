"""Small tiles of eleven bands with every auxiliary layer, and what a brute-force oracle sees of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio

from tests.scenes import make_scene, random_pixels, write
from weft.composite_settings import Composite, Validity
from weft.compositing.composite import Composited, Recipe, composite
from weft.compositing.observations import plan
from weft.rasters.grid import Grid
from weft.scenes.scene import Layer, Scene

BANDS = (
    *("coastal", "blue", "green", "red", "rededge071", "rededge075", "rededge078"),
    *("nir", "nir08", "swir16", "swir22"),
)
GRID = Grid("EPSG:32631", 399960, 5700000, 10, 10, 24, 20)
SHAPE = GRID.shape
CLASSES = tuple(range(1, 12))
"""Valid classes of most tests here: all, so that the short-term rules have something to choose from."""


def recipe(resolution: float = 10, classes: tuple[int, ...] = CLASSES, **settings: object) -> Recipe:
    return Recipe(BANDS, Validity(classes=classes), Composite(**settings), resolution)


def layer(folder: Path, name: str, values: np.ndarray, pixel: float, **facts: object) -> Layer:
    """Write one layer of pixels of some size."""
    folder.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    grid = replace(GRID, x_size=pixel, y_size=pixel, width=width, height=height)
    write(folder / f"{name}.tif", grid, [values])
    return Layer(str(folder / f"{name}.tif"), 1, grid, **facts)


def full_scene(folder: Path, number: int, *, confidence: bool = True) -> Scene:
    """A scene with all bands, random classes, angles and quality layers."""
    rng = np.random.default_rng(1000 + number)
    pixels = random_pixels(number, GRID, BANDS)
    scl = rng.choice([0, *CLASSES, 4, 4, 5, 6], (10, 12)).astype(np.uint8)
    scene = make_scene(folder, number, replace(pixels, scl=scl), grid=GRID)
    here = folder / f"layers{number}"
    cloud = rng.integers(0, 4, (10, 12)).astype(np.uint8)
    quality = {"aot": layer(here, "aot", rng.integers(0, 400, (10, 12)).astype(np.uint16), 20, scale=0.001)}
    if confidence:
        quality["cloud_confidence"] = layer(here, "cloud", cloud, 20)
        quality["snow_confidence"] = layer(here, "snow", (100 - cloud).astype(np.uint8), 20)
    angles = {
        name: layer(here, name, rng.integers(0, 36000, (4, 5)).astype(np.uint16), 50, scale=0.01, nodata=65535)
        for name in ("view_zenith", "view_azimuth", "sun_zenith", "sun_azimuth")
    }
    return replace(scene, quality=quality, angles=angles)


def make(scenes: Sequence[Scene], wanted: Recipe, scratch: Path, **options: object) -> Composited:
    return composite(plan(scenes, wanted.bands).observations, wanted, scratch, lambda href: href, **options)


def pixels_of(outcome: Composited) -> dict[str, np.ndarray]:
    assert outcome.product is not None
    arrays = {}
    for file in outcome.product.files:
        with rasterio.open(file.path) as dataset:
            arrays[file.layer.key] = dataset.read(1)
    return arrays


def digests(outcome: Composited) -> dict[str, str]:
    assert outcome.product is not None
    return {file.layer.key: file.pixel_sha256 for file in outcome.product.files}


@dataclass(frozen=True)
class Seen:
    """Everything about some scenes on the 10 m grid, newest first."""

    stack: np.ndarray
    valid: np.ndarray
    classes: np.ndarray
    days: list[int]
    layers: Mapping[str, np.ndarray]


def nearest(one: Layer) -> np.ndarray:
    """A layer's numbers at the 10 m pixel centres."""
    with rasterio.open(one.href) as dataset:
        values = dataset.read(one.band)
    rows, cols = (
        ((np.arange(count) + 0.5) * 10 / one.geolocation.x_size).astype(int) for count in (GRID.height, GRID.width)
    )
    return values[np.ix_(rows, cols)]
