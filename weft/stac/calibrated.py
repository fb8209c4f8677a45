"""Calibrated datasets as items: a scene that is ready for analysis, registered where it lies (design section 6).

Belongs here: :func:`calibrated_item` and its exact inverse :func:`scene_from_item`. Not here: reading a mission's own
metadata (``weft.scenes``).

Each layer is one asset under its own key, even when several lie in one file: a multi-band file then appears as several
assets with the same href, each with one entry in ``bands`` and ``weft:band_number``, its 1-based number in the file.
(One asset a file would have to list all its bands in order, also those nobody calibrated.)
"""

from __future__ import annotations

import re
from typing import Any

from weft.errors import IntegrityError
from weft.rasters.gdal import DRIVERS
from weft.scenes.scene import ClassLayer, Layer, Scene
from weft.stac import Item
from weft.stac.classes import class_fields
from weft.stac.parts import (
    grid_fields,
    grid_of,
    ground_sample_distance,
    make_item,
    moment_of,
    nodata_of,
    spectrum_fields,
    timestamp,
    value_fields,
)
from weft.stac.validation import validate

COLLECTION = "calibrated-datasets"
_CLASSES = "classes"
_MGRS_TILE = re.compile(r"[0-9]{2}[C-X][A-Z]{2}")
_RELATIVE_ORBIT = re.compile(r"R([0-9]{3})")
_MEDIA_TYPES = {"GTiff": "image/tiff; application=geotiff", "JP2OpenJPEG": "image/jp2"}


def calibrated_item(scene: Scene, *, fingerprint: str, tile_track: str) -> Item:
    """Item of a scene in ``calibrated-datasets``; its assets point at the original files.

    Args:
        scene: the scene; hrefs of its layers are absolute.
        fingerprint: of the work of registering it, 64 hex digits. It depends on no region: regions share the item.
        tile_track: key of the tile and track it belongs to.

    Raises:
        IntegrityError: two layers claim the same asset key.
    """
    assets = {cbn: _band_asset(cbn, layer) for cbn, layer in scene.bands.items()}
    angles = {key: _asset(key, layer, "angle", {}) for key, layer in scene.angles.items()}
    quality = {key: _asset(key, layer, "quality", {}) for key, layer in scene.quality.items()}
    classes = {_CLASSES: _class_asset(scene.classes)} if scene.classes else {}
    keys = [*assets, *angles, *quality, *classes]
    if clash := {key for key in keys if keys.count(key) > 1}:
        raise IntegrityError(f"scene {scene.id} has two layers named {', '.join(sorted(clash))}; rename one")
    properties = {
        "datetime": timestamp(scene.acquired),
        "constellation": scene.mission,
        "platform": scene.platform,
        **ground_sample_distance(scene.geolocation),
        **_orbit_and_tile(scene),
        **({"processing:version": scene.baseline} if scene.baseline is not None else {}),
        **({"processing:datetime": timestamp(scene.processed)} if scene.processed else {}),
        "weft:fingerprint": fingerprint,
        "weft:tile_track": tile_track,
        "weft:datatake": scene.datatake,
        "weft:segment": scene.segment,
        "weft:provenance": dict(scene.provenance),
    }
    return make_item(COLLECTION, scene.id, scene.geolocation, properties, assets | angles | quality | classes)


def scene_from_item(item: Item) -> Scene:
    """The scene :func:`calibrated_item` made the item of, equal in every field.

    Raises:
        IntegrityError: the item is not valid, of another collection, or a register.
    """
    validate(item)
    properties = item["properties"]
    if item["collection"] != COLLECTION or "weft:register" in properties:
        raise IntegrityError(f"{item['collection']}/{item['id']} is no scene; look for one in {COLLECTION}")
    by_role: dict[str, dict[str, Any]] = {"data": {}, "data-mask": {}, "angle": {}, "quality": {}}
    for key, asset in item["assets"].items():
        by_role[asset["roles"][0]][key] = asset
    processed = properties.get("processing:datetime")
    return Scene(
        id=item["id"],
        mission=properties["constellation"],
        platform=properties["platform"],
        acquired=moment_of(properties["datetime"]),
        datatake=properties["weft:datatake"],
        segment=properties["weft:segment"],
        tile=properties.get("weft:tile"),
        track=properties.get("weft:track"),
        geolocation=grid_of(properties),
        bands={cbn: _layer(asset) for cbn, asset in by_role["data"].items()},
        classes=next(map(_class_layer, by_role["data-mask"].values()), None),
        angles={key: _layer(asset) for key, asset in by_role["angle"].items()},
        quality={key: _layer(asset) for key, asset in by_role["quality"].items()},
        baseline=properties.get("processing:version"),
        processed=moment_of(processed) if processed else None,
        provenance=dict(properties.get("weft:provenance", {})),
    )


def _orbit_and_tile(scene: Scene) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if scene.track is not None:
        fields["weft:track"] = scene.track
        if orbit := _RELATIVE_ORBIT.fullmatch(scene.track):
            fields["sat:relative_orbit"] = int(orbit[1])
    if scene.tile is not None:
        fields["weft:tile"] = scene.tile
        if _MGRS_TILE.fullmatch(scene.tile):
            fields["grid:code"] = f"MGRS-{scene.tile}"
    return fields


def _band_asset(cbn: str, layer: Layer) -> dict[str, Any]:
    return _asset(cbn, layer, "data", spectrum_fields(cbn))


def _class_asset(classes: ClassLayer) -> dict[str, Any]:
    return {
        **_asset(_CLASSES, classes.layer, "data-mask", class_fields(classes.scheme)),
        "weft:scheme": classes.scheme,
        "weft:nodata_class": classes.nodata_class,
        "weft:water_classes": list(classes.water_classes),
    }


def _asset(key: str, layer: Layer, role: str, band: dict[str, Any]) -> dict[str, Any]:
    suffix = re.search(r"\.[A-Za-z0-9]+$", layer.href)
    driver = DRIVERS.get(suffix[0].lower()) if suffix else None
    return {
        "href": layer.href,
        **({"type": _MEDIA_TYPES[driver]} if driver else {}),
        "roles": [role],
        "bands": [{"name": key, **band, **value_fields(layer.scale, layer.offset, layer.nodata, layer.unit)}],
        **grid_fields(layer.geolocation),
        "weft:band_number": layer.band,
        **({"file:size": layer.size} if layer.size is not None else {}),
    }


def _layer(asset: dict[str, Any]) -> Layer:
    band = asset["bands"][0]
    return Layer(
        href=asset["href"],
        band=asset["weft:band_number"],
        geolocation=grid_of(asset),
        scale=band.get("raster:scale", 1.0),
        offset=band.get("raster:offset", 0.0),
        nodata=nodata_of(band),
        unit=band.get("unit"),
        size=asset.get("file:size"),
    )


def _class_layer(asset: dict[str, Any]) -> ClassLayer:
    return ClassLayer(
        layer=_layer(asset),
        scheme=asset["weft:scheme"],
        nodata_class=asset["weft:nodata_class"],
        water_classes=tuple(asset["weft:water_classes"]),
    )
