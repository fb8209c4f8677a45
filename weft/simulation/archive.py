"""The documents of the archive: a static STAC catalogue in the manner of the public Sentinel-2 archives.

Belongs here: items, collection and catalogue as JSON, with relative links only. Not here: the pixels they describe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from shapely.geometry import mapping, shape

from weft.bands import BANDS as COMMON_NAMES
from weft.bands import SENTINEL2
from weft.rasters.grid import Grid
from weft.simulation.classifier import CLOUDY, UNOBSERVED
from weft.simulation.passes import sun_position
from weft.simulation.plan import swath_over
from weft.simulation.presets import ANGLE_PIXEL, COARSE_RATIO
from weft.simulation.spectra import BANDS, COARSE_BANDS
from weft.simulation.studio import ANGLE_NODATA, MULTIBAND_KEY, QUALITY_NODATA, Shot
from weft.stac import Item
from weft.stac.extensions import used

COLLECTION = "sentinel-2-l2a"
_LABELS = {cbn: label for label, cbn in SENTINEL2.items()}
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_MEDIA_TYPES = {".tif": _COG, ".jp2": "image/jp2"}
_TITLES = {
    "scl": "Scene classification",
    MULTIBAND_KEY: "All bands",
    "cloud": "Cloud confidence",
    "aot": "Aerosol optical thickness",
}
_READ = 1 << 20


def write_catalogue(folder: Path, shots: Sequence[Shot], *, pixel: float) -> None:
    """Write ``catalog.json``, the collection and one item per shot; files lie in ``folder/sentinel-2-l2a/<id>/``."""
    items = [_item(shot, pixel) for shot in sorted(shots, key=lambda shot: shot.granule.id)]
    collection = folder / COLLECTION
    for item in items:
        _write(collection / item["id"] / f"{item['id']}.json", item)
    links = [
        {"rel": "item", "href": f"./{item['id']}/{item['id']}.json", "type": "application/geo+json"} for item in items
    ]
    _write(collection / "collection.json", _collection(items, links))
    catalogue = {
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": "weft-simulation",
        "description": "A simulated archive of Sentinel-2 Level-2A scenes. Ground and weather are invented.",
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            {"rel": "child", "href": f"./{COLLECTION}/collection.json", "type": "application/json"},
        ],
    }
    _write(folder / "catalog.json", catalogue)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _collection(items: Sequence[Item], links: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    west, south, east, north = zip(*(item["bbox"] for item in items), strict=True)
    times = [item["properties"]["datetime"] for item in items]
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": COLLECTION,
        "title": "Simulated Sentinel-2 Level-2A",
        "description": "Simulated surface reflectance on the real tiles and tracks of Sentinel-2.",
        "license": "Apache-2.0",
        "extent": {
            "spatial": {"bbox": [[min(west), min(south), max(east), max(north)]]},
            "temporal": {"interval": [[min(times), max(times)]]},
        },
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
            *links,
        ],
    }


def _item(shot: Shot, pixel: float) -> Item:
    granule = shot.granule
    swath = swath_over(granule.flight.track, granule.tile, pixel)
    # Seven decimals are a centimetre; a bounding box of the unrounded outline could miss the rounded one.
    geometry = json.loads(
        json.dumps(mapping(swath.footprint(granule.part))), parse_float=lambda text: round(float(text), 7)
    )
    item: Item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": granule.id,
        "collection": COLLECTION,
        "geometry": geometry,
        "bbox": list(shape(geometry).bounds),
        "properties": _properties(shot, swath.grid),
        "assets": {key: _asset(shot, key, swath.grid) for key in sorted(shot.files)},
        "links": [
            {"rel": "root", "href": "../../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../collection.json", "type": "application/json"},
            {"rel": "collection", "href": "../collection.json", "type": "application/json"},
        ],
    }
    item["stac_extensions"] = used(item)
    return item


def _properties(shot: Shot, grid: Grid) -> dict[str, Any]:
    granule, flight = shot.granule, shot.granule.flight
    centre = grid.footprint().centroid
    sun = sun_position(granule.acquired, longitude=centre.x, latitude=centre.y)
    pixels, observed = sum(shot.class_counts), sum(shot.class_counts) - shot.class_counts[UNOBSERVED]
    cloudy = sum(shot.class_counts[label] for label in CLOUDY)
    satellite = flight.platform.replace("sentinel-", "S").upper()
    start, made = _stamp(granule.datatake_start), _stamp(granule.generated)
    return {
        "datetime": _moment(granule.acquired),
        "created": _moment(granule.generated),
        "platform": flight.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": grid.x_size,
        "eo:cloud_cover": round(100 * cloudy / max(1, observed), 4),
        "grid:code": f"MGRS-{granule.tile}",
        "proj:code": grid.crs,
        "sat:orbit_state": "descending",
        "sat:relative_orbit": int(flight.track[1:]),
        "view:sun_azimuth": round(sun.azimuth, 4),
        "view:sun_elevation": round(90 - sun.zenith, 4),
        "s2:mgrs_tile": granule.tile,
        "s2:processing_baseline": granule.baseline,
        "s2:product_type": "S2MSI2A",
        "s2:product_uri": f"{satellite}_MSIL2A_{start}_N{granule.baseline.replace('.', '')}_{flight.track}"
        f"_T{granule.tile}_{made}.SAFE",
        "s2:datatake_id": f"G{satellite}_{start}_{flight.absolute_orbit:06d}_N{granule.baseline}",
        "s2:datastrip_id": f"{satellite}_OPER_MSI_L2A_DS_VGS1_{made}_S{_stamp(granule.segment)}_N{granule.baseline}",
        "s2:generation_time": _moment(granule.generated),
        "s2:nodata_pixel_percentage": round(100 * (pixels - observed) / pixels, 4),
    }


def _asset(shot: Shot, key: str, grid: Grid) -> dict[str, Any]:
    path = shot.files[key]
    pixel = grid.x_size
    if key == "view_zenith":
        pixel = ANGLE_PIXEL
    elif key == "scl" or key in COARSE_BANDS or key in QUALITY_NODATA:
        pixel = grid.x_size * COARSE_RATIO
    here = grid.at_resolution(pixel)
    return {
        "href": f"./{path.name}",
        "type": _MEDIA_TYPES[path.suffix],
        "title": _TITLES.get(key, key.replace("_", " ").capitalize()),
        "roles": ["data", "reflectance"] if key == MULTIBAND_KEY or key in BANDS else ["data"],
        "gsd": pixel,
        "proj:shape": list(here.shape),
        "proj:transform": list(here.transform)[:6],
        "file:size": path.stat().st_size,
        "file:checksum": f"1220{_sha256(path)}",
        **_values(shot, key),
    }


def _values(shot: Shot, key: str) -> dict[str, Any]:
    if key == "scl":
        return {"data_type": "uint8", "nodata": UNOBSERVED}
    if key == "view_zenith":
        return {"data_type": "uint16", "nodata": ANGLE_NODATA, "raster:scale": 0.01, "raster:offset": 0, "unit": "deg"}
    if key == "cloud":
        return {"data_type": "uint8", "nodata": QUALITY_NODATA[key], "unit": "%"}
    if key == "aot":
        scale = {"raster:scale": 0.001, "raster:offset": 0}
        return {"data_type": "uint16", "nodata": QUALITY_NODATA[key], **scale, "unit": "1"}
    told: dict[str, Any] = {"data_type": "uint16", "nodata": 0}
    if shot.granule.tells_scale:
        told |= {"raster:scale": 0.0001, "raster:offset": -shot.granule.offset / 10_000 or 0}
    if key == MULTIBAND_KEY:
        return {"bands": [_band(band) | told for band in BANDS]}
    return {"bands": [_band(key)], **told}


def _band(cbn: str) -> dict[str, Any]:
    facts = COMMON_NAMES[cbn]
    return {
        "name": _LABELS[cbn],
        "eo:common_name": cbn,
        "eo:center_wavelength": facts.centre_um,
        "eo:full_width_half_max": facts.width_um,
    }


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%S")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ):
            digest.update(chunk)
    return digest.hexdigest()
