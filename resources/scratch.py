"""Scratch space: where files live until they are published.

Belongs here: making and removing folders. Nothing in them outlives the unit of work they were made for, and nothing is
handed from one asset to another through them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg


class ScratchResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Local scratch space.

    Attributes:
        directory: parent of the folders; the system's temporary directory if empty.
    """

    directory: str = ""

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder that is removed with all it holds on leaving."""
        if self.directory:
            Path(self.directory).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="weft-", dir=self.directory or None) as folder:
            yield Path(folder)
