"""Where scenes come from: the archive that a region file names.

Belongs here: choosing the items of one tile, track and time window, and saying what their hrefs may point at. Not
here: how each kind of archive is read (``archive_static``, ``archive_api``), or what an item means (``weft.scenes``).

An item is left out only for a reason it states itself: another tile, another track, another time. One that does not
tell, or cannot be read at all, is handed on, so that the product names it among its rejected scenes.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import dagster as dg
from pydantic import PrivateAttr

from resources.archive_api import StacApi
from resources.archive_item import ArchivedItem, Extent
from resources.archive_static import StaticCatalogue
from weft import regions
from weft.errors import RequestError
from weft.periods import TimeWindow
from weft.regions import Archive
from weft.scenes.hrefs import HrefPolicy
from weft.scenes.sentinel2_identity import Whereabouts, whereabouts


class SceneArchive:
    """The archive of a region.

    Attributes:
        archive: as the region file says.
        folder: of the region file, where ``file:`` paths start.
    """

    def __init__(self, archive: Archive, folder: Path) -> None:
        """Raises :class:`RequestError` if the archive is neither a file nor an HTTP(S) URL, or a prefix is no URL."""
        self.archive = archive
        self.folder = folder
        scheme = archive.stac.partition(":")[0].lower()
        self._source: StaticCatalogue | StacApi
        if scheme == "file":
            self._source = StaticCatalogue(_local(archive.stac, folder), archive.collection)
        elif scheme in ("http", "https"):
            self._source = StacApi(archive.stac, archive.collection)
        else:
            raise RequestError(
                f"archive.stac is {archive.stac!r}; write file:path/catalog.json or the https URL of a STAC API"
            )
        roots = [_local(prefix, folder) for prefix in archive.allow if prefix.startswith("file:")]
        if isinstance(self._source, StaticCatalogue):
            roots.append(self._source.path.parent)
        prefixes = tuple(prefix for prefix in archive.allow if not prefix.startswith("file:"))
        self._policy = HrefPolicy(base=None, roots=tuple(roots), prefixes=prefixes)

    def items(self, window: TimeWindow, tile: str, track: str | None) -> list[ArchivedItem]:
        """Items of one tile in a time window, in order of item id.

        Args:
            window: UTC, end exclusive.
            tile: tile name, ``31UDS``.
            track: ``R051``, or None for all tracks.

        Raises:
            RequestError: the archive or its collection does not exist, or it holds two different items of one id.
            Unavailable: it does not answer just now.
        """
        chosen: dict[str, ArchivedItem] = {}
        for candidate in self._source.candidates(tile, window):
            if not _may_match(whereabouts(candidate.item), window, tile, track):
                continue
            known = chosen.setdefault(str(candidate.item.get("id")), candidate)
            if known.document != candidate.document:
                raise RequestError(
                    f"archive {self.archive.stac} holds two different items {candidate.item.get('id')!r:.140}, at "
                    f"{known.location} and {candidate.location}; remove one"
                )
        return [chosen[key] for key in sorted(chosen)]

    def policy(self, archived: ArchivedItem) -> HrefPolicy:
        """What the hrefs of an item may point at."""
        return HrefPolicy(archived.location, self._policy.roots, self._policy.prefixes)

    def place(self, href: str) -> str:
        """Place of an absolute href; see :meth:`weft.scenes.hrefs.HrefPolicy.place`."""
        return self._policy.place(href)

    def extent(self) -> Extent:
        """First and last acquisition of the whole collection, for messages; raises as :meth:`items`."""
        return self._source.extent()


class ArchiveResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The archive of a region, for assets and sensors.

    Attributes:
        region_file: path of the region file.
    """

    region_file: str
    _archive: SceneArchive | None = PrivateAttr(default=None)

    def open(self) -> SceneArchive:
        """The archive, built at the first call.

        Raises:
            RequestError: the region file is wrong, see :func:`weft.regions.load` and :class:`SceneArchive`.
        """
        if self._archive is None:
            path = Path(self.region_file)
            self._archive = SceneArchive(regions.load(path).archive, path.parent)
        return self._archive


def _local(text: str, folder: Path) -> Path:
    return folder / unquote(urlsplit(text).path)


def _may_match(where: Whereabouts, window: TimeWindow, tile: str, track: str | None) -> bool:
    return (
        where.tile in (None, tile)
        and (track is None or where.track in (None, track))
        and (where.acquired is None or window.start <= where.acquired < window.end)
    )
