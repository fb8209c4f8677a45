"""Fields on which the tracks differ by a known number and nothing else: what a blending method leaves at swath edges.

Belongs here: such fields on the real geometry of Sentinel-2's tracks, and the largest step in them. Not here: the
landscape (``landscape``), or measuring mosaics of unknown truth (``weft.mosaicking.seams``).

The published pan-European method leaves 35, 24, 6 and 10 % of the difference at 35, 45, 55 and 65 degrees north.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from weft.mosaicking.blending import Method, blend, weights
from weft.mosaicking.tracks import HALF_SWATH_KM, TRACKS, centre_line, covers, distance_to_centre
from weft.rasters.grid import Grid, transformer

LATITUDES = (35, 45, 55, 65)
"""Degrees north, from Crete to Lapland."""
OFFSET = 10_000
"""What every other track says more, in stored numbers: 1 % of it is a hundred of them."""

_LOW, _COUNT = 1_000, 6
_LONGITUDE = 10.0  # the middle of EPSG:3035


@dataclass(frozen=True, slots=True)
class OffsetField:
    """Tracks that each say one number all over their swath.

    Attributes:
        tracks: relative orbits.
        distance_km: (track, y, x) float32, distance to each centre line.
        count: (track, y, x) uint16, valid observations, the same number wherever a track sees.
    """

    tracks: tuple[int, ...]
    distance_km: npt.NDArray[np.float32]
    count: npt.NDArray[np.uint16]

    @classmethod
    def over(cls, grid: Grid, tracks: tuple[int, ...]) -> OffsetField:
        """The field of some tracks on a grid."""
        distance = np.stack([distance_to_centre(track, grid) for track in tracks])
        return cls(tracks, distance, np.where(distance < HALF_SWATH_KM, _COUNT, 0).astype(np.uint16))

    def values(self, levels: tuple[float, ...]) -> npt.NDArray[np.uint16]:
        """What the tracks say, (track, y, x): the given shares of the offset above a common number."""
        said = np.array([_LOW + OFFSET * level for level in levels], np.uint16)
        return np.where(self.count > 0, said[:, None, None], 0).astype(np.uint16)

    def blended(self, method: Method, levels: tuple[float, ...]) -> npt.NDArray[np.uint16]:
        """The mosaic of these values, (y, x)."""
        pairs = zip(self.distance_km, self.count, strict=True)
        return blend(self.values(levels), np.stack([weights(method, *pair) for pair in pairs]))

    def largest_step(self, blended: npt.NDArray[np.uint16]) -> float:
        """Largest difference of two neighbours, where a track ends and another does not, as a share of the offset."""
        data, found = self.count > 0, 0.0
        for axis in (1, 2):
            one, other = (np.take(data, np.arange(data.shape[axis] - 1) + after, axis) for after in (0, 1))
            edge = (one != other).any(axis=0) & (one & other).any(axis=0)
            step = np.abs(np.diff(blended.astype(np.int64), axis=axis - 1))
            found = max(found, step[edge].max(initial=0) / OFFSET)
        return float(found)


def alternating(tracks: int) -> tuple[float, ...]:
    """The levels at which every other of some tracks is higher by the whole offset."""
    return tuple(float(k % 2) for k in range(tracks))


def eastwards(latitude: float) -> tuple[int, ...]:
    """All tracks in the order in which they cross a parallel, eastwards from the antipode of 10 degrees east."""
    return tuple(sorted(range(1, TRACKS + 1), key=lambda track: _from_middle(track, latitude)))


def strip(latitude: float, *, start_km: float, width_km: float, height_km: float, pixel_m: float) -> Grid:
    """A strip of pixels in EPSG:3035 that runs east, from a distance to the centre line nearest to 10 degrees east."""
    longitude = _LONGITUDE + min((_from_middle(track, latitude) for track in range(1, TRACKS + 1)), key=abs)
    x, y = transformer("EPSG:4326", "EPSG:3035").transform(longitude, latitude)
    width, height = round(width_km * 1000 / pixel_m), round(height_km * 1000 / pixel_m)
    return Grid("EPSG:3035", round(x + 1000 * start_km), round(y), pixel_m, pixel_m, width, height)


def seeing(grid: Grid, latitude: float) -> tuple[int, ...]:
    """The tracks that see a grid at that latitude, eastwards."""
    return tuple(track for track in eastwards(latitude) if covers(track, grid))


def _from_middle(track: int, latitude: float) -> float:
    longitudes, latitudes = shapely.get_coordinates(centre_line(track)).T
    longitude = float(np.interp(latitude, latitudes[::-1], longitudes[::-1]))
    return (longitude - _LONGITUDE + 180.0) % 360.0 - 180.0
