"""A scene archive that is a static STAC catalogue in a folder.

Belongs here: following its links, within limits, and an index of what lies where. Not here: choosing items for a
product (``archive``).

Plain JSON is read, not pystac objects: pystac follows any link to any host or file and resolves collections and
migrates versions on the way, while a fingerprint needs the item exactly as written, and a hostile link must not be
followed at all.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from resources.archive_item import MAX_DOCUMENT_BYTES, ArchivedItem, Extent, parse_json
from weft.errors import RequestError, Unavailable
from weft.periods import TimeWindow
from weft.scenes.hrefs import HrefPolicy
from weft.scenes.sentinel2_identity import whereabouts

MAX_DEPTH = 8
MAX_DOCUMENTS = 200_000


@dataclass(frozen=True, slots=True)
class _Stamp:
    modified_ns: int
    size: int

    @classmethod
    def of(cls, path: Path) -> _Stamp | None:
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_mtime_ns, status.st_size)


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    acquired: datetime | None


@dataclass(slots=True)
class _Index:
    """Item files by tile, under None those whose tile cannot be told; small, so items are read anew when asked for."""

    stamps: dict[Path, _Stamp | None] = field(default_factory=dict)
    collections: set[str] = field(default_factory=set)
    entries: dict[str | None, list[_Entry]] = field(default_factory=lambda: defaultdict(list))
    refused: list[ArchivedItem] = field(default_factory=list)

    def is_current(self) -> bool:
        return all(_Stamp.of(path) == stamp for path, stamp in self.stamps.items())


_indexes: dict[tuple[Path, str], _Index] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class StaticCatalogue:
    """A collection of a static catalogue.

    Attributes:
        path: of the catalogue's root document; every link must stay in its folder.
        collection: id of the collection.
    """

    path: Path
    collection: str

    def candidates(self, tile: str, window: TimeWindow) -> list[ArchivedItem]:
        """Items of a tile acquired in a window, and those whose tile or time cannot be told.

        The index is rebuilt when a catalogue or collection document of the tree has changed.

        Raises:
            RequestError: the catalogue is missing or malformed, or has no such collection.
            Unavailable: a file cannot be read just now.
        """
        index = self._index()
        return [
            *(
                _read_item(entry.path)
                for key in (tile, None)
                for entry in index.entries.get(key, ())
                if entry.acquired is None or window.start <= entry.acquired < window.end
            ),
            *index.refused,
        ]

    def extent(self) -> Extent:
        """First and last acquisition; raises as :meth:`candidates`."""
        entries = (entry for entries in self._index().entries.values() for entry in entries)
        times = [entry.acquired for entry in entries if entry.acquired]
        return Extent(min(times, default=None), max(times, default=None))

    def _index(self) -> _Index:
        key = (self.path.resolve(), self.collection)
        with _lock:
            index = _indexes.get(key)
            if index is None or not index.is_current():
                index = _indexes[key] = _build(*key)
            return index


def _build(root: Path, collection: str) -> _Index:
    index = _Index()
    for path, inside in _walk(root, collection, index):
        item = _read_item(path).item
        if inside or item.get("collection") == collection:
            where = whereabouts(item)
            index.entries[where.tile].append(_Entry(path, where.acquired))
    if not index.entries and collection not in index.collections:
        raise RequestError(
            f"catalogue {root} has no collection {collection!r}, only {sorted(index.collections)}; "
            "correct archive.collection"
        )
    return index


def _walk(root: Path, collection: str, index: _Index) -> Iterator[tuple[Path, bool]]:
    """Item files with whether they hang below the collection; notes documents and refused links in the index."""
    pending = [(root, 0, False)]
    seen = {root}
    while pending:
        path, depth, inside = pending.pop()
        index.stamps[path] = _Stamp.of(path)
        document = _read_catalogue(path)
        if document.get("type") == "Collection" and not inside:
            index.collections.add(str(document.get("id")))
            inside = document.get("id") == collection
            if not inside:
                continue
        for relation, href in _links(document):
            policy = HrefPolicy(base=str(path), roots=(root.parent,), prefixes=())
            try:
                target = Path(policy.place(href))
            except RequestError as error:
                if relation == "child":
                    raise RequestError(f"catalogue document {path} leads out of its folder: {error}") from error
                index.refused.append(ArchivedItem.unreadable(Path(href).stem, str(path), str(error)))
                continue
            if target in seen:
                continue
            seen.add(target)
            if depth >= MAX_DEPTH or len(seen) > MAX_DOCUMENTS:
                raise RequestError(
                    f"catalogue {root} has more than {MAX_DEPTH} levels or {MAX_DOCUMENTS} documents; "
                    "serve it as a STAC API"
                )
            if relation == "item":
                yield target, inside
            else:
                pending.append((target, depth + 1, inside))


def _links(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") in ("child", "item") and isinstance(link.get("href"), str):
            yield link["rel"], link["href"]


def _read_catalogue(path: Path) -> dict[str, Any]:
    try:
        document = parse_json(_read(path))
    except FileNotFoundError as error:
        raise RequestError(
            f"catalogue document {path} does not exist; correct archive.stac or the link to it"
        ) from error
    except ValueError as error:
        raise RequestError(f"catalogue document {path} cannot be used: {error}") from error
    if not isinstance(document, dict) or document.get("type") not in ("Catalog", "Collection"):
        raise RequestError(f"{path} is no STAC catalogue or collection; give the path of a catalog.json")
    return document


def _read_item(path: Path) -> ArchivedItem:
    try:
        return ArchivedItem.of(parse_json(_read(path)), path.stem, str(path))
    except FileNotFoundError:
        return ArchivedItem.unreadable(path.stem, str(path), "its item file does not exist")
    except ValueError as error:
        return ArchivedItem.unreadable(path.stem, str(path), f"its item file cannot be used: {error}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_DOCUMENT_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(f"{path} cannot be read ({error.strerror}); check the disk and try again") from error
