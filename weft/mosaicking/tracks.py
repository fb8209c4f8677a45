"""Tracks: centre lines, swaths, and distances to a centre line.

Belongs here: what a track is, the closed formula of Sentinel-2's 143 relative orbits, and everything measured from a
centre line. Not here: the lines of other missions (``footprints``), how a distance becomes a weight (``blending``) or
which sheets a track touches (``sheets``).

Sentinel-2 repeats 143 revolutions every 10 days, so its ground tracks are fixed. With the argument of latitude ``u``
counted from the ascending node, inclination ``i`` and mean motion ``143 / 10`` revolutions per solar day:

* geocentric latitude ``asin(sin i sin u)``, turned into the geodetic latitude of the satellite (the nadir point is the
  foot of the ellipsoid's normal, not of the radius: up to 19 km at 45 degrees);
* longitude ``node + atan2(cos i sin u, cos u) - step t(u)`` with a westward step of ``3600 / 143`` degrees per turn
  and the share of a turn flown since the node ``t(u) = (u - 2 e (1 - cos u)) / 2 pi``: the orbit is frozen with
  its perigee at the northernmost point, so the northern half is flown faster (2 km at the equator).

Relative orbit 1 crosses its ascending node at 1.000 degrees east (ESA orbit scenario files). The day side is
``u = 90..270`` degrees: descending, from 81 degrees north to 81 degrees south. Against the planned footprints of all
tracks the lines lie within 0.8 km of the middle of the swath between 30 degrees south and north, 1.6 km at 45 and
2.9 km at 55 degrees north.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from numba import njit
from scipy.spatial import cKDTree
from shapely.affinity import translate
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from weft.errors import RequestError
from weft.rasters.grid import Grid, Window, transformer
from weft.rasters.warping import pixel_metres

TRACKS = 143
"""Number of relative orbits, 1 to 143."""

HALF_SWATH_KM = 145.0
"""Half the width of Sentinel-2's 290 km swath."""

EDGE_MARGIN_KM = 5.0
"""How far inside the half width ``seamless`` weights reach zero.

Real data end before the nominal swath does: Sentinel-2's up to 2 km (planned footprints of all tracks, below 60
degrees), and a composite's edge is ragged. Landsat holds its ground track within 5 km of the WRS-2 path. A wider margin
would cost more than it saves: at the equator neighbouring centre lines are 2 x 137 km (Sentinel-2, half width 145) and
2 x 84 km (Landsat, 92) apart, and where the weights of both tracks are zero nothing is left to blend smoothly.
"""

_NODE_LONGITUDE = 1.0
_STEP = 3600.0 / TRACKS
_INCLINATION = np.radians(98.57)
_RADIUS_M = 7_167_000.0
# First-order frozen eccentricity, -J3/(2 J2) R/a sin i (Brouwer 1959), with the EGM96 zonals of the Earth.
_ECCENTRICITY = 2.5327e-6 / (2 * 1.082627e-3) * 6_378_137.0 / _RADIUS_M * np.sin(_INCLINATION)

_VERTICES = 1801  # every 0.1 degrees of u, 11 km: the chord departs from the curve by less than 3 m
_SWATH_EVERY = 5
_NODE_M = 4000.0
# Neighbouring nodes straddle the centre line only if all four corners of their cell are nearer than this.
_NEAR_KM = 10.0
_GEOD = pyproj.Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True)
class Track:
    """The centre of a swath and how far the swath reaches to either side.

    Attributes:
        key: name in partitions and item ids, e.g. ``R051``.
        line: centre line in EPSG:4326 (longitude, latitude; degrees) from north to south, a vertex at least every 12 km
            so that chords are as good as the curve. Longitudes are continuous and may leave [-180, 180).
        half_width_km: distance from the line to the edge of the data.
    """

    key: str
    line: LineString
    half_width_km: float

    @property
    def taper_end_km(self) -> float:
        """Distance from the line at which ``seamless`` weights reach zero, see :data:`EDGE_MARGIN_KM`."""
        return self.half_width_km - EDGE_MARGIN_KM


def track(key: int | str) -> Track:
    """One of Sentinel-2's relative orbits.

    Args:
        key: ``51`` or ``"R051"``.

    Returns:
        The day side of the orbit, 81 degrees north to 81 degrees south, a vertex every 11 km. The equator is crossed at
        a longitude in [-180, 180).

    Raises:
        RequestError: no such track.
    """
    return _sentinel2(track_number(key))


def track_number(track: int | str) -> int:
    """Relative orbit 1..143 of ``51`` or ``"R051"``.

    Raises:
        RequestError: neither form, or out of range.
    """
    number = int(track[1:]) if isinstance(track, str) and re.fullmatch(r"R\d{3}", track) else track
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= TRACKS:
        raise RequestError(f"track {track!r} is no Sentinel-2 relative orbit; use 1 to {TRACKS} or R001 to R{TRACKS}")
    return number


