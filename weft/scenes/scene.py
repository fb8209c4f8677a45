"""One acquisition, whatever the mission: what it is, where its pixels lie, how to read them.

Belongs here: the model that readers fill and everything downstream uses. Not here: parsing a mission's metadata (one
module each) or reading pixels (``weft.rasters``). A scene assumes neither reflectance nor a scene classification nor a
tile name: units come with the bands, validity is a rule the mission supplies, geolocation is part of the scene.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from weft.rasters.grid import Grid

Geolocation = Grid
"""How pixels map to the ground. North-up grids so far; radar and swath missions add further kinds."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One band of pixels in a file.

    Attributes:
        href: where the file is, as the archive says; only an href resolver turns it into a place GDAL may open.
        band: 1-based band number in the file.
        geolocation: where its pixels lie.
        scale: physical = stored * scale + offset.
        offset: see ``scale``.
        nodata: stored value that means "no data", None if there is none.
        unit: unit of the physical value (``1`` for reflectance), None for class labels.
        size: size of the file in bytes where known: a shorter file is a truncated one.
    """

    href: str
    band: int
    geolocation: Geolocation
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    unit: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class ClassLayer:
    """A classification layer from which validity is decided.

    Attributes:
        layer: the class labels.
        scheme: name of the label set, e.g. ``sentinel-2-scl``.
        nodata_class: label of pixels that were not observed.
        water_classes: labels under which a reflectance of zero is a true value.
    """

    layer: Layer
    scheme: str
    nodata_class: int
    water_classes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """One acquisition of one tile (one granule).

    Attributes:
        id: STAC item id.
        mission: e.g. ``sentinel-2``.
        platform: e.g. ``sentinel-2a``.
        acquired: sensing time, UTC.
        datatake: identity of the pass that took it, equal for all granules of one datatake.
        segment: what tells granules of one datatake and tile apart (datastrip sensing start); reprocessings share it.
        tile: tile name (``31UDS``), None for missions without tiles.
        track: relative orbit or path (``R051``), None if unknown.
        geolocation: of the finest band.
        bands: Common Band Name -> layer.
        classes: classification layer for validity, None if the mission has none.
        angles: ``view_zenith`` etc. -> layer in degrees, as far as the archive has them.
        quality: ``aot`` (optical thickness), ``cloud_confidence`` and ``snow_confidence`` (percent) -> layer, as far as
            the archive has them.
        baseline: processing baseline (``05.09``), None if unknown; the highest of duplicates wins.
        processed: processing time, UTC; of duplicates of one baseline the newest wins.
        provenance: further facts for lineage (product URI, archive href).
    """

    id: str
    mission: str
    platform: str
    acquired: datetime
    datatake: str
    segment: str
    tile: str | None
    track: str | None
    geolocation: Geolocation
    bands: Mapping[str, Layer]
    classes: ClassLayer | None = None
    angles: Mapping[str, Layer] = field(default_factory=dict)
    quality: Mapping[str, Layer] = field(default_factory=dict)
    baseline: str | None = None
    processed: datetime | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
