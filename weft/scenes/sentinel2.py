"""Sentinel-2 Level-2A items, in the dialects of the public archives, read into a :class:`~weft.scenes.scene.Scene`.

Belongs here: identity (datatake, segment, tile, track, baseline), band naming, scale and offset of Sentinel-2 L2A.
Not here: opening files, judging pixels (``weft.calibration.sentinel2``), choosing between scenes
(``weft.compositing.observations``).

Understood are Earth Search v0 and v1, Planetary Computer, stactools, and STAC 1.1 ``bands``. They differ in where a
fact stands, not in ESA's own names: the product, datatake, datastrip and granule identifiers (Sentinel-2 Products
Specification Document, section 3.4) state most of the identity once more, so they fill what properties leave open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from weft.bands import BANDS, SENTINEL2
from weft.errors import SceneRejected
from weft.rasters.grid import Grid
from weft.scenes.fields import Fields
from weft.scenes.raster_bands import RasterBand, grid_of, raster_bands
from weft.scenes.scene import ClassLayer, Layer, Scene
from weft.stac import Item

MISSION = "sentinel-2"
SCL_SCHEME = "sentinel-2-scl"

_SCL_NODATA = 0
_SCL_WATER = 6
_ANGLES = ("view_zenith", "view_azimuth", "sun_zenith", "sun_azimuth")
_SCALE = 0.0001
_OFFSET = -0.1  # BOA_ADD_OFFSET -1000 over QUANTIFICATION_VALUE 10000
_OFFSET_BASELINE = "04.00"
# Names without a band label. "rededge" alone would be any of three bands and is not among them.
_NAMES = {cbn: cbn for cbn in BANDS} | {
    "rededge1": "rededge071",
    "rededge2": "rededge075",
    "rededge3": "rededge078",
    "scl": "scl",
    **{angle: angle for angle in _ANGLES},
}
_LABELS = SENTINEL2 | {"SCL": "scl"}
_RESOLUTION_SUFFIX = re.compile(r"_(10|20|60)m$")
_UTM = re.compile(r"EPSG:32[67](0[1-9]|[1-5]\d|60)")

_TIME = r"\d{8}T\d{6}"
_SATELLITE = r"(?P<satellite>S2[A-D])"
_TILE = r"(?P<zone>\d{1,2})(?P<band>[C-HJ-NP-X])(?P<square>[A-HJ-NP-Z]{2})"
_NAME_PATTERNS = (
    ("s2:datatake_id", rf"G{_SATELLITE}_(?P<start>{_TIME})_(?P<orbit>\d{{6}})_N(?P<baseline>\d\d\.\d\d)"),
    *(
        (
            key,
            rf"{_SATELLITE}_MSI(?P<level>L1C|L2A)_(?P<start>{_TIME})_N(?P<baseline>\d{{4}})_R(?P<track>\d{{3}})"
            rf"_T{_TILE}_(?P<processed>{_TIME})(\.SAFE)?",
        )
        for key in ("s2:product_uri", "sentinel:product_id")
    ),
    ("s2:datastrip_id", rf"{_SATELLITE}_OPER_MSI_L2A_DS_\w{{4}}_{_TIME}_S(?P<segment>{_TIME})_N(?P<baseline>\d\d\.\d\d)"),
    *(
        (key, rf"{_SATELLITE}_OPER_MSI_L2A_TL_\w{{4}}_{_TIME}_A(?P<orbit>\d{{6}})_T{_TILE}_N(?P<baseline>\d\d\.\d\d)")
        for key in ("s2:tile_id", "s2:granule_id")
    ),
)


@dataclass(frozen=True, slots=True)
class _Phase:
    """Absolute to relative orbit: relative = (absolute + shift) mod 143 + 1, for a span of absolute orbits."""

    shift: int
    first: int = 1
    last: int = 999_999


# Shifts fitted to ESA's acquisition plans of winter 2024/25 (all data takes agree) and to older products. They hold as
# long as a satellite keeps its place in the constellation: S2A left its own in 2025, S2C was still moving before.
_PHASES = {
    "sentinel-2a": _Phase(2, last=49_514),
    "sentinel-2b": _Phase(-27),
    "sentinel-2c": _Phase(29, first=2_210),
}
_ORBITS = 143


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where and when a scene was taken, as far as the item tells; None where it does not."""

    tile: str | None
    track: str | None
    acquired: datetime | None


def scene_of(item: Item) -> Scene:
    """Read a Sentinel-2 L2A item.

    Args:
        item: STAC item as JSON, from an untrusted archive.

    Returns:
        The scene with every reflectance band found, at its finest resolution, SCL, and angle layers if there are any.

    Raises:
        SceneRejected: an identifying fact, SCL, a grid or the reflectance offset is missing or makes no sense; the
            reason names the field.
    """
    fields = Fields.of_item(item)
    properties = _properties(fields)
    names = _names(properties)
    if names.get("level") == "L1C" or properties.text("s2:product_type") == "S2MSI1C":
        raise SceneRejected(fields.scene_id, "it is a Level-1C product; name a Level-2A collection")
    baseline = _baseline(properties, names)
    found = _finest(fields, raster_bands(fields))
    if "scl" not in found or not found.keys() & BANDS.keys():
        raise SceneRejected(fields.scene_id, "it has no scene classification (SCL) or no reflectance band")
    finest = _common_geolocation(fields, [grid for _, grid in found.values()])
    platform = _platform(properties, names)
    acquired = _need(properties, properties.moment("datetime"), "datetime")
    return Scene(
        id=fields.scene_id,
        mission=MISSION,
        platform=platform,
        acquired=acquired,
        datatake=_datatake(properties, names),
        # Without a datastrip, the item's time is the granule's own sensing time, which reprocessings share.
        segment=names.get("segment") or acquired.strftime("%Y%m%dT%H%M%S"),
        tile=_need(properties, _tile(properties, names), "s2:mgrs_tile or grid:code"),
        track=_need(properties, _track(properties, names), "sat:relative_orbit"),
        geolocation=finest,
        bands={
            cbn: _reflectance(*found[cbn], applied=_offset_applied(properties), baseline=baseline)
            for cbn in BANDS
            if cbn in found
        },
        classes=ClassLayer(_plain(*found["scl"], unit=None, nodata=_SCL_NODATA), SCL_SCHEME, _SCL_NODATA, (_SCL_WATER,)),
        angles={angle: _plain(*found[angle], unit="deg", nodata=None) for angle in _ANGLES if angle in found},
        baseline=baseline,
        processed=_processed(properties, names),
        provenance={"product_uri": names["product"]} if "product" in names else {},
    )


def whereabouts(item: Item) -> Whereabouts:
    """Tile, track and time of an item that may be broken; never raises."""
    try:
        properties = _properties(Fields.of_item(item))
        names = _names(properties)
    except SceneRejected:
        return Whereabouts(None, None, None)

    def told[T](read: Callable[[], T]) -> T | None:
        try:
            return read()
        except SceneRejected:
            return None

    return Whereabouts(
        tile=told(lambda: _tile(properties, names)),
        track=told(lambda: _track(properties, names)),
        acquired=told(lambda: properties.moment("datetime")),
    )
