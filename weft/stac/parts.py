"""The parts every Weft document is made of, each with its inverse where documents are read back.

Belongs here: times, footprints, grids, bands and links as STAC writes them. Not here: whole documents (``calibrated``,
``products``, ``collections``).

Hrefs between documents are relative, as a STAC API lays documents out: an item answers at
``/collections/{collection}/items/{id}``, so its collection is ``../../{collection}`` and another item
``../../{collection}/items/{id}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyproj
import shapely
from affine import Affine
from shapely.affinity import translate
from shapely.geometry import box, mapping
from shapely.geometry.base import BaseGeometry

import weft
from weft.bands import COMMON_NAMES
from weft.errors import IntegrityError
from weft.periods import TimeWindow
from weft.rasters.grid import Grid
from weft.rasters.product import Rejected
from weft.stac import Item
from weft.stac.extensions import EXTENSIONS, used
from weft.stac.validation import ID

STAC_VERSION = "1.1.0"
_DEGREES = 7  # decimals of coordinates: 1 cm, and no digits that depend on the PROJ version
_ITEM_HREF = re.compile(r"\.\./\.\./([^/]+)/items/([^/]+)")
_FILE_INFO = next(extension.uri for extension in EXTENSIONS if extension.name == "file")


@dataclass(frozen=True, slots=True, order=True)
class ItemRef:
    """Another item of the catalogue, as input of a product.

    Attributes:
        collection: id of its collection.
        id: its id.
    """

    collection: str
    id: str

    @property
    def href(self) -> str:
        """Relative href from one item to another, see the module docstring."""
        return f"../../{self.collection}/items/{self.id}"

    @classmethod
    def from_href(cls, href: str) -> ItemRef:
        """Inverse of :attr:`href`.

        Raises:
            IntegrityError: the href does not point at an item of this catalogue.
        """
        found = _ITEM_HREF.fullmatch(href)
        if not (found and ID.fullmatch(found[1]) and ID.fullmatch(found[2])):
            raise IntegrityError(f"href {href[:200]!r} is not of the form ../../collection/items/id")
        return cls(found[1], found[2])


def make_item(
    collection: str,
    item_id: str,
    grid: Grid,
    properties: Mapping[str, Any],
    assets: Mapping[str, Any],
    links: Sequence[Mapping[str, Any]] = (),
) -> Item:
    """An item with its geometry, its link to the collection and the list of extensions it uses.

    The file extension is declared wherever there are assets, because publishing adds checksums and sizes to them.
    """
    geometry, bbox = place(grid)
    item: Item = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": item_id,
        "collection": collection,
        "geometry": geometry,
        "bbox": bbox,
        "properties": {**properties, **grid_fields(grid)},
        "links": [
            {"rel": "collection", "href": f"../../{collection}", "type": "application/json"},
            *(dict(link) for link in links),
        ],
        "assets": dict(assets),
    }
    item["stac_extensions"] = sorted({*used(item), *([_FILE_INFO] if assets else [])})
    return item


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond where there are any.

    Raises:
        IntegrityError: the time has no zone, so that it names no moment.
    """
    if moment.tzinfo is None:
        raise IntegrityError(f"time {moment.isoformat()} has no zone; give it in UTC")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment_of(text: str) -> datetime:
    """Inverse of :func:`timestamp`."""
    return datetime.fromisoformat(text).astimezone(UTC)


def period_fields(window: TimeWindow) -> dict[str, Any]:
    """Times of a product of a whole period.

    The end of a window is exclusive and that of STAC inclusive, to the second: otherwise a search for one season would
    also find the season before it.
    """
    last = window.end.replace(microsecond=0).timestamp() - 1
    end = datetime.fromtimestamp(last, UTC)
    return {"datetime": None, "start_datetime": timestamp(window.start), "end_datetime": timestamp(end)}


