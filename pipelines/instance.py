"""The Dagster instance that the command line and `make ui` share.

Belongs here: finding or founding it. Not here: what runs in it, or which folder is its own (``settings``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

_SETTINGS = Path(__file__).resolve().parents[1] / "deploy" / "dagster.yaml"


@contextmanager
def open_instance(folder: Path) -> Iterator[dg.DagsterInstance]:
    """The instance that lives in ``folder``; a new one is founded with the shipped settings."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dagster.yaml").exists():
        shutil.copyfile(_SETTINGS, folder / "dagster.yaml")
    # What a run starts looks the instance up by its folder.
    os.environ["DAGSTER_HOME"] = str(folder)
    with dg.DagsterInstance.get() as instance:
        yield instance
