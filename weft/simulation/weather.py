"""The invented weather of one pass: clouds, their shadows and cirrus.

Belongs here: where clouds are, how opaque they are and where their shadows fall. Not here: how they change what the
sensor sees or how a classifier errs about them (``sensor``, ``classifier``).

A cloud stands over the ground it hides (the small parallax of an inclined view is left out). Its shadow lies
``height * tan(sun zenith)`` from it on the side away from the sun.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pyproj

from weft.rasters.grid import Bounds, transformer
from weft.simulation.landscape import GROUND_CRS
from weft.simulation.noise import fractal_field, fractal_noise, octaves, seed_of, step, uniform_of
from weft.simulation.passes import SunPosition

CLOUD_COVER = (0.2, 0.6)
_CLOUD_HEIGHT = (1_200.0, 3_000.0)
_CIRRUS_COVER = 0.15
_LATTICE = 128
_GEOD = pyproj.Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True)
class Sky:
    """How opaque the sky is over each pixel, float32 (y, x), 0 to 1.

    Attributes:
        cloud: share of the ground's light that cloud replaces.
        shadow: share of the direct light that clouds take away.
        cirrus: share that thin high cloud replaces; at most 0.2.
    """

    cloud: npt.NDArray[np.float32]
    shadow: npt.NDArray[np.float32]
    cirrus: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weather:
    """Weather of one pass, the same for every tile it sees.

    Attributes:
        seed: of the noise.
        finest: shortest wavelength of cloud structure, metres.
        cover: share of the area under cloud.
        threshold: noise above which there is cloud.
        cirrus_threshold: the same for cirrus.
        height: of the clouds above the ground, metres.
        to_cloud_x: from a shadow to its cloud, metres east in EPSG:3035.
        to_cloud_y: the same, metres north.
    """

    seed: np.uint64
    finest: float
    cover: float
    threshold: float
    cirrus_threshold: float
    height: float
    to_cloud_x: float
    to_cloud_y: float

    @classmethod
    def of_pass(cls, seed: int, name: str, *, area: Bounds, sun: SunPosition, pixel: float) -> Weather:
        """Weather of the pass ``name`` whose cloud cover over ``area`` (EPSG:3035) lies between 20 and 60 %."""
        noise = seed_of(seed, "weather", name)
        finest = 5.0 * pixel
        cover = CLOUD_COVER[0] + (CLOUD_COVER[1] - CLOUD_COVER[0]) * uniform_of(seed, "cover", name)
        height = _CLOUD_HEIGHT[0] + (_CLOUD_HEIGHT[1] - _CLOUD_HEIGHT[0]) * uniform_of(seed, "height", name)
        x, y = np.meshgrid(np.linspace(area.left, area.right, _LATTICE), np.linspace(area.bottom, area.top, _LATTICE))
        cloud, cirrus = _cloud_field(x, y, noise, _counts(finest)), _cirrus_field(x, y, noise)
        east, north = _towards_sun(area, sun, height)
        return cls(
            noise,
            finest,
            cover,
            float(np.quantile(cloud, 1.0 - cover)),
            float(np.quantile(cirrus, 1.0 - _CIRRUS_COVER)),
            height,
            east,
            north,
        )

    def sky(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Sky:
        """The sky over positions (y, x) in EPSG:3035 metres."""
        counts = _counts(self.finest)
        cloud = _cloud_field(x, y, self.seed, counts)
        caster = _cloud_field(x + self.to_cloud_x, y + self.to_cloud_y, self.seed, counts)
        return Sky(
            _opacity(cloud, self.threshold - 0.05, 0.45),
            _opacity(caster, self.threshold - 0.05, 0.45),
            np.float32(0.2) * _opacity(_cirrus_field(x, y, self.seed), self.cirrus_threshold, 1.2),
        )


def _counts(finest: float) -> npt.NDArray[np.int64]:
    return np.array([octaves(wavelength, finest) for wavelength in (60_000.0, 7_000.0)])


def _towards_sun(area: Bounds, sun: SunPosition, height: float) -> tuple[float, float]:
    centre_x, centre_y = (area.left + area.right) / 2, (area.bottom + area.top) / 2
    lon, lat = transformer(GROUND_CRS, "EPSG:4326").transform(centre_x, centre_y)
    far_lon, far_lat, _ = _GEOD.fwd(lon, lat, sun.azimuth, height * math.tan(math.radians(sun.zenith)))
    far_x, far_y = transformer("EPSG:4326", GROUND_CRS).transform(far_lon, far_lat)
    return far_x - centre_x, far_y - centre_y


def _opacity(field: npt.NDArray[np.float32], threshold: float, width: float) -> npt.NDArray[np.float32]:
    share = np.clip((field - np.float32(threshold)) / np.float32(width), np.float32(0), np.float32(1))
    opacity: npt.NDArray[np.float32] = share * share * (3 - 2 * share)
    return opacity


@numba.njit(nogil=True, cache=True)
def _cloud_field(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], seed: np.uint64, counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    field = np.empty(x.shape, np.float32)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            system = fractal_noise(x[i, j], y[i, j], seed, 60_000.0, counts[0], 0.6)
            cumulus = fractal_noise(x[i, j], y[i, j], seed + np.uint64(50), 7_000.0, counts[1], 0.6)
            # Cumulus stands alone or frays the edges of larger systems.
            field[i, j] = system + 0.8 * step(-0.5, 2.0, cumulus)
    return field


def _cirrus_field(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], seed: np.uint64) -> npt.NDArray[np.float32]:
    # Drawn out along the wind.
    along, across = 0.8 * x + 0.6 * y, -0.6 * x + 0.8 * y
    return fractal_field(along / 4.0, across, seed + np.uint64(90), 25_000.0, 3, 0.5)
