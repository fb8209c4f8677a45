"""The scenes an archive holds for one tile_track and period; Weft observes them and makes none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from assets.lane import Lane
from resources.archive import SceneArchive
from resources.archive_item import ArchivedItem
from weft.errors import RequestError
from weft.fingerprints import fingerprint

ARCHIVE_ITEMS = "archive_items"


def archive_items(lane: Lane) -> dg.AssetSpec:
    """The external asset of one region; the sensor ``new_archive_items`` observes it."""
    return dg.AssetSpec(
        lane.key(ARCHIVE_ITEMS),
        partitions_def=lane.partitions.period_tile_track,
        group_name=lane.group,
        description=__doc__,
    )


def archive_fingerprint(archive: SceneArchive, found: Iterable[ArchivedItem]) -> str:
    """What identifies the scenes of a partition: their items, and the sizes of their files where those are local.

    It changes when a scene comes, goes or is processed again, and when a broken file is put right in place. It does not
    depend on where the archive lies.
    """
    items = [{"item": entry.document, "problem": entry.problem, "sizes": _sizes(archive, entry)} for entry in found]
    return fingerprint(ARCHIVE_ITEMS, 1, items=items)


def _sizes(archive: SceneArchive, entry: ArchivedItem) -> dict[str, int | None]:
    policy = archive.policy(entry)
    assets = entry.item.get("assets")
    sizes = {}
    for key, asset in assets.items() if isinstance(assets, dict) else ():
        href = asset.get("href") if isinstance(asset, dict) else None
        if isinstance(href, str):
            try:
                sizes[key] = local_size(policy.place(href))
            except RequestError:
                continue  # refused hrefs are never touched; registering the scene says so
    return sizes


def local_size(place: str) -> int | None:
    """Size of a local file in bytes; None for a missing or a remote one."""
    try:
        return Path(place).stat().st_size
    except OSError:
        return None
