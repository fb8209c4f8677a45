"""From tiles to tracks to one mosaic: centre lines, sheets, weights and the exact blend.

Not here: making composites (``weft.compositing``) or publishing products (``resources``).
"""

from weft.mosaicking.blending import blend, share, weights
from weft.mosaicking.footprints import midline
from weft.mosaicking.mosaic import Mosaicked, mosaic
from weft.mosaicking.orbit_mosaic import orbit_mosaic, resampling
from weft.mosaicking.seams import largest_edge_step
from weft.mosaicking.sheets import Sheet, sheet, sheets_over, track_sheets
from weft.mosaicking.tiles import tile_grid
from weft.mosaicking.tracks import (
    HALF_SWATH_KM,
    CentreDistance,
    Track,
    centre_line,
    covers,
    distance_to_centre,
    swath,
    track,
    track_number,
)

__all__ = [
    "HALF_SWATH_KM",
    "CentreDistance",
    "Mosaicked",
    "Sheet",
    "Track",
    "blend",
    "centre_line",
    "covers",
    "distance_to_centre",
    "largest_edge_step",
    "midline",
    "mosaic",
    "orbit_mosaic",
    "resampling",
    "share",
    "sheet",
    "sheets_over",
    "swath",
    "tile_grid",
    "track",
    "track_number",
    "track_sheets",
    "weights",
]
