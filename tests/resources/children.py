"""What the tests do in child processes, and what they hand to them.

Imported by each child, so it stays away from moto and from the test modules.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import obstore
from dagster_aws.s3 import S3Resource

from resources import publishing
from resources.catalogue import Search, SqliteCatalogue
from resources.object_store import ObjectStoreResource, ObstoreStore
from weft.periods import window
from weft.rasters.cog import pixel_digest, write_layers
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, Product
from weft.stac import Item
from weft.stac.parts import ItemRef
from weft.stac.products import product_item

DAY = datetime(2018, 3, 21, tzinfo=UTC)
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


def access(endpoint: str) -> S3Resource:
    return S3Resource(
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  (moto takes any)
        max_attempts=1,
    )


@dataclass(frozen=True)
class StoreSettings:
    """What a child process needs to open the same store; plain values, so that it can be pickled."""

    url: str
    endpoint: str | None

    def resource(self) -> ObjectStoreResource:
        if self.endpoint is None:
            return ObjectStoreResource(url=self.url)
        return ObjectStoreResource(url=self.url, s3=access(self.endpoint))


def make(
    id: str, *, bbox: Any = (4, 50, 5, 51), start: datetime = DAY, end: datetime | None = None, **more: Any
) -> Any:
    times = (
        {"datetime": start.isoformat()}
        if end is None
        else {"datetime": None, "start_datetime": start.isoformat(), "end_datetime": end.isoformat()}
    )
    collection = more.pop("collection", "composites")
    place = {} if bbox is None else {"bbox": list(bbox)}
    return {"type": "Feature", "id": id, "collection": collection, "properties": times | more} | place


def write_items(path: Path, writer: int, count: int) -> None:
    catalogue = SqliteCatalogue(path)
    for number in range(count):
        catalogue.upsert([make(f"w{writer}-{number}"), make("shared", writer=writer, number=number)])


def write_forever(path: Path, acknowledged: Any) -> None:
    catalogue = SqliteCatalogue(path)
    for number in range(1_000_000):
        catalogue.upsert([make(f"{number:07d}a"), make(f"{number:07d}b")])
        acknowledged.send(number)


@dataclass(frozen=True)
class House:
    """Where one crash happens; plain values for the child processes."""

    store: StoreSettings
    catalogue: Path

    def publish(self, ready: Ready) -> Item:
        return publishing.publish(ready.item, ready.files, store=self.store.resource().open(), catalogue=self.open())

    def open(self) -> SqliteCatalogue:
        return SqliteCatalogue(self.catalogue)


class Tripwire:
    """Counts passages before and after the wrapped calls and kills the process at one of them."""

    def __init__(self, at: int | None, *, sql: bool) -> None:
        self.passed: list[str] = []
        self._at = at
        self._sql = sql

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
        if self._sql:
            self._lay_in_sql()
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

    def _lay_in_sql(self) -> None:
        wire = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *args: Any) -> Any:
                if sql.split()[0] in ("begin", "insert", "delete", "commit"):
                    return wire.around(f"SQL {sql.split()[0]}", super().execute)(sql, *args)
                return super().execute(sql, *args)

        connect = sqlite3.connect
        sqlite3.connect = lambda *a, **k: connect(*a, **{"factory": Connection, **k})  # type: ignore[assignment]


def answer(report: Any, task: Callable[..., Any], *args: Any) -> None:
    report.send(task(*args))


def publish_and_die(house: House, ready: Ready, at: int | None) -> list[str]:
    """Steps that were passed, if it lives to tell."""
    wire = Tripwire(at, sql=house.store.endpoint is None)  # over S3 the catalogue's steps are the same ones again
    wire.lay()
    house.publish(ready)
    return wire.passed


def read(house: House, scratch: Path) -> tuple[int, int]:
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
    return round(mean * 10_000) - 1000, int(paths["thumbnail"].read_bytes().split()[-1])
