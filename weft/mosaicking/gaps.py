"""Gaps: how often the pixels of a sheet were observed, and how much of it could have been.

Belongs here: counting pixels by their number of observations while blocks stream by, and what was to be expected from
geometry. Not here: drawing the pictures (``weft.rasters.quicklook``) or judging the numbers (``assets.checks``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from shapely.affinity import translate
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from weft.mosaicking.tiles import tile_grid
from weft.mosaicking.tracks import continuous_footprint, overlap, swath, track
from weft.rasters.grid import Grid, Window, transformer
from weft.regions import tile_of, track_of

CLASSES = ("0", "1", "2", "3+")
"""Numbers of observations that are told apart."""

PICTURE_SIZE = 128
"""Most pixels of a side of the sample: its picture is also kept in Dagster's event log, as the thumbnail is."""

# Straight edges of tiles and swaths are curved on the sheet; this keeps them to a few metres.
_DENSIFY_DEG = 0.05


@dataclass(frozen=True, slots=True)
class Gaps:
    """How often the pixels of a sheet were observed.

    Attributes:
        pixels: how many have 0, 1, 2, and 3 or more observations, in the order of :data:`CLASSES`.
        sample: (y, x) uint8, the same for a picture: 0 to 3 at evenly spaced pixels, at most :data:`PICTURE_SIZE` to a
            side. Each is what one pixel had, not a mean, so that colours take the shares that the numbers say.
    """

    pixels: tuple[int, int, int, int]
    sample: npt.NDArray[np.uint8] = field(repr=False, compare=False)

    @property
    def observed(self) -> int:
        """Pixels with at least one observation."""
        return sum(self.pixels[1:])

    def percent(self) -> dict[str, float]:
        """Share of each of the :data:`CLASSES` in percent of all pixels, for the property ``weft:gaps``."""
        return {name: 100.0 * pixels / sum(self.pixels) for name, pixels in zip(CLASSES, self.pixels, strict=True)}


class GapMeter:
    """Counts pixels block by block; the order of the blocks does not matter."""

    def __init__(self, grid: Grid) -> None:
        """Begin with none of the grid's pixels."""
        self._at_least = [0, 0, 0, 0]
        self._rows, self._cols = evenly_spaced(grid.shape, PICTURE_SIZE)
        self._sample = np.zeros((len(self._rows), len(self._cols)), np.uint8)

    def add(self, window: Window, count: npt.NDArray[np.uint16]) -> None:
        """Count in one block: (y, x) uint16, observations of all tracks together."""
        for least in range(4):
            self._at_least[least] += count.size if least == 0 else int(np.count_nonzero(count >= least))
        down, across = (
            slice(*np.searchsorted(places, (part.start, part.stop)))
            for places, part in zip((self._rows, self._cols), window.slices, strict=True)
        )
        chosen = np.ix_(self._rows[down] - window.row, self._cols[across] - window.col)
        self._sample[down, across] = np.minimum(count[chosen], 3)

    def gaps(self) -> Gaps:
        """What was counted so far."""
        none, one, two, more = self._at_least
        return Gaps((none - one, one - two, two - more, more), self._sample)


def evenly_spaced(shape: tuple[int, int], most: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of the pixels that stand for an image in a picture of at most ``most`` pixels a side."""
    factor = max(1.0, max(shape) / most)
    rows, cols = (max(1, round(side / factor)) for side in shape)
    return _middles(shape[0], rows), _middles(shape[1], cols)


def _middles(side: int, parts: int) -> npt.NDArray[np.intp]:
    middles: npt.NDArray[np.intp] = ((np.arange(parts) + 0.5) * (side / parts)).astype(np.intp)
    return middles


@dataclass(frozen=True, slots=True)
class Expected:
    """What of a grid its tracks can see: the part that lies in a tile and in the swath of the track beside it.

    The swath is taken as far as data can be relied on, 140 km to either side of the centre line. Sea and land that no
    tile of the region covers are not expected, so a sheet at the coast or at the edge of the region is judged by the
    rest. Clouds, and passes that were never flown, are no excuse: what they leave empty are the gaps.

    Attributes:
        grid: of a sheet or of all sheets together, in any CRS.
        area: the part of it, in its CRS.
    """

    grid: Grid
    area: BaseGeometry = field(repr=False)

    @classmethod
    def of(cls, grid: Grid, tile_tracks: Iterable[str]) -> Expected:
        """What ``tile_tracks``, keys like ``R051_31UDS``, can see; they are at least those that touch the grid.

        Raises:
            RequestError: a malformed or unknown tile or track.
        """
        edges = grid.bounds
        whole = box(edges.left, edges.bottom, edges.right, edges.top)
        return cls(grid, shapely.union_all([_on(grid.crs, _seen(key)).intersection(whole) for key in tile_tracks]))

    @property
    def percent(self) -> float:
        """Percent of the grid's area, to a hundredth."""
        edges = self.grid.bounds
        whole = (edges.right - edges.left) * (edges.top - edges.bottom)
        return round(100.0 * float(self.area.area) / whole, 2)

    def only(self, observations: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Numbers of observations without those that mean nothing: NaN where none was made and none could be.

        Args:
            observations: (y, x), at :func:`evenly_spaced` pixels of the grid.
        """
        edges = self.grid.bounds
        down, across = ((np.arange(side) + 0.5) / side for side in observations.shape)
        x = edges.left + across * (edges.right - edges.left)
        y = edges.top - down * (edges.top - edges.bottom)
        seen = shapely.contains_xy(self.area, *np.meshgrid(x, y))
        return np.where(seen | (observations != 0), observations, np.nan).astype(np.float32)


@lru_cache(maxsize=4096)
def _seen(tile_track: str) -> BaseGeometry:
    line = track(track_of(tile_track))
    return overlap(continuous_footprint(tile_grid(tile_of(tile_track))), swath(line, line.taper_end_km))


def _on(crs: str, seen: BaseGeometry) -> BaseGeometry:
    if pyproj.CRS.from_user_input(crs).is_geographic:
        return shapely.union_all([translate(seen, turn) for turn in (-360.0, 0.0, 360.0)])
    project = transformer("EPSG:4326", crs)
    there = shapely.transform(seen.segmentize(_DENSIFY_DEG), lambda xy: np.column_stack(project.transform(*xy.T)))
    # A tile outside the domain of the CRS does not lie on any of its sheets.
    return there if np.isfinite(shapely.get_coordinates(there)).all() else Polygon()
