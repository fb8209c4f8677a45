"""Publishing: what is refused, what is written, and that a crash at any step leaves a whole product behind.

The crash tests run over both stores. A child process wraps every call that matters and kills itself with SIGKILL before
or after the n-th of them; a fresh process then reads what readers would see.
"""

from __future__ import annotations

import copy
import hashlib
import os
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest

from resources import publishing
from resources.catalogue import Catalogue, Search, SqliteCatalogue
from resources.object_store import ObjectStore, ObstoreStore
from resources.publishing import publish
from tests.resources.conftest import S3Server, StoreSettings
from weft.errors import IntegrityError, RequestError, Unavailable
from weft.periods import window
from weft.rasters.cog import pixel_digest, write_layers
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, Product
from weft.stac import Item
from weft.stac.parts import ItemRef
from weft.stac.products import product_item

GRID = Grid("EPSG:32631", 500_000, 5_700_000, 10, 10, 32, 32)
ID = "flanders_2018-03_R051_31UDS"
COLLECTION = "composites"


@dataclass(frozen=True)
class Ready:
    """A product in scratch space; plain values, so that it can be sent to a child process."""

    item: Item
    files: dict[str, Path]


def prepare(scratch: Path, version: int) -> Ready:
    """A product whose pixels, thumbnail and fingerprint all tell its version."""
    layer = LayerSpec("red_p50", "Red, median", "uint16", 0, scale=0.0001, unit="1", band="red", statistic="p50")
    files = write_layers(GRID, {layer: np.full(GRID.shape, 1000 + version, np.uint16)}, scratch)
    thumbnail = scratch / "thumbnail.png"
    thumbnail.write_bytes(b"\x89PNG version " + str(version).encode())
    item = product_item(
        collection=COLLECTION,
        item_id=ID,
        product=Product(GRID, files),
        window=window("glad-seasons", "2018-03"),
        fingerprint=hashlib.sha256(str(version).encode()).hexdigest(),
        derived_from=[ItemRef("coregistered-stacks", ID)],
        properties={"weft:region": "flanders", "weft:period": "2018-03", "weft:tile_track": "R051_31UDS"},
        thumbnail=True,
    )
    return Ready(item, {file.layer.key: file.path for file in files} | {"thumbnail": thumbnail})


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return SqliteCatalogue(tmp_path / "catalogue.sqlite")


@pytest.fixture
def ready(tmp_path: Path) -> Ready:
    return prepare(tmp_path / "scratch", 1)


def test_publishing_fills_in_and_shows_the_item(store: ObjectStore, catalogue: Catalogue, ready: Ready) -> None:
    before = copy.deepcopy(ready.item)
    published = publish(ready.item, ready.files, store=store, catalogue=catalogue)
    assert ready.item == before
    assert catalogue.get(COLLECTION, ID) == published
    folder = f"composites/{ID}/{published['properties']['weft:fingerprint'][:16]}"
    assert [found.key for found in store.list()] == [f"{folder}/red_p50.tif", f"{folder}/thumbnail.png"]
    for key, file in ready.files.items():
        asset = published["assets"][key]
        assert asset["href"] == store.url(f"{folder}/{key}{file.suffix}")
        assert asset["file:checksum"] == "1220" + hashlib.sha256(file.read_bytes()).hexdigest()
        assert asset["file:size"] == file.stat().st_size
        assert store.get(store.key_of(asset["href"])) == file.read_bytes()


def test_publishing_again_changes_nothing(store: ObjectStore, catalogue: Catalogue, ready: Ready) -> None:
    first = publish(ready.item, ready.files, store=store, catalogue=catalogue)
    assert publish(ready.item, ready.files, store=store, catalogue=catalogue) == first
    assert len(catalogue.events()) == 1


def test_an_update_leaves_the_old_objects(
    store: ObjectStore, catalogue: Catalogue, ready: Ready, tmp_path: Path
) -> None:
    old = publish(ready.item, ready.files, store=store, catalogue=catalogue)
    update = prepare(tmp_path / "second", 2)
    new = publish(update.item, update.files, store=store, catalogue=catalogue)
    assert catalogue.get(COLLECTION, ID) == new
    hrefs = [asset["href"] for item in (old, new) for asset in item["assets"].values()]
    assert all(store.exists(store.key_of(href)) for href in hrefs)
    assert len(set(hrefs)) == 4


