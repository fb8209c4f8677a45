"""Checked reading of foreign STAC JSON.

Belongs here: taking one value out of an item and refusing what is not of the expected type, with a message that names
the place. Not here: what a value means (one module per mission).

An absent value (missing or null) is None, so callers can try one spelling after the other; a present value of the
wrong type always refuses the scene, because an item that lies about one field is not to be believed about the next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from weft.errors import SceneRejected

ITEM_ID = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,128}")
"""Ids that may become part of a path or a key (design section 8); match with ``fullmatch``."""

_MAX_TEXT = 2048


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object of an item.

    Attributes:
        scene_id: item id, for messages.
        where: the object's place in the item, for messages: ``properties``, ``asset blue``.
        values: the object as parsed.
    """

    scene_id: str
    where: str
    values: Mapping[str, Any]

    @classmethod
    def of_item(cls, item: object) -> Fields:
        """The item itself; raises :class:`SceneRejected` if it is no object or its id is unfit for a path."""
        scene_id = item.get("id") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(scene_id, str) or not ITEM_ID.fullmatch(scene_id):
            shown = f"{scene_id!r:.140}"
            raise SceneRejected(shown, "its id is not made of 1 to 128 letters, digits, '_', '.' and '-'")
        return cls(scene_id, "item", item)

    def refuse(self, key: str, expected: str) -> SceneRejected:
        """The error that says what ``key`` holds and what it should hold."""
        return SceneRejected(
            self.scene_id, f"{self.where} has {key} = {self.values.get(key)!r:.80}, expected {expected}"
        )

    def text(self, key: str) -> str | None:
        """A string of at most 2048 characters."""
        value = self.values.get(key)
        if value is not None and (not isinstance(value, str) or len(value) > _MAX_TEXT):
            raise self.refuse(key, f"a text of at most {_MAX_TEXT} characters")
        return value

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def number(self, key: str) -> float | None:
        """A finite number."""
        value = self.values.get(key)
        if value is None:
            return None
        number = _finite(value)
        if number is None:
            raise self.refuse(key, "a finite number")
        return number

    def count(self, key: str, *, least: int, most: int) -> int | None:
        """A whole number between ``least`` and ``most``."""
        value = self.values.get(key)
        if value is not None and not (type(value) is int and least <= value <= most):
            raise self.refuse(key, f"a whole number from {least} to {most}")
        return value

    def numbers(self, key: str, *, lengths: tuple[int, ...]) -> tuple[float, ...] | None:
        """A list of finite numbers whose length is one of ``lengths``."""
        value = self.values.get(key)
        if value is None:
            return None
        numbers = [_finite(one) for one in value] if isinstance(value, list) and len(value) in lengths else [None]
        if None in numbers:
            raise self.refuse(key, f"a list of {' or '.join(map(str, lengths))} finite numbers")
        return tuple(number for number in numbers if number is not None)

    def moment(self, key: str) -> datetime | None:
        """An ISO 8601 time in UTC; a time without zone is taken as UTC."""
        text = self.text(key)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError) as error:
            raise self.refuse(key, "an ISO 8601 time") from error

    def object(self, key: str) -> Fields | None:
        """A nested object."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.refuse(key, "an object")
        return Fields(self.scene_id, key if self.where == "item" else f"{self.where}.{key}", value)

    def objects(self, key: str, *, most: int) -> tuple[Fields, ...]:
        """A list of at most ``most`` objects; empty if absent."""
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > most or not all(isinstance(one, Mapping) for one in value):
            raise self.refuse(key, f"a list of at most {most} objects")
        return tuple(Fields(self.scene_id, f"{self.where}.{key}[{i}]", one) for i, one in enumerate(value))

    def members(self, kind: str) -> Iterator[tuple[str, Fields]]:
        """All members, which must be objects, sorted by key; ``kind`` names them in messages."""
        for key in sorted(key for key in self.values if isinstance(key, str)):
            if not isinstance(self.values[key], Mapping):
                raise self.refuse(key, "an object")
            yield key, Fields(self.scene_id, f"{kind} {key:.80}", self.values[key])


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
