from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from resources import archive_api
from resources.archive import ArchiveResource, SceneArchive
from tests.weft.scenes.items import stac_1_1
from weft import regions
from weft.errors import RequestError, SceneRejected, Unavailable, WeftError
from weft.fingerprints import fingerprint
from weft.periods import TimeWindow, window
from weft.regions import Archive

SPRING = window("glad-seasons", "2022-03")
COLLECTION = "sentinel-2-l2a"


def ids(archive: SceneArchive, when: TimeWindow = SPRING, tile: str = "31UDS", track: str | None = "R051") -> list[str]:
    return [archived.item["id"] for archived in archive.items(when, tile, track)]


# --- static catalogue -------------------------------------------------------------------------------------------------


def write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def links(relation: str, *hrefs: str) -> list[dict[str, str]]:
    return [{"rel": relation, "href": href} for href in hrefs]


def static_archive(folder: Path, *items: dict[str, Any]) -> SceneArchive:
    root = folder / "archive"
    write(root / "catalog.json", {"type": "Catalog", "links": links("child", "./other/c.json", "./s2/collection.json")})
    write(root / "other/c.json", {"type": "Collection", "id": "landsat", "links": links("item", "./never-read.json")})
    hrefs = [f"./{item['id']}/item.json" for item in items]
    write(root / "s2/collection.json", {"type": "Collection", "id": COLLECTION, "links": links("item", *hrefs)})
    for item in items:
        write(root / "s2" / item["id"] / "item.json", item)
    return SceneArchive(Archive(stac="file:./archive/catalog.json", collection=COLLECTION), folder)


MARCH = stac_1_1("march")
JUNE = stac_1_1("june", datetime="2022-06-24T23:59:59Z")
LATER = stac_1_1("later", datetime="2022-06-25T00:00:00Z")
NEIGHBOUR = stac_1_1("neighbour", **{"grid:code": "MGRS-31UES"})
OTHER_TRACK = stac_1_1("other-track", **{"sat:relative_orbit": 94})


def test_static_items_of_one_tile_track_and_window(tmp_path: Path) -> None:
    archive = static_archive(tmp_path, MARCH, JUNE, LATER, NEIGHBOUR, OTHER_TRACK)
    assert ids(archive) == ["june", "march"]
    assert ids(archive, track=None) == ["june", "march", "other-track"]
    assert ids(archive, tile="31UES") == ["neighbour"]
    assert ids(archive, tile="31UFS") == []
    assert archive.extent().first == datetime(2022, 3, 21, 10, 50, 21, tzinfo=UTC)
    assert archive.extent().last == datetime(2022, 6, 25, tzinfo=UTC)


def test_items_are_as_written_and_hrefs_are_placed_in_the_archive(tmp_path: Path) -> None:
    archive = static_archive(tmp_path, MARCH)
    (archived,) = archive.items(SPRING, "31UDS", "R051")
    assert archived.item == MARCH
    assert archived.scene().bands["blue"].href == "./bands.tif"
    assert archive.policy(archived).place("./bands.tif") == str(tmp_path.resolve() / "archive/s2/march/bands.tif")
    with pytest.raises(RequestError, match=r"archive\.allow"):
        archive.policy(archived).place("../../../secret.tif")


def test_fingerprint_does_not_depend_on_the_folder(tmp_path: Path) -> None:
    marks = set()
    for name in ("here", "there"):
        item = MARCH | {"links": links("self", f"file://{tmp_path}/{name}/item.json")}
        (archived,) = static_archive(tmp_path / name, item).items(SPRING, "31UDS", None)
        marks.add(fingerprint("test", 1, item=archived.document))
    assert len(marks) == 1


def test_allowed_folders_and_urls(tmp_path: Path) -> None:
    static_archive(tmp_path, MARCH)
    archive = SceneArchive(
        Archive(
            stac="file:archive/catalog.json", collection=COLLECTION, allow=("file:../pixels/", "https://host/path/")
        ),
        tmp_path,
    )
    (archived,) = archive.items(SPRING, "31UDS", None)
    policy = archive.policy(archived)
    assert policy.place("../../../../pixels/a.tif") == str((tmp_path.parent / "pixels/a.tif").resolve())
    assert policy.place("https://host/path/a.tif") == "/vsicurl/https://host/path/a.tif"


