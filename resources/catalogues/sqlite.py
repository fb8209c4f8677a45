"""The embedded catalogue: one SQLite file with an R*Tree and an event log.

Belongs here: schema, connections and SQL. Not here: what a search means (``port``) or whether an item is good STAC
(``weft.stac.validation``).

The file must lie on a local disk: SQLite's locks and its write-ahead log do not work over network file systems. Several
hosts need the PostgreSQL catalogue.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from resources.catalogues.port import Event, Extent, Search, check_bbox, check_id
from resources.durable import sync_directory
from weft.errors import IntegrityError, RequestError, Unavailable
from weft.stac import Item

_VERSION = 1
_SCHEMA = f"""
pragma journal_mode = wal;
create table items (
  number integer primary key,
  collection text not null,
  id text not null,
  starts integer not null,  -- microseconds since 1970, UTC
  ends integer not null,
  west real, south real, east real, north real,  -- west > east crosses the antimeridian; null without a place
  content text not null,
  unique (collection, id)
);
create index items_by_time on items (collection, starts, id);
-- Boxes of item n are number 2n and, beyond the antimeridian, 2n + 1. Stored as float32, rounded outwards.
create virtual table boxes using rtree (number, west, east, south, north);
create table events (
  seq integer primary key autoincrement, collection text not null, id text not null, op text not null, at text not null
);
pragma user_version = {_VERSION};
"""
_UPSERT = """
insert into items (collection, id, starts, ends, west, south, east, north, content)
values (:collection, :id, :starts, :ends, :west, :south, :east, :north, :content)
on conflict (collection, id) do update set starts = excluded.starts, ends = excluded.ends, west = excluded.west,
  south = excluded.south, east = excluded.east, north = excluded.north, content = excluded.content
returning number
"""
_EXTENTS = """
select collection, count(*), min(starts), max(ends),
  min(case when west > east then -180.0 else west end), min(south),
  max(case when west > east then 180.0 else east end), max(north)
from items group by collection order by collection
"""
_IN_BOX = """(
  number in (
    select number / 2 from boxes where west <= {east} and east >= {west} and south <= {north} and north >= {south}
  )
  and south <= {north} and north >= {south}
  and case when west > east then west <= {east} or east >= {west} else west <= {east} and east >= {west} end
)"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PAGE = 200
_PATIENCE_S = 60.0


