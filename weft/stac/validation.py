"""Deciding whether a STAC document may be published, without a network.

Belongs here: the core schemas bundled with pystac, Weft's reduced extension schemas, and the rules no schema can
state. Not here: building documents (``calibrated``, ``products``, ``collections``).

The reduced schemas hold the fields Weft writes and refuse any other field of the same prefix; the published ones are
not shipped and never fetched.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import shapely
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError, best_match
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from shapely.geometry import shape

from weft.errors import IntegrityError
from weft.stac import Item
from weft.stac.extensions import EXTENSIONS, field_objects, used

ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.-]{1,128}")
"""Ids of items and collections and keys of assets: safe in paths, URLs and object keys, and no ``..``."""

_ID_RULE = "must match [A-Za-z0-9_.-]{1,128} and not be dots only"
_CORE = "https://schemas.stacspec.org/v1.1.0/{kind}-spec/json-schema/{kind}.json"
_BBOX_TOLERANCE = 1e-6  # degrees, 0.1 m: what rounding of printed coordinates may lose
_MAX_DEPTH = 32
_MESSAGE_LENGTH = 300


def validate(item: Item) -> None:
    """Check a finished item: STAC 1.1 core, every declared extension, and Weft's own rules.

    Raises:
        IntegrityError: one message with every problem found.
    """
    _raise("item", item, _unwritable(item) or [*core_problems(item), *_extension_problems(item), *_item_problems(item)])


def validate_collection(collection: Mapping[str, Any]) -> None:
    """Check a collection document: STAC 1.1 core and every declared extension.

    Raises:
        IntegrityError: one message with every problem found.
    """
    problems = _unwritable(collection) or [
        *core_problems(collection),
        *_extension_problems(collection),
        *_id_problems(collection),
    ]
    _raise("collection", collection, problems)


def core_problems(document: Mapping[str, Any]) -> list[str]:
    """What the STAC 1.1 core schema of the document's type (``Feature`` or ``Collection``) says against it."""
    kind = {"Feature": "item", "Collection": "collection"}.get(str(document.get("type")))
    if kind is None:
        return [f"type is {document.get('type')!r}; write Feature or Collection"]
    return _against(_core_validator(kind), document)


def _raise(kind: str, document: Mapping[str, Any], problems: list[str]) -> None:
    if problems:
        name = str(document.get("id"))[:128]
        raise IntegrityError(f"{kind} {name!r} must not be published: " + "; ".join(dict.fromkeys(problems)))


def _unwritable(value: Any, path: str = "", depth: int = 0) -> list[str]:
    """Values that JSON cannot hold: they are named alone, since the schemas would misread them."""
    if depth > _MAX_DEPTH:
        return [f"{path[:_MESSAGE_LENGTH]}: nested deeper than {_MAX_DEPTH} levels"]
    if isinstance(value, dict):
        keys = [f"{path or 'document'}: key {key!r} is not a string" for key in value if not isinstance(key, str)]
        return keys + [p for key, part in value.items() for p in _unwritable(part, _join(path, key), depth + 1)]
    if isinstance(value, list):
        return [p for index, part in enumerate(value) for p in _unwritable(part, _join(path, index), depth + 1)]
    if isinstance(value, float):
        return [] if math.isfinite(value) else [f"{path}: {value} is not JSON; leave the field out or write a string"]
    if value is None or type(value) in (str, int, bool):
        return []
    return [f"{path}: {type(value).__name__} is not JSON; write a string, number, list or object"]


def _extension_problems(document: Mapping[str, Any]) -> Iterator[str]:
    declared = document.get("stac_extensions", [])
    declared = declared if isinstance(declared, list) else []
    known = {extension.uri for extension in EXTENSIONS}
    for uri in declared:
        if uri not in known:
            yield f"stac_extensions: {str(uri)[:_MESSAGE_LENGTH]!r} has no schema here, so nothing can vouch for it"
    for uri in used(document):
        if uri not in declared:
            yield f"stac_extensions: fields of {uri} are used but it is not declared"
    for path, fields in field_objects(document):
        for name in (*(extension.schema_file for extension in EXTENSIONS), "weft.json"):
            yield from (_join(path, problem) for problem in _against(_own_validator(name), fields))


