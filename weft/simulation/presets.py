"""The archives that can be simulated: how large, how fine, over which tiles and tracks.

Belongs here: numbers. Not here: anything that uses them.

Tiles and tracks are real: relative orbits 8 and 51 meet over 31UES and 31UFS, where each swath ends; the border of UTM
zones 31 and 32 runs through 31UGS and 32ULB. The ground is invented.
"""

from __future__ import annotations

from dataclasses import dataclass

from weft.errors import RequestError
from weft.periods import Calendar

COARSE_RATIO = 2
"""Pixels of the short-wave bands and of the classification, in pixels of the finest bands."""
ANGLE_PIXEL = 1_800.0
"""Pixel of the view angle layer, metres; a whole number of pixels of every preset."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What is simulated.

    Attributes:
        name: how it is asked for.
        pixel: of the finest bands, metres; divides 109.8 km and 1.8 km evenly, the former into an even number.
        tiles: MGRS tiles.
        tracks: relative orbits.
        calendar: calendar of ``period``.
        period: period within which all passes lie.
        passes_per_track: how many of the real passes in the period are made.
        multiband_tile: tile whose scenes come as one file with all bands, None for none.
        mosaic_resolution: metres, for the region file.
        sheet_km: for the region file.
        shifts: geolocation errors: columns and rows, in finest pixels, by which the ground lies off in each pass of a
            track in time order; passes beyond the last one lie where they should.
    """

    name: str
    pixel: float
    tiles: tuple[str, ...]
    tracks: tuple[str, ...]
    calendar: Calendar
    period: str
    passes_per_track: int
    multiband_tile: str | None
    mosaic_resolution: float
    sheet_km: float
    shifts: tuple[tuple[float, float], ...] = ()


_TILES = ("31UES", "31UFS", "31UGS", "32ULB")
_TRACKS = ("R008", "R051")
_SHIFTS = ((0.7, -1.3), (-1.6, 0.4), (0.0, 0.0), (0.0, 0.0), (1.2, 1.9), (-0.4, -0.8))

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("demo", 180, _TILES, _TRACKS, "glad-seasons", "2021-06", 10, "32ULB", 300, 120),
        Preset("bench", 10, ("31UFS",), ("R051",), "glad-seasons", "2021-06", 12, None, 30, 60),
        Preset("tiny", 900, _TILES, _TRACKS, "glad-seasons", "2021-06", 3, "32ULB", 1_500, 180),
        Preset("shifted", 300, ("31UFS",), ("R051",), "glad-seasons", "2021-06", 6, None, 600, 120, _SHIFTS),
    )
}


def preset_of(name: str) -> Preset:
    """Preset by name; raises :class:`RequestError` if there is none."""
    if name not in PRESETS:
        raise RequestError(f"preset {name!r} is unknown; use one of {', '.join(PRESETS)}")
    return PRESETS[name]
