"""One contract for every object store, and what is particular to each."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from resources import durable
from resources.object_store import ObjectStore, ObjectStoreResource, ObstoreStore
from tests.resources.children import StoreSettings, access
from tests.resources.conftest import S3Server
from weft.errors import IntegrityError, RequestError, Unavailable

BAD_KEYS = ["", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/.", "a\\b", "a b", "é", "a\n", "a\x00", "a#1", "x" * 901]


def test_put_stores_once(store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"bytes")
    assert store.put("a/b.tif", file) is True
    assert store.put("a/b.tif", file) is False
    assert store.put_bytes("a/b.tif", b"bytes") is False
    assert store.get("a/b.tif") == b"bytes"


def test_put_refuses_other_bytes_and_keeps_the_first(store: ObjectStore) -> None:
    store.put_bytes("a", b"first")
    with pytest.raises(IntegrityError, match=r"holds other bytes .*raise the step's code version"):
        store.put_bytes("a", b"other")
    assert store.get("a") == b"first"


def test_a_large_file_survives_byte_for_byte(store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(11_000_000))
    store.put("large", file)
    fetched = store.fetch("large", tmp_path / "scratch")
    assert hashlib.sha256(fetched.read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()
    assert store.put("large", file) is False


def test_one_of_many_racing_writers_wins(store: ObjectStore) -> None:
    def write(number: int) -> bool | None:
        try:
            return store.put_bytes("raced", f"writer {number}".encode())
        except IntegrityError:
            return None

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(write, range(8)))
    assert results.count(True) == 1
    assert store.get("raced") == f"writer {results.index(True)}".encode()


def test_range_is_a_slice(store: ObjectStore) -> None:
    store.put_bytes("a", b"0123456789")
    assert store.range("a", 2, 3) == b"234"
    assert store.range("a", 8, 100) == b"89"
    assert store.range("a", 10, 1) == b""
    for start, length in ((-1, 1), (0, 0)):
        with pytest.raises(RequestError, match="start must be"):
            store.range("a", start, length)
    with pytest.raises(RequestError, match="does not exist"):
        store.range("missing", 0, 1)


def test_list_is_sorted_and_takes_whole_segments(store: ObjectStore) -> None:
    for key in ("b/2", "b/10", "bb/1", "a"):
        store.put_bytes(key, key.encode())
    assert [(found.key, found.size) for found in store.list()] == [("a", 1), ("b/10", 4), ("b/2", 3), ("bb/1", 4)]
    assert [found.key for found in store.list("b")] == ["b/10", "b/2"]
    assert list(store.list("nothing/here")) == []
    assert all(found.modified.tzinfo is not None for found in store.list())


def test_delete_and_exists(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes("a/b", b"x")
    assert store.exists("a/b")
    assert not store.exists("a")
    store.delete("a/b")
    store.delete("a/b")
    assert not store.exists("a/b")
    for missing in (lambda: store.get("a/b"), lambda: store.fetch("a/b", tmp_path)):
        with pytest.raises(RequestError, match="a/b does not exist"):
            missing()


def test_url_and_key_are_inverse(store: ObjectStore, store_settings: StoreSettings) -> None:
    url = store.url("a/b.tif")
    assert url.startswith(("file:///", "s3://"))
    assert url.endswith("/a/b.tif")
    assert store.key_of(url) == "a/b.tif"
    assert store_settings.resource().open().url("a/b.tif") == url
    base = url.removesuffix("/a/b.tif")
    for foreign in (
        "a/b.tif",
        base,
        f"{base}/",
        f"{base}x/a",
        f"{base}/../a",
        "s3://other/a/b.tif",
        "file:///etc/passwd",
    ):
        with pytest.raises(RequestError, match="is not an address"):
            store.key_of(foreign)


def test_malformed_keys_reach_no_storage(store: ObjectStore, tmp_path: Path) -> None:
    calls: list[Callable[[str], object]] = [
        lambda key: store.put_bytes(key, b"x"),
        store.get,
        lambda key: store.range(key, 0, 1),
        lambda key: store.fetch(key, tmp_path),
        store.delete,
        store.exists,
        store.url,
        lambda key: list(store.list(key or "/")),
    ]
    for key, call in itertools.product(BAD_KEYS, calls):
        with pytest.raises(RequestError, match="is not valid"):
            call(key)


def test_probe_passes_and_leaves_nothing(store: ObjectStore) -> None:
    store.probe()
    store.probe()
    assert list(store.list()) == []


def test_probe_refuses_a_bucket_that_overwrites(careless_s3_server: S3Server) -> None:
    settings = StoreSettings(f"s3://{careless_s3_server.new_bucket()}", careless_s3_server.endpoint)
    store = settings.resource().open()
    with pytest.raises(RequestError, match=rf"{settings.url} ignores create-only writes .* use another bucket"):
        store.probe()
    assert list(store.list()) == []


def test_a_run_starts_with_the_probe(careless_s3_server: S3Server, store_settings: StoreSettings) -> None:
    @dg.asset
    def write(store: ObjectStoreResource) -> None:
        store.open().put_bytes("written", b"x")

    careless = StoreSettings(f"s3://{careless_s3_server.new_bucket()}", careless_s3_server.endpoint)
    with pytest.raises(dg.DagsterResourceFunctionError) as caught:
        dg.materialize([write], resources={"store": careless.resource()})
    assert "ignores create-only writes" in str(caught.value.__cause__)
    assert dg.materialize([write], resources={"store": store_settings.resource()}).success
    assert [found.key for found in store_settings.resource().open().list()] == ["written"]


def test_local_fetch_copies_nothing(tmp_path: Path) -> None:
    store = ObstoreStore.local(tmp_path / "store")
    store.put_bytes("a/b", b"x")
    assert store.fetch("a/b", tmp_path / "scratch") == tmp_path / "store" / "a" / "b"
    assert not (tmp_path / "scratch").exists()


def test_local_puts_are_on_disk_before_they_return(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, synced = ObstoreStore.local(tmp_path), []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), (tmp_path / "a/b/c").exists()))
        real(descriptor)

    monkeypatch.setattr(durable.os, "fsync", fsync)
    store.put_bytes("a/b/c", b"x")
    places = [place for place, _ in synced]
    assert Path(places[0]).parent.name == ".staging"
    assert places[1:] == [str(tmp_path / "a/b"), str(tmp_path / "a"), str(tmp_path)]
    assert [named for _, named in synced] == [False, True, True, True]
    assert list((tmp_path / ".staging").iterdir()) == []


def test_s3_fetch_downloads_once(s3_server: S3Server, tmp_path: Path) -> None:
    store = StoreSettings(f"s3://{s3_server.new_bucket()}", s3_server.endpoint).resource().open()
    store.put_bytes("a/b", b"x")
    first = store.fetch("a/b", tmp_path)
    store.delete("a/b")
    assert store.fetch("a/b", tmp_path) == first
    assert first.read_bytes() == b"x"
    assert [path.name for path in first.parent.iterdir()] == ["b"]


def test_s3_fetch_keeps_stores_apart(s3_server: S3Server, tmp_path: Path) -> None:
    stores = [StoreSettings(f"s3://{s3_server.new_bucket()}", s3_server.endpoint).resource().open() for _ in "ab"]
    for number, store in enumerate(stores):
        store.put_bytes("a", str(number).encode())
    assert [store.fetch("a", tmp_path).read_bytes() for store in stores] == [b"0", b"1"]


def test_a_missing_bucket_is_named(s3_server: S3Server) -> None:
    store = StoreSettings("s3://no-such-bucket/p", s3_server.endpoint).resource().open()
    with pytest.raises(RequestError, match=r"s3://no-such-bucket/p/\S+ does not exist; check the bucket"):
        store.probe()


def test_a_silent_server_is_unavailable() -> None:
    store = ObstoreStore.s3("bucket", "", access("http://127.0.0.1:9"))  # the discard port: nobody listens
    with pytest.raises(Unavailable, match=r"s3://bucket/a did not answer: .* try again") as caught:
        store.get("a")
    assert "\n" not in str(caught.value)


def test_settings_come_from_the_environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3_server.new_bucket()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.endpoint)
    assert ObjectStoreResource(url=f"s3://{bucket}").open().put_bytes("a", b"x")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    explicit = ObjectStoreResource(url=f"s3://{bucket}", s3=access(s3_server.endpoint)).open()
    assert explicit.get("a") == b"x"


def test_missing_credentials_are_the_users_fault(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(RequestError, match="set AWS_ACCESS_KEY_ID"):
        ObjectStoreResource(url="s3://bucket").open()


@pytest.mark.parametrize(
    "url",
    ["", "s3://", "s3://b", "s3://bucket/a b", "s3://bucket/../x", "s3://bucket/p?x=1", "file://host/p", "https://h/p"],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(RequestError, match="object store"):
        ObjectStoreResource(url=url).open()


def test_file_url_and_plain_path_are_the_same_store(tmp_path: Path) -> None:
    plain = ObjectStoreResource(url=str(tmp_path / "a store")).open()
    assert ObjectStoreResource(url=(tmp_path / "a store").as_uri()).open().url("k") == plain.url("k")
