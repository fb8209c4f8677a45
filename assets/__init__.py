"""Thin software-defined assets, one product family a file.

Not here: numerics (``weft``), connections (``resources``), or anything that starts work (``pipelines``).

Modules that define assets or checks do without ``from __future__ import annotations``: Dagster refuses a ``context``
whose annotation is a string.
"""
