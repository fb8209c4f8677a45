"""Common Band Names (CBN): one name for the same measurement, whatever the mission calls it.

Belongs here: the table of names with wavelengths, each mission's own labels, and the names of radar bands. Not here:
scale and offset, which come from a product's metadata.

Optical bands carry STAC's ``eo:common_name``. A radar band is sigma nought in decibels of one frequency band and one
polarisation, ``s0_db_<band>_<polarisation>``: ``s0_db_c_vv``, as in the ESA Charter Mapper's calibrated datasets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Modality = Literal["optical", "radar"]


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

# Centres of the ranges in the table of common names of the STAC electro-optical extension 2.0; the thermal ones are
# those of Landsat 8 TIRS.
COMMON_NAMES: dict[str, Band] = BANDS | {
    band.cbn: band
    for band in (
        Band("pan", "Panchromatic", 0.600, 0.200),
        Band("green05", "Green 0.53 um", 0.530, 0.040),
        Band("yellow", "Yellow", 0.600, 0.040),
        Band("rededge", "Red edge", 0.730, 0.120),
        Band("cirrus", "Cirrus", 1.375, 0.030),
        Band("lwir", "Thermal infrared", 11.450, 2.100),
        Band("lwir11", "Thermal infrared 11 um", 10.900, 0.590),
        Band("lwir12", "Thermal infrared 12 um", 12.005, 1.010),
    )
}
"""Every optical name an order may use: the bands of production, :data:`BANDS`, and those of other missions."""

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

_FREQUENCIES = ("p", "l", "s", "c", "x", "ku", "k", "ka")
_POLARISATIONS = ("vv", "hh", "vh", "hv")
_RADAR = re.compile(rf"s0_db_(?P<frequency>{'|'.join(_FREQUENCIES)})_(?P<polarisation>{'|'.join(_POLARISATIONS)})")
_POLARISED = re.compile(rf"(?:.*_)?(?P<polarisation>{'|'.join(_POLARISATIONS)})(?:_.*)?")


def radar_name(frequency: str, polarisation: str) -> str:
    """Common Band Name of sigma nought in dB: ``s0_db_c_vv`` of ``C`` and ``VV``.

    Raises:
        ValueError: STAC knows no such frequency band or polarisation.
    """
    name = f"s0_db_{frequency.lower()}_{polarisation.lower()}"
    if not _RADAR.fullmatch(name):
        raise ValueError(
            f"there is no radar band {frequency!r} {polarisation!r}; bands are {', '.join(_FREQUENCIES)}, "
            f"polarisations {', '.join(_POLARISATIONS)}"
        )
    return name


def is_common_name(name: str) -> bool:
    """Whether a name is a Common Band Name, optical or radar."""
    return name in COMMON_NAMES or _RADAR.fullmatch(name) is not None


def polarisation(name: str) -> str | None:
    """``vv`` of ``s0_db_c_vv``, and of the ``VV`` or ``vv_mean`` of other catalogues; None of an optical band."""
    found = _POLARISED.fullmatch(name.lower())
    return found["polarisation"] if found else None


def modality(name: str) -> Modality:
    """What kind of sensor measured a band, as far as its name tells: radar if it has a polarisation."""
    return "optical" if polarisation(name) is None else "radar"