def test_an_item_without_files_is_published(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "validate", lambda item: None)
    item = {"id": "a", "collection": "c", "assets": {"source": {"href": "s3://elsewhere/a.tif"}}}
    item |= {"properties": {"weft:fingerprint": "0" * 64, "datetime": "2018-03-21T10:00:00Z"}}
    assert publish(item, {}, store=ObstoreStore.local(tmp_path / "s"), catalogue=catalogue) == item


def _blank(ready: Ready) -> None:
    path = ready.files["red_p50"]
    layer = LayerSpec("blank", "Blank", "uint16", 0)
    (blank,) = write_layers(GRID, {layer: np.zeros(GRID.shape, np.uint16)}, path.parent)
    blank.path.replace(path)


def _truncate(ready: Ready) -> None:
    path = ready.files["red_p50"]
    os.truncate(path, path.stat().st_size - 40)


REFUSED: dict[str, tuple[Callable[[Ready], Any], type[Exception], str]] = {
    "blank raster": (_blank, IntegrityError, "reads back as"),
    "truncated raster": (_truncate, IntegrityError, "red_p50"),
    "text as raster": (lambda r: r.files["red_p50"].write_text("text"), IntegrityError, "cannot be read back"),
    "no digest": (lambda r: r.item["assets"]["red_p50"].pop("weft:pixel_sha256"), IntegrityError, "pixel_sha256"),
    "empty thumbnail": (lambda r: r.files["thumbnail"].write_bytes(b""), IntegrityError, "missing or empty"),
    "missing file": (lambda r: r.files["thumbnail"].unlink(), IntegrityError, "missing or empty"),
    "file not named": (lambda r: r.files.pop("thumbnail"), RequestError, "give one file for each"),
    "asset not named": (lambda r: r.item["assets"].pop("thumbnail"), RequestError, "give one file for each"),
    "id is a path": (lambda r: r.item.update(id="../../x"), RequestError, "item id '../../x' is not valid"),
    "collection is a path": (lambda r: r.item.update(collection=".."), RequestError, "collection '..' is not valid"),
    "no fingerprint": (lambda r: r.item["properties"].pop("weft:fingerprint"), RequestError, "64 hex digits"),
    "short fingerprint": (lambda r: r.item["properties"].update({"weft:fingerprint": "ab"}), RequestError, "64 hex"),
    "invalid STAC": (lambda r: r.item.update(geometry={"type": "Point"}), IntegrityError, "must not be published"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_proven_is_not_shown(case: str, tmp_path: Path, catalogue: Catalogue, ready: Ready) -> None:
    spoil, error, message = REFUSED[case]
    spoil(ready)
    store = ObstoreStore.local(tmp_path / "store")
    with pytest.raises(error, match=message):
        publish(ready.item, ready.files, store=store, catalogue=catalogue)
    assert catalogue.events() == []
    assert case == "invalid STAC" or list(store.list()) == []  # only the last check comes after the files are stored


@pytest.mark.parametrize(("key", "name"), [("a/../b", "x.tif"), ("..", "x.tif"), ("a", "x"), ("a", "x.t f")])
def test_asset_keys_and_endings_cannot_leave_the_folder(
    key: str, name: str, tmp_path: Path, catalogue: Catalogue, ready: Ready
) -> None:
    file = tmp_path / name
    file.write_bytes(b"x")
    ready.item["assets"][key] = {}
    with pytest.raises(RequestError, match=r"is not valid|no plain ending"):
        publish(ready.item, ready.files | {key: file}, store=ObstoreStore.local(tmp_path / "s"), catalogue=catalogue)


def test_other_bytes_under_the_same_fingerprint_are_refused(
    store: ObjectStore, catalogue: Catalogue, ready: Ready, tmp_path: Path
) -> None:
    first = publish(ready.item, ready.files, store=store, catalogue=catalogue)
    other = prepare(tmp_path / "second", 2)
    other.item["properties"]["weft:fingerprint"] = ready.item["properties"]["weft:fingerprint"]
    with pytest.raises(IntegrityError, match="raise the step's code version"):
        publish(other.item, other.files, store=store, catalogue=catalogue)
    assert catalogue.get(COLLECTION, ID) == first


def test_a_lost_catalogue_can_be_tried_again(
    store: ObjectStore, catalogue: Catalogue, ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("resources.catalogues.sqlite._store", fail)
        with pytest.raises(Unavailable, match="disk I/O error"):
            publish(ready.item, ready.files, store=store, catalogue=catalogue)
    assert catalogue.get(COLLECTION, ID) is None
    publish(ready.item, ready.files, store=store, catalogue=catalogue)
    assert catalogue.get(COLLECTION, ID) is not None


# -- crashes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class House:
    """Where one crash happens; plain values for the child processes."""

    store: StoreSettings
    catalogue: Path

    def publish(self, ready: Ready) -> Item:
        return publish(ready.item, ready.files, store=self.store.resource().open(), catalogue=self.open())

    def open(self) -> SqliteCatalogue:
        return SqliteCatalogue(self.catalogue)


class _Tripwire:
    """Counts passages before and after the wrapped calls and kills the process at one of them."""

    def __init__(self, at: int | None) -> None:
        self.passed: list[str] = []
        self._at = at

    def _pass(self, name: str) -> None:
        if len(self.passed) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(name)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self._pass(f"before {name}")
            result = call(*args, **kwargs)
            self._pass(f"after {name}")
            return result

        return wrapped

    def lay(self) -> None:
        wire = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *args: Any) -> Any:
                # The values logged in between are irrelevant: a statement is a step when it writes or ends the batch.
                if sql.split()[0] in ("begin", "insert", "delete", "commit"):
                    return wire.around(f"SQL {sql.split()[0]}", super().execute)(sql, *args)
                return super().execute(sql, *args)

        connect = sqlite3.connect
        sqlite3.connect = lambda *a, **k: connect(*a, **{"factory": Connection, **k})  # type: ignore[assignment]
        for owner, name in (
            (publishing, "check_cog"),
            (publishing, "validate"),
            (obstore, "put"),
            (obstore, "rename"),
            (os, "fsync"),
            (ObstoreStore, "put"),
            (SqliteCatalogue, "upsert"),
        ):
            setattr(owner, name, self.around(f"{owner.__name__}.{name}", getattr(owner, name)))


def _publish_and_die(house: House, ready: Ready, at: int | None, report: Any) -> None:
    wire = _Tripwire(at)
    wire.lay()
    house.publish(ready)
    report.send(wire.passed)


def _read(house: House, scratch: Path, report: Any) -> None:
    """What a reader sees: the version of every part of the product, each part proven by its checksums."""
    store = house.store.resource().open()
    (item,) = house.open().search(Search(COLLECTION, bbox=(2.9, 51.3, 3.1, 51.5)))
    assert item == house.open().get(COLLECTION, ID)
    paths = {key: store.fetch(store.key_of(asset["href"]), scratch) for key, asset in item["assets"].items()}
    for key, path in paths.items():
        assert item["assets"][key]["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()
        assert item["assets"][key]["file:size"] == path.stat().st_size
    assert pixel_digest(paths["red_p50"]) == item["assets"]["red_p50"]["weft:pixel_sha256"]
    mean = item["assets"]["red_p50"]["bands"][0]["statistics"]["mean"]
    report.send((round(mean * 10_000) - 1000, int(paths["thumbnail"].read_bytes().split()[-1])))


def _run(context: ForkServerContext, target: Callable[..., None], *args: Any) -> tuple[int | None, Any]:
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=target, args=(*args, sender))
    child.start()
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError:
        answer = None
    child.join(60)
    return child.exitcode, answer


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_crash_at_any_step_leaves_a_whole_product(
    kind: str, request: pytest.FixtureRequest, forkserver: ForkServerContext, tmp_path: Path
) -> None:
    server: S3Server | None = request.getfixturevalue("s3_server") if kind == "s3" else None
    old, new = prepare(tmp_path / "old", 1), prepare(tmp_path / "new", 2)

    def house(name: str) -> House:
        url = f"s3://{server.new_bucket()}/p" if server else str(tmp_path / name / "store")
        made = House(StoreSettings(url, server and server.endpoint), tmp_path / name / "catalogue.sqlite")
        made.publish(old)
        return made

    code, steps = _run(forkserver, _publish_and_die, house("rehearsal"), new, None)
    assert code == 0
    assert steps[0] == "before resources.publishing.check_cog"
    assert {"after resources.publishing.validate", "before SqliteCatalogue.upsert", "after SQL commit"} <= set(steps)
    assert {"before ObstoreStore.put", "before obstore.put" if server else "before obstore.rename"} <= set(steps)

    for number, step in enumerate(steps):
        crashed = house(f"crash-{number}")
        assert _run(forkserver, _publish_and_die, crashed, new, number) == (-signal.SIGKILL, None), step
        version = 2 if number >= steps.index("after SQL commit") else 1
        assert _run(forkserver, _read, crashed, tmp_path / f"read-{number}") == (0, (version, version)), step
        crashed.publish(new)
        assert _run(forkserver, _read, crashed, tmp_path / f"again-{number}") == (0, (2, 2)), step