def centre_line(track: Track | int | str) -> LineString:
    """Centre line of a track, see :class:`Track`.

    Args:
        track: a track, or ``51`` or ``"R051"`` for Sentinel-2's.

    Raises:
        RequestError: no such track.
    """
    return _resolved(track).line


def swath(track: Track | int | str, half_width_km: float | None = None) -> Polygon:
    """Area within ``half_width_km`` to either side of the centre line; by default that of the track.

    Returns:
        Polygon in EPSG:4326 with the continuous longitudes of :func:`centre_line`; its sides follow the true border
        to 0.2 km up to 75 degrees of latitude.

    Raises:
        RequestError: no such track.
    """
    found = _resolved(track)
    return _swath(found, found.half_width_km if half_width_km is None else half_width_km)


def covers(track: Track | int | str, grid: Grid) -> bool:
    """Whether any part of the grid lies inside the track's swath.

    Raises:
        RequestError: no such track, or see :func:`continuous_footprint`.
    """
    return not overlap(continuous_footprint(grid), swath(track)).is_empty


def overlap(outline: BaseGeometry, area: BaseGeometry) -> BaseGeometry:
    """Intersection of two areas in EPSG:4326 whose longitudes are continuous, in the turn of the first."""
    turns = (-360.0, 0.0, 360.0)
    return shapely.union_all([shapely.intersection(outline, translate(area, turn)) for turn in turns])


def continuous_footprint(grid: Grid) -> Polygon:
    """Outline of a grid in EPSG:4326 whose longitudes do not jump where it crosses the antimeridian.

    Raises:
        RequestError: the grid reaches outside the domain of its CRS, or over a pole, where longitudes mean nothing.
    """
    ring = np.asarray(grid.footprint().exterior.coords)
    if not np.isfinite(ring).all():
        raise _outside(grid)
    if np.abs(ring[:, 1]).max() >= 90.0 or any(_contains(grid, latitude) for latitude in (-90.0, 90.0)):
        raise RequestError(f"grid {grid!r} reaches a pole, which no track sees; end the area at 84 degrees of latitude")
    return Polygon(np.column_stack([np.unwrap(ring[:, 0], period=360.0), ring[:, 1]]))


def distance_to_centre(track: Track | int | str, grid: Grid) -> npt.NDArray[np.float32]:
    """Geodesic distance of every pixel centre to the track's centre line.

    Args:
        track: a track, or ``51`` or ``"R051"`` for Sentinel-2's.
        grid: any grid; see :class:`CentreDistance` for reading it by blocks.

    Returns:
        (y, x) float32, kilometres. Exact on nodes about 4 km apart, bilinear between; the error is below 50 m. Beyond
        the ends of the line it is the distance to the end; within 10 km of an end it may come out smaller.

    Raises:
        RequestError: no such track, or see :func:`continuous_footprint`.
    """
    return CentreDistance(track, grid).read(Window(0, 0, *grid.shape))


class CentreDistance:
    """Distances to a centre line on one grid, block by block.

    Nodes are anchored to the grid, so a pixel's distance has the same bits whatever block it is read with.
    """

    def __init__(self, track: Track | int | str, grid: Grid) -> None:
        """Measure the geodesics at the nodes.

        Raises:
            RequestError: no such track, or see :func:`continuous_footprint`.
        """
        continuous_footprint(grid)
        per_unit = pixel_metres(grid) / grid.y_size
        self._rows = max(1, int(_NODE_M / (grid.y_size * per_unit)))
        self._cols = max(1, int(_NODE_M / (grid.x_size * per_unit)))
        rows = np.arange(0, grid.height + self._rows, self._rows)
        cols = np.arange(0, grid.width + self._cols, self._cols)
        x, y = np.meshgrid(grid.left + (cols + 0.5) * grid.x_size, grid.top - (rows + 0.5) * grid.y_size)
        longitude, latitude = transformer(grid.crs, "EPSG:4326").transform(x, y)
        if not (np.isfinite(longitude).all() and (np.abs(latitude) <= 90.0).all()):
            raise _outside(grid)
        self._nodes = signed_distance(_resolved(track), longitude.ravel(), latitude.ravel()).reshape(x.shape)

    def read(self, window: Window) -> npt.NDArray[np.float32]:
        """Distances of one block: (y, x) float32, kilometres."""
        out = np.empty((window.height, window.width), np.float32)
        _interpolate(self._nodes, self._rows, self._cols, window.row, window.col, out)
        return out


