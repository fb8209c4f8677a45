"""The object store port: immutable bytes under keys.

Belongs here: the protocol, its value object and what a key may look like. Not here: where the bytes are (``obstores``)
or which keys products get (``resources.publishing``).

Objects are created once and never changed. That is what lets readers re-use what they fetched and publishers repeat
themselves after a crash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from weft.errors import RequestError

_KEY = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_MAX_KEY = 900  # S3 allows 1024 bytes, the bucket prefix included


@dataclass(frozen=True, slots=True, order=True)
class StoredObject:
    """One object: its key, its size in bytes, and when it was stored (UTC)."""

    key: str
    size: int
    modified: datetime


class ObjectStore(Protocol):
    """Create-only storage of bytes.

    Keys are ``/``-separated segments of ``[A-Za-z0-9_.-]+``, neither ``.`` nor ``..``. Every method raises
    :class:`RequestError` for a malformed key, for an object or bucket that does not exist and for refused credentials,
    and :class:`Unavailable` when the storage does not answer.
    """

    def put(self, key: str, path: Path) -> bool:
        """Store a file unless the key is taken.

        Returns:
            True if it was stored, False if the same bytes were there already.

        Raises:
            IntegrityError: other bytes are stored under this key.
        """

    def put_bytes(self, key: str, data: bytes) -> bool:
        """Like :meth:`put`, from memory."""

    def get(self, key: str) -> bytes:
        """All bytes of an object."""

    def range(self, key: str, start: int, length: int) -> bytes:
        """At most ``length`` bytes from offset ``start``; fewer, or none, at the end of the object."""

    def fetch(self, key: str, scratch: Path) -> Path:
        """A local file with the object's bytes, to be read only.

        A local store hands out its own file; a remote one downloads below ``scratch`` and re-uses earlier downloads.
        """

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects below a key prefix of whole segments, sorted by key."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""

    def exists(self, key: str) -> bool:
        """Whether an object is stored under the key."""

    def url(self, key: str) -> str:
        """Absolute address of an object: ``file:///...`` or ``s3://bucket/...``."""

    def key_of(self, url: str) -> str:
        """Key of an address that :meth:`url` gave; raises :class:`RequestError` for any other address."""

    def probe(self) -> None:
        """Prove that the storage honours create-only writes.

        Raises:
            RequestError: it overwrites, so two publishers could mix their products.
        """


def is_key(key: str) -> bool:
    """Whether a key is well-formed and harmless as a path."""
    return len(key) <= _MAX_KEY and _KEY.fullmatch(key) is not None and not {".", ".."}.intersection(key.split("/"))


def check_key(key: str) -> None:
    """Raise :class:`RequestError` for a malformed key."""
    if not is_key(key):
        raise RequestError(
            f"object key {key[:200]!r} is not valid; use segments of letters, digits, '_', '.' and '-' joined by '/', "
            f"at most {_MAX_KEY} characters"
        )
