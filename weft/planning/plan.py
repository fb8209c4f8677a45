"""Which tile_tracks and sheets an area needs.

Belongs here: the plan. Not here: reading the area (``area``), cutting a plan into regions (``splitting``) or writing
region files (``files``).

A tile_track belongs to the plan if the track's nominal swath sees some of what the area has of the tile. Two kinds add
nothing and are left out where they amount to less than :data:`LEAST_SHARE`:

* a tile of which the area has less than that, all of it also in other tiles of the plan;
* a track that sees less than that of what the area has of a tile, all of it also seen by other tracks.

So leaving out never opens a gap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import shapely
from shapely import STRtree
from shapely.affinity import translate
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from weft.errors import RequestError
from weft.mosaicking.sheets import sheets_over, tile_track_sheets
from weft.mosaicking.tiles import tile_grid, tiles_over
from weft.mosaicking.tracks import TRACKS, continuous_footprint, overlap, swath
from weft.progress import Progress
from weft.regions import Mosaic, tile_of, track_of

LEAST_SHARE = 0.01
"""Share of a tile, or of what the area has of it, below which a tile_track is left out if others have all of it."""

# What rounding leaves of a polygon that lies exactly on another one: square degrees, about 100 square metres.
_NOTHING = 1e-8


@dataclass(frozen=True, slots=True)
class Plan:
    """What an area needs.

    Attributes:
        tile_tracks: key -> share of the tile that lies inside the area and the swath, sorted by key.
        sheets: names of the sheets that the area touches, sorted.
        needs: tile_track -> those of ``sheets`` that it touches.
    """

    tile_tracks: Mapping[str, float]
    sheets: tuple[str, ...]
    needs: Mapping[str, frozenset[str]] = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """Number of tile_tracks, tiles, tracks and sheets."""
        return {
            "tile_tracks": len(self.tile_tracks),
            "tiles": len({tile_of(key) for key in self.tile_tracks}),
            "tracks": len({track_of(key) for key in self.tile_tracks}),
            "sheets": len(self.sheets),
        }

    def only(self, sheets: Collection[str]) -> Plan:
        """The part of the plan that some of its sheets need."""
        wanted = frozenset(sheets)
        needs = {key: touched & wanted for key, touched in self.needs.items() if touched & wanted}
        return Plan({key: self.tile_tracks[key] for key in needs}, tuple(sorted(wanted)), needs)


def plan(area: MultiPolygon, settings: Mosaic, *, progress: Progress = lambda done, total: None) -> Plan:
    """Plan an area.

    Args:
        area: see :func:`weft.planning.read_area`.
        settings: grid of the mosaic.
        progress: called with (tiles done, all tiles).

    Returns:
        The plan. Sheets are made as a whole: beyond the area as far as the plan's tiles reach.

    Raises:
        RequestError: Sentinel-2 sees nothing of the area, or it lies outside the domain of the mosaic's CRS.
    """
    shapely.prepare(area)
    outlines = {name: continuous_footprint(tile_grid(name)) for name in tiles_over(area)}
    wanted = {name: overlap(area, outline) for name, outline in outlines.items()}
    small = {name for name in wanted if wanted[name].area < LEAST_SHARE * min(outlines[name].area, area.area)}
    wanted = _without_covered(wanted, small)
    swaths = _Swaths()
    parts: dict[str, BaseGeometry] = {}
    for done, (name, part) in enumerate(wanted.items(), start=1):
        seen = {f"{track}_{name}": share for track, share in swaths.over(part).items()}
        parts |= _without_covered(seen, {key for key in seen if seen[key].area < LEAST_SHARE * part.area})
        progress(done, len(wanted))
    if not parts:
        raise RequestError("Sentinel-2 sees nothing of the area, it lies beyond 82.8 degrees; choose another one")
    sheets = {found.name for found in sheets_over(parts.values(), settings)}
    keys = sorted(parts)
    touched = tile_track_sheets(keys, settings)
    return Plan(
        {key: parts[key].area / outlines[tile_of(key)].area for key in keys},
        tuple(sorted(sheets)),
        {key: touched[key] & sheets for key in keys},
    )


class _Swaths:
    """The swaths of all tracks, in every turn in which they may lie over an area between 180 degrees west and east."""

    def __init__(self) -> None:
        turned = [(f"R{n:03d}", translate(swath(n), turn)) for n in range(1, TRACKS + 1) for turn in (-360, 0, 360)]
        self._tracks, self._swaths = zip(*turned, strict=True)
        self._tree = STRtree(self._swaths)

    def over(self, part: BaseGeometry) -> dict[str, BaseGeometry]:
        """Track -> what it sees of the part, sorted by track; a track may see it on two passes of one cycle."""
        seen: dict[str, BaseGeometry] = {}
        for index in sorted(self._tree.query(part, predicate="intersects")):
            share = shapely.intersection(part, self._swaths[index])
            if share.area > _NOTHING:
                track = self._tracks[index]
                seen[track] = shapely.union(seen[track], share) if track in seen else share
        return seen


def _without_covered(parts: Mapping[str, BaseGeometry], small: Collection[str]) -> dict[str, BaseGeometry]:
    """Parts without those ``small`` ones that the others cover, tried from the smallest on."""
    kept = dict(parts)
    names = list(parts)
    tree = STRtree(list(parts.values()))
    for name in sorted(small, key=lambda name: (parts[name].area, name)):
        near = (names[index] for index in tree.query(parts[name]))
        others = [kept[other] for other in near if other != name and other in kept]
        if shapely.difference(parts[name], shapely.union_all(others)).area <= _NOTHING:
            del kept[name]
    return kept