def geocentric(longitude: npt.NDArray[np.float64], latitude: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points on the WGS 84 ellipsoid: (n,) degrees to (n, 3) metres from the centre of the Earth."""
    xyz = transformer("EPSG:4979", "EPSG:4978").transform(longitude, latitude, np.zeros_like(longitude))
    return np.column_stack(xyz)


def signed_distance(
    track: Track, longitude: npt.NDArray[np.float64], latitude: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Geodesic distance of points to the centre line of a track.

    Args:
        track: a track.
        longitude: (n,) degrees, in any turn.
        latitude: (n,) degrees.

    Returns:
        (n,) kilometres, positive east of the line and negative west of it.
    """
    line, (vertices, tree) = shapely.get_coordinates(track.line), _tree(track)
    points = geocentric(longitude, latitude)
    _, nearest = tree.query(points)
    last = len(line) - 2
    best = np.full(len(points), np.inf)
    foot = np.empty((len(points), 2))
    side = np.empty(len(points))
    for first in (np.clip(nearest - 1, 0, last), np.clip(nearest, 0, last)):
        start, along = vertices[first], vertices[first + 1] - vertices[first]
        share = np.clip(np.sum((points - start) * along, axis=1) / np.sum(along * along, axis=1), 0.0, 1.0)[:, None]
        chord = np.linalg.norm(points - (start + share * along), axis=1)
        nearer = chord < best
        best[nearer] = chord[nearer]
        foot[nearer] = (line[first] + share * (line[first + 1] - line[first]))[nearer]
        side[nearer] = np.copysign(1.0, np.sum(np.cross(start, along) * points, axis=1))[nearer]
    _, _, metres = _GEOD.inv(longitude, latitude, foot[:, 0], foot[:, 1])
    return np.asarray(metres) * side / 1000.0


def _resolved(track: Track | int | str) -> Track:
    return track if isinstance(track, Track) else _sentinel2(track_number(track))


def _outside(grid: Grid) -> RequestError:
    return RequestError(f"grid {grid!r} reaches outside the domain of {grid.crs}; choose a nearer CRS or area")


def _contains(grid: Grid, pole: float) -> bool:
    x, y = transformer("EPSG:4326", grid.crs).transform(0.0, pole)
    edges = grid.bounds
    return bool(edges.left <= x <= edges.right and edges.bottom <= y <= edges.top)


@lru_cache(maxsize=TRACKS)
def _sentinel2(number: int) -> Track:
    u = np.radians(np.linspace(90.0, 270.0, _VERTICES))
    reached = np.arcsin(np.sin(_INCLINATION) * np.sin(u))
    _, latitude, _ = transformer("EPSG:4978", "EPSG:4979").transform(
        _RADIUS_M * np.cos(reached), np.zeros_like(u), _RADIUS_M * np.sin(reached)
    )
    flown = u - 2 * _ECCENTRICITY * (1 - np.cos(u))
    inertial = np.unwrap(np.arctan2(np.cos(_INCLINATION) * np.sin(u), np.cos(u)))
    longitude = _NODE_LONGITUDE - _STEP * (number - 1) + np.degrees(inertial) - _STEP * flown / (2 * np.pi)
    equator = longitude[_VERTICES // 2]
    turns = np.floor((equator + 180.0) / 360.0)
    return Track(f"R{number:03d}", LineString(np.column_stack([longitude - 360.0 * turns, latitude])), HALF_SWATH_KM)


@lru_cache(maxsize=2 * TRACKS)
def _swath(track: Track, half_width_km: float) -> Polygon:
    vertices = shapely.get_coordinates(track.line)
    line = np.concatenate([vertices[:-1:_SWATH_EVERY], vertices[-1:]])
    back, _, _ = _GEOD.inv(line[:-2, 0], line[:-2, 1], line[2:, 0], line[2:, 1])
    heading = np.concatenate([back[:1], back, back[-1:]])
    sides = []
    for turn in (-90.0, 90.0):
        longitude, latitude, _ = _GEOD.fwd(
            line[:, 0], line[:, 1], heading + turn, np.full(len(line), 1000.0 * half_width_km)
        )
        # The same turn of longitude as the vertex it was measured from.
        sides.append(np.column_stack([longitude + 360.0 * np.round((line[:, 0] - longitude) / 360.0), latitude]))
    return Polygon(np.concatenate([sides[0], sides[1][::-1]]))


@lru_cache(maxsize=TRACKS)
def _tree(track: Track) -> tuple[npt.NDArray[np.float64], Any]:
    points = geocentric(*shapely.get_coordinates(track.line).T)
    return points, cKDTree(points)


@njit(nogil=True, cache=True)
def _interpolate(
    nodes: npt.NDArray[np.float64], rows: int, cols: int, top: int, left: int, out: npt.NDArray[np.float32]
) -> None:
    # Signed distances are smooth across the centre line, where unsigned ones have a kink; far away it is the other way
    # round, because the sign flips beyond the ends of the line.
    height, width = out.shape
    for y in range(height):
        j, fy = (top + y) // rows, ((top + y) % rows) / rows
        x = 0
        while x < width:
            i = (left + x) // cols
            stop = min(width, (i + 1) * cols - left)
            a, b, c, d = nodes[j, i], nodes[j, i + 1], nodes[j + 1, i], nodes[j + 1, i + 1]
            if max(max(abs(a), abs(b)), max(abs(c), abs(d))) > _NEAR_KM:
                a, b, c, d = abs(a), abs(b), abs(c), abs(d)
            start, end = a + (c - a) * fy, b + (d - b) * fy
            first = left + x - i * cols
            for k in range(stop - x):
                out[y, x + k] = abs(start + (end - start) * ((first + k) / cols))
            x = stop
