"""One track over one tile: which pixels it sees, how far they lie from the centre line, where it stops.

Belongs here: swath edges, their rims and stripes, and the cut between two granules of one datatake. Not here: where a
track lies (``weft.mosaicking.tracks``) or what is written at its edges (``sensor``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from weft.mosaicking.tracks import HALF_SWATH_KM, CentreDistance, centre_line, swath
from weft.rasters.grid import Grid, Window, transformer
from weft.simulation.sensor import INSIDE, OUTSIDE, RIM

_RIM_PIXELS = 1.5
_STRIPE_PIXELS = (6.0, 7.2)
_CUT_OVERLAP_PIXELS = 8.0


class Sight(NamedTuple):
    """How a block is seen; arrays (y, x).

    Attributes:
        position: signed distance from the centre line as a share of the half swath, float32, positive eastwards.
        edge: OUTSIDE, RIM or INSIDE of ``sensor``, uint8.
        stripe: a line of pixels along the swath's edge, a few pixels inside it.
    """

    position: npt.NDArray[np.float32]
    edge: npt.NDArray[np.uint8]
    stripe: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Cut:
    """The line on which a datatake is cut in two, across the track through a tile's centre; units of the grid's CRS."""

    x: float
    y: float
    along_x: float
    along_y: float


class TileSwath:
    """A track over a tile's grid of finest pixels."""

    def __init__(self, track: str, grid: Grid) -> None:
        """Measure distances at the nodes of the grid."""
        self.grid = grid
        self.track = track
        self._distance = CentreDistance(track, grid)
        longitude, latitude = shapely.get_coordinates(centre_line(track)).T
        near = np.abs(latitude - grid.footprint().centroid.y) < 5.0
        x, y = transformer("EPSG:4326", grid.crs).transform(longitude[near], latitude[near])
        # The line runs from north to south, np.interp wants rising values.
        self._line_x, self._line_y = np.asarray(x)[::-1], np.asarray(y)[::-1]
        edges = grid.bounds
        middle_x, middle_y = (edges.left + edges.right) / 2, (edges.bottom + edges.top) / 2
        upper, lower = np.interp([edges.top, edges.bottom], self._line_y, self._line_x)
        length = float(np.hypot(upper - lower, edges.top - edges.bottom))
        self._cut = _Cut(middle_x, middle_y, (lower - upper) / length, (edges.bottom - edges.top) / length)

    def sight(self, window: Window, part: int | None) -> Sight:
        """How one block is seen; ``part`` 0 or 1 is the northern or southern granule of a cut datatake."""
        distance = self._distance.read(window) / np.float32(HALF_SWATH_KM)
        x = self.grid.left + (np.arange(window.width) + window.col + 0.5) * self.grid.x_size
        y = self.grid.top - (np.arange(window.height) + window.row + 0.5) * self.grid.y_size
        east = np.where(x[None, :] >= np.interp(y, self._line_y, self._line_x)[:, None], np.float32(1), np.float32(-1))
        inwards = (1.0 - distance) * np.float32(HALF_SWATH_KM * 1000 / self.grid.x_size)  # pixels to the swath's edge
        edge = np.where(inwards >= _RIM_PIXELS, INSIDE, np.where(inwards >= 0, RIM, OUTSIDE)).astype(np.uint8)
        stripe = (inwards >= _STRIPE_PIXELS[0]) & (inwards < _STRIPE_PIXELS[1])
        if part is not None:
            beyond = (x[None, :] - self._cut.x) * self._cut.along_x + (y[:, None] - self._cut.y) * self._cut.along_y
            reach = _CUT_OVERLAP_PIXELS * self.grid.x_size
            edge[beyond > reach if part == 0 else beyond < -reach] = OUTSIDE
        return Sight((distance * east).astype(np.float32), edge, stripe)

    def footprint(self, part: int | None) -> BaseGeometry:
        """Outline of what is seen, EPSG:4326; empty if the swath misses the tile."""
        seen = self.grid.footprint().intersection(swath(self.track))
        return seen if part is None else seen.intersection(self._half(part))

    def share(self) -> float:
        """Share of the tile that the track sees."""
        return float(self.footprint(None).area / self.grid.footprint().area)

    def _half(self, part: int) -> Polygon:
        cut, far = self._cut, 4 * self.grid.width * self.grid.x_size
        sign = 1 if part == 0 else -1
        start = _CUT_OVERLAP_PIXELS * self.grid.x_size * sign
        corners = [
            (
                cut.x + along * cut.along_x - across * cut.along_y,
                cut.y + along * cut.along_y + across * cut.along_x,
            )
            for along, across in ((start, -far), (start, far), (start - sign * far, far), (start - sign * far, -far))
        ]
        half = Polygon(corners).segmentize(far / 64)
        to_degrees = transformer(self.grid.crs, "EPSG:4326")
        return shapely.transform(half, lambda xy: np.column_stack(to_degrees.transform(*xy.T)))
