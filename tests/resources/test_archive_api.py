from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from resources import archive_api
from resources.archive import SceneArchive
from tests.resources.archives import COLLECTION, JUNE, LATER, MARCH, NEIGHBOUR, OTHER_TRACK, SPRING, ids, links, write
from tests.resources.stac_api import Answer, Api, serving
from weft.errors import RequestError, SceneRejected, Unavailable, WeftError
from weft.periods import TimeWindow, window
from weft.regions import Archive


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
