"""Common Band Names (CBN): one name for the same part of the spectrum, whatever the mission calls it.

Belongs here: the table of names with wavelengths and each mission's own labels. Not here: scale and offset, which come
from a product's metadata.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Band:
    """One optical band.

    Attributes:
        cbn: Common Band Name, the STAC ``eo:common_name``.
        title: one line for people.
        centre_um: centre wavelength, micrometres.
        width_um: full width at half maximum, micrometres.
    """

    cbn: str
    title: str
    centre_um: float
    width_um: float


# Wavelengths of Sentinel-2A: ESA, Sentinel-2 Spectral Response Functions (S2-SRF) 3.0.
BANDS: dict[str, Band] = {
    band.cbn: band
    for band in (
        Band("coastal", "Coastal aerosol", 0.443, 0.027),
        Band("blue", "Blue", 0.490, 0.098),
        Band("green", "Green", 0.560, 0.045),
        Band("red", "Red", 0.665, 0.038),
        Band("rededge071", "Red edge 0.70 um", 0.704, 0.019),
        Band("rededge075", "Red edge 0.74 um", 0.740, 0.018),
        Band("rededge078", "Red edge 0.78 um", 0.783, 0.028),
        Band("nir", "Near infrared", 0.842, 0.145),
        Band("nir08", "Near infrared, narrow", 0.865, 0.033),
        Band("nir09", "Water vapour", 0.945, 0.026),
        Band("swir16", "Short-wave infrared 1.6 um", 1.610, 0.143),
        Band("swir22", "Short-wave infrared 2.2 um", 2.190, 0.242),
    )
}

SENTINEL2: dict[str, str] = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge071",
    "B06": "rededge075",
    "B07": "rededge078",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B11": "swir16",
    "B12": "swir22",
}
"""Sentinel-2 MSI band label to CBN."""
