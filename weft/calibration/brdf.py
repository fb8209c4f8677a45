"""Reflectance as it would have been seen from straight above: NBAR by the c-factor.

Belongs here: the model of how surfaces reflect, its published coefficients, and the correction of one block. Not here:
reading angles (``weft.compositing.nadir``), or what is done about differences that remain (``weft.mosaicking.levels``).

A surface's reflectance is modelled as ``f_iso + f_vol * K_vol + f_geo * K_geo`` with the Ross-Thick and the
Li-Sparse-Reciprocal kernel (Lucht, Schaaf and Strahler 2000, doi 10.1109/36.841980, h/b = 2, b/r = 1). An observation
is multiplied by ``c``, the model at nadir over the model at the angles of the observation (Roy et al. 2016, doi
10.1016/j.rse.2016.01.023), with one set of coefficients for the whole world, as the Harmonized Landsat Sentinel-2
product does (Claverie et al. 2018, doi 10.1016/j.rse.2018.09.002).

**The sun stays where it was.** Both models take the observation's own sun zenith angle, so that ``c`` is exactly 1 at
nadir. Neighbouring tracks differ in their view angle; a period mixes dates, whose sun angles are a property of the
season that a seasonal product should keep. A fixed sun would be a free parameter and extrapolate most where the sun is
lowest; HLS gave its own up with version 2.0 for the mean sun of the moment of overpass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

MAX_ZENITH = 75.0
"""Largest zenith angle of sun and view, degrees. Up to here the model is positive for every band and geometry."""

_MOST = 65535.0


@dataclass(frozen=True, slots=True)
class Anisotropy:
    """Weights of the kernels in the reflectance of the mean surface in one band.

    Attributes:
        isotropic: ``f_iso``.
        volumetric: ``f_vol``, of the Ross-Thick kernel.
        geometric: ``f_geo``, of the Li-Sparse-Reciprocal kernel.
    """

    isotropic: float
    volumetric: float
    geometric: float


_NIR = Anisotropy(0.3093, 0.1535, 0.0330)

# Roy et al. 2017, doi 10.3390/rs9121325, table 1: MODIS averages of Roy et al. 2016 and, for the red edge, linear
# interpolation by wavelength between red and near infrared. HLS takes the same for both near-infrared bands.
COEFFICIENTS: dict[str, Anisotropy] = {
    "blue": Anisotropy(0.0774, 0.0372, 0.0079),
    "green": Anisotropy(0.1306, 0.0580, 0.0178),
    "red": Anisotropy(0.1690, 0.0574, 0.0227),
    "rededge071": Anisotropy(0.2085, 0.0845, 0.0256),
    "rededge075": Anisotropy(0.2316, 0.1003, 0.0273),
    "rededge078": Anisotropy(0.2599, 0.1197, 0.0294),
    "nir": _NIR,
    "nir08": _NIR,
    "swir16": Anisotropy(0.3430, 0.1154, 0.0453),
    "swir22": Anisotropy(0.2658, 0.0639, 0.0387),
}
"""Common Band Name to its coefficients; ``coastal`` and ``nir09`` have none published and stay as they are."""

_LAMBERT = Anisotropy(1.0, 0.0, 0.0)  # looks the same from everywhere: c is 1


def bands_without(bands: Iterable[str]) -> tuple[str, ...]:
    """Those of the bands that have no coefficients, so that :func:`to_nadir` leaves them as they are."""
    return tuple(band for band in bands if band not in COEFFICIENTS)


def kernels(
    sun_zenith: npt.NDArray[np.float64],
    view_zenith: npt.NDArray[np.float64],
    sun_azimuth: npt.NDArray[np.float64],
    view_azimuth: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """The kernels at the angles of an observation and at nadir under the same sun.

    Args:
        sun_zenith: (y, x), degrees.
        view_zenith: (y, x), degrees.
        sun_azimuth: (y, x), degrees; only its difference to the view's counts.
        view_azimuth: (y, x), degrees.

    Returns:
        (4, y, x): volumetric and geometric kernel, then both at nadir. NaN where an angle is NaN or a zenith is
        negative or above :data:`MAX_ZENITH`.
    """
    found = np.empty((4, *sun_zenith.shape))
    _kernels(sun_zenith, view_zenith, sun_azimuth - view_azimuth, found)
    return found


def to_nadir(
    reflectance: npt.NDArray[np.uint16],
    where: npt.NDArray[np.bool_],
    nodes: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float64],
    cols: npt.NDArray[np.float64],
    bands: Sequence[str],
) -> None:
    """Normalise one block to nadir view.

    Angles are usually known on a grid of kilometres. The kernels are smooth in space also where the view azimuth jumps,
    on the ground track: so they, and not the angles, are interpolated between the nodes, bilinearly, by those of the
    four nodes that have values. Pixels without any such node lie outside of what was observed and stay as they are.

    Args:
        reflectance: changed in place, uint16 (band, y, x), rounded half up.
        where: pixels to normalise (y, x).
        nodes: :func:`kernels` at nodes, (4, node row, node column).
        rows: position of each row of pixels between the rows of nodes (y,); beyond the nodes the outermost counts.
        cols: the same for columns (x,).
        bands: Common Band Names, in the order of ``reflectance``.
    """
    named = [COEFFICIENTS.get(band, _LAMBERT) for band in bands]
    weights = np.array([[one.isotropic, one.volumetric, one.geometric] for one in named])
    _to_nadir(reflectance, where, nodes, rows, cols, weights)


@njit(nogil=True, cache=True, error_model="numpy")
def _ross_li(sun: float, view: float, azimuth: float) -> tuple[float, float]:
    """Both kernels; radians."""
    cos_sun, cos_view = math.cos(sun), math.cos(view)
    tan_sun, tan_view = math.tan(sun), math.tan(view)
    cos_phase = cos_sun * cos_view + math.sin(sun) * math.sin(view) * math.cos(azimuth)
    cos_phase = min(max(cos_phase, -1.0), 1.0)
    phase = math.acos(cos_phase)
    volumetric = ((math.pi / 2 - phase) * cos_phase + math.sin(phase)) / (cos_sun + cos_view) - math.pi / 4
    secants = 1.0 / cos_sun + 1.0 / cos_view
    distance = tan_sun * tan_sun + tan_view * tan_view - 2.0 * tan_sun * tan_view * math.cos(azimuth)
    sideways = tan_sun * tan_view * math.sin(azimuth)
    cos_t = min(2.0 * math.sqrt(max(distance, 0.0) + sideways * sideways) / secants, 1.0)
    t = math.acos(cos_t)
    overlap = (t - math.sin(t) * cos_t) * secants / math.pi
    geometric = overlap - secants + (1.0 + cos_phase) / (2.0 * cos_sun * cos_view)
    return volumetric, geometric


@njit(nogil=True, cache=True, error_model="numpy")
def _kernels(
    sun_zenith: npt.NDArray[np.float64],
    view_zenith: npt.NDArray[np.float64],
    azimuth: npt.NDArray[np.float64],
    found: npt.NDArray[np.float64],
) -> None:
    for y in range(sun_zenith.shape[0]):
        for x in range(sun_zenith.shape[1]):
            sun, view = sun_zenith[y, x], view_zenith[y, x]
            found[:, y, x] = np.nan
            # Written so that NaN fails it too.
            if 0.0 <= sun <= MAX_ZENITH and 0.0 <= view <= MAX_ZENITH and math.isfinite(azimuth[y, x]):
                sun = math.radians(sun)
                found[0, y, x], found[1, y, x] = _ross_li(sun, math.radians(view), math.radians(azimuth[y, x]))
                found[2, y, x], found[3, y, x] = _ross_li(sun, 0.0, 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _interpolate(nodes: npt.NDArray[np.float64], row: float, col: float, mean: npt.NDArray[np.float64]) -> bool:
    """Mean of the four nodes around a place by nearness, of those that have values; False if none has."""
    last_row, last_col = nodes.shape[1] - 1, nodes.shape[2] - 1
    row, col = min(max(row, 0.0), float(last_row)), min(max(col, 0.0), float(last_col))
    top, left = int(row), int(col)
    total = 0.0
    mean[:] = 0.0
    for i in range(top, min(top + 2, last_row + 1)):
        for j in range(left, min(left + 2, last_col + 1)):
            share = (1.0 - abs(row - i)) * (1.0 - abs(col - j))
            if share > 0.0 and not math.isnan(nodes[0, i, j]):
                total += share
                for k in range(4):
                    mean[k] += share * nodes[k, i, j]
    for k in range(4):
        mean[k] /= total
    return total > 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _to_nadir(
    reflectance: npt.NDArray[np.uint16],
    where: npt.NDArray[np.bool_],
    nodes: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float64],
    cols: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> None:
    mean = np.empty(4, np.float64)
    for y in range(where.shape[0]):
        for x in range(where.shape[1]):
            if where[y, x] and _interpolate(nodes, rows[y], cols[x], mean):
                for b in range(reflectance.shape[0]):
                    seen = weights[b, 0] + weights[b, 1] * mean[0] + weights[b, 2] * mean[1]
                    nadir = weights[b, 0] + weights[b, 1] * mean[2] + weights[b, 2] * mean[3]
                    value = math.floor(reflectance[b, y, x] * (nadir / seen) + 0.5)
                    reflectance[b, y, x] = np.uint16(min(max(value, 0.0), _MOST))
