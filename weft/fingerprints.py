"""What makes two pieces of work the same work.

Belongs here: one canonical digest over inputs, parameters and code version. Not here: comparing it with what was
published (``assets``).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def fingerprint(step: str, version: int, **parts: Any) -> str:
    """Digest of one piece of work.

    Args:
        step: name of the step, e.g. ``tile_composite``.
        version: code version of the step; raise it when its output changes for the same inputs.
        parts: JSON-serialisable inputs and parameters. Key order does not matter; list order does.

    Returns:
        64 hex digits (SHA-256).
    """
    document = {"step": step, "version": version, "parts": parts}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
