from __future__ import annotations

import json
import os
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from resources.archive import ArchiveResource, SceneArchive
from tests.resources.archives import COLLECTION, JUNE, LATER, MARCH, NEIGHBOUR, OTHER_TRACK, SPRING, ids, links, write
from weft import regions
from weft.errors import RequestError, SceneRejected
from weft.fingerprints import fingerprint
from weft.regions import Archive


def static_archive(folder: Path, *items: dict[str, Any]) -> SceneArchive:
    root = folder / "archive"
    write(root / "catalog.json", {"type": "Catalog", "links": links("child", "./other/c.json", "./s2/collection.json")})
    write(root / "other/c.json", {"type": "Collection", "id": "landsat", "links": links("item", "./never-read.json")})
    hrefs = [f"./{item['id']}/item.json" for item in items]
    write(root / "s2/collection.json", {"type": "Collection", "id": COLLECTION, "links": links("item", *hrefs)})
    for item in items:
        write(root / "s2" / item["id"] / "item.json", item)
    return SceneArchive(Archive(stac="file:./archive/catalog.json", collection=COLLECTION), folder)


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


def test_shipped_regions_load_and_name_an_archive() -> None:
    for path in (Path(__file__).parents[2] / "deploy/regions").glob("*.yaml"):
        region = regions.load(path)
        archive = ArchiveResource(region_file=str(path)).open()
        assert archive.archive == region.archive
        assert region.archive.allow or region.archive.stac.startswith("file:")
