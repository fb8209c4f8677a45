"""The c-factor one pixel at a time, straight from the formulas of the papers."""

from __future__ import annotations

from math import acos, atan, cos, floor, isnan, pi, radians, sin, sqrt, tan

# Roy et al. 2017, table 1, by Sentinel-2 band: f_iso, f_geo, f_vol.
TABLE = {
    "B02": (0.0774, 0.0079, 0.0372),
    "B03": (0.1306, 0.0178, 0.0580),
    "B04": (0.1690, 0.0227, 0.0574),
    "B05": (0.2085, 0.0256, 0.0845),
    "B06": (0.2316, 0.0273, 0.1003),
    "B07": (0.2599, 0.0294, 0.1197),
    "B08": (0.3093, 0.0330, 0.1535),
    "B8A": (0.3093, 0.0330, 0.1535),
    "B11": (0.3430, 0.0453, 0.1154),
    "B12": (0.2658, 0.0387, 0.0639),
}


def ross_thick(sun: float, view: float, azimuth: float) -> float:
    """Lucht et al. 2000, equation 38; degrees."""
    i, v, p = radians(sun), radians(view), radians(azimuth)
    cos_xi = cos(i) * cos(v) + sin(i) * sin(v) * cos(p)
    xi = acos(max(-1.0, min(1.0, cos_xi)))
    return ((pi / 2 - xi) * cos_xi + sin(xi)) / (cos(i) + cos(v)) - pi / 4


def li_sparse_reciprocal(sun: float, view: float, azimuth: float, h_b: float = 2.0, b_r: float = 1.0) -> float:
    """Lucht et al. 2000, equations 39 to 44; degrees."""
    p = radians(azimuth)
    i, v = atan(b_r * tan(radians(sun))), atan(b_r * tan(radians(view)))
    cos_xi = cos(i) * cos(v) + sin(i) * sin(v) * cos(p)
    distance = sqrt(max(0.0, tan(i) ** 2 + tan(v) ** 2 - 2 * tan(i) * tan(v) * cos(p)))
    cos_t = h_b * sqrt(distance**2 + (tan(i) * tan(v) * sin(p)) ** 2) / (1 / cos(i) + 1 / cos(v))
    t = acos(max(-1.0, min(1.0, cos_t)))
    overlap = (t - sin(t) * cos(t)) * (1 / cos(i) + 1 / cos(v)) / pi
    return overlap - 1 / cos(i) - 1 / cos(v) + (1 + cos_xi) / cos(i) / cos(v) / 2


def c_factor(label: str, sun: float, view: float, azimuth: float) -> float:
    """Model at nadir over model at the angles, under the same sun; 1 for bands without coefficients or angles."""
    if label not in TABLE or any(map(isnan, (sun, view, azimuth))):
        return 1.0
    iso, geo, vol = TABLE[label]

    def model(at: float) -> float:
        return iso + geo * li_sparse_reciprocal(sun, at, azimuth) + vol * ross_thick(sun, at, azimuth)

    return model(0.0) / model(view)


def normalised(number: int, label: str, sun: float, view: float, azimuth: float) -> int:
    """A stored reflectance at nadir view, rounded half up."""
    return min(65535, floor(number * c_factor(label, sun, view, azimuth) + 0.5))
