"""A STAC API on loopback that replays items, and misbehaves when told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.resources.archives import COLLECTION

Answer = Callable[[BaseHTTPRequestHandler], None]
EXTENSIONS = {
    "query": "https://api.stacspec.org/v1.0.0/item-search#query",
    "filter": "https://api.stacspec.org/v1.0.0/item-search#filter",
}


class Api(ThreadingHTTPServer):
    """A STAC API on loopback that replays items, filters by time and ``eq`` / ``in`` tests, and pages."""

    daemon_threads = True

    def __init__(self, items: list[dict[str, Any]], extension: str | None, methods: tuple[str, ...], page: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.items = items
        self.extension = extension
        self.methods = methods
        self.page = page
        self.searches: list[dict[str, Any]] = []
        self.answer: Answer | None = None
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def landing(self) -> dict[str, Any]:
        search = [
            {"rel": "search", "type": "application/geo+json", "href": f"{self.url}/search", "method": method}
            for method in self.methods
        ]
        core = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "replay",
            "description": "replay",
            "conformsTo": [
                *core,
                "https://api.stacspec.org/v1.0.0/collections",
                *([EXTENSIONS[self.extension]] if self.extension else []),
            ],
            "links": [{"rel": "data", "href": f"{self.url}/collections"}, *search],
        }

    def collection(self) -> dict[str, Any]:
        interval = [["2015-06-27T10:25:31Z", None]]
        return {
            "type": "Collection",
            "stac_version": "1.0.0",
            "id": COLLECTION,
            "description": "replay",
            "license": "other",
            "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": interval}},
            "links": [],
        }

    def search(self, body: dict[str, Any], method: str) -> dict[str, Any]:
        self.searches.append(body)
        assert body["collections"] == [COLLECTION]
        start, end = body["datetime"].split("/")
        tests = {name: test.get("in", [test.get("eq")]) for name, test in body.get("query", {}).items()}
        if "filter" in body:
            tests |= {test["args"][0]["property"]: test["args"][1] for test in body["filter"]["args"]}
        found = [
            item
            for item in self.items
            if start[:19] <= item["properties"]["datetime"][:19] <= end[:19]
            and all(item["properties"].get(name) in values for name, values in tests.items())
        ]
        skip = int(body.get("token", 0))
        size = min(int(body["limit"]), self.page)
        following: list[dict[str, Any]] = []
        if len(found) > skip + size:
            token = {"token": skip + size}
            following = [{"rel": "next", "href": f"{self.url}/search", "method": "POST", "merge": True, "body": token}]
            if method == "GET":
                asked = urlsplit(self.request_path).query.split("&token=")[0]
                following = [{"rel": "next", "href": f"{self.url}/search?{asked}&token={skip + size}"}]
        return {"type": "FeatureCollection", "features": found[skip : skip + size], "links": following}

    request_path = ""


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        self.server.request_path = self.path
        if self.server.answer:
            self.server.answer(self)
        elif self.path == "/":
            self.send(self.server.landing())
        elif self.path == f"/collections/{COLLECTION}":
            self.send(self.server.collection())
        elif self.path.startswith("/search?"):
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            parsed = {name: json.loads(asked[name]) for name in ("query", "filter") if name in asked}
            self.send(self.server.search({**asked, **parsed, "collections": [asked["collections"]]}, "GET"))
        else:
            self.send({"code": "NotFound"}, 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.answer:
            self.server.answer(self)
        else:
            self.send(self.server.search(body, "POST"))

    def send(self, document: object, status: int = 200, **headers: str) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(
    items: list[dict[str, Any]],
    extension: str | None = "query",
    methods: tuple[str, ...] = ("GET", "POST"),
    page: int = 2,
) -> Iterator[Api]:
    api = Api(items, extension, methods, page)
    threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield api
    finally:
        api.released.set()
        api.shutdown()
        api.server_close()
