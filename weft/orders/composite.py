"""The composite order: an area and a period, and what to make of everything that was seen there.

Belongs here: the model, which asks what the Sentinel-2 Global Mosaic service asks in its dialogue, and what can be
judged of an order by itself. Not here: where its pixels lie (``composite_plan``), or JSON (``document``).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic
import pyproj
from pydantic import Field, field_serializer, field_validator, model_validator
from shapely.geometry import MultiPolygon

from weft.bands import BANDS
from weft.composite_settings import Composite, ExtraLayer, Method, Preference, Validity
from weft.errors import RequestError
from weft.orders.aoi import parse_aoi
from weft.orders.document import Order
from weft.periods import Calendar, TimeWindow, window
from weft.regions import MAX_SHEET_PIXELS, Mosaic

_SHEET_KM = 100.0
_WORKING_STEP_M = 10
_DEGREE_M = 111_320.0


class CompositeOrder(Order):
    """An order for a composite of any area.

    Attributes:
        order: kind of the document; may be left out.
        area: WKT or GeoJSON, EPSG:4326; the composite covers the rectangle around it.
        calendar: which periods there are.
        period: key of one of them, e.g. ``2018-03``.
        bands: Common Band Names.
        crs: authority code of a projected CRS in metres, or of a geographic one in degrees.
        resolution: pixel size in metres, in a geographic CRS in degrees.
        working_resolution: pixel size in metres at which observations are compared, on the tile's own grid; the
            resolution of the order by default, in a geographic CRS the next multiple of 10 m below.
        method: one or several; the first one that selects observations gives the layers about them.
        preference: which state of a field is shown, see :class:`weft.composite_settings.Composite`.
        percentiles: of the method ``percentiles``.
        layers: layers beside the bands, or ``all`` that the methods allow.
        validity: which pixels count as observations.
        blend: how tracks are joined.
        resampling: how composites reach the order's grid.
    """

    mark: ClassVar[str] = "area"

    order: Literal["composite"] = "composite"
    area: str | dict[str, Any]
    calendar: Calendar
    period: str
    bands: Annotated[tuple[str, ...], Field(min_length=1)]
    crs: str
    resolution: Annotated[float, Field(gt=0)]
    working_resolution: Annotated[float, Field(gt=0)] | None = None
    method: Annotated[tuple[Method, ...], Field(min_length=1)] = ("s2gm",)
    preference: Preference = "standard"
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], ...] = (25, 50, 75)
    layers: Literal["all"] | tuple[ExtraLayer, ...] = ()
    validity: Validity = Validity()
    blend: Literal["mean", "idw", "seamless"] = "seamless"
    resampling: Literal["average", "nearest"] = "average"

    @field_validator("area")
    @classmethod
    def _is_area(cls, area: str | dict[str, Any]) -> str | dict[str, Any]:
        try:
            parse_aoi(area, "area")
        except RequestError as error:
            raise ValueError(str(error).removeprefix("area: ")) from error
        return area

    @field_validator("method", mode="before")
    @classmethod
    def _one_or_several(cls, method: object) -> object:
        return (method,) if isinstance(method, str) else method

    @field_validator("bands")
    @classmethod
    def _known_bands(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [band for band in bands if band not in BANDS]
        if unknown or len(set(bands)) != len(bands):
            raise ValueError(f"unknown or repeated bands {unknown or list(bands)}; known: {', '.join(BANDS)}")
        return bands

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            window(self.calendar, self.period)
        except RequestError as error:
            raise ValueError(f"period: {error}") from error
        for field, part in (
            ("crs, resolution", lambda: self.mosaic),
            ("method, preference, layers", lambda: self.composite),
        ):
            try:
                part()
            except pydantic.ValidationError as error:
                told = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
                raise ValueError(f"{field}: {told}") from error
        for method, needed in self.composite.needed_bands().items():
            if lacking := [band for band in needed if band not in self.bands]:
                raise ValueError(f"bands: method {method} needs {', '.join(lacking)}; add them")
        return self

    @field_serializer("method")
    def _as_written(self, methods: tuple[Method, ...]) -> Any:
        return methods[0] if len(methods) == 1 else list(methods)

    @property
    def polygons(self) -> MultiPolygon:
        """The area, EPSG:4326."""
        return parse_aoi(self.area, "area")

    @property
    def window(self) -> TimeWindow:
        """The acquisition window of the period."""
        return window(self.calendar, self.period)

    @property
    def composite(self) -> Composite:
        """What is made of the observations; raises :class:`ValueError` if that makes no sense."""
        return Composite(
            methods=self.method, percentiles=self.percentiles, preference=self.preference, layers=self.layers
        )

    @property
    def mosaic(self) -> Mosaic:
        """The lattice of the order's pixels and how tracks are joined.

        The sheets are a region's by default, so that an order's pixels are those of a region with the same settings.

        Raises:
            ValueError: the CRS is of no use, or pixels of that size make no sheets in it.
        """
        common: dict[str, Any] = {
            "crs": self.crs,
            "resolution": self.resolution,
            "blend": self.blend,
            "resampling": self.resampling,
        }
        largest = math.floor(MAX_SHEET_PIXELS * self.resolution) / 1000.0
        if largest < _SHEET_KM and not _is_geographic(self.crs):
            common["sheet_km"] = largest
        return Mosaic(**common)

    @property
    def working_metres(self) -> float:
        """Pixel size on the tile's own grid, metres."""
        if self.working_resolution is not None:
            return self.working_resolution
        if not self.mosaic.geographic:
            return self.resolution
        return max(1, int(self.resolution * _DEGREE_M / _WORKING_STEP_M)) * float(_WORKING_STEP_M)


def _is_geographic(crs: str) -> bool:
    try:
        return bool(pyproj.CRS(crs).is_geographic)
    except pyproj.exceptions.CRSError:
        return False  # the model of the mosaic says what is wrong