def test_new_items_show_once_the_collection_links_them(tmp_path: Path) -> None:
    archive = static_archive(tmp_path, MARCH)
    assert ids(archive) == ["march"]
    static_archive(tmp_path, MARCH, JUNE)
    assert ids(archive) == ["june", "march"]
    collection = tmp_path / "archive/s2/collection.json"
    collection.write_text(collection.read_text().replace("./june/item.json", "./june/gone.json"))
    os.utime(collection, ns=(1, 1))
    assert ids(archive) == ["gone", "march"], "same size, other time; a missing file is named, not skipped"


def test_what_is_no_readable_item_is_handed_on_with_its_reason(tmp_path: Path) -> None:
    archive = static_archive(tmp_path, MARCH)
    folder = tmp_path / "archive/s2"
    bad = {
        "truncated": json.dumps(JUNE)[:100],
        "list": "[]",
        "infinite": json.dumps(JUNE).replace("1234", "1e999"),
        "deep": "[" * 100_000,
        "huge": " " * (5 * 1024 * 1024 + 1),
    }
    for name, text in bad.items():
        write(folder / f"{name}.json", text)
    hrefs = ["./march/item.json", *(f"./{name}.json" for name in bad), "./missing.json", "../../outside.json"]
    write(folder / "collection.json", {"type": "Collection", "id": COLLECTION, "links": links("item", *hrefs)})
    found = {archived.item["id"]: archived for archived in archive.items(SPRING, "31UDS", "R051")}
    assert set(found) == {"march", *bad, "missing", "outside"}
    for scene_id in set(found) - {"march"}:
        with pytest.raises(SceneRejected, match=r"JSON|finite|larger|deeply|exist|refused"):
            found[scene_id].scene()


def test_item_that_does_not_tell_its_tile_is_handed_on(tmp_path: Path) -> None:
    lost = deepcopy(MARCH) | {"id": "lost"}
    del lost["properties"]["grid:code"], lost["properties"]["sat:relative_orbit"]
    archive = static_archive(tmp_path, MARCH, lost)
    assert ids(archive) == ["lost", "march"]
    assert ids(archive, tile="31UFS") == ["lost"]


def test_two_different_items_of_one_id_are_refused(tmp_path: Path) -> None:
    archive = static_archive(tmp_path, MARCH)
    write(tmp_path / "archive/s2/again.json", MARCH)
    collection = {"type": "Collection", "id": COLLECTION, "links": links("item", "march/item.json", "again.json")}
    write(tmp_path / "archive/s2/collection.json", collection)
    assert ids(archive) == ["march"]
    write(tmp_path / "archive/s2/again.json", JUNE | {"id": "march"})
    with pytest.raises(RequestError, match="two different items 'march'"):
        archive.items(SPRING, "31UDS", None)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "does not exist"),
        ("{", "not JSON"),
        ([], "no STAC catalogue"),
        ({"type": "Feature"}, "no STAC catalogue"),
        ({"type": "Catalog", "links": links("child", "../../elsewhere/catalog.json")}, "leads out"),
        ({"type": "Catalog", "links": links("child", "https://evil.example.com/catalog.json")}, "leads out"),
        ({"type": "Catalog", "links": links("child", "./missing.json")}, "does not exist"),
        ({"type": "Catalog", "links": "none"}, "no collection 'sentinel-2-l2a'"),
    ],
)
def test_broken_catalogues_are_named(tmp_path: Path, document: object, message: str) -> None:
    archive = static_archive(tmp_path, MARCH)
    path = tmp_path / "archive/catalog.json"
    path.unlink()
    if document is not None:
        write(path, document)
    with pytest.raises(RequestError, match=message):
        archive.items(SPRING, "31UDS", None)


def test_links_in_circles_end_and_deep_trees_are_refused(tmp_path: Path) -> None:
    archive = static_archive(tmp_path, MARCH)
    root = tmp_path / "archive"
    circle = links("child", "../catalog.json", "./collection.json") + links("item", "./march/item.json")
    write(root / "s2/collection.json", {"type": "Collection", "id": COLLECTION, "links": circle})
    assert ids(archive) == ["march"]
    for level in range(10):
        write(root / f"{level}.json", {"type": "Catalog", "links": links("child", f"{level + 1}.json")})
    write(root / "catalog.json", {"type": "Catalog", "links": links("child", "0.json")})
    with pytest.raises(RequestError, match="levels"):
        archive.items(SPRING, "31UDS", None)


