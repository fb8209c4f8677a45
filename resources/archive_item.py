"""An item as an archive holds it.

Belongs here: the value objects that both kinds of archive return, and the limits on their JSON. Not here: finding
items (``archive_static``, ``archive_api``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weft.errors import SceneRejected
from weft.scenes.fields import ITEM_ID
from weft.scenes.scene import Scene
from weft.scenes.sentinel2 import scene_of
from weft.stac import Item

MAX_DOCUMENT_BYTES = 5 * 1024 * 1024
"""Largest catalogue, collection or item document that is parsed."""


@dataclass(frozen=True, slots=True)
class Extent:
    """First and last acquisition of an archive, UTC; None where it is open or unknown."""

    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class ArchivedItem:
    """One item of an archive.

    Attributes:
        item: as written, with relative hrefs left relative: the same wherever the archive lies.
        location: absolute path or URL of the item, where its relative hrefs start.
        problem: why it cannot be read as an item at all; None if it can.
    """

    item: Item
    location: str
    problem: str | None = None

    @classmethod
    def unreadable(cls, name: str, location: str, problem: str) -> ArchivedItem:
        """Stands for something an archive lists as an item and that is none, so that it is named and not lost."""
        scene_id = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:128]
        return cls({"type": "Feature", "id": scene_id if ITEM_ID.fullmatch(scene_id) else "unnamed"}, location, problem)

    @classmethod
    def of(cls, document: object, name: str, location: str) -> ArchivedItem:
        """Takes parsed JSON as an item if it can be one: an object of bounded size with finite numbers."""
        try:
            text = json.dumps(document, allow_nan=False)
        except (ValueError, RecursionError):
            return cls.unreadable(name, location, "its numbers are not all finite or it is nested too deeply")
        if not isinstance(document, Mapping) or len(text) > MAX_DOCUMENT_BYTES:
            return cls.unreadable(name, location, f"it is no JSON object of at most {MAX_DOCUMENT_BYTES} bytes")
        return cls(dict(document), location)

    @property
    def document(self) -> Item:
        """What a fingerprint is made of: the item without its links, which tell where the archive lies."""
        return {key: value for key, value in self.item.items() if key != "links"}

    def scene(self) -> Scene:
        """The item as a scene; raises :class:`SceneRejected` if it cannot be one."""
        if self.problem is not None:
            raise SceneRejected(str(self.item["id"]), self.problem)
        return scene_of(self.item)


def parse_json(text: bytes) -> Any:
    """Parse a JSON document of bounded size and depth; raises :class:`ValueError` with the reason."""
    if len(text) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"it is larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error}); it may be truncated") from error
