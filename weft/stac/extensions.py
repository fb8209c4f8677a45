"""The STAC extensions Weft writes.

Belongs here: their names, versions and field prefixes, where their fields may stand in a document, and the list a
document must declare. Not here: the rules for the values, which are the JSON schemas in ``schemas``, or applying them
(``validation``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Extension:
    """One published extension.

    Attributes:
        name: name in the extension index.
        version: the version whose fields Weft writes.
        marker: how its fields begin.
    """

    name: str
    version: str
    marker: str

    @property
    def uri(self) -> str:
        """Identifier for ``stac_extensions``."""
        return f"https://stac-extensions.github.io/{self.name}/v{self.version}/schema.json"

    @property
    def schema_file(self) -> str:
        """Name of the reduced schema in ``schemas``."""
        return f"{self.name}-v{self.version}.json"


EXTENSIONS = (
    Extension("classification", "2.0.0", "classification:"),
    Extension("eo", "2.0.0", "eo:"),
    Extension("file", "2.1.0", "file:"),
    Extension("grid", "1.1.0", "grid:"),
    Extension("processing", "1.2.0", "processing:"),
    Extension("projection", "2.0.0", "proj:"),
    Extension("raster", "2.0.0", "raster:"),
    Extension("render", "2.0.0", "renders"),
    Extension("sat", "1.2.0", "sat:"),
    Extension("view", "1.1.0", "view:"),
)


def field_objects(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object of an item or collection in which extension fields may stand, with its path in the document."""
    if isinstance(properties := document.get("properties"), Mapping):
        yield "properties", properties
    for group in ("assets", "item_assets"):
        assets = document.get(group)
        for key, asset in assets.items() if isinstance(assets, Mapping) else ():
            if not isinstance(asset, Mapping):
                continue
            yield f"{group}.{key}", asset
            bands = asset.get("bands")
            for index, band in enumerate(bands if isinstance(bands, list) else ()):
                if isinstance(band, Mapping):
                    yield f"{group}.{key}.bands.{index}", band


def used(document: Mapping[str, Any]) -> list[str]:
    """Identifiers of the extensions whose fields occur in an item or collection, sorted."""
    fields = {str(field) for _, fields in field_objects(document) for field in fields}
    return sorted(e.uri for e in EXTENSIONS if any(field.startswith(e.marker) for field in fields))
