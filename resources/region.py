"""The region file as a Dagster resource.

Belongs here: which file. Not here: what it says (``weft.regions``).
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from weft.regions import Region, load


class RegionResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The region whose products are made.

    Attributes:
        path: its region file.
    """

    path: str
    _region: Region | None = PrivateAttr(default=None)

    def load(self) -> Region:
        """The region, read at the first call.

        Raises:
            RequestError: see :func:`weft.regions.load`.
        """
        if self._region is None:
            self._region = load(Path(self.path))
        return self._region
