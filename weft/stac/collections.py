"""The collections of the catalogue as STAC documents.

Belongs here: titles, descriptions, providers and the assets their items have in common. Not here: extents, which the
catalogue derives from the items it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from weft.bands import BANDS
from weft.errors import RequestError
from weft.stac.classes import class_fields
from weft.stac.extensions import used
from weft.stac.parts import STAC_VERSION, spectrum_fields
from weft.stac.products import COG_TYPE

_NOWHERE_YET: dict[str, Any] = {
    "spatial": {"bbox": [[-180.0, -90.0, 180.0, 90.0]]},
    "temporal": {"interval": [[None, None]]},
}
_PROVIDERS = (
    {
        "name": "European Union, Copernicus Programme, and European Space Agency",
        "roles": ["producer", "licensor"],
        "url": "https://www.copernicus.eu",
    },
    {"name": "Weft", "description": "Calibration, compositing and mosaicking.", "roles": ["processor"]},
)
_LICENCE = {
    "rel": "license",
    "href": "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
    "title": "Legal notice on the use of Copernicus Sentinel data",
}
_COUNT = {"title": "Number of valid observations", "type": COG_TYPE, "roles": ["data"]}
_THUMBNAIL = {"title": "Quick-look", "type": "image/png", "roles": ["thumbnail"]}


@dataclass(frozen=True, slots=True)
class _Collection:
    title: str
    description: str
    keywords: tuple[str, ...]
    item_assets: Mapping[str, Any] = field(default_factory=dict)


_COLLECTIONS: dict[str, _Collection] = {
    "calibrated-datasets": _Collection(
        "Calibrated datasets",
        "Scenes that are ready for analysis: every band with its Common Band Name, scale, offset and nodata value. "
        "Assets of scenes that came so from their provider point at the provider's files.",
        ("surface reflectance", "analysis-ready"),
        {
            **{
                cbn: {"title": band.title, "roles": ["data"], "bands": [{"name": cbn, **spectrum_fields(cbn)}]}
                for cbn, band in BANDS.items()
            },
            "classes": {
                "title": "Scene classification",
                "roles": ["data-mask"],
                "bands": [{"name": "classes", **class_fields("sentinel-2-scl")}],
            },
        },
    ),
    "coregistered-stacks": _Collection(
        "Co-registered stacks",
        "All observations of one tile from one track in one period, each with what was left out and why: these refer "
        "to calibrated datasets and copy no pixels. And what was ordered: bands of several datasets on the grid of one "
        "of them, with the report of their registration.",
        ("stack", "time series", "co-registration"),
        {
            "overview": {"title": "Overview in 8-bit colour", "type": COG_TYPE, "roles": ["overview", "visual"]},
            "report": {"title": "Report of the registration", "type": "text/html", "roles": ["metadata"]},
            "order": {"title": "The order, to be placed again", "type": "application/json", "roles": ["metadata"]},
            "thumbnail": _THUMBNAIL,
        },
    ),
    "expression-bands": _Collection(
        "Expression bands",
        "Bands computed from other products by an expression, such as the normalised difference vegetation index.",
        ("band maths", "index"),
        {"thumbnail": _THUMBNAIL},
    ),
    "composites": _Collection(
        "Composites",
        "Cloud-free composites of one tile from one track over one period, on the tile's own grid: medoid, S2GM, "
        "percentiles and others, the number of valid observations and, where a method selects one, the observation "
        "each pixel comes from, with its date.",
        ("composite", "medoid", "percentile"),
        {
            "count": _COUNT,
            "source_index": {"title": "Index of the selected observation", "type": COG_TYPE, "roles": ["data"]},
            "observation_date": {"title": "Date of the selected observation", "type": COG_TYPE, "roles": ["data"]},
            "medoid_spread": {"title": "Distance of the medoid to the others", "type": COG_TYPE, "roles": ["data"]},
            "thumbnail": _THUMBNAIL,
        },
    ),
    "orbit-mosaics": _Collection(
        "Orbit mosaics",
        "Composites of all tiles of one track joined on the mosaic grid, cut in sheets.",
        ("mosaic", "orbit"),
        {"count": _COUNT, "thumbnail": _THUMBNAIL},
    ),
    "track-levels": _Collection(
        "Levels of tracks",
        "What brings the tracks of a region to one level: a gain and an offset for each track and layer, fitted in the "
        "overlaps of neighbouring tracks. They refer to orbit mosaics and copy no pixels.",
        ("normalisation", "orbit"),
    ),
    "mosaics": _Collection(
        "Mosaics",
        "Orbit mosaics of all tracks blended into one seamless image, cut in sheets.",
        ("mosaic", "seamless"),
        {"count": _COUNT, "thumbnail": _THUMBNAIL},
    ),
    "orders": _Collection(
        "Orders",
        "What somebody asked for, exactly, with the items of all datasets as they were when the order was taken.",
        ("order", "request"),
        {
            "order": {"title": "The order, to be placed again", "type": "application/json", "roles": ["metadata"]},
            "inputs": {"title": "Items of its datasets", "type": "application/json", "roles": ["metadata"]},
        },
    ),
    "region-mosaics": _Collection(
        "Region mosaics",
        "All sheets of a region over one period as one thing: a virtual mosaic of every layer, an overview for maps, "
        "and what the sheets say about gaps and seams.",
        ("mosaic", "seamless", "overview"),
        {
            "overview": {"title": "Overview in 8-bit colour", "type": COG_TYPE, "roles": ["overview", "visual"]},
            "overview_count": {"title": "Mean number of valid observations", "type": COG_TYPE, "roles": ["overview"]},
            "gaps": {"title": "Where observations are few", "type": "image/png", "roles": ["overview"]},
            "thumbnail": _THUMBNAIL,
        },
    ),
}

COLLECTION_IDS = tuple(sorted(_COLLECTIONS))
"""Ids of all collections, sorted."""


def collection_document(collection_id: str, extent: Mapping[str, Any] | None) -> dict[str, Any]:
    """One collection as a STAC 1.1 document.

    Args:
        collection_id: one of :data:`COLLECTION_IDS`.
        extent: STAC extent object derived from the collection's items; None while it holds none.

    Raises:
        RequestError: there is no such collection.
    """
    if collection_id not in _COLLECTIONS:
        raise RequestError(f"collection {collection_id!r} is unknown; use one of {', '.join(COLLECTION_IDS)}")
    about = _COLLECTIONS[collection_id]
    document: dict[str, Any] = {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": collection_id,
        "title": about.title,
        "description": about.description,
        "keywords": list(about.keywords),
        "license": "other",
        "providers": [dict(provider) for provider in _PROVIDERS],
        "extent": deepcopy(dict(extent or _NOWHERE_YET)),
        "links": [dict(_LICENCE)],
        "item_assets": deepcopy(dict(about.item_assets)),
    }
    document["stac_extensions"] = used(document)
    return document