class SqliteCatalogue:
    """The :class:`~resources.catalogues.port.Catalogue` in one SQLite file, made at its first use.

    One object may be shared by threads and survives ``fork``: every thread of every process gets its own connections.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._connections: dict[tuple[int, int, str], sqlite3.Connection] = {}

    def upsert(self, items: Sequence[Item]) -> None:
        """See :meth:`Catalogue.upsert`."""
        rows = [_row(item) for item in items]
        with self._transaction() as connection:
            for row in rows:
                _store(connection, row)

    def get(self, collection: str, id: str) -> Item | None:
        """See :meth:`Catalogue.get`."""
        key = (check_id("collection", collection), check_id("item id", id))
        rows = self._read("select content from items where collection = ? and id = ?", key)
        return json.loads(rows[0][0]) if rows else None

    def delete(self, collection: str, id: str) -> bool:
        """See :meth:`Catalogue.delete`."""
        key = (check_id("collection", collection), check_id("item id", id))
        with self._transaction() as connection:
            gone = connection.execute("delete from items where collection = ? and id = ? returning number", key)
            numbers = [number for (number,) in gone]
            for number in numbers:
                connection.execute("delete from boxes where number in (?, ?)", (2 * number, 2 * number + 1))
                _log(connection, *key, "delete")
        return bool(numbers)

    def search(self, search: Search) -> Iterator[Item]:
        """See :meth:`Catalogue.search`."""
        sql, values = _query(search)
        left = search.limit
        while left != 0:
            page = _PAGE if left is None else min(_PAGE, left)
            rows = self._read(sql, {**values, "page": page})
            for _, _, content in rows:
                yield json.loads(content)
            if len(rows) < page:
                return
            values["after"], values["after_id"], _ = rows[-1]
            left = None if left is None else left - page

    def events(self, since: int = 0, limit: int = 1000) -> list[Event]:
        """See :meth:`Catalogue.events`."""
        rows = self._read(
            "select seq, collection, id, op, at from events where seq > ? order by seq limit ?", (since, limit)
        )
        return [Event(seq, collection, id, op, datetime.fromisoformat(at)) for seq, collection, id, op, at in rows]

    def collections(self) -> list[Extent]:
        """See :meth:`Catalogue.collections`."""
        return [
            Extent(
                collection,
                count,
                None if box[0] is None else (box[0], box[1], box[2], box[3]),
                _EPOCH + starts * _MICROSECOND,
                _EPOCH + ends * _MICROSECOND,
            )
            for collection, count, starts, ends, *box in self._read(_EXTENTS, ())
        ]

    def _read(self, sql: str, values: Any) -> list[Any]:
        with self._faults():
            return self._connection("ro").execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._faults():
            connection = self._connection("rw")
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                connection.rollback()
                raise

    def _connection(self, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
        # A connection must not be used, nor even closed, beyond a fork: entries of other processes just stay.
        owner = (os.getpid(), threading.get_ident(), mode)
        if owner not in self._connections:
            if not self._path.exists():
                self._create()
            self._connections[owner] = self._connect(mode)
        return self._connections[owner]

    def _connect(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=_PATIENCE_S
        )
        connection.execute("pragma synchronous = full")
        (version,) = connection.execute("pragma user_version").fetchone()
        if version != _VERSION:
            connection.close()
            raise RequestError(
                f"{self._path} is a SQLite file of schema version {version}, this Weft reads version {_VERSION}; "
                "point WEFT_CATALOG at a Weft catalogue or use the Weft that wrote it"
            )
        return connection

    def _create(self) -> None:
        # Made under another name and linked when complete: nobody ever opens a catalogue without its tables, and of
        # several processes that start at once one wins.
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        try:
            connection = sqlite3.connect(draft, isolation_level=None)
            connection.executescript(_SCHEMA)
            connection.close()
            os.link(draft, self._path)
            sync_directory(self._path.parent)
        except FileExistsError:
            return
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise Unavailable(
                f"catalogue {self._path} did not answer: {error}; it must lie on a local disk (no network file system) "
                "that is writable and has room; then try again"
            ) from error
        except sqlite3.DatabaseError as error:
            raise IntegrityError(
                f"catalogue {self._path} is damaged or no SQLite file: {error}; restore it, or correct WEFT_CATALOG"
            ) from error


def _store(connection: sqlite3.Connection, row: dict[str, Any]) -> None:
    known = connection.execute("select content from items where collection = :collection and id = :id", row).fetchone()
    if known == (row["content"],):
        return
    ((number,),) = connection.execute(_UPSERT, row).fetchall()
    connection.execute("delete from boxes where number in (?, ?)", (2 * number, 2 * number + 1))
    if row["west"] is not None:
        spans = _spans(row["west"], row["east"])
        connection.executemany(
            "insert into boxes values (?, ?, ?, ?, ?)",
            [(2 * number + i, west, east, row["south"], row["north"]) for i, (west, east) in enumerate(spans)],
        )
    _log(connection, row["collection"], row["id"], "upsert")


def _log(connection: sqlite3.Connection, collection: str, id: str, op: str) -> None:
    at = datetime.now(UTC).isoformat()
    connection.execute("insert into events (collection, id, op, at) values (?, ?, ?, ?)", (collection, id, op, at))


def _query(search: Search) -> tuple[str, dict[str, Any]]:
    conditions = ["collection = :collection", "(starts, id) > (:after, :after_id)"]
    values: dict[str, Any] = {"collection": search.collection, "after": -(2**63), "after_id": ""}
    if search.window is not None:
        conditions.append("starts < :window_end and ends >= :window_start")
        values["window_start"], values["window_end"] = map(_microseconds, search.window)
    if search.bbox is not None:
        west, south, east, north = check_bbox(search.bbox)
        values |= {"south": south, "north": north}
        boxes = []
        for i, (left, right) in enumerate(_spans(west, east)):
            values |= {f"west{i}": left, f"east{i}": right}
            boxes.append(_IN_BOX.format(west=f":west{i}", east=f":east{i}", south=":south", north=":north"))
        conditions.append(f"({' or '.join(boxes)})")
    if search.ids is not None:
        conditions.append("id in (select value from json_each(:ids))")
        values["ids"] = json.dumps(list(search.ids))
    for i, (name, value) in enumerate(sorted(search.properties.items())):
        conditions.append(f"json_extract(content, :name{i}) = :value{i}")
        values |= {f"name{i}": f'$.properties."{name}"', f"value{i}": value}
    # Only the constant fragments above are joined; every value is bound.
    where = " and ".join(conditions)
    return f"select starts, id, content from items where {where} order by starts, id limit :page", values  # noqa: S608


def _row(item: Item) -> dict[str, Any]:
    collection = check_id("collection", item.get("collection"))
    id = check_id("item id", item.get("id"))
    name = f"item {collection}/{id}"
    try:
        content = json.dumps(item, sort_keys=True, separators=(",", ":"), allow_nan=False)
        properties = item["properties"]
        starts, ends = (
            _microseconds(datetime.fromisoformat(properties.get(key) or properties["datetime"]))
            for key in ("start_datetime", "end_datetime")
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RequestError(
            f"{name} cannot be stored: {error!r}; it needs JSON values and RFC 3339 times with a zone in datetime, or "
            "in start_datetime and end_datetime"
        ) from error
    if ends < starts:
        raise RequestError(f"{name} ends before it starts; correct start_datetime and end_datetime")
    box = (None,) * 4 if item.get("bbox") is None else check_bbox(item["bbox"])
    return {
        "collection": collection,
        "id": id,
        "starts": starts,
        "ends": ends,
        **dict(zip(("west", "south", "east", "north"), box, strict=True)),
        "content": content,
    }


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _spans(west: float, east: float) -> list[tuple[float, float]]:
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
