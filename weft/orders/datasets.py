"""The datasets of an order: catalogue items, foreign STAC items and plain files as named layers that lie on a map.

Belongs here: :class:`Dataset` and the ways to one. Not here: fetching items, deciding what their hrefs may point at
(``weft.scenes.hrefs``), or reading pixels.

A layer has the name of its asset (made fit for expressions: ``b1_nir`` of ``1_nir``) and its Common Band Name, if only
one layer of the finest pixel size has it: ``1.B04`` and ``1.red`` may be the same.

A layer without a CRS, a transform or a north-up grid (ground control points alone, slant range) is never placed by
guessing: it is kept with the reason and refused as soon as somebody asks for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import rasterio

from weft.bands import Modality, is_common_name, modality
from weft.errors import IntegrityError, RequestError, SceneRejected
from weft.rasters.gdal import UnreadableRaster, environment, open_raster
from weft.rasters.grid import Grid
from weft.scenes.fields import Fields
from weft.scenes.raster_bands import MAX_EDGE, RasterBand, grid_of, raster_bands
from weft.scenes.scene import ClassLayer, Layer, Scene
from weft.scenes.sentinel2 import scene_of
from weft.stac import Item
from weft.stac.calibrated import COLLECTION, scene_from_item
from weft.stac.parts import nodata_of

CLASSES = "classes"
"""Name of the layer that holds the classes of a calibrated scene."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_MAX_FILE = 2**40
_NOT_FINITE = {"nan": "nan", "inf": "inf", "-inf": "-inf", "+inf": "inf"}
# Properties that only the archives of Sentinel-2 L2A set: those whose scale and offset need the mission's own rules.
_SENTINEL2 = ("s2:", "earthsearch:", "sentinel:")
_CLASSIFIED = ("classification:classes", "classification:bitfields")
# Radar products in the geometry of the sensor: whatever transform a catalogue states for them is invented.
_NOT_GEOCODED = {"GRD", "SLC", "SSC", "MGD"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """One input of an order.

    Attributes:
        index: 1-based place in ``input_reference``.
        id: of its item, or made of the name of its file.
        acquired: time of acquisition, or start of the period; UTC, None if unknown.
        layers: name -> layer; two names may lead to one layer.
        classes: classification from which validity may be decided, None if there is none.
        item: the STAC item, None of a plain file.
        common_names: layer name -> Common Band Name, as far as known.
        labels: names of layers that hold labels instead of measurements; they are resampled by nearest neighbour.
        unusable: names of layers that cannot be placed on a map -> why.
    """

    index: int
    id: str
    acquired: datetime | None
    layers: Mapping[str, Layer]
    classes: ClassLayer | None = None
    item: Item | None = None
    common_names: Mapping[str, str] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    unusable: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """How messages name it: ``input_reference[2] (S2A_...)``."""
        return f"input_reference[{self.index}] ({self.id})"

    def layer(self, name: str) -> Layer:
        """The layer of a name.

        Raises:
            RequestError: there is none, or it has no place on a map; the message names the dataset and the reason.
        """
        if name in self.layers:
            return self.layers[name]
        if name in self.unusable:
            raise RequestError(f"{self.title}: {self.unusable[name]}")
        raise RequestError(f"{self.title} has no band {name}; it has {', '.join(sorted(self.layers))[:400]}")

    def common_name(self, name: str) -> str | None:
        """Common Band Name of a layer, None if unknown."""
        return self.common_names.get(name)

    def modality(self, name: str) -> Modality:
        """What kind of sensor measured a layer."""
        return modality(self.common_names.get(name, name))


def dataset_from_item(item: Item, index: int) -> Dataset:
    """A dataset of an item: a calibrated scene or product of ours, or anybody's item with raster assets.

    Args:
        item: STAC item as JSON; it is not trusted. Hrefs are taken over as they are.
        index: 1-based place in ``input_reference``.

    Raises:
        RequestError: it is no item, or no layer of it lies on a map; the message begins with ``input_reference[n]``.
    """
    try:
        fields = Fields.of_item(item)
        properties = fields.object("properties") or Fields(fields.scene_id, "properties", {})
        if item.get("collection") == COLLECTION and "weft:datatake" in properties.values:
            return _of_scene(scene_from_item(item), item, index)
        if any(str(key).startswith(_SENTINEL2) for key in properties.values):
            return _of_scene(scene_of(item), item, index)
        return _of_foreign(fields, properties, item, index)
    except SceneRejected as error:
        raise RequestError(f"input_reference[{index}] ({error.scene_id}): {error.reason}") from error
    except IntegrityError as error:
        raise RequestError(f"input_reference[{index}]: {error}") from error


def dataset_of_file(path: Path, index: int) -> Dataset:
    """A dataset of a plain GeoTIFF or JPEG 2000 file.

    Its bands are named by their descriptions, if those are Common Band Names that do not repeat, otherwise ``band1``,
    ``band2`` ...

    Args:
        path: local file.
        index: 1-based number of the dataset.

    Raises:
        RequestError: it cannot be read, or does not lie on a map as a north-up grid; the message names the file.
    """
    try:
        with environment(), open_raster(path.absolute()) as dataset:
            grid = _grid_of_file(path, dataset)
            acquired = _time_of_file(dataset.tags())
            layers = {}
            for number, name in enumerate(_names_in_file(dataset), start=1):
                layers[name] = Layer(
                    href=path.absolute().as_uri(),
                    band=number,
                    geolocation=grid,
                    scale=dataset.scales[number - 1],
                    offset=dataset.offsets[number - 1],
                    nodata=dataset.nodatavals[number - 1],
                    unit=dataset.units[number - 1] or None,
                )
    except UnreadableRaster as error:
        raise RequestError(f"{path}: {error.reason}; give a GeoTIFF or JPEG 2000 file") from error
    known = {name: name for name in layers if is_common_name(name)}
    name = re.sub(r"[^A-Za-z0-9_-]", "_", path.stem)[:128]
    return Dataset(index, name, acquired, layers, common_names=known)


def _of_scene(scene: Scene, item: Item, index: int) -> Dataset:
    classes = {CLASSES: scene.classes.layer} if scene.classes else {}
    return Dataset(
        index=index,
        id=scene.id,
        acquired=scene.acquired,
        layers={**scene.bands, **scene.angles, **scene.quality, **classes},
        classes=scene.classes,
        item=item,
        common_names={name: name for name in scene.bands},
        labels=frozenset(classes),
    )


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    layer: Layer
    common_name: str | None
    labels: bool


def _of_foreign(fields: Fields, properties: Fields, item: Item, index: int) -> Dataset:
    product = (properties.text("sar:product_type") or "").upper()
    found: list[_Named] = []
    unusable: dict[str, str] = {}
    for band in raster_bands(fields):
        name, cbn = _names(band)
        try:
            if product in _NOT_GEOCODED and modality(cbn or name) == "radar" and not is_common_name(cbn or name):
                raise SceneRejected(
                    fields.scene_id,
                    f"{band.asset.where} is of a {product} product, which lies in the geometry of the sensor and on no "
                    "map; give a geocoded, calibrated dataset",
                )
            found.append(_Named(name, _layer(fields, band), cbn, _is_labels(band)))
        except SceneRejected as error:
            unusable |= dict.fromkeys((name, cbn) if cbn else (name,), error.reason)
    if not found:
        reason = next(iter(unusable.values()), "it has no GeoTIFF or JPEG 2000 asset of measurements")
        raise SceneRejected(fields.scene_id, reason)
    names = Counter(one.name for one in found)
    unusable |= {name: f"it has several layers {name}" for name, count in names.items() if count > 1}
    named = _by_common_name(found) | {one.name: one for one in found}
    named = {name: one for name, one in named.items() if names[name] < 2}
    return Dataset(
        index=index,
        id=fields.scene_id,
        acquired=properties.moment("datetime") or properties.moment("start_datetime"),
        layers={name: one.layer for name, one in named.items()},
        item=item,
        common_names={name: one.common_name for name, one in named.items() if one.common_name},
        labels=frozenset(name for name, one in named.items() if one.labels),
        unusable={name: reason for name, reason in unusable.items() if name not in named},
    )


def _by_common_name(found: Iterable[_Named]) -> dict[str, _Named]:
    """The finest layer of each Common Band Name, unless several are equally fine."""
    candidates: dict[str, list[_Named]] = {}
    for one in found:
        if one.common_name:
            candidates.setdefault(one.common_name, []).append(one)
    chosen = {}
    for cbn, rivals in candidates.items():
        finest = min(one.layer.geolocation.x_size for one in rivals)
        best = [one for one in rivals if one.layer.geolocation.x_size == finest]
        if len(best) == 1:
            chosen[cbn] = best[0]
    return chosen


def _names(band: RasterBand) -> tuple[str, str | None]:
    """Name of a layer, and its Common Band Name if it has one."""
    told = band.described.text("name") or ""
    own = band.key if band.alone else told if _NAME.fullmatch(told) else f"{band.key}_{band.number}"
    labels = (band.described.text("common_name"), band.described.text("weft:cbn"), own, told)
    cbn = next((label.lower() for label in labels if label and is_common_name(label.lower())), None)
    return (own if _NAME.fullmatch(own) else _fit(own)), cbn


def _fit(key: str) -> str:
    """A key of an asset as a name that an expression can use: ``b1_nir`` of ``1_nir``, ``red_jp2`` of ``red-jp2``."""
    name = re.sub(r"[^A-Za-z0-9]", "_", key)
    return (name if name[:1].isalpha() else f"b{name}")[:64]


def _is_labels(band: RasterBand) -> bool:
    roles = band.asset.values.get("roles")
    return (
        band.described.values.get("weft:categorical") is True
        or any(key in values for key in _CLASSIFIED for values in (band.described.values, band.asset.values))
        or (isinstance(roles, list) and "data-mask" in roles)
    )


def _layer(item: Fields, band: RasterBand) -> Layer:
    scale, offset = band.described.number("scale"), band.described.number("offset")
    if scale == 0:
        raise band.described.refuse("scale", "a number other than 0")
    return Layer(
        href=band.href,
        band=band.number,
        geolocation=grid_of(item, band),
        scale=1.0 if scale is None else scale,
        offset=offset or 0.0,
        nodata=_nodata(band.described),
        unit=band.described.text("unit"),
        size=band.asset.count("file:size", least=1, most=_MAX_FILE),
    )


def _nodata(described: Fields) -> float | None:
    """STAC writes what JSON has no number for as text."""
    value = described.values.get("nodata")
    if isinstance(value, str) and value.lower() in _NOT_FINITE:
        return nodata_of({"nodata": _NOT_FINITE[value.lower()]})
    return described.number("nodata")


def _grid_of_file(path: Path, dataset: rasterio.DatasetReader) -> Grid:
    if dataset.transform.is_identity:
        placed = "it has ground control points only" if dataset.gcps[0] else "it has no transform"
        _unplaced(path, placed)
    if dataset.crs is None:
        _unplaced(path, "it has no CRS")
    code = dataset.crs.to_epsg(confidence_threshold=100)
    if code is None:
        _unplaced(path, f"its CRS has no EPSG code ({str(dataset.crs)[:80]})")
    if max(dataset.width, dataset.height) > MAX_EDGE:
        raise RequestError(f"{path}: it has {dataset.width} x {dataset.height} pixels; the limit is {MAX_EDGE} a side")
    try:
        return Grid.from_transform(f"EPSG:{code}", dataset.transform, height=dataset.height, width=dataset.width)
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error


def _time_of_file(tags: Mapping[str, str]) -> datetime | None:
    """ICEYE's own tag; TIFF's says when the file was made, which may be years later."""
    try:
        return datetime.fromisoformat(tags.get("ACQUISITION_START_UTC", "")[:19]).replace(tzinfo=UTC)
    except ValueError:
        return None


def _unplaced(path: Path, reason: str) -> NoReturn:
    raise RequestError(f"{path}: {reason}, so where it lies would be a guess; geocode it first, with gdalwarp -t_srs")


def _names_in_file(dataset: rasterio.DatasetReader) -> list[str]:
    described = [(text or "").strip().lower() for text in dataset.descriptions]
    return [
        text if is_common_name(text) and described.count(text) == 1 else f"band{number}"
        for number, text in enumerate(described, start=1)
    ]
