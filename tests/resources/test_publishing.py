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
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resources import publishing
from resources.catalogue import Catalogue, SqliteCatalogue
from resources.object_store import ObjectStore, ObstoreStore
from resources.publishing import folder_of, publish
from tests.resources.children import (
    COLLECTION,
    GRID,
    ID,
    House,
    Ready,
    StoreSettings,
    answer,
    prepare,
    publish_and_die,
    read,
)
from tests.resources.conftest import S3Server
from weft.errors import IntegrityError, RequestError, Unavailable
from weft.rasters.cog import write_layers
from weft.rasters.product import LayerSpec


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


@pytest.mark.parametrize(
    ("key", "name"),
    [
        *(("a/../b", "x.png"), ("..", "x.png"), ("a", "x"), ("a", "x.t f"), ("a", ".png"), ("a", "-x.png")),
        *(("a", "..png"), ("a", "x\n.png"), ("a", "x.PNG"), ("a", "ü.png"), ("a", f"{'x' * 200}.png")),
    ],
)
def test_asset_keys_and_names_cannot_leave_the_folder(
    key: str, name: str, tmp_path: Path, catalogue: Catalogue, ready: Ready
) -> None:
    file = tmp_path / name
    file.write_bytes(b"x")
    ready.item["assets"][key] = {}
    with pytest.raises(RequestError, match=r"is not valid|is not plain"):
        publish(ready.item, ready.files | {key: file}, store=ObstoreStore.local(tmp_path / "s"), catalogue=catalogue)


def test_a_file_keeps_its_own_name(catalogue: Catalogue, ready: Ready, tmp_path: Path) -> None:
    store = ObstoreStore.local(tmp_path / "store")
    name = "tiny_red_p50_30m_100kmE39N31_2021-06-25..2021-09-12_summer.tif"
    ready.files["red_p50"] = ready.files["red_p50"].rename(tmp_path / name)
    published = publish(ready.item, ready.files, store=store, catalogue=catalogue)
    mark = published["properties"]["weft:fingerprint"]
    assert store.key_of(published["assets"]["red_p50"]["href"]) == f"{folder_of(COLLECTION, ID, mark)}/{name}"
    assert store.get(store.key_of(published["assets"]["red_p50"]["href"])) == (tmp_path / name).read_bytes()


def test_two_files_of_an_item_need_two_names(catalogue: Catalogue, ready: Ready, tmp_path: Path) -> None:
    other = tmp_path / "Thumbnail.png"
    other.write_bytes(b"x")
    ready.item["assets"]["other"] = {}
    with pytest.raises(RequestError, match="two files have the same name"):
        publish(
            ready.item, ready.files | {"other": other}, store=ObstoreStore.local(tmp_path / "s"), catalogue=catalogue
        )


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


def _run(context: ForkServerContext, task: Callable[..., Any], *args: Any) -> tuple[int | None, Any]:
    """Exit code of a fresh process and what its task returned."""
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=answer, args=(sender, task, *args))
    child.start()
    sender.close()
    try:
        result = receiver.recv()
    except EOFError:
        result = None
    child.join(60)
    return child.exitcode, result


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_crash_at_any_step_leaves_a_whole_product(
    kind: str, request: pytest.FixtureRequest, forkserver: ForkServerContext, tmp_path: Path
) -> None:
    server: S3Server | None = request.getfixturevalue("s3_server") if kind == "s3" else None
    bucket = server and server.new_bucket()
    old, new = prepare(tmp_path / "old", 1), prepare(tmp_path / "new", 2)

    def house(name: str) -> House:
        url = f"s3://{bucket}/{name}" if server else str(tmp_path / name / "store")
        made = House(StoreSettings(url, server and server.endpoint), tmp_path / name / "catalogue.sqlite")
        made.publish(old)
        return made

    code, steps = _run(forkserver, publish_and_die, house("rehearsal"), new, None)
    assert code == 0
    assert steps[0] == "before resources.publishing.check_cog"
    inner = {"before obstore.put"} if server else {"after os.fsync", "after obstore.rename", "after SQL commit"}
    assert {"after resources.publishing.validate", "before ObstoreStore.put", "before SqliteCatalogue.upsert"} <= set(
        steps
    )
    assert inner <= set(steps)

    for number, step in enumerate(steps):
        crashed = house(f"crash-{number}")
        assert _run(forkserver, publish_and_die, crashed, new, number) == (-signal.SIGKILL, None), step
        version = 2 if step in ("after SQL commit", "after SqliteCatalogue.upsert") else 1
        assert _run(forkserver, read, crashed, tmp_path / f"read-{number}") == (0, (version, version)), step
        crashed.publish(new)
        assert read(crashed, tmp_path / f"again-{number}") == (2, 2), step