def place(grid: Grid) -> tuple[dict[str, Any], list[float]]:
    """Footprint as GeoJSON geometry and bbox in EPSG:4326.

    A footprint across the antimeridian is cut there and its bbox has west > east (RFC 7946, sections 3.1.9 and 5.2).
    """
    outline: BaseGeometry = grid.footprint()
    west, south, east, north = outline.bounds
    if east - west > 180 and not pyproj.CRS.from_user_input(grid.crs).is_geographic:
        # Longitudes come back between -180 and 180; a grid in degrees says itself how far it reaches.
        outline = shapely.transform(outline, lambda xy: xy + [[360.0, 0.0]] * (xy[:, :1] < 0))
        east = outline.bounds[2]
    if east > 180:
        near = outline.intersection(box(-180, -90, 180, 90))
        far = translate(outline.intersection(box(180, -90, 540, 90)), -360)
        outline = shapely.union_all([near, far])
        west, east = near.bounds[0], far.bounds[2]
    bbox = [round(edge, _DEGREES) for edge in (west, south, east, north)]
    return _lists(mapping(shapely.transform(outline, lambda xy: xy.round(_DEGREES)))), bbox


def grid_fields(grid: Grid) -> dict[str, Any]:
    """Projection extension fields of a grid."""
    return {
        "proj:code": grid.crs,
        "proj:shape": [grid.height, grid.width],
        "proj:transform": [float(number) for number in tuple(grid.transform)[:6]],
    }


def grid_of(fields: Mapping[str, Any]) -> Grid:
    """Inverse of :func:`grid_fields` for fields that passed validation."""
    height, width = fields["proj:shape"]
    return Grid.from_transform(fields["proj:code"], Affine(*fields["proj:transform"]), height=height, width=width)


def ground_sample_distance(grid: Grid) -> dict[str, float]:
    """``gsd`` in metres; nothing for grids in degrees."""
    axis = pyproj.CRS.from_user_input(grid.crs).axis_info[0]
    return {} if axis.unit_name == "degree" else {"gsd": grid.x_size * axis.unit_conversion_factor}


def value_fields(scale: float, offset: float, nodata: float | None, unit: str | None) -> dict[str, Any]:
    """How stored values become physical ones; what does nothing is left out."""
    fields: dict[str, Any] = {}
    if nodata is not None:
        fields["nodata"] = nodata if math.isfinite(nodata) else str(nodata)
    if (scale, offset) != (1.0, 0.0):
        fields |= {"raster:scale": scale, "raster:offset": offset}
    return fields | ({"unit": unit} if unit is not None else {})


def nodata_of(fields: Mapping[str, Any]) -> float | None:
    """Inverse of :func:`value_fields` for nodata: None, a number, NaN or an infinity."""
    nodata = fields.get("nodata")
    if nodata == "nan":
        return math.nan
    return float(nodata) if isinstance(nodata, str) else nodata


def spectrum_fields(cbn: str | None) -> dict[str, Any]:
    """Electro-optical fields of a Common Band Name; nothing for radar bands, counts and indices."""
    band = COMMON_NAMES.get(cbn) if cbn else None
    if band is None:
        return {}
    return {
        "eo:common_name": band.cbn,
        "eo:center_wavelength": band.centre_um,
        "eo:full_width_half_max": band.width_um,
    }


def lineage_fields(lineage: str) -> dict[str, Any]:
    """Who made the product and from what, for people."""
    return {"processing:lineage": lineage, "processing:software": {"weft": weft.__version__}}


def rejected_field(rejected: Sequence[Rejected]) -> list[dict[str, str]]:
    """``weft:rejected``: scenes that were set aside."""
    return [{"id": scene.scene_id, "reason": scene.reason} for scene in rejected]


def _lists(value: Any) -> Any:
    """GeoJSON with lists where shapely has tuples."""
    if isinstance(value, dict):
        return {key: _lists(part) for key, part in value.items()}
    return [_lists(part) for part in value] if isinstance(value, tuple | list) else value
