"""Taking archived items into the catalogue, or setting them aside."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from assets.registering import calibrated
from resources.archive import SceneArchive
from resources.archive_item import ArchivedItem
from weft.errors import SceneRejected
from weft.periods import window
from weft.regions import load
from weft.stac.calibrated import scene_from_item

TILE_TRACK = "R051_31UES"


@pytest.fixture
def archive(tiny_archive: Path, tmp_path: Path) -> SceneArchive:
    shutil.copytree(tiny_archive, tmp_path / "site")
    return SceneArchive(load(tmp_path / "site" / "region.yaml").archive, tmp_path / "site")


@pytest.fixture
def entry(archive: SceneArchive) -> ArchivedItem:
    return archive.items(window("glad-seasons", "2021-06"), "31UES", "R051")[0]


def test_a_calibrated_dataset_points_at_the_original_files_by_absolute_hrefs(
    archive: SceneArchive, entry: ArchivedItem
) -> None:
    scene = scene_from_item(calibrated(archive, entry, TILE_TRACK))
    for layer in scene.bands.values():
        assert layer.href.startswith("file:///")
        assert archive.place(layer.href) == unquote(urlsplit(layer.href).path)
        assert Path(archive.place(layer.href)).is_file()


def test_its_fingerprint_does_not_depend_on_where_the_archive_lies(
    archive: SceneArchive, entry: ArchivedItem, tmp_path: Path
) -> None:
    before = calibrated(archive, entry, TILE_TRACK)
    (tmp_path / "site").rename(tmp_path / "moved")
    moved = SceneArchive(archive.archive, tmp_path / "moved")
    after = calibrated(moved, moved.items(window("glad-seasons", "2021-06"), "31UES", "R051")[0], TILE_TRACK)
    assert after["properties"] == before["properties"]
    assert after["assets"]["red"]["href"] != before["assets"]["red"]["href"]


def band(entry: ArchivedItem) -> Path:
    return Path(entry.location).parent / Path(entry.item["assets"]["red"]["href"]).name


def test_a_truncated_file_and_a_missing_one_are_told_before_a_pixel_is_read(
    archive: SceneArchive, entry: ArchivedItem
) -> None:
    whole = band(entry).read_bytes()
    band(entry).write_bytes(whole[:-1])
    with pytest.raises(SceneRejected, match=rf"{len(whole) - 1} bytes, its item says {len(whole)}"):
        calibrated(archive, entry, TILE_TRACK)
    band(entry).unlink()
    with pytest.raises(SceneRejected, match="does not exist"):
        calibrated(archive, entry, TILE_TRACK)


@pytest.mark.parametrize(
    "href", ["/etc/passwd.tif", "../../../../etc/passwd.tif", "https://evil.example/x.tif", "/vsicurl/x.tif"]
)
def test_a_scene_whose_href_leaves_the_archive_is_set_aside(
    archive: SceneArchive, entry: ArchivedItem, href: str
) -> None:
    entry.item["assets"]["red"]["href"] = href
    with pytest.raises(SceneRejected, match="refused"):
        calibrated(archive, entry, TILE_TRACK)


def test_a_scene_of_another_track_is_not_mistaken_for_one_of_this(archive: SceneArchive, entry: ArchivedItem) -> None:
    with pytest.raises(SceneRejected, match="it is of R051_31UES, not of R008_31UES"):
        calibrated(archive, entry, "R008_31UES")
