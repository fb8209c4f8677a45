"""What a step hands to publishing: raster files with their meaning.

Belongs here: value objects that describe layers and finished files. Not here: how files are written (``cog``), named in
a store (``resources.publishing``) or described in STAC (``weft.stac``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weft.rasters.grid import Grid


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """What one output layer holds.

    Attributes:
        key: asset key, ``[a-z0-9_]+``, e.g. ``red_p50`` or ``count``.
        title: one line for people.
        dtype: NumPy dtype name of the stored values.
        nodata: stored value that means "no value here", or None if every pixel has one.
        scale: physical = stored * scale + offset.
        offset: see ``scale``.
        unit: unit of the physical value, UCUM where it has one; None for counts and indices.
        band: Common Band Name the layer belongs to, None for counts and indices.
        statistic: ``medoid``, ``p25`` ... or None.
        categorical: values are labels: overviews and previews take the nearest, never an average.
    """

    key: str
    title: str
    dtype: str
    nodata: float | None
    scale: float = 1.0
    offset: float = 0.0
    unit: str | None = None
    band: str | None = None
    statistic: str | None = None
    categorical: bool = False


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of the physical values of a layer over its valid pixels; NaN where none is valid."""

    minimum: float
    maximum: float
    mean: float
    stddev: float
    valid_percent: float


@dataclass(frozen=True, slots=True)
class RasterFile:
    """A finished, validated COG in scratch space.

    Attributes:
        layer: what it holds.
        path: the local file.
        statistics: of the full-resolution pixels.
        pixel_sha256: hex digest of the stored full-resolution pixels (see ``weft.rasters.cog.pixel_digest``).
    """

    layer: LayerSpec
    path: Path
    statistics: Statistics
    pixel_sha256: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A scene that was set aside, and why."""

    scene_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Product:
    """All layers one step made on one grid."""

    grid: Grid
    files: tuple[RasterFile, ...]
    rejected: tuple[Rejected, ...] = ()

    def file(self, key: str) -> RasterFile:
        """The file of one layer; raises KeyError if the product has no such layer."""
        for file in self.files:
            if file.layer.key == key:
                return file
        raise KeyError(key)


@dataclass(frozen=True, slots=True)
class SourceLayer:
    """A published layer as the input of a later step: what it holds and a local file to read it from."""

    layer: LayerSpec
    path: Path


@dataclass(frozen=True, slots=True)
class SourceProduct:
    """A published product as the input of a later step."""

    id: str
    grid: Grid
    layers: Mapping[str, SourceLayer]
