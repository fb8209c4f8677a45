"""STAC documents: building, reading and validating items and collections.

Not here: where they are stored (``resources``).
"""

from typing import Any, TypeAlias

Item: TypeAlias = dict[str, Any]
"""A STAC 1.1 item as JSON."""
