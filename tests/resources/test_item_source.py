"""Where orders may take their datasets from, and what must not be followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from resources.catalogues.sqlite import SqliteCatalogue
from resources.item_source import ItemSource, places_of
from resources.object_stores.obstores import ObstoreStore
from tests.weft.stac.examples import calibrated
from weft.errors import RequestError, Unavailable
from weft.stac.order_products import Input


def item(**assets: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": "an-item",
        "properties": {"datetime": "2021-01-01T00:00:00Z"},
        "assets": {key: {"href": href} for key, href in assets.items()},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def catalogue(tmp_path: Path) -> SqliteCatalogue:
    return SqliteCatalogue(tmp_path / "catalog.sqlite")


def written(folder: Path, document: object) -> str:
    path = folder / "item.json"
    path.write_text(json.dumps(document))
    return path.as_uri()


def test_an_item_in_an_allowed_folder_is_found_with_absolute_hrefs(folder: Path, catalogue: SqliteCatalogue) -> None:
    source = ItemSource([folder.as_uri()])
    found = source.find(written(folder, item(red="./red.tif", thumbnail="./small.png")), catalogue)
    assert found.href == (folder / "item.json").as_uri()
    assert found.item["assets"] == {"red": {"href": (folder / "red.tif").as_uri()}}


@pytest.mark.parametrize("href", ["../outside.tif", "file:///etc/passwd.tif", "https://elsewhere.example/red.tif"])
def test_hrefs_that_lead_elsewhere_are_refused(folder: Path, catalogue: SqliteCatalogue, href: str) -> None:
    with pytest.raises(RequestError, match="WEFT_ALLOW"):
        ItemSource([folder.as_uri()]).find(written(folder, item(red=href)), catalogue)


def test_a_link_that_leads_out_of_the_folder_is_refused(
    folder: Path, tmp_path: Path, catalogue: SqliteCatalogue
) -> None:
    (tmp_path / "secret.tif").write_bytes(b"x")
    (folder / "red.tif").symlink_to(tmp_path / "secret.tif")
    with pytest.raises(RequestError, match="not a file under an allowed folder"):
        ItemSource([folder.as_uri()]).find(written(folder, item(red="./red.tif")), catalogue)


def test_nothing_outside_the_catalogue_is_allowed_by_default(folder: Path, catalogue: SqliteCatalogue) -> None:
    with pytest.raises(RequestError, match="add its folder or prefix to WEFT_ALLOW"):
        ItemSource([]).find(written(folder, item(red="./red.tif")), catalogue)
    with pytest.raises(RequestError, match="WEFT_ALLOW has 'ftp://host/'"):
        ItemSource(["ftp://host/"])


@pytest.mark.parametrize(
    ("document", "told"),
    [("[1", "not JSON"), ("[1]", "no JSON object"), ('{"a": NaN}', "not all finite")],
)
def test_what_is_no_item_is_told(folder: Path, catalogue: SqliteCatalogue, document: str, told: str) -> None:
    path = folder / "item.json"
    path.write_text(document)
    with pytest.raises(RequestError, match=told):
        ItemSource([folder.as_uri()]).find(path.as_uri(), catalogue)
    with pytest.raises(RequestError, match="does not exist"):
        ItemSource([folder.as_uri()]).find((folder / "none.json").as_uri(), catalogue)


def test_ids_are_looked_up_in_every_collection(catalogue: SqliteCatalogue) -> None:
    one = calibrated()
    catalogue.upsert([one])
    source = ItemSource([])
    found = source.find(one["id"], catalogue)
    assert found == source.find(f"calibrated-datasets/{one['id']}", catalogue) or found.item == one
    assert found.href == f"../../calibrated-datasets/items/{one['id']}"
    catalogue.upsert([{**one, "collection": "composites"}])
    with pytest.raises(RequestError, match=r"several items; write one of .*composites/S2A_31UDS_20180401"):
        source.find(one["id"], catalogue)
    catalogue.upsert([{**one, "collection": "composites", "assets": {}}])
    assert source.find(one["id"], catalogue).item["collection"] == "calibrated-datasets"
    with pytest.raises(RequestError, match="nowhere is not in the catalogue"):
        source.find("nowhere", catalogue)
    with pytest.raises(RequestError, match="has no rasters"):
        source.find(f"composites/{one['id']}", catalogue)


@contextmanager
def server(answers: dict[str, tuple[int, bytes]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, b"none"))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body.decode())
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_an_item_on_a_server_is_read_if_its_prefix_is_allowed(catalogue: SqliteCatalogue) -> None:
    document = json.dumps(item(red="./red.tif")).encode()
    answers = {"/stac/item": (200, document), "/stac/away": (302, b"http://127.0.0.1:1/x"), "/stac/ill": (503, b"")}
    with server(answers) as host:
        source = ItemSource([f"{host}/stac/"])
        found = source.find(f"{host}/stac/item", catalogue)
        assert found.item["assets"]["red"]["href"] == f"{host}/stac/red.tif"
        with pytest.raises(RequestError, match="no allowed prefix"):
            source.find(f"{host}/other/item", catalogue)
        with pytest.raises(RequestError, match="404"):
            source.find(f"{host}/stac/none", catalogue)
        for name in ("away", "ill"):  # a redirect is not followed
            with pytest.raises(Unavailable):
                source.find(f"{host}/stac/{name}", catalogue)
    with pytest.raises(RequestError, match="over https or from a file"):
        ItemSource(["s3://bucket/"]).find("s3://bucket/item.json", catalogue)


def test_only_hrefs_of_the_inputs_become_places(tmp_path: Path) -> None:
    store = ObstoreStore.local(tmp_path / "store")
    store.put_bytes("composites/a/red.tif", b"pixels")
    stored = store.url("composites/a/red.tif")
    file = (tmp_path / "green.tif").as_uri()
    hrefs = {"red": stored, "green": file, "blue": "https://h.example/b.tif", "nir": "s3://bucket/deep/n.tif"}
    place = places_of([Input("a", "x", item(**hrefs))], store, tmp_path / "scratch")
    assert Path(place(stored)).read_bytes() == b"pixels"
    assert place(file) == str(tmp_path / "green.tif")
    assert place("https://h.example/b.tif") == "/vsicurl/https://h.example/b.tif"
    assert place("s3://bucket/deep/n.tif") == "/vsis3/bucket/deep/n.tif"
    with pytest.raises(RequestError, match="of none of the order's datasets"):
        place("https://h.example/c.tif")
