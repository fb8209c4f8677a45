"""Which granules an archive holds, and which flaws each of them has.

Belongs here: the list of granules with the identity ESA would give them, and the defects seeded into them. Not here:
making pixels (``studio``) or documents (``archive``).

Baselines before and after 04.00 meet within one season because every third pass has been reprocessed, as ESA did for
Collection 1: nothing can be told from a date.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from weft import periods
from weft.mosaicking.tiles import tile_grid
from weft.rasters.grid import Grid
from weft.simulation.noise import uniform_of
from weft.simulation.passes import Pass, passes
from weft.simulation.presets import Preset
from weft.simulation.swaths import TileSwath

LEAST_SHARE = 0.01
"""Smallest share of a tile for which a track's granules are kept; archives drop slivers too."""

_ORIGINAL, _REPROCESSED = "03.01", "05.00"
_OFFSET_BASELINE = "04.00"
# Which pass of a track gets the flaw; reprocessed ones are every third, counted from the third.
_DUPLICATED, _CUT = 2, 1
_DATATAKE_LEAD, _STRIP_LEAD = timedelta(seconds=229), timedelta(seconds=38)


@dataclass(frozen=True, slots=True)
class Granule:
    """One scene of the archive.

    Attributes:
        id: STAC item id.
        tile: MGRS tile.
        flight: the pass that took it.
        acquired: sensing time of the granule, UTC.
        segment: sensing start of its datastrip, UTC.
        baseline: processing baseline.
        generated: processing time, UTC.
        part: 0 or 1 if the datatake is cut in two over this tile, else None.
        jp2: bands are JPEG 2000, else COG.
        multiband: all bands lie in one file.
        tells_scale: scale and offset stand in the item; else only the baseline implies them.
        tells_quality: has cloud confidence and aerosol layers, as newer archives do.
        zero_stripe: has a line of zeros near the swath's edge.
        superseded: is an older processing of another granule.
        shift: columns and rows, in finest pixels, by which the ground lies off in its pixels.
    """

    id: str
    tile: str
    flight: Pass
    acquired: datetime
    segment: datetime
    baseline: str
    generated: datetime
    part: int | None
    jp2: bool
    multiband: bool
    tells_scale: bool
    zero_stripe: bool
    tells_quality: bool
    superseded: bool = False
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def offset(self) -> int:
        """What its processing adds to stored numbers."""
        return 1000 if self.baseline >= _OFFSET_BASELINE else 0

    @property
    def datatake_start(self) -> datetime:
        """Start of the datatake, UTC."""
        return self.flight.sensed - _DATATAKE_LEAD


@lru_cache(maxsize=64)
def swath_over(track: str, tile: str, pixel: float) -> TileSwath:
    """A track over a tile, measured once."""
    return TileSwath(track, tile_grid(tile, pixel))


def grids(preset: Preset) -> dict[str, Grid]:
    """Finest grid of every tile."""
    return {tile: tile_grid(tile, preset.pixel) for tile in preset.tiles}


def tile_tracks(preset: Preset) -> tuple[tuple[str, str], ...]:
    """Pairs (track, tile) with a swath that really reaches the tile, sorted."""
    return tuple(
        (track, tile)
        for track in sorted(preset.tracks)
        for tile in sorted(preset.tiles)
        if swath_over(track, tile, preset.pixel).share() >= LEAST_SHARE
    )


def flights(preset: Preset) -> dict[str, tuple[Pass, ...]]:
    """The passes of each track that are simulated: spread evenly over the period's real ones."""
    window = periods.window(preset.calendar, preset.period)
    chosen = {}
    for track in preset.tracks:
        real = passes(track, window)
        indices = np.linspace(0, len(real) - 1, min(preset.passes_per_track, len(real))).round().astype(int)
        chosen[track] = tuple(real[index] for index in indices)
    return chosen


def granules(preset: Preset, seed: int) -> tuple[Granule, ...]:
    """All granules of an archive, sorted by tile, then time."""
    flown = flights(preset)
    pairs = tile_tracks(preset)
    plain = [
        _granule(preset, seed, tile, flown[track][number], number)
        for track, tile in pairs
        for number in range(len(flown[track]))
    ]
    # The tile each track sees most of: there the defects show best.
    home = {
        track: max((_share(preset, track, tile), tile) for other, tile in pairs if other == track)[1] for track in flown
    }
    first, last = min(flown), max(flown)
    made = []
    for granule in plain:
        track, number = granule.flight.track, flown[granule.flight.track].index(granule.flight)
        at_home = granule.tile == home[track]
        if at_home and track == first and number == _DUPLICATED:
            made += [granule, _older(granule)]
        elif at_home and track == last and number == _CUT:
            made += _cut(granule)
        else:
            made.append(granule)
    return tuple(sorted(made, key=lambda granule: (granule.tile, granule.id)))


def _share(preset: Preset, track: str, tile: str) -> float:
    return round(swath_over(track, tile, preset.pixel).share(), 6)


def _granule(preset: Preset, seed: int, tile: str, flight: Pass, number: int) -> Granule:
    reprocessed = number % 3 == 2
    multiband = tile == preset.multiband_tile
    satellite = flight.platform.replace("sentinel-", "S").upper()
    return Granule(
        id=f"{satellite}_{tile}_{flight.sensed:%Y%m%d}_0_L2A",
        tile=tile,
        flight=flight,
        acquired=flight.sensed + timedelta(seconds=round(20 * uniform_of(seed, "delay", flight.track, tile))),
        segment=flight.sensed - _STRIP_LEAD,
        baseline=_REPROCESSED if reprocessed else _ORIGINAL,
        generated=flight.sensed + (timedelta(days=560) if reprocessed else timedelta(hours=4)),
        part=None,
        jp2=number % 4 == 1 and not multiband,
        multiband=multiband,
        tells_scale=number % 2 == 0,
        zero_stripe=number == 1,
        tells_quality=reprocessed,
        shift=preset.shifts[number] if number < len(preset.shifts) else (0.0, 0.0),
    )


def _older(granule: Granule) -> Granule:
    return replace(
        granule,
        id=granule.id.replace("_0_L2A", "_1_L2A"),
        baseline=_ORIGINAL,
        generated=granule.flight.sensed + timedelta(hours=4),
        tells_quality=False,
        superseded=True,
    )


def _cut(granule: Granule) -> list[Granule]:
    second = replace(
        granule, id=granule.id.replace("_0_L2A", "_1_L2A"), part=1, segment=granule.segment + timedelta(seconds=24)
    )
    return [replace(granule, part=0), second]
