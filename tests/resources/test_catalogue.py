"""The contract of a catalogue, run over every back end, and what is particular to SQLite."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from resources.catalogue import Catalogue, CatalogueResource, Search, SqliteCatalogue
from resources.catalogues import sqlite
from tests.resources.children import DAY, make, write_forever, write_items
from weft.errors import IntegrityError, RequestError, Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "a catalogue?#.sqlite"


@pytest.fixture(params=["sqlite"])
def catalogue(path: Path) -> Catalogue:
    return SqliteCatalogue(path)


def ids(found: Iterator[Any]) -> list[str]:
    return [item["id"] for item in found]


def test_upsert_get_and_replace(catalogue: Catalogue) -> None:
    assert catalogue.get("composites", "a") is None
    item = make("a", title="Bruges, été \ud800 \x00")
    catalogue.upsert([item])
    assert catalogue.get("composites", "a") == item
    catalogue.upsert([make("a", title="new")])
    assert catalogue.get("composites", "a") == make("a", title="new")
    assert catalogue.get("mosaics", "a") is None


def test_a_batch_is_stored_whole_or_not_at_all(catalogue: Catalogue) -> None:
    with pytest.raises(RequestError, match="item composites/b"):
        catalogue.upsert([make("a"), make("b", bad=float("nan"))])
    assert ids(catalogue.search(Search("composites"))) == []
    assert catalogue.events() == []
    catalogue.upsert([make("a"), make("b"), make("a", collection="mosaics")])
    assert [(event.seq, event.collection, event.id, event.op) for event in catalogue.events()] == [
        (1, "composites", "a", "upsert"),
        (2, "composites", "b", "upsert"),
        (3, "mosaics", "a", "upsert"),
    ]


def test_events_tell_every_change_once(catalogue: Catalogue) -> None:
    before = datetime.now(UTC)
    catalogue.upsert([make("a"), make("b")])
    catalogue.upsert([dict(reversed(make("a").items())), make("b", version=2)])  # "a" only in another key order
    assert catalogue.delete("composites", "a") is True
    assert catalogue.delete("composites", "a") is False
    events = catalogue.events()
    assert [(event.id, event.op) for event in events] == [
        ("a", "upsert"),
        ("b", "upsert"),
        ("b", "upsert"),
        ("a", "delete"),
    ]
    assert all(before <= event.at <= datetime.now(UTC) for event in events)
    assert catalogue.events(since=events[1].seq, limit=1) == [events[2]]
    assert catalogue.events(since=events[-1].seq) == []


def test_a_deleted_item_is_found_nowhere(catalogue: Catalogue) -> None:
    catalogue.upsert([make("a", bbox=(179, -1, -179, 1))])
    catalogue.delete("composites", "a")
    assert catalogue.get("composites", "a") is None
    assert ids(catalogue.search(Search("composites", bbox=(-180, -90, 180, 90)))) == []
    assert catalogue.collections() == []
    catalogue.upsert([make("b", bbox=(0, 0, 1, 1))])  # may get the number of "a" again
    assert ids(catalogue.search(Search("composites", bbox=(179.5, -1, 180, 1)))) == []


def test_search_is_ordered_by_start_then_id(catalogue: Catalogue) -> None:
    catalogue.upsert([make("b"), make("a"), make("c", start=DAY - timedelta(microseconds=1))])
    assert ids(catalogue.search(Search("composites"))) == ["c", "a", "b"]
    assert ids(catalogue.search(Search("composites", limit=2))) == ["c", "a"]


def test_a_window_is_half_open(catalogue: Catalogue) -> None:
    second = timedelta(seconds=1)
    catalogue.upsert(
        [
            make("0-before", start=DAY - timedelta(days=9), end=DAY - second),
            make("1-touches-start", start=DAY - timedelta(days=8), end=DAY),
            make("2-around", start=DAY - timedelta(days=7), end=DAY + timedelta(days=7)),
            make("3-at-start", start=DAY),
            make("4-last", start=DAY + timedelta(days=1) - timedelta(microseconds=1)),
            make("5-at-end", start=DAY + timedelta(days=1)),
        ]
    )
    found = ids(catalogue.search(Search("composites", window=(DAY, DAY + timedelta(days=1)))))
    assert found == ["1-touches-start", "2-around", "3-at-start", "4-last"]


def test_properties_and_ids(catalogue: Catalogue) -> None:
    catalogue.upsert(
        [
            make("a", **{"weft:tile_track": "R051_31UDS", "orbit": 51}),
            make("b", **{"weft:tile_track": "R051_31UDS", "orbit": "51"}),
            make("c", **{"weft:tile_track": "R094_31UDS", "weft": {"tile_track": "R051_31UDS"}}),
        ]
    )

    def found(**conditions: Any) -> list[str]:
        return ids(catalogue.search(Search("composites", **conditions)))

    assert found(properties={"weft:tile_track": "R051_31UDS"}) == ["a", "b"]
    assert found(properties={"weft:tile_track": "R051_31UDS", "orbit": 51}) == ["a"]
    assert found(properties={"orbit": "51"}) == ["b"]
    assert found(properties={"weft.tile_track": "R051_31UDS"}) == []
    assert found(properties={"orbit": "' or 1=1 --"}) == []
    assert found(ids=["c", "a", "none", "a' or 1=1 --"]) == ["a", "c"]
    assert found(ids=[]) == []


def test_boxes_meet_across_the_antimeridian(catalogue: Catalogue) -> None:
    catalogue.upsert(
        [
            make("a-east", bbox=(178, -18, 179, -17)),
            make("b-across", bbox=(179.5, -18, -179.5, -17)),
            make("c-west", bbox=(-179, -18, -178, -17)),
            make("d-world", bbox=(-180, -90, 180, 90)),
            make("e-3d", bbox=(178, -18, 0, 179, -17, 900)),
            make("f-nowhere", bbox=None),
        ]
    )

    def found(*bbox: float) -> list[str]:
        return ids(catalogue.search(Search("composites", bbox=bbox)))  # type: ignore[arg-type]

    assert found(177, -20, -177, 0) == ["a-east", "b-across", "c-west", "d-world", "e-3d"]
    assert found(179.2, -20, 180, 0) == ["b-across", "d-world"]
    assert found(-180, -20, -179.2, 0) == ["b-across", "d-world"]
    assert found(179, -17, 179.1, 0) == ["a-east", "d-world", "e-3d"]  # edges count
    assert found(0, -20, 10, 0) == ["d-world"]
    assert ids(catalogue.search(Search("composites"))) == [
        "a-east",
        "b-across",
        "c-west",
        "d-world",
        "e-3d",
        "f-nowhere",
    ]


def test_boxes_are_exact_beyond_float32(catalogue: Catalogue) -> None:
    catalogue.upsert([make("a", bbox=(4.0, 50.0, 4.123456789, 51.0))])
    assert ids(catalogue.search(Search("composites", bbox=(4.12345679, 50, 5, 51)))) == []
    assert ids(catalogue.search(Search("composites", bbox=(4.123456789, 50, 5, 51)))) == ["a"]


def test_search_agrees_with_brute_force_over_many_pages(catalogue: Catalogue) -> None:
    rng = random.Random(7)
    items = []
    for number in range(3 * sqlite._PAGE + 1):
        west, south = rng.uniform(-180, 179), rng.uniform(-90, 89)
        start = DAY + timedelta(days=rng.randrange(30))
        box = (west, south, west + rng.uniform(0, 1), south + rng.uniform(0, 1))
        items.append(
            make(f"i{number}", bbox=box, start=start, end=start + timedelta(days=rng.randrange(5)), n=number % 3)
        )
    catalogue.upsert(items)
    first, last, (west, south, east, north) = (
        DAY + timedelta(days=5),
        DAY + timedelta(days=20),
        (-120.0, -60.0, 90.0, 70.0),
    )

    def wanted(item: Any) -> bool:
        p, (w, s, e, n) = item["properties"], item["bbox"]
        starts, ends = (datetime.fromisoformat(p[key]) for key in ("start_datetime", "end_datetime"))
        return starts < last and ends >= first and w <= east and e >= west and s <= north and n >= south and p["n"] == 1

    ordered = sorted(items, key=lambda item: (item["properties"]["start_datetime"], item["id"]))
    search = Search("composites", (first, last), (west, south, east, north), properties={"n": 1})
    assert ids(catalogue.search(search)) == ids(item for item in ordered if wanted(item))
    assert ids(catalogue.search(Search("composites"))) == ids(iter(ordered))
    assert ids(catalogue.search(Search("composites", limit=250))) == ids(iter(ordered[:250]))


def test_extents_are_derived(catalogue: Catalogue) -> None:
    assert catalogue.collections() == []
    week = timedelta(days=7)
    catalogue.upsert(
        [
            make("a", bbox=(4, 50, 5, 51)),
            make("b", bbox=(3, 50.5, 4, 52), start=DAY - week, end=DAY + week),
            make("c", bbox=(179, -18, -179, -17), collection="mosaics"),
            make("d", bbox=None, collection="stacks"),
        ]
    )
    composites, mosaics, stacks = catalogue.collections()
    assert (composites.collection, composites.count, composites.bbox) == ("composites", 2, (3, 50, 5, 52))
    assert (composites.start, composites.end) == (DAY - week, DAY + week)
    assert mosaics.bbox == (-180, -18, 180, -17)
    assert stacks.bbox is None
    catalogue.delete("composites", "b")
    assert catalogue.collections()[0].bbox == (4, 50, 5, 51)


@pytest.mark.parametrize("bad", ["", ".", "..", "../../etc", "a/b", "a b", "a\n", "é", "x" * 129, None, 7])
def test_malformed_ids_are_refused(catalogue: Catalogue, bad: Any) -> None:
    for call in (
        lambda: catalogue.upsert([make(bad)]),
        lambda: catalogue.upsert([make("a", collection=bad)]),
        lambda: catalogue.get(bad, "a"),
        lambda: catalogue.get("composites", bad),
        lambda: catalogue.delete("composites", bad),
        lambda: Search(bad),
    ):
        with pytest.raises(RequestError, match="is not valid"):
            call()


@pytest.mark.parametrize(
    "change",
    [
        {"bbox": [5, 50, 4]},
        {"bbox": [4, 51, 5, 50]},
        {"bbox": [4, 50, 5, float("inf")]},
        {"bbox": [4, 50, 181, 51]},
        {"bbox": ["4", 50, 5, 51]},
        {"properties": None},
        {"properties": {}},
        {"properties": {"datetime": None}},
        {"properties": {"datetime": "2018-03-21T00:00:00"}},
        {"properties": {"datetime": "yesterday"}},
        {"properties": {"datetime": 7}},
        {"properties": {"start_datetime": "2018-03-22T00:00:00Z", "end_datetime": "2018-03-21T00:00:00Z"}},
        {"extra": object()},
    ],
)
def test_items_that_cannot_be_indexed_are_refused(catalogue: Catalogue, change: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        catalogue.upsert([make("a") | change])
    assert catalogue.events() == []


@pytest.mark.parametrize(
    "conditions",
    [
        {"window": (DAY, DAY)},
        {"window": (DAY.replace(tzinfo=None), DAY.replace(tzinfo=None) + timedelta(days=1))},
        {"bbox": (0, 1, 1, 0)},
        {"bbox": (0, 0, float("nan"), 1)},
        {"properties": {'a"b': 1}},
        {"limit": 0},
    ],
)
def test_impossible_searches_are_refused(conditions: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        Search("composites", **conditions)


# -- SQLite ------------------------------------------------------------------------------------------------------------


def _consistent(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("select rtreecheck('boxes')").fetchall() == [("ok",)]
        boxes = "select distinct number / 2 from boxes order by 1"
        placed = "select number from items where west is not null order by 1"
        assert connection.execute(boxes).fetchall() == connection.execute(placed).fetchall()
        orphans = "select 1 from items i where not exists (select 1 from events e where e.id = i.id)"
        assert connection.execute(orphans).fetchall() == []


def test_processes_that_start_and_write_at_once_lose_nothing(forkserver: ForkServerContext, path: Path) -> None:
    writers = [forkserver.Process(target=write_items, args=(path, writer, 20)) for writer in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    catalogue = SqliteCatalogue(path)
    found = set(ids(catalogue.search(Search("composites"))))
    assert found == {f"w{writer}-{number}" for writer in range(4) for number in range(20)} | {"shared"}
    assert len(catalogue.events()) == 160
    _consistent(path)
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []


def test_acknowledged_items_survive_kill_9(forkserver: ForkServerContext, path: Path) -> None:
    receiver, sender = forkserver.Pipe(duplex=False)
    writer = forkserver.Process(target=write_forever, args=(path, sender))
    writer.start()
    sender.close()
    for _ in range(20):
        receiver.recv()
    time.sleep(random.uniform(0, 0.02))
    writer.kill()
    writer.join(60)
    assert writer.exitcode == -signal.SIGKILL
    last = 19
    try:
        while True:
            last = receiver.recv()
    except EOFError:
        pass
    found = ids(SqliteCatalogue(path).search(Search("composites")))
    assert found[: 2 * last + 2] == [f"{number:07d}{half}" for number in range(last + 1) for half in "ab"]
    assert len(found) in (
        2 * last + 2,
        2 * last + 4,
    )  # a last batch may be stored but not acknowledged, never half of it
    _consistent(path)


def test_the_index_follows_every_change(path: Path) -> None:
    catalogue = SqliteCatalogue(path)
    catalogue.upsert([make("across", bbox=(179, -1, -179, 1)), make("placed"), make("nowhere", bbox=None)])
    _consistent(path)
    catalogue.upsert([make("across"), make("placed", bbox=None)])
    _consistent(path)
    catalogue.delete("composites", "across")
    _consistent(path)


def test_a_forked_child_gets_its_own_connection(path: Path) -> None:
    catalogue = SqliteCatalogue(path)
    catalogue.upsert([make("parent")])
    inherited = catalogue._connection("rw")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            catalogue.upsert([make("child")])
            assert catalogue._connection("rw") is not inherited
            assert len(ids(catalogue.search(Search("composites")))) == 2
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    catalogue.upsert([make("parent-again")])
    assert ids(catalogue.search(Search("composites"))) == ["child", "parent", "parent-again"]


def test_a_failed_batch_leaves_the_connection_usable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = SqliteCatalogue(path)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "_log", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            catalogue.upsert([make("a")])
    assert catalogue.get("composites", "a") is None
    catalogue.upsert([make("b")])
    assert ids(catalogue.search(Search("composites", bbox=(4, 50, 5, 51)))) == ["b"]


def test_durability_settings(path: Path) -> None:
    catalogue = SqliteCatalogue(path)
    writer, reader = catalogue._connection("rw"), catalogue._connection("ro")
    assert writer.execute("pragma journal_mode").fetchone() == ("wal",)
    assert writer.execute("pragma synchronous").fetchone() == (2,)
    assert writer.execute("pragma busy_timeout").fetchone() == (60_000,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("delete from items")


def test_a_locked_catalogue_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_S", 0.05)
    catalogue = SqliteCatalogue(path)
    catalogue.upsert([make("a")])
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("begin immediate")
    with pytest.raises(Unavailable, match=r"database is locked; it must lie on a local disk"):
        catalogue.upsert([make("b")])
    assert catalogue.get("composites", "a") is not None  # readers never wait for a writer
    blocker.execute("rollback")
    catalogue.upsert([make("b")])


def test_foreign_files_are_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, only text" * 100)
    with pytest.raises(IntegrityError, match="damaged or no SQLite file"):
        SqliteCatalogue(path).get("composites", "a")
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("create table t (x)")
    with pytest.raises(RequestError, match="schema version 0, this Weft reads version 1"):
        SqliteCatalogue(path).upsert([make("a")])


def test_resource_urls(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite"
    CatalogueResource(url=f"sqlite:///{file}").open().upsert([make("a")])
    assert CatalogueResource(url=str(file)).open().get("composites", "a") is not None
    for url in ("", "sqlite:///", "postgresql://host/db", "sqlite://file"):
        with pytest.raises(RequestError, match=r"neither a path nor sqlite:///path.*pgstac"):
            CatalogueResource(url=url).open()
