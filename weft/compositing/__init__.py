"""Compositing: reductions of many observations of a pixel to one, and the rules for which observations count.

Every reduction is a pure function from arrays to arrays. Not here: reading or writing files (``weft.rasters``),
blending tracks into a mosaic (``weft.mosaicking``).
"""

from weft.compositing.medoid import medoid
from weft.compositing.percentiles import percentiles

__all__ = ["medoid", "percentiles"]
