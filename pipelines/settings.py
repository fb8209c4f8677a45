"""What the environment says: where state lies and which region is worked on.

Belongs here: the only reading of ``WEFT_*`` and ``DAGSTER_HOME``. Not here: what is done with it.

All are optional: ``WEFT_REGION`` region file, ``WEFT_HOME`` folder of local state (``.weft``), ``WEFT_STORE`` and
``WEFT_CATALOG`` where products and items are kept (below ``WEFT_HOME``), ``WEFT_SCRATCH`` folder for unfinished files
(the system's), ``DAGSTER_HOME`` folder of the Dagster instance (below ``WEFT_HOME``), ``WEFT_ALLOW`` folders
(``file:/data``) and URL prefixes (``https://host/path/``), separated by spaces, from which orders may take datasets
that are not in the catalogue (none).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SHIPPED_REGION = Path(__file__).resolve().parents[1] / "deploy" / "regions" / "earth-search-flanders.yaml"
"""What a fresh clone shows before there is a demo."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where everything is.

    Attributes:
        region: region file.
        store: path or URL of the object store.
        catalogue: path or URL of the catalogue.
        scratch: folder for unfinished files; the system's temporary folder if empty.
        dagster: folder of the Dagster instance.
        allow: folders and URL prefixes from which orders may take datasets that are not in the catalogue.
    """

    region: Path
    store: str
    catalogue: str
    scratch: str
    dagster: Path
    allow: tuple[str, ...] = ()

    @classmethod
    def of_home(cls, home: Path, region: Path | None = None) -> Self:
        """Everything below one folder, whatever the environment says."""
        home = home.absolute()
        return cls(
            region=(region or home / "region.yaml").absolute(),
            store=str(home / "store"),
            catalogue=str(home / "catalog.sqlite"),
            scratch="",
            dagster=home / "dagster",
        )

    @classmethod
    def of_environment(cls, region: Path | None = None) -> Self:
        """As the environment says; a region file given here goes before ``WEFT_REGION``."""
        home = Path(os.environ.get("WEFT_HOME") or ".weft").absolute()
        below = cls.of_home(home)
        return cls(
            region=(region or _region_file(home)).absolute(),
            store=os.environ.get("WEFT_STORE") or below.store,
            catalogue=os.environ.get("WEFT_CATALOG") or below.catalogue,
            scratch=os.environ.get("WEFT_SCRATCH") or below.scratch,
            dagster=Path(os.environ.get("DAGSTER_HOME") or below.dagster).absolute(),
            allow=tuple(os.environ.get("WEFT_ALLOW", "").split()),
        )


def _region_file(home: Path) -> Path:
    if named := os.environ.get("WEFT_REGION"):
        return Path(named)
    candidates = (home / "region.yaml", home / "demo" / "region.yaml")
    return next((path for path in candidates if path.is_file()), SHIPPED_REGION)
