"""The region file: everything about a region's production in one strict, versioned document (design section 5).

Belongs here: the model, its validation messages and loading. Not here: what it says about observations and composites
(``weft.composite_settings``), or planning which tiles a region needs.
"""

from __future__ import annotations

import re
import reprlib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
import pyproj
import yaml
from pydantic import Field, field_validator, model_validator

from weft import expressions, periods
from weft.bands import BANDS
from weft.composite_settings import Composite, Strict, Validity
from weft.errors import RequestError

__all__ = [
    "MAX_TILE_TRACKS",
    "TILE_TRACK",
    "Composite",
    "Coregistration",
    "Mosaic",
    "Normalisation",
    "Region",
    "Validity",
    "load",
    "parse",
    "tile_of",
    "track_of",
]

TILE_TRACK = re.compile(r"R[0-9]{3}_[A-Z0-9]{1,16}")
MAX_TILE_TRACKS = 2000
MAX_SHEET_PIXELS = 20_000

Model = TypeVar("Model", bound=Strict)


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
    """How the observations of a tile are brought onto one of them before they are composited.

    Attributes:
        method: ``none`` trusts the provider's geolocation, ``phase`` compares values, ``multimodal`` the directions of
            edges.
        reference: the observation that keeps its geolocation: ``auto`` takes a clear one in the middle of the period,
            a date the usable one nearest to it.
        band: Common Band Name of the band that is compared; red if it is among the region's bands, else the first.
        resampling: how displaced bands are interpolated.
        template: edge of the compared windows in pixels; 64 for ``phase`` and 101 for ``multimodal`` if None.
        max_shift: largest displacement along an axis that is looked for, pixels.
        max_ce90: largest circle, in pixels, that may hold 90 % of what is left at points that were held out.
    """

    method: Literal["none", "phase", "multimodal"] = "none"
    reference: Literal["auto"] | date = "auto"
    band: str | None = None
    # Spelled out, for the modules that name these kernels load their compiler.
    resampling: Literal["nearest", "bilinear", "cubic", "lanczos"] = "cubic"
    template: Annotated[int, Field(ge=16, le=512)] | None = None
    max_shift: Annotated[int, Field(ge=2, le=128)] = 8
    max_ce90: Annotated[float, Field(gt=0, le=10)] = 1.0

    @model_validator(mode="after")
    def _with_a_method(self) -> Coregistration:
        # By value, not by presence: a region written out in full says what a region by default says.
        fields = type(self).model_fields
        given = sorted(name for name in fields if name != "method" and getattr(self, name) != fields[name].default)
        if self.method == "none" and given:
            raise ValueError(
                f"{', '.join(given)}: only with a method; set it to phase or multimodal, or remove the rest"
            )
        return self

    def parts(self) -> dict[str, Any]:
        """What a fingerprint is made of: of a method, every setting."""
        return {"method": "none"} if self.method == "none" else self.model_dump(mode="json")


class Normalisation(Strict):
    """Radiometric normalisation between tracks; what was applied is recorded in the products.

    Attributes:
        nbar: bring every observation to nadir view by the c-factor before compositing, where the archive has angles.
        levels: fit a gain and an offset for each track and layer in the overlaps of neighbouring tracks, and apply
            them before blending.
    """

    nbar: bool = False
    levels: bool = False


