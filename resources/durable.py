"""Making directory entries survive a power cut.

Belongs here: the one call that files alone cannot make for themselves. Not here: what is written, or where.
"""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Flush the entries of a directory to disk: a file whose own bytes are synced can otherwise lose its name."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
