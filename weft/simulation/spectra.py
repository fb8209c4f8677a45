"""What grows and lies on the ground, and how it reflects: the tables of the invented landscape.

Belongs here: reflectances of materials in the six bands and crop calendars. Not here: where things are (``landscape``).
The numbers are rounded textbook values, chosen for plausible colours and NDVI; only their being known matters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
COARSE_BANDS = ("swir16", "swir22")
"""Bands the instrument samples at twice the pixel size of the others (10 m and 20 m)."""

MATERIALS: dict[str, tuple[float, ...]] = {
    "soil": (0.070, 0.100, 0.130, 0.200, 0.280, 0.240),
    "leaf": (0.025, 0.060, 0.030, 0.450, 0.200, 0.090),
    "straw": (0.100, 0.150, 0.200, 0.300, 0.320, 0.220),
    "verge": (0.035, 0.070, 0.050, 0.340, 0.220, 0.120),
    "broadleaf": (0.020, 0.045, 0.025, 0.400, 0.170, 0.070),
    "bare_trees": (0.040, 0.055, 0.070, 0.160, 0.180, 0.120),
    "conifer": (0.015, 0.030, 0.020, 0.220, 0.100, 0.045),
    "town": (0.120, 0.140, 0.160, 0.210, 0.230, 0.210),
    "rock": (0.150, 0.170, 0.190, 0.230, 0.270, 0.240),
    "snow": (0.880, 0.870, 0.850, 0.780, 0.100, 0.080),
    "water": (0.030, 0.028, 0.015, 0.006, 0.0008, 0.0005),
    "sediment": (0.060, 0.075, 0.060, 0.020, 0.0020, 0.0010),
    "cloud": (0.760, 0.750, 0.740, 0.760, 0.560, 0.440),
    "cirrus": (0.600, 0.590, 0.580, 0.600, 0.380, 0.260),
}

SOIL, LEAF, STRAW, VERGE, BROADLEAF, BARE_TREES, CONIFER, TOWN, ROCK, SNOW, WATER, SEDIMENT, CLOUD, CIRRUS = range(
    len(MATERIALS)
)
SPECTRA = np.array(list(MATERIALS.values()), np.float64)
"""Reflectance (material, band), in the order of the indices above."""


class Crop(NamedTuple):
    """One crop's year; days are days of the year, widths are those of logistic curves.

    Attributes:
        share: share of parcels.
        green_up: day of half green-up.
        green_up_width: how gradual that is, days.
        ripening: day on which half the green is gone.
        ripening_width: how gradual that is, days.
        harvest: day the field is cleared.
        cover: green cover at its best.
        winter_cover: green cover in winter.
        straw: cover of ripe, dry plants before harvest.
    """

    share: float
    green_up: float
    green_up_width: float
    ripening: float
    ripening_width: float
    harvest: float
    cover: float
    winter_cover: float
    straw: float


CROPS: dict[str, Crop] = {
    "grassland": Crop(0.32, 85, 15, 300, 12, 275, 0.85, 0.55, 0.05),
    "winter wheat": Crop(0.20, 100, 12, 182, 7, 212, 0.95, 0.25, 0.85),
    "rapeseed": Crop(0.05, 90, 10, 172, 8, 200, 0.95, 0.40, 0.70),
    "maize": Crop(0.20, 165, 8, 262, 9, 284, 0.92, 0.05, 0.60),
    "beet": Crop(0.11, 158, 10, 292, 8, 300, 0.90, 0.05, 0.10),
    "potato": Crop(0.07, 156, 8, 236, 8, 262, 0.85, 0.05, 0.30),
    "fallow": Crop(0.05, 130, 25, 250, 20, 280, 0.35, 0.10, 0.20),
}
CROP_TABLE = np.array([crop[1:] for crop in CROPS.values()], np.float64)
"""Crop calendars (crop, field) without the share."""
CROP_LIMITS = np.cumsum([crop.share for crop in CROPS.values()])
"""Cumulative shares, the last is 1."""