class Mosaic(Strict):
    """The grid and the blending of the mosaic.

    Attributes:
        crs: authority code of a projected CRS in metres, or of a geographic one in degrees.
        resolution: pixel size in metres, in a geographic CRS in degrees.
        sheet_km: edge of a sheet in kilometres, a whole number of metres; 100 by default. Not in a geographic CRS.
        sheet_deg: edge of a sheet in degrees, a part of 90; 1 by default. Only in a geographic CRS.
        resampling: how composites reach the mosaic's grid: ``average`` (bilinear where pixels hardly change size), or
            ``nearest``, which keeps spectra that were measured.
        blend: how tracks are joined.
        byte_scale: reflectance of one step of the 8-bit variants; none are made by default.
    """

    crs: Annotated[str, Field(pattern=r"^EPSG:[0-9]{4,6}$")] = "EPSG:3035"
    resolution: Annotated[float, Field(gt=0)] = 30
    sheet_km: Annotated[float, Field(gt=0, le=1000)] | None = None
    sheet_deg: Annotated[float, Field(gt=0, le=10)] | None = None
    blend: Literal["mean", "idw", "seamless"] = "seamless"
    resampling: Literal["average", "nearest"] = "average"
    byte_scale: Annotated[float, Field(gt=0, le=0.1)] | None = None

    @field_validator("crs")
    @classmethod
    def _usable(cls, crs: str) -> str:
        try:
            found = pyproj.CRS(crs)
        except pyproj.exceptions.CRSError as error:
            raise ValueError(f"PROJ knows no {crs}") from error
        units = ["degree"] * 2 if found.is_geographic else ["metre"] * 2 if found.is_projected else None
        if [axis.unit_name for axis in found.axis_info] != units:
            raise ValueError(
                f"{crs} is neither a projected CRS in metres nor a geographic one in degrees; use one such as EPSG:3035"
            )
        if any(axis.direction == "west" for axis in found.axis_info):
            raise ValueError(f"{crs} counts westwards; use its east-north twin, or one such as EPSG:3035")
        if found.area_of_use is None:
            raise ValueError(f"PROJ knows no area of use of {crs}; use one such as EPSG:3035")
        return crs

    @model_validator(mode="after")
    def _sheet_of_pixels(self) -> Mosaic:
        wrong, right = ("sheet_km", "sheet_deg") if self.geographic else ("sheet_deg", "sheet_km")
        if getattr(self, wrong) is not None:
            raise ValueError(f"{self.crs} has sheets by {right}; remove {wrong}")
        unit = "degrees" if self.geographic else "m"
        pixels = self.sheet_edge / self.resolution
        if pixels < 1 or pixels > MAX_SHEET_PIXELS:
            raise ValueError(
                f"a sheet of {self.sheet_edge:g} {unit} at {self.resolution:g} {unit} has {pixels:g} pixels a side; "
                f"keep 1 to {MAX_SHEET_PIXELS}"
            )
        if self.geographic:
            # Columns wrap at the antimeridian, where the lattices of sheets and of pixels must both close.
            if not _whole(90 / self.sheet_edge) or not _whole(pixels):
                raise ValueError(
                    f"a sheet of {self.sheet_edge:g} degrees at {self.resolution:g} degrees is no whole part of 90 "
                    "degrees, or no whole number of pixels; use 1 and 0.00025, for example"
                )
        elif self.sheet_edge != round(self.sheet_edge):
            raise ValueError(f"a sheet of {self.sheet_km:g} km is not a whole number of metres; round sheet_km")
        return self

    @property
    def geographic(self) -> bool:
        """Whether the grid is in degrees."""
        return pyproj.CRS(self.crs).is_geographic

    @property
    def sheet_edge(self) -> float:
        """Edge of a sheet in the units of the CRS: metres or degrees."""
        if self.geographic:
            return 1.0 if self.sheet_deg is None else self.sheet_deg
        return 100_000.0 if self.sheet_km is None else round(self.sheet_km * 1000.0, 9)


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
        normalisation: what is done about differences between tracks.
        mosaic: grid and blending of the mosaic.
        expressions: name -> s-expression over the bands, evaluated on the mosaic.
        tiles: tile_tracks, sorted.
        sheets: names of the sheets that are made, sorted; all that the tiles touch by default.
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
    normalisation: Normalisation = Normalisation()
    mosaic: Mosaic = Mosaic()
    expressions: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")], str] = Field(default={})
    tiles: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_TILE_TRACKS)]
    sheets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

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

    @field_validator("sheets")
    @classmethod
    def _distinct(cls, sheets: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if sheets is None:
            return None
        if len(set(sheets)) != len(sheets):
            raise ValueError("sheets must not repeat")
        return tuple(sorted(sheets))

    @model_validator(mode="after")
    def _consistent(self) -> Region:
        try:
            periods.window(self.calendar, self.start)
            if self.coregistration.band not in (None, *self.bands):
                raise ValueError(
                    f"coregistration.band {self.coregistration.band} is not among the bands {list(self.bands)}"
                )
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


def _whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6


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
    return parse(Region, document, f"region file {path}")


def parse(model: type[Model], document: object, source: str) -> Model:
    """Check a document, or a part of one.

    Args:
        model: :class:`Region`, :class:`Mosaic` ...
        document: what YAML gave.
        source: where it is from, for the message.

    Raises:
        RequestError: keys or values are wrong; the message names each.
    """
    try:
        return model.model_validate(document)
    except pydantic.ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {reprlib.repr(e['input'])[:80]})"
            for e in error.errors()
        ]
        raise RequestError(f"{source} is wrong: " + "; ".join(lines)) from error
