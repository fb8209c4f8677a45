"""Compositing: reductions of many observations of a pixel to one, and the rules for which observations count.

Every reduction is a pure function from arrays to arrays. Not here: reading or writing files (``weft.rasters``),
blending tracks into a mosaic (``weft.mosaicking``).
"""

from weft.compositing.geomedian import Geomedian, geomedian
from weft.compositing.medoid import medoid
from weft.compositing.percentiles import percentiles
from weft.compositing.s2gm import Method, s2gm
from weft.compositing.short_term import short_term
from weft.compositing.short_term_v2 import ShortTermThresholds
from weft.compositing.simple import first_valid, max_ndvi, mean

__all__ = [
    "Geomedian",
    "Method",
    "ShortTermThresholds",
    "first_valid",
    "geomedian",
    "max_ndvi",
    "mean",
    "medoid",
    "percentiles",
    "s2gm",
    "short_term",
]
