"""Items, windows and questions that the tests of static and of remote archives share."""

from __future__ import annotations

import json
from pathlib import Path

from resources.archive import SceneArchive
from tests.weft.scenes.items import stac_1_1
from weft.periods import TimeWindow, window

SPRING = window("glad-seasons", "2022-03")
COLLECTION = "sentinel-2-l2a"


def ids(archive: SceneArchive, when: TimeWindow = SPRING, tile: str = "31UDS", track: str | None = "R051") -> list[str]:
    return [archived.item["id"] for archived in archive.items(when, tile, track)]


def write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def links(relation: str, *hrefs: str) -> list[dict[str, str]]:
    return [{"rel": relation, "href": href} for href in hrefs]


MARCH = stac_1_1("march")
JUNE = stac_1_1("june", datetime="2022-06-24T23:59:59Z")
LATER = stac_1_1("later", datetime="2022-06-25T00:00:00Z")
NEIGHBOUR = stac_1_1("neighbour", **{"grid:code": "MGRS-31UES"})
OTHER_TRACK = stac_1_1("other-track", **{"sat:relative_orbit": 94})
