"""Thin software-defined assets, one product family a file.

Not here: numerics (``weft``), connections (``resources``), or anything that starts work (``pipelines``).
"""
