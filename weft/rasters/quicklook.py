"""Small pictures of layers, as PNG bytes: the same ones for Dagster's metadata, the demo report and the portal.

Belongs here: thinning, the fixed stretches and colour ramps, PNG encoding. Not here: which pictures a page shows.

Stretches are physical and fixed, so that pictures of neighbouring tiles and of different seasons compare: a colour
means the same value everywhere. Pixels without a value are transparent.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from weft.rasters.gdal import decoding, environment, open_raster
from weft.rasters.product import Product, SourceProduct
from weft.rasters.values import physical

Picturable: TypeAlias = npt.NDArray[Any] | Path
"""Physical values (height, width), NaN where there is none; or a single-band COG that Weft wrote."""

MAX_SIZE = 512
RGB_WHITE = 0.3
"""Reflectance shown as full brightness: bright sand and towns keep detail, clouds and snow saturate."""
RGB_GAMMA = 1.5
"""brightness = (reflectance / RGB_WHITE) ** (1 / RGB_GAMMA): opens up dark forest and water."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """Colours of physical values: (value, ``#rrggbb``) stops, linear in between, the end colours beyond.

    Lightness (CIELAB) changes steadily between neighbouring stops, so that equal steps look equal and the ramp can be
    read without colour vision.
    """

    stops: tuple[tuple[float, str], ...]

    def colours(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Red, green and blue, 0 to 255: (3, height, width)."""
        positions = [value for value, _ in self.stops]
        channels = zip(*(bytes.fromhex(colour[1:]) for _, colour in self.stops), strict=True)
        return np.stack([np.interp(values, positions, channel) for channel in channels])


COUNT = Ramp(
    (
        (0, "#101010"),
        (1, "#3b1d5e"),
        (3, "#5a4a9c"),
        (6, "#4b7fb3"),
        (12, "#4fb0a5"),
        (24, "#9ad27f"),
        (48, "#f3f0a8"),
    )
)
"""Number of valid observations, about one step per doubling: near black where there is none."""

GAPS = Ramp(((0, "#7a0d1e"), (1, "#d9642c"), (2, "#f0c05a"), (3, "#e9efe6")))
"""Whether a pixel was observed never, once, twice, or three times and more: one clear colour each, dark where never."""

DIFFERENCE = Ramp(
    (
        (-0.1, "#08306b"),
        (-0.05, "#2f79b5"),
        (-0.02, "#a9cfe5"),
        (0, "#f7f7f7"),
        (0.02, "#f4b698"),
        (0.05, "#c8443c"),
        (0.1, "#67001f"),
    )
)
"""Difference of two reflectances: white where they agree, blue below, red above."""

INDEX = Ramp(
    (
        (-1, "#4a2a05"),
        (-0.3, "#b98a45"),
        (0, "#f4ecd8"),
        (0.3, "#aed08a"),
        (0.6, "#4c9648"),
        (1, "#0a3d1c"),
    )
)
"""Normalised difference such as NDVI: pale at zero, brown below, green above."""


def rgb(red: Picturable, green: Picturable, blue: Picturable, *, max_size: int = MAX_SIZE) -> bytes:
    """Natural-colour picture of three reflectance layers on one grid.

    Args:
        red: reflectance, see :data:`Picturable`.
        green: same shape.
        blue: same shape.
        max_size: longest side of the picture in pixels; smaller layers are not enlarged.

    Returns:
        PNG with alpha; transparent where any of the three has no value.

    Raises:
        UnreadableRaster: a file cannot be opened or decoded.
    """
    channels = np.stack([thinned(layer, max_size) for layer in (red, green, blue)])
    return _png(brightness(channels), ~np.isnan(channels.sum(axis=0)))


def brightness(reflectance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What a reflectance looks like in a natural-colour picture: 0 to 255, NaN where it is."""
    shown: npt.NDArray[np.float64] = np.clip(reflectance / RGB_WHITE, 0.0, 1.0) ** (1.0 / RGB_GAMMA) * 255.0
    return shown


def single(layer: Picturable, ramp: Ramp, *, max_size: int = MAX_SIZE) -> bytes:
    """Picture of one layer in the colours of a ramp; arguments, result and errors as for :func:`rgb`."""
    values = thinned(layer, max_size)
    return _png(ramp.colours(values), ~np.isnan(values))


def painted(colours: npt.NDArray[np.uint8], *, max_size: int = MAX_SIZE) -> bytes:
    """Picture of finished colours, (3, height, width) uint8; transparent where all three are 0. Result as above."""
    channels = np.stack([thinned(channel, max_size) for channel in colours])
    return _png(channels, channels.sum(axis=0) > 0)


def quicklook(product: Product | SourceProduct, *, max_size: int = MAX_SIZE) -> dict[str, bytes]:
    """The pictures of a product.

    Args:
        product: with its files at hand.
        max_size: longest side in pixels. A picture of 512 pixels may take half a megabyte; in an event log use fewer.

    Returns:
        ``rgb_{statistic}`` for each statistic that has red, green and blue; ``count`` if there is one; for a product
        without bands (expressions) each layer under its own key, in the colours of :data:`INDEX`.
    """
    files = product.files if isinstance(product, Product) else tuple(product.layers.values())
    bands = {(file.layer.statistic, file.layer.band): file.path for file in files if file.layer.band is not None}
    pictures = {}
    for statistic in dict.fromkeys(statistic for statistic, _ in bands):
        channels = [bands[statistic, band] for band in ("red", "green", "blue") if (statistic, band) in bands]
        if len(channels) == 3:
            pictures[f"rgb_{statistic}"] = rgb(*channels, max_size=max_size)
    for file in files:
        if file.layer.key == "count":
            pictures["count"] = single(file.path, COUNT, max_size=max_size)
        elif not bands:
            pictures[file.layer.key] = single(file.path, INDEX, max_size=max_size)
    return pictures


def as_data_uri(picture: bytes, media_type: str = "image/png") -> str:
    """A picture as a ``data:`` URI, for Markdown and HTML that must stand alone."""
    return f"data:{media_type};base64,{base64.b64encode(picture).decode('ascii')}"


def thinned(layer: Picturable, max_size: int) -> npt.NDArray[np.float64]:
    """Physical values of a layer in at most ``max_size`` pixels a side; files are averaged, arrays are not."""
    if isinstance(layer, Path):
        return _read(layer, max_size)
    rows, cols = (((np.arange(count) + 0.5) * full / count).astype(np.intp) for full, count in _sides(layer, max_size))
    values: npt.NDArray[np.float64] = layer[np.ix_(rows, cols)].astype(np.float64)
    return values


def _read(path: Path, max_size: int) -> npt.NDArray[np.float64]:
    with environment(), open_raster(path) as dataset, decoding(path):
        shape = tuple(count for _, count in _sides(dataset, max_size))
        stored = dataset.read(1, out_shape=shape, resampling=Resampling.average)  # decodes the overview nearest in size
        return physical(stored, scale=dataset.scales[0], offset=dataset.offsets[0], nodata=dataset.nodata)


def _sides(raster: Any, max_size: int) -> list[tuple[int, int]]:
    """(full, thinned) pixels of height and width."""
    factor = max(1.0, max(raster.shape) / max_size)
    return [(full, max(1, math.floor(full / factor + 0.5))) for full in raster.shape]


def _png(colours: npt.NDArray[np.float64], opaque: npt.NDArray[np.bool_]) -> bytes:
    pixels = np.zeros((4, *opaque.shape), np.uint8)
    pixels[:3] = np.where(opaque, np.rint(colours), 0)
    pixels[3] = np.where(opaque, 255, 0)
    height, width = opaque.shape
    with environment(), MemoryFile() as memory:
        # The transform means nothing; without one rasterio warns.
        with memory.open(
            driver="PNG", width=width, height=height, count=4, dtype="uint8", transform=Affine(1, 0, 0, 0, -1, height)
        ) as dataset:
            dataset.write(pixels)
        return bytes(memory.read())
