"""Sentinel-2 Level-2A items, in the dialects of the public archives, read into a :class:`~weft.scenes.scene.Scene`.

Belongs here: which asset is which band, and scale and offset of Sentinel-2 L2A. Not here: identity
(``weft.scenes.sentinel2_identity``), opening files, judging pixels (``weft.calibration.sentinel2``), choosing between
scenes (``weft.compositing.observations``).

Understood are Earth Search v0 and v1, Planetary Computer, stactools, and STAC 1.1 ``bands``, also several bands in one
file.
"""

from __future__ import annotations

import math
import re

from weft.bands import BANDS, SENTINEL2
from weft.errors import SceneRejected
from weft.rasters.grid import Grid
from weft.scenes.fields import Fields
from weft.scenes.raster_bands import RasterBand, grid_of, raster_bands
from weft.scenes.scene import ClassLayer, Layer, Scene
from weft.scenes.sentinel2_identity import identity_of
from weft.stac import Item

MISSION = "sentinel-2"
SCL_SCHEME = "sentinel-2-scl"

_SCL_NODATA = 0
_SCL_WATER = 6
_ANGLES = ("view_zenith", "view_azimuth", "sun_zenith", "sun_azimuth")
_QUALITY = ("aot", "cloud_confidence", "snow_confidence")
_LABELS = SENTINEL2 | {"SCL": "scl"}
# Names without a band label. "rededge" alone would be any of three bands, so it is not among them.
_NAMES = {name: name for name in (*BANDS, *_ANGLES, *_QUALITY, "scl")} | {
    "rededge1": "rededge071",
    "rededge2": "rededge075",
    "rededge3": "rededge078",
    "cloud": "cloud_confidence",
    "cldprb": "cloud_confidence",
    "msk_cldprb": "cloud_confidence",
    "snow": "snow_confidence",
    "snwprb": "snow_confidence",
    "msk_snwprb": "snow_confidence",
}
_RESOLUTION = re.compile(r"_(10|20|60)m$")
_UTM = re.compile(r"EPSG:32[67](0[1-9]|[1-5]\d|60)")

_SCALE = 0.0001
_OFFSET = -0.1  # BOA_ADD_OFFSET -1000 over QUANTIFICATION_VALUE 10000, baseline 04.00 on
_OFFSET_BASELINE = "04.00"
_AOT_SCALE = 0.001  # AOT_QUANTIFICATION_VALUE 1000, every baseline
_OFFSET_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_MAX_FILE = 2**40


def scene_of(item: Item) -> Scene:
    """Read a Sentinel-2 L2A item.

    Args:
        item: STAC item as JSON, from an archive that is not trusted.

    Returns:
        The scene with every reflectance band the item has, each at its finest resolution, the scene classification,
        and angle and quality layers as far as there are any. Hrefs are as written in the item.

    Raises:
        SceneRejected: an identifying fact, the scene classification, a grid or the reflectance offset is missing or
            makes no sense; the reason names the field.
    """
    fields = Fields.of_item(item)
    identity = identity_of(fields)
    found = _finest_bands(fields)
    if "scl" not in found or not found.keys() & BANDS.keys():
        raise SceneRejected(fields.scene_id, "it has no scene classification (asset SCL) or no reflectance band")
    grids = {name: grid for name, (_, grid) in found.items()}
    return Scene(
        id=fields.scene_id,
        mission=MISSION,
        platform=identity.platform,
        acquired=identity.acquired,
        datatake=identity.datatake,
        segment=identity.segment,
        tile=identity.tile,
        track=identity.track,
        geolocation=_common_geolocation(fields, grids),
        bands={cbn: _reflectance(fields, *found[cbn], identity.baseline) for cbn in BANDS if cbn in found},
        classes=ClassLayer(_classes(*found["scl"]), SCL_SCHEME, _SCL_NODATA, (_SCL_WATER,)),
        angles={angle: _measured(*found[angle], 1.0, "deg") for angle in _ANGLES if angle in found},
        quality={name: _quality(name, *found[name]) for name in _QUALITY if name in found},
        baseline=identity.baseline,
        processed=identity.processed,
        provenance={"product_uri": identity.product} if identity.product else {},
    )


def _finest_bands(item: Fields) -> dict[str, tuple[RasterBand, Grid]]:
    candidates: dict[str, list[tuple[RasterBand, Grid]]] = {}
    for band in raster_bands(item):
        name = _name(band)
        if name:
            candidates.setdefault(name, []).append((band, grid_of(item, band)))
    return {
        name: min(choices, key=lambda choice: (choice[1].x_size, choice[0].key, choice[0].number))
        for name, choices in candidates.items()
    }


