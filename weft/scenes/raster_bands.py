"""The raster bands of a STAC item's assets, whichever version of the extensions describes them.

Belongs here: finding every band of every raster asset, its description (STAC 1.1 ``bands``, or ``eo:bands`` and
``raster:bands`` of 1.0) and its grid (projection extension). Not here: which band is which part of the spectrum, and
how stored numbers become physical ones (one module per mission).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from affine import Affine

from weft.errors import RequestError, SceneRejected
from weft.rasters.gdal import DRIVERS
from weft.rasters.grid import Grid
from weft.scenes.fields import Fields

MAX_EDGE = 40_000
"""Longest edge of a raster, pixels."""

_MAX_ASSETS = 500
_MAX_BANDS = 64
_PICTURES = ("overview", "preview", "rendered_preview", "tci", "thumbnail", "visual")
_PICTURE_ROLES = {"overview", "thumbnail", "visual"}
# Short names of the same fact in STAC 1.1 (right of the colon) and in the extensions of STAC 1.0.
_SPELLINGS = {"raster:scale": "scale", "raster:offset": "offset", "eo:common_name": "common_name"}
_ASSET_WIDE = ("raster:scale", "raster:offset", "nodata")
_EPSG = re.compile(r"EPSG:\d{4,6}")


@dataclass(frozen=True, slots=True)
class RasterBand:
    """One band of one raster asset.

    Attributes:
        key: asset key.
        number: 1-based band number in the file.
        alone: whether it is the file's only band, as far as the item says.
        asset: the asset's fields.
        described: what is said about the band: ``name``, ``common_name``, ``scale``, ``offset``, ``nodata``.
    """

    key: str
    number: int
    alone: bool
    asset: Fields
    described: Fields

    @property
    def href(self) -> str:
        """Where the file is, as the item says."""
        return self.asset.text("href") or ""


def raster_bands(item: Fields) -> Iterator[RasterBand]:
    """Every band of every asset that is a GeoTIFF or JPEG 2000 file of measurements, not a picture.

    Raises:
        SceneRejected: assets are missing, of the wrong type, or absurdly many.
    """
    assets = item.object("assets")
    if assets is None or len(assets.values) > _MAX_ASSETS:
        raise SceneRejected(item.scene_id, f"it needs assets, at most {_MAX_ASSETS}; ask the archive for the full item")
    for key, asset in assets.members("asset"):
        if _is_measurement(key, asset):
            yield from _bands_of(key, asset)


def grid_of(item: Fields, band: RasterBand) -> Grid:
    """Grid of a band's file from ``proj:code`` or ``proj:epsg``, ``proj:shape`` and ``proj:transform``.

    The asset's own values come before the item's.

    Raises:
        SceneRejected: one of the three is missing (named in the message) or absurd.
    """
    properties = item.object("properties") or Fields(item.scene_id, "properties", {})
    sources = (band.asset, properties)
    code = next((code for source in sources if (code := _crs(source))), None)
    shape = next((shape for source in sources if (shape := source.numbers("proj:shape", lengths=(2,)))), None)
    transform = next((t for source in sources if (t := source.numbers("proj:transform", lengths=(6, 9)))), None)
    if code is None or shape is None or transform is None:
        named = (("proj:code", code), ("proj:shape", shape), ("proj:transform", transform))
        missing = ", ".join(name for name, value in named if value is None)
        raise SceneRejected(item.scene_id, f"{band.asset.where} has no {missing}, neither itself nor its item")
    height, width = shape
    if not all(edge.is_integer() and 1 <= edge <= MAX_EDGE for edge in shape) or transform[6:] not in ((), (0, 0, 1)):
        raise SceneRejected(
            item.scene_id,
            f"{band.asset.where} has proj:shape {shape} and proj:transform {transform}; "
            f"expected 1 to {MAX_EDGE} rows and columns and an affine transform",
        )
    try:
        return Grid.from_transform(code, Affine(*transform[:6]), height=int(height), width=int(width))
    except RequestError as error:
        raise SceneRejected(item.scene_id, f"{band.asset.where}: {error}") from error


def _is_measurement(key: str, asset: Fields) -> bool:
    href = asset.text("href") or ""
    roles = asset.values.get("roles")
    pictured = isinstance(roles, list) and any(role in _PICTURE_ROLES for role in roles if isinstance(role, str))
    return href.lower().endswith(tuple(DRIVERS)) and not key.lower().startswith(_PICTURES) and not pictured


def _bands_of(key: str, asset: Fields) -> Iterator[RasterBand]:
    lists = [asset.objects(name, most=_MAX_BANDS) for name in ("eo:bands", "raster:bands", "bands")]
    wide = {name: asset.values[name] for name in _ASSET_WIDE if name in asset.values}
    count = max(1, *map(len, lists))
    for index in range(count):
        described: dict[str, object] = {}
        for values in (wide, *(bands[index].values for bands in lists if index < len(bands))):
            described |= {_SPELLINGS.get(name, name): value for name, value in values.items() if value is not None}
        place = Fields(asset.scene_id, f"{asset.where} band {index + 1}", described)
        yield RasterBand(key, index + 1, count == 1, asset, place)


def _crs(source: Fields) -> str | None:
    code = source.text("proj:code")
    if code is None and source.values.get("proj:epsg") is not None:
        code = f"EPSG:{source.count('proj:epsg', least=1, most=999_999)}"
    if code is not None and not _EPSG.fullmatch(code):
        raise source.refuse("proj:code", "an EPSG code such as EPSG:32631")
    return code