@pytest.mark.parametrize("stac", ["archive/catalog.json", "ftp://host/stac", "s3://bucket/catalog.json", ""])
def test_archive_that_is_neither_file_nor_url_is_refused(tmp_path: Path, stac: str) -> None:
    with pytest.raises(RequestError, match=r"archive\.stac"):
        SceneArchive(Archive(stac=stac, collection=COLLECTION), tmp_path)


# --- STAC API ---------------------------------------------------------------------------------------------------------

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


def remote(api: Api, collection: str = COLLECTION, **more: Any) -> SceneArchive:
    return SceneArchive(Archive(stac=api.url, collection=collection, **more), Path("/"))


SYNTHETIC = [MARCH, JUNE, LATER, NEIGHBOUR, OTHER_TRACK]


@pytest.mark.parametrize("extension", ["query", "filter", None])
@pytest.mark.parametrize("methods", [("GET", "POST"), ("GET",)])
def test_api_items_of_one_tile_track_and_window(extension: str | None, methods: tuple[str, ...]) -> None:
    with serving(SYNTHETIC, extension, methods) as api:
        archive = remote(api)
        assert ids(archive) == ["june", "march"]
        assert ids(archive, track=None) == ["june", "march", "other-track"]
        assert ids(archive, when=window("day", "2001-01-01")) == []
        asked = api.searches[1]
        assert ("query" in asked, "filter" in asked) == (extension == "query", extension == "filter")
        assert archive.extent().first == datetime(2015, 6, 27, 10, 25, 31, tzinfo=UTC)
        assert archive.extent().last is None


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"grid:code": "MGRS-6VVN"}, {"grid:code": {"in": ["MGRS-06VVN", "MGRS-6VVN"]}}),
        ({"s2:mgrs_tile": "06VVN"}, {"s2:mgrs_tile": {"eq": "06VVN"}}),
        (
            {"mgrs:utm_zone": 6, "mgrs:latitude_band": "V", "mgrs:grid_square": "VN"},
            {"mgrs:utm_zone": {"eq": 6}, "mgrs:latitude_band": {"eq": "V"}, "mgrs:grid_square": {"eq": "VN"}},
        ),
    ],
)
def test_api_is_asked_in_its_own_words(properties: dict[str, Any], expected: dict[str, Any]) -> None:
    item = deepcopy(MARCH)
    del item["properties"]["grid:code"]
    item["properties"] |= properties
    with serving([item]) as api:
        assert ids(remote(api), tile="06VVN") == ["march"]
        assert api.searches[-1]["query"] == expected


def test_api_hrefs_start_at_the_item(tmp_path: Path) -> None:
    with serving([MARCH, JUNE | {"links": links("self", "https://host/s2/june.json")}]) as api:
        archive = remote(api, allow=(f"{api.url}/collections/", "https://host/s2/"))
        june, march = archive.items(SPRING, "31UDS", None)
        assert archive.policy(june).place("./a.tif") == "/vsicurl/https://host/s2/a.tif"
        place = archive.policy(march).place("./a.tif")
        assert place == f"/vsicurl/{api.url}/collections/{COLLECTION}/items/a.tif"
        for href in ("https://elsewhere/a.tif", "/etc/passwd", "file:///etc/passwd"):
            with pytest.raises(RequestError):
                archive.policy(june).place(href)


def test_broken_items_of_an_api_are_handed_on() -> None:
    infinite = deepcopy(JUNE)
    infinite["properties"]["view:off_nadir"] = float("inf")
    with serving([MARCH, infinite, MARCH]) as api:
        march_again, june = sorted(remote(api).items(SPRING, "31UDS", None), key=lambda one: one.problem or "")
        assert march_again.item == MARCH
        with pytest.raises(SceneRejected, match="finite"):
            june.scene()


def test_unknown_collection_is_the_users_fault() -> None:
    with serving([]) as api, pytest.raises(RequestError, match="no collection 'sentinel-9'"):
        remote(api, "sentinel-9").items(SPRING, "31UDS", None)


def answers(document: object, status: int = 200, **headers: str) -> Answer:
    return lambda handler: handler.send(document, status, **headers)  # type: ignore[attr-defined]


def hangs(handler: BaseHTTPRequestHandler) -> None:
    handler.server.released.wait(10)  # type: ignore[attr-defined]


