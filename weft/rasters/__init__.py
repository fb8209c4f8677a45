"""Rasters as values: grids, locked-down opening, block streaming, warping, COG writing and read-back.

Not here: what the pixels mean (``calibration``, ``compositing``, ``mosaicking``) or where files live (``resources``).
"""
