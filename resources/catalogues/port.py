"""The catalogue port: what publishers and readers may ask, whatever database answers.

Belongs here: the protocol, its value objects and the checks every back end owes. Not here: SQL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from weft.errors import RequestError
from weft.stac import Item
from weft.stac.validation import ID

_PROPERTY = re.compile(r"[A-Za-z0-9_:.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Search:
    """Which items of one collection are wanted; conditions left out let everything pass.

    Attributes:
        collection: id of the collection.
        window: items whose time, or interval of times, meets this half-open span [start, end).
        bbox: items whose bounding box meets west, south, east, north (degrees, edges included). West greater than east
            crosses the antimeridian, as in RFC 7946 section 5.2.
        ids: only these items.
        properties: values these item properties must equal.
        limit: at most this many items.
    """

    collection: str
    window: tuple[datetime, datetime] | None = None
    bbox: tuple[float, float, float, float] | None = None
    ids: Sequence[str] | None = None
    properties: Mapping[str, str | int] = field(default_factory=dict)
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no item could answer."""
        check_id("collection", self.collection)
        if self.window is not None:
            start, end = self.window
            if start.tzinfo is None or end.tzinfo is None or start >= end:
                raise RequestError(f"time window {start} to {end} must have time zones and end after it starts")
        if self.bbox is not None:
            check_bbox(self.bbox)
        for name in self.properties:
            if not _PROPERTY.fullmatch(name):
                raise RequestError(f"property name {name[:80]!r} is not valid; use letters, digits and '_:.-'")
        if self.limit is not None and self.limit < 1:
            raise RequestError(f"limit {self.limit} must be at least 1")


@dataclass(frozen=True, slots=True)
class Event:
    """One change of the catalogue.

    Attributes:
        seq: grows with every change; pass the last one seen to :meth:`Catalogue.events`.
        collection: collection of the item.
        id: id of the item.
        op: what happened to it.
        at: when, UTC.
    """

    seq: int
    collection: str
    id: str
    op: Literal["upsert", "delete"]
    at: datetime


@dataclass(frozen=True, slots=True)
class Extent:
    """What one collection spans, derived from its items at the moment of asking.

    Attributes:
        collection: id of the collection.
        count: number of items.
        bbox: west, south, east, north in degrees; -180 and 180 if an item crosses the antimeridian; None if no item has
            a place.
        start: earliest time, UTC.
        end: latest time, UTC.
    """

    collection: str
    count: int
    bbox: tuple[float, float, float, float] | None
    start: datetime
    end: datetime


class Catalogue(Protocol):
    """STAC items by collection and id.

    Every method raises :class:`RequestError` for malformed input and :class:`Unavailable` when the database does not
    answer.
    """

    def upsert(self, items: Sequence[Item]) -> None:
        """Store all items or none, replacing those already there; an identical item changes nothing, not even events.

        Raises:
            RequestError: an item has a malformed id, collection, time or bounding box.
        """

    def get(self, collection: str, id: str) -> Item | None:
        """One item, None if there is none."""

    def delete(self, collection: str, id: str) -> bool:
        """Remove an item and leave an event as its tombstone; False if there is none."""

    def search(self, search: Search) -> Iterator[Item]:
        """Matching items ordered by start time, then id; read in pages, so a result may outgrow memory."""

    def events(self, since: int = 0, limit: int = 1000) -> list[Event]:
        """Changes after number ``since``, oldest first."""

    def collections(self) -> list[Extent]:
        """Every collection that has items, sorted by id."""


def check_id(what: str, value: object) -> str:
    """The id, if it is safe in keys, paths and URLs; raises :class:`RequestError` otherwise."""
    if not isinstance(value, str) or not ID.fullmatch(value) or value in (".", ".."):
        raise RequestError(f"{what} {str(value)[:160]!r} is not valid; use 1 to 128 of A-Z a-z 0-9 '_' '.' '-'")
    return value


def check_bbox(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    """West, south, east, north of a 2-D or 3-D GeoJSON bounding box; raises :class:`RequestError` if it is none."""
    numbers = [float(value) for value in bbox if isinstance(value, int | float) and math.isfinite(value)]
    if len(numbers) == len(bbox) and len(bbox) in (4, 6):
        half = len(bbox) // 2
        west, south, east, north = numbers[0], numbers[1], numbers[half], numbers[half + 1]
        if -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90:
            return west, south, east, north
    raise RequestError(f"bounding box {list(bbox)!r:.200} is not [west, south, east, north] in degrees")