def _name(band: RasterBand) -> str | None:
    # Earth Search's "blue-jp2" is ESA's untouched file: its offset flag, which speaks of the COGs, is wrong there.
    if band.key.endswith("-jp2"):
        return None
    stem = _RESOLUTION.sub("", band.key)
    told = band.described.text("name") or ""
    for label in (told, stem if band.alone else ""):
        if label.upper() in _LABELS:
            return _LABELS[label.upper()]
    for name in (stem if band.alone else "", told, band.described.text("common_name") or ""):
        if name.lower() in _NAMES:
            return _NAMES[name.lower()]
    return None


def _common_geolocation(item: Fields, grids: dict[str, Grid]) -> Grid:
    finest = min((grid for name, grid in grids.items() if name in BANDS), key=lambda grid: grid.x_size)
    if not _UTM.fullmatch(finest.crs):
        raise SceneRejected(item.scene_id, f"it is in {finest.crs}; Sentinel-2 tiles are in a UTM zone")
    for name, grid in grids.items():
        ratio = grid.x_size / finest.x_size
        whole = ratio >= 1 and ratio.is_integer()
        if (
            (grid.crs, grid.left, grid.top) != (finest.crs, finest.left, finest.top)
            or (grid.x_size, finest.x_size) != (grid.y_size, finest.y_size)
            or not whole
            or (grid.height, grid.width) != (math.ceil(finest.height / ratio), math.ceil(finest.width / ratio))
        ):
            raise SceneRejected(
                item.scene_id,
                f"{name} lies on {grid}, which is not a whole multiple of its finest band's grid {finest}; "
                "CRS, top-left corner and extent must agree",
            )
    return finest


def _reflectance(item: Fields, band: RasterBand, grid: Grid, baseline: str | None) -> Layer:
    scale = band.described.number("scale")
    offset = _offset(item, band, baseline)
    # A number beyond these is in stored units or in percent, not in reflectance.
    if (scale is not None and not 0 < scale <= 1) or abs(offset) > 1:
        raise SceneRejected(
            item.scene_id, f"{band.described.where} has scale {scale} and offset {offset}, impossible for reflectance"
        )
    return _layer(band, grid, scale=scale or _SCALE, offset=offset, nodata=0.0, unit="1")


def _offset(item: Fields, band: RasterBand, baseline: str | None) -> float:
    properties = item.object("properties")
    # Earth Search goes on to state raster:offset -0.1 where it has already shifted the pixels: the flag comes first.
    # It speaks of the archive's own GeoTIFFs; some items point at ESA's JPEG 2000 files, which nobody shifted.
    shifted = properties is not None and any(properties.flag(name) for name in _OFFSET_APPLIED)
    if shifted and not band.href.lower().endswith(".jp2"):
        return 0.0
    offset = band.described.number("offset")
    if offset is not None:
        return offset
    if baseline is None:
        raise SceneRejected(
            item.scene_id,
            "neither raster:offset nor s2:processing_baseline tells the reflectance offset; a date would be a guess, "
            "so use a collection that states one of them",
        )
    return _OFFSET if baseline >= _OFFSET_BASELINE else 0.0


def _classes(band: RasterBand, grid: Grid) -> Layer:
    return _layer(band, grid, scale=1.0, offset=0.0, nodata=float(_SCL_NODATA), unit=None)


def _quality(name: str, band: RasterBand, grid: Grid) -> Layer:
    return _measured(band, grid, _AOT_SCALE, "1") if name == "aot" else _measured(band, grid, 1.0, "%")


def _measured(band: RasterBand, grid: Grid, default_scale: float, unit: str) -> Layer:
    scale, offset = band.described.number("scale"), band.described.number("offset")
    scale = default_scale if scale is None else scale
    return _layer(band, grid, scale=scale, offset=offset or 0.0, nodata=None, unit=unit)


def _layer(
    band: RasterBand, grid: Grid, *, scale: float, offset: float, nodata: float | None, unit: str | None
) -> Layer:
    stated = band.described.number("nodata")
    return Layer(
        href=band.href,
        band=band.number,
        geolocation=grid,
        scale=scale,
        offset=offset,
        nodata=nodata if stated is None else stated,
        unit=unit,
        size=band.asset.count("file:size", least=1, most=_MAX_FILE),
    )
