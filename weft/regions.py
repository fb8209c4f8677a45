"""The region file: everything about a region's production in one strict, versioned document (design section 5).

Belongs here: the model, its validation messages and loading. Not here: what it says about observations and composites
(``weft.composite_settings``), or planning which tiles a region needs.
"""

from __future__ import annotations

import re
import reprlib
from pathlib import Path
from typing import Annotated, Literal

import pydantic
import pyproj
import yaml
from pydantic import Field, field_validator, model_validator

from weft import expressions, periods
from weft.bands import BANDS
from weft.composite_settings import Composite, Strict, Validity
from weft.errors import RequestError

__all__ = ["MAX_TILE_TRACKS", "TILE_TRACK", "Composite", "Region", "Validity", "load", "tile_of", "track_of"]

TILE_TRACK = re.compile(r"R[0-9]{3}_[A-Z0-9]{1,16}")
MAX_TILE_TRACKS = 2000


class Archive(Strict):
    """Where scenes come from.

    Attributes:
        stac: ``file:path/catalog.json`` (relative to the region file) or the URL of a STAC API.
        collection: id of the collection to search.
        allow: prefixes of hrefs that assets may be read from besides the static catalogue's own folder:
            ``https://host/path/``, ``s3://bucket/prefix/`` or ``file:folder/``.
    """

    stac: str
    collection: str
    allow: tuple[str, ...] = ()


class Coregistration(Strict):
    """How scenes are brought onto their reference; ``none`` trusts the provider's geolocation."""

    method: Literal["none"] = "none"


class Mosaic(Strict):
    """The grid and the blending of the mosaic.

    Attributes:
        crs: authority code of a projected CRS in metres.
        resolution: pixel size in metres.
        sheet_km: edge of a sheet in kilometres, a whole number of metres.
        blend: how tracks are joined.
        byte_scale: 8-bit scaling of the mosaic; only null so far.
    """

    crs: Annotated[str, Field(pattern=r"^EPSG:[0-9]{4,6}$")] = "EPSG:3035"
    resolution: Annotated[float, Field(gt=0)] = 30
    sheet_km: Annotated[float, Field(gt=0, le=1000)] = 100
    blend: Literal["mean", "idw", "seamless"] = "seamless"
    byte_scale: None = None

    @field_validator("crs")
    @classmethod
    def _projected_in_metres(cls, crs: str) -> str:
        try:
            axes = pyproj.CRS(crs).axis_info
        except pyproj.exceptions.CRSError as error:
            raise ValueError(f"PROJ knows no {crs}") from error
        if [axis.unit_name for axis in axes] != ["metre", "metre"]:
            raise ValueError(f"{crs} is no projected CRS in metres; use one such as EPSG:3035")
        return crs

    @model_validator(mode="after")
    def _sheet_of_pixels(self) -> Mosaic:
        pixels = self.sheet_km * 1000 / self.resolution
        if pixels < 1 or pixels > 20_000:
            raise ValueError(
                f"a sheet of {self.sheet_km} km at {self.resolution} m has {pixels:g} pixels a side; keep 1 to 20000"
            )
        return self


class Region(Strict):
    """One region; see design section 5 for an example.

    Attributes:
        region: name, part of item ids.
        archive: where scenes come from.
        calendar: which periods there are.
        start: key of the first period.
        bands: Common Band Names.
        working_resolution: pixel size of composites in metres, on the tile's own grid.
        validity: which pixels count as observations.
        coregistration: how scenes are brought onto their reference.
        composite: which composites are made.
        mosaic: grid and blending of the mosaic.
        expressions: name -> s-expression over the bands, evaluated on the mosaic.
        tiles: tile_tracks, sorted.
        area: west, south, east, north in degrees; sheets outside of it are left out. All sheets by default.
    """

    region: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    archive: Archive
    calendar: periods.Calendar
    start: str
    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    working_resolution: Annotated[float, Field(gt=0)] = 10
    validity: Validity = Validity()
    coregistration: Coregistration = Coregistration()
    composite: Composite = Composite()
    mosaic: Mosaic = Mosaic()
    expressions: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")], str] = Field(default={})
    tiles: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_TILE_TRACKS)]
    area: tuple[float, float, float, float] | None = None

    @field_validator("bands")
    @classmethod
    def _known_bands(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [band for band in bands if band not in BANDS]
        if unknown or len(set(bands)) != len(bands):
            raise ValueError(f"unknown or repeated bands {unknown or list(bands)}; known: {', '.join(BANDS)}")
        return bands

    @field_validator("tiles")
    @classmethod
    def _tile_tracks(cls, tiles: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [tile for tile in tiles if not TILE_TRACK.fullmatch(tile)]
        if wrong or len(set(tiles)) != len(tiles):
            raise ValueError(f"tiles must be distinct keys like R051_31UDS, got {wrong or list(tiles)}")
        return tuple(sorted(tiles))

    @field_validator("area")
    @classmethod
    def _an_area(cls, area: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if area is not None:
            west, south, east, north = area
            if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
                raise ValueError(f"area must be west, south, east, north in degrees with west < east, got {list(area)}")
        return area

    @model_validator(mode="after")
    def _consistent(self) -> Region:
        try:
            periods.window(self.calendar, self.start)
            for method, needed in self.composite.needed_bands().items():
                if lacking := [band for band in needed if band not in self.bands]:
                    raise ValueError(f"composite method {method} needs {lacking}, which are not among the bands")
            for name, text in self.expressions.items():
                names = expressions.parse(text).names
                if not names:
                    raise ValueError(f"expression {name} uses no band; the bands are {list(self.bands)}")
                missing = names - set(self.bands)
                if missing:
                    raise ValueError(
                        f"expression {name} uses {sorted(missing)}, which are not among the bands {list(self.bands)}"
                    )
        except RequestError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def tracks(self) -> tuple[str, ...]:
        """Tracks of the region, sorted."""
        return tuple(sorted({track_of(tile_track) for tile_track in self.tiles}))


def track_of(tile_track: str) -> str:
    """``R051`` of ``R051_31UDS``."""
    return tile_track.partition("_")[0]


def tile_of(tile_track: str) -> str:
    """``31UDS`` of ``R051_31UDS``."""
    return tile_track.partition("_")[2]


def load(path: Path) -> Region:
    """Read a region file.

    Raises:
        RequestError: the file is missing, not YAML, or has an unknown or wrong key; the message names each.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(
            f"region file {path} cannot be read ({error.strerror}); give the path of a region YAML"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"region file {path} is not YAML: {error}") from error
    try:
        return Region.model_validate(document)
    except pydantic.ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {reprlib.repr(e['input'])[:80]})"
            for e in error.errors()
        ]
        raise RequestError(f"region file {path} is wrong: " + "; ".join(lines)) from error
