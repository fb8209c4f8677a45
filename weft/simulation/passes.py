"""When the satellites pass and how sun and view stand then.

Belongs here: the real repeat cycle of Sentinel-2A and 2B, solar position, view zenith. Not here: where a track lies
(``weft.mosaicking.tracks``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from weft.periods import TimeWindow

_ORBITS_PER_CYCLE = 143
_CYCLE = timedelta(days=10)
# Sentinel-2A over Belgium on relative orbit 51; Sentinel-2B follows five days later. Absolute orbit 49383 of 2A and
# 41547 of 2B belong to the passes of 5 December 2024 and 18 February 2025 on the same track.
_EPOCH, _EPOCH_TRACK = datetime(2017, 8, 4, 10, 54, 20, tzinfo=UTC), 51
_PLATFORMS = (
    ("sentinel-2a", timedelta(0), 49_383, datetime(2024, 12, 5, tzinfo=UTC)),
    ("sentinel-2b", timedelta(days=5), 41_547, datetime(2025, 2, 18, tzinfo=UTC)),
)
_EARTH_RADIUS, _ORBIT_HEIGHT = 6_371_000.0, 786_000.0


@dataclass(frozen=True, slots=True)
class Pass:
    """One overflight on one track.

    Attributes:
        platform: ``sentinel-2a`` or ``sentinel-2b``.
        track: ``R051``.
        absolute_orbit: counted from launch.
        sensed: start of the datatake, UTC, whole seconds.
    """

    platform: str
    track: str
    absolute_orbit: int
    sensed: datetime

    @property
    def name(self) -> str:
        """``R051_20210704``: unique, as a track is passed at most once a day."""
        return f"{self.track}_{self.sensed:%Y%m%d}"

    @property
    def day_of_year(self) -> int:
        """1 on 1 January."""
        return self.sensed.timetuple().tm_yday


@dataclass(frozen=True, slots=True)
class SunPosition:
    """Where the sun stands, degrees; azimuth clockwise from north."""

    zenith: float
    azimuth: float


def passes(track: str, window: TimeWindow) -> tuple[Pass, ...]:
    """All passes of both satellites on a track in a window, in time order."""
    number = int(track[1:])
    first = _EPOCH + _CYCLE * ((number - _EPOCH_TRACK) % _ORBITS_PER_CYCLE) / _ORBITS_PER_CYCLE
    found = []
    for platform, lag, orbit, reference in _PLATFORMS:
        cycle = math.ceil((window.start - first - lag) / _CYCLE)
        while (sensed := first + lag + cycle * _CYCLE) < window.end:
            orbits = round((sensed - reference) / (_CYCLE / _ORBITS_PER_CYCLE))
            relative = (number - _EPOCH_TRACK) % _ORBITS_PER_CYCLE
            # The count must agree with the track, whatever the time of day of the reference pass.
            orbits += (relative - orbits + _ORBITS_PER_CYCLE // 2) % _ORBITS_PER_CYCLE - _ORBITS_PER_CYCLE // 2
            found.append(Pass(platform, track, orbit + orbits, sensed.replace(microsecond=0)))
            cycle += 1
    return tuple(sorted(found, key=lambda item: item.sensed))


def sun_position(moment: datetime, *, longitude: float, latitude: float) -> SunPosition:
    """Solar zenith and azimuth, good to about half a degree.

    Declination and equation of time after Spencer (1971), "Fourier series representation of the position of the sun".
    """
    gamma = 2 * math.pi * (moment.timetuple().tm_yday - 1 + (moment.hour - 12) / 24) / 365
    declination = (
        0.006918
        - 0.399912 * math.cos(gamma)
        + 0.070257 * math.sin(gamma)
        - 0.006758 * math.cos(2 * gamma)
        + 0.000907 * math.sin(2 * gamma)
    )
    equation_of_time = 229.18 * (
        0.000075
        + 0.001868 * math.cos(gamma)
        - 0.032077 * math.sin(gamma)
        - 0.014615 * math.cos(2 * gamma)
        - 0.040849 * math.sin(2 * gamma)
    )
    minutes = moment.hour * 60 + moment.minute + moment.second / 60 + equation_of_time + 4 * longitude
    hour_angle, parallel = math.radians(minutes / 4 - 180), math.radians(latitude)
    height = math.sin(parallel) * math.sin(declination) + math.cos(parallel) * math.cos(declination) * math.cos(
        hour_angle
    )
    south_west = math.atan2(
        math.sin(hour_angle), math.cos(hour_angle) * math.sin(parallel) - math.tan(declination) * math.cos(parallel)
    )
    return SunPosition(math.degrees(math.acos(height)), (math.degrees(south_west) + 180) % 360)


def view_zenith(distance: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """View zenith angle on the ground in degrees at a distance from the track's centre line in metres, on a sphere."""
    arc = np.abs(distance.astype(np.float64)) / _EARTH_RADIUS
    nadir = np.arctan2(np.sin(arc), (_EARTH_RADIUS + _ORBIT_HEIGHT) / _EARTH_RADIUS - np.cos(arc))
    return np.degrees(arc + nadir).astype(np.float32)
