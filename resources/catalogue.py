"""The catalogue as a Dagster resource.

Belongs here: configuration of the back end, and the names of the port for those who use it. Not here: the port itself
(``resources.catalogues.port``) or a back end's code.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from resources.catalogues.port import Catalogue, Event, Extent, Search
from resources.catalogues.sqlite import SqliteCatalogue
from weft.errors import RequestError

__all__ = ["Catalogue", "CatalogueResource", "Event", "Extent", "Search", "SqliteCatalogue"]


class CatalogueResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Which catalogue items are published to.

    Attributes:
        url: a path, or ``sqlite:///`` and a path (so an absolute path follows with its own slash).
    """

    url: str
    _catalogue: SqliteCatalogue | None = PrivateAttr(default=None)

    def open(self) -> Catalogue:
        """The catalogue, built at the first call.

        Raises:
            RequestError: the URL is not one of a SQLite file.
        """
        if self._catalogue is None:
            self._catalogue = SqliteCatalogue(_path(self.url))
        return self._catalogue


def _path(url: str) -> Path:
    path = url.removeprefix("sqlite:///")
    if not path or "://" in path:
        raise RequestError(
            f"catalogue {url!r} is neither a path nor sqlite:///path; a PostgreSQL catalogue (pgstac) comes later"
        )
    return Path(path)