def _item_problems(item: Item) -> Iterator[str]:
    yield from _id_problems(item)
    yield from _against(_own_validator("profiles.json"), item)
    links = item.get("links")
    parents = [link for link in links if _is_link(link, "collection")] if isinstance(links, list) else []
    if (item.get("collection") is not None) != bool(parents):
        yield f"collection is {item.get('collection')!r} but there are {len(parents)} links with rel=collection"
    assets = item.get("assets")
    for key in assets if isinstance(assets, dict) else ():
        if not ID.fullmatch(key):
            yield f"assets: key {key[:_MESSAGE_LENGTH]!r} {_ID_RULE}"
    yield from _time_problems(item.get("properties"))
    yield from _place_problems(item.get("geometry"), item.get("bbox"))


def _id_problems(document: Mapping[str, Any]) -> Iterator[str]:
    if not (isinstance(identifier := document.get("id"), str) and ID.fullmatch(identifier)):
        yield f"id {str(identifier)[:_MESSAGE_LENGTH]!r} {_ID_RULE}"


def _time_problems(properties: Any) -> Iterator[str]:
    moments: dict[str, datetime] = {}
    for name in ("datetime", "start_datetime", "end_datetime"):
        if isinstance(properties, dict) and isinstance(text := properties.get(name), str):
            try:
                moments[name] = datetime.fromisoformat(text)
            except ValueError:
                yield f"properties.{name}: {text[:_MESSAGE_LENGTH]!r} is not an RFC 3339 time"
    start, end = moments.get("start_datetime"), moments.get("end_datetime")
    if start and end and (bool(start.tzinfo) == bool(end.tzinfo)) and start > end:
        yield f"properties.start_datetime {start.isoformat()} lies after end_datetime {end.isoformat()}"


def _place_problems(geometry: Any, bbox: Any) -> Iterator[str]:
    try:
        outline = shape(geometry)
        west, south, east, north = map(float, bbox)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, shapely.errors.ShapelyError):
        yield "geometry and bbox: a GeoJSON geometry and four numbers are needed"
        return
    if outline.is_empty or not outline.is_valid:
        yield f"geometry: {'empty' if outline.is_empty else shapely.is_valid_reason(outline)}"
        return
    left, bottom, right, top = outline.bounds
    if left < -180 or right > 180 or bottom < -90 or top > 90:
        yield f"geometry: bounds {outline.bounds} leave longitude -180..180 or latitude -90..90"
    if west > east:  # RFC 7946 section 5.2: a box across the antimeridian; its parts are compared east of it
        east += 360
        parts = [part.bounds for part in getattr(outline, "geoms", [outline])]
        left = min(part[0] + (360 if part[2] <= 0 else 0) for part in parts)
        right = max(part[2] + (360 if part[2] <= 0 else 0) for part in parts)
    differences = (west - left, south - bottom, east - right, north - top)
    if max(map(abs, differences)) > _BBOX_TOLERANCE:
        yield f"bbox {bbox} is not the bounding box {[left, bottom, right, top]} of the geometry"


def _is_link(link: Any, rel: str) -> bool:
    return isinstance(link, dict) and link.get("rel") == rel


def _against(validator: Draft7Validator, value: Any) -> list[str]:
    return [_sentence(error) for error in validator.iter_errors(value)]


def _sentence(error: ValidationError) -> str:
    """The most telling of an error's causes, with its place."""
    cause = best_match([error]) or error
    path = ".".join(str(part) for part in cause.absolute_path)
    message = cause.message if len(cause.message) <= _MESSAGE_LENGTH else cause.message[:_MESSAGE_LENGTH] + " ..."
    return f"{path}: {message}" if path else message


def _join(path: str, part: object) -> str:
    return f"{path}.{part}" if path else str(part)


@cache
def _core_validator(kind: str) -> Draft7Validator:
    schemas = get_local_schema_cache()
    registry: Registry[Any] = Registry().with_resources(_resources(schemas.items()))
    return Draft7Validator(schemas[_CORE.format(kind=kind)], registry=registry)


def _resources(schemas: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, Resource[Any]]]:
    for uri, schema in schemas:
        yield uri, Resource.from_contents(schema)


@cache
def _own_validator(name: str) -> Draft7Validator:
    text = files("weft.stac").joinpath("schemas", name).read_text(encoding="utf-8")
    return Draft7Validator(json.loads(text), registry=Registry())