def drips(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while not handler.server.released.wait(0.05):  # type: ignore[attr-defined]
            handler.wfile.write(b" " * archive_api._CHUNK_BYTES)
    except OSError:
        return


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answers({}, 500), Unavailable),
        (answers({}, 503), Unavailable),
        (answers({}, 429), Unavailable),
        (answers({}, 403), RequestError),
        (answers(b"<html>"), Unavailable),
        (answers([]), Unavailable),
        (answers({"type": "Catalog"}), Unavailable),
        (answers(b"[" * 100_000), Unavailable),
        (answers({}, 302, Location="http://169.254.169.254/"), Unavailable),
        (hangs, Unavailable),
        (drips, Unavailable),
    ],
)
def test_failing_server_gives_a_typed_error_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, error: type[Exception]
) -> None:
    monkeypatch.setattr(archive_api, "TIMEOUT_S", 0.25)
    with serving([MARCH]) as api:
        archive = remote(api)
        api.answer = answer
        with pytest.raises(error, match=r"127\.0\.0\.1"):
            archive.items(SPRING, "31UDS", None)
        api.answer = None
        assert ids(archive) == ["march"], "the next try may succeed"
        api.answer = answer
        with pytest.raises(error):
            archive.items(SPRING, "31UDS", None)


def test_no_server_at_all_is_unavailable() -> None:
    with serving([]) as api:
        archive = remote(api)
    with pytest.raises(Unavailable, match="does not answer"):
        archive.items(SPRING, "31UDS", None)


@pytest.mark.parametrize("target", ["http://localhost:9/", "file:///etc/", "{folder}/", "file://{folder}/"])
def test_api_cannot_lead_to_another_server_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str
) -> None:
    with serving([MARCH]) as api:
        landing = api.landing()
        write(tmp_path / COLLECTION, api.collection())
        for link in landing["links"]:
            link["href"] = target.format(folder=tmp_path)
        monkeypatch.setattr(api, "landing", lambda: landing)
        with pytest.raises(WeftError, match=r"another server|no collection"):
            remote(api).items(SPRING, "31UDS", None)


def test_empty_page_before_others_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving([MARCH, JUNE]) as api:
        search = api.search

        def first_empty(body: dict[str, Any], method: str) -> dict[str, Any]:
            page = search(body, method)
            if body["limit"] > 1 and "token" not in body:
                page["features"] = []
                page["links"] = [
                    {"rel": "next", "href": f"{api.url}/search", "method": "POST", "merge": True, "body": {"token": 0}}
                ]
            return page

        monkeypatch.setattr(api, "search", first_empty)
        assert ids(remote(api)) == ["june", "march"]


def test_endless_pages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_api, "MAX_PAGES", 3)
    with serving(SYNTHETIC, extension=None, page=1) as api, pytest.raises(RequestError, match="more than 3 pages"):
        remote(api).items(TimeWindow(SPRING.start, datetime(2023, 1, 1, tzinfo=UTC)), "31UDS", None)


def test_replay_of_real_planetary_computer_items(shared_data: Path) -> None:
    files = sorted((shared_data / "stac-items/odc-stac").glob("site*.geojson"))
    items = [item for file in files for item in json.loads(file.read_text())["features"]]
    june = window("month", "2020-06")
    with serving(items, page=3) as api:
        archive = remote(api, allow=("https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/",))
        found = archive.items(june, "35MNM", "R078")
        assert len(found) == 6, "12 acquisitions in two months, the one in both files once"
        scenes = [archived.scene() for archived in found]
        assert len({scene.datatake for scene in scenes}) == 6
        place = archive.policy(found[0]).place(scenes[0].bands["nir"].href)
        assert place.startswith("/vsicurl/https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/35/M/NM/2020/06/")
        assert [one.item["id"] for one in archive.items(june, "35LND", "R078")] == [
            "S2B_MSIL2A_20200606T080609_R078_T35LND_20200826T094848"
        ]
        assert archive.items(june, "35MNM", "R079") == []


# --- region files -----------------------------------------------------------------------------------------------------


def test_shipped_regions_load_and_name_an_archive() -> None:
    for path in (Path(__file__).parents[2] / "deploy/regions").glob("*.yaml"):
        region = regions.load(path)
        archive = ArchiveResource(region_file=str(path)).open()
        assert archive.archive == region.archive
        assert region.archive.allow or region.archive.stac.startswith("file:")
