"""The track of any mission from the footprints of its scenes, e.g. one path of Landsat's WRS-2.

Belongs here: from outlines to a centre line and a half width. Not here: reading outlines from a mission's metadata
(``weft.scenes``), or what is measured from the line (``tracks``).

A scene is cut from the strip that the satellite leaves behind: two of its sides run along the flight and two across,
so that a north-up raster has wedges without data beside it. The centre line joins the middles of the sides across the
flight. Corners are handled in three dimensions, where neither the antimeridian nor a footprint cut at it matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from shapely.geometry import LineString, MultiPolygon, Polygon

from weft.errors import RequestError
from weft.mosaicking.tracks import EDGE_MARGIN_KM, Track, centre_line, geocentric, signed_distance
from weft.rasters.grid import transformer

_VERTEX_M = 10_000.0
_SAMPLES = 9  # along each side of a scene: the sides are straight, the line bends from scene to scene
_TOUCH_M = 1_000.0
# Framing and orbit control move the scenes of one place: Landsat's by up to 5 km to either side of the WRS-2 path.
_DRIFT_M = 10_000.0
_LARGEST_M = 1_000_000.0
_FILLED = 0.9  # ragged ends and corners traced from pixels take little from a quadrilateral
_MAX_LATITUDE = 80.0  # nearer to the poles even sun-synchronous orbits differ in their headings
_GEOD = pyproj.Geod(ellps="WGS84")


def midline(key: str, footprints: Sequence[Polygon | MultiPolygon]) -> Track:
    """Track through the middle of the footprints of one path, flown southwards in a sun-synchronous orbit.

    Footprints of several dates of one place count once, with their mean corners. The half width is the smallest
    distance from the line to a side of any footprint: weights that vanish there vanish before any scene's data end.

    Args:
        key: name of the track, e.g. ``P013``.
        footprints: outlines in EPSG:4326 of the data, not of the rasters around them; in any order. Each is roughly a
            quadrilateral. One that crosses the antimeridian may be cut there, reach beyond 180 or jump.

    Returns:
        The track with a vertex at least every 10 km, prolonged by half a scene's width at both ends so that every pixel
        of the footprints has its foot on the line.

    Raises:
        RequestError: no footprint, one that is no quadrilateral, larger than 1000 km or beyond 80 degrees of latitude,
            footprints that leave a gap or are of several paths, or a swath too narrow to be blended.
    """
    if not footprints:
        raise RequestError(f"track {key} has no footprint; give those of its scenes")
    scenes = [_scene(key, footprint) for footprint in footprints]
    rows = _rows(key, scenes)
    middles = [rows[0].start, *(_joint(key, *pair) for pair in pairwise(rows)), rows[-1].end]
    width = max(scene.width for scene in scenes)
    track = Track(key, _prolonged(_degrees(np.array(middles)), width / 2), 0.0)
    sides = _degrees(np.concatenate([scene.sides for scene in scenes]))
    half_width = float(np.abs(signed_distance(track, *sides.T)).min())
    if half_width <= EDGE_MARGIN_KM:
        raise RequestError(
            f"the footprints of track {key} reach only {half_width:.1f} km from their midline, and blending needs more "
            f"than {EDGE_MARGIN_KM:g} km; give the outlines of whole scenes"
        )
    return replace(track, half_width_km=half_width)


@dataclass(frozen=True, slots=True)
class _Scene:
    """Corners of a scene, (4, 3) metres from the centre of the Earth: two where it starts, two where it ends."""

    corners: npt.NDArray[np.float64]

    @property
    def start(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.corners[:2].mean(axis=0))

    @property
    def end(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.corners[2:].mean(axis=0))

    @property
    def width(self) -> float:
        return float(np.linalg.norm(self.corners[1] - self.corners[0]))

    @property
    def sides(self) -> npt.NDArray[np.float64]:
        share = np.linspace(0.0, 1.0, _SAMPLES)[:, None, None]
        first, last = self.corners[[0, 1]], self.corners[[3, 2]]
        return np.asarray(first + share * (last - first)).reshape(-1, 3)


def _scene(key: str, footprint: Polygon | MultiPolygon) -> _Scene:
    points = shapely.get_coordinates(footprint)
    if len(points) < 4 or not (np.abs(points) <= (720.0, 90.0)).all():
        raise RequestError(f"a footprint of track {key} is no polygon in degrees: {footprint.wkt[:120]}")
    solid = geocentric(*points.T)
    middle = solid.mean(axis=0)
    longitude, latitude = _degrees(middle[None])[0]
    if np.linalg.norm(solid - middle, axis=1).max() > _LARGEST_M or abs(latitude) > _MAX_LATITUDE:
        raise RequestError(
            f"a footprint of track {key} is larger than {_LARGEST_M / 1000:g} km or beyond {_MAX_LATITUDE:g} degrees "
            f"of latitude: {footprint.wkt[:120]}"
        )
    x, y = np.radians((longitude, latitude))
    east = np.array([-np.sin(x), np.cos(x), 0.0])
    north = np.array([-np.sin(y) * np.cos(x), -np.sin(y) * np.sin(x), np.cos(y)])
    heading = _heading(latitude)
    along = np.sin(heading) * east + np.cos(heading) * north
    across = np.cos(heading) * east - np.sin(heading) * north
    corners = solid[
        [np.argmax(solid @ way) for way in (-along - across, across - along, along + across, along - across)]
    ]
    plane = np.column_stack([along, across])
    hull = shapely.convex_hull(shapely.multipoints((solid - middle) @ plane))
    if not shapely.polygons((corners - middle) @ plane).area > _FILLED * hull.area:
        raise RequestError(
            f"a footprint of track {key} is no quadrilateral along the flight of a satellite: {footprint.wkt[:120]}"
        )
    return _Scene(corners)


def _heading(latitude: float) -> float:
    # Sentinel-2's: those of all sun-synchronous orbits are within a few degrees of it.
    line = shapely.get_coordinates(centre_line(1))
    vertex = np.searchsorted(-line[:, 1], -latitude)
    return math.radians(_inverse(line[vertex - 1], line[vertex])[0])


def _rows(key: str, scenes: Sequence[_Scene]) -> list[_Scene]:
    rows: list[list[_Scene]] = []
    # From north to south; all coordinates take part, so that means have the same bits for any order of the footprints.
    for scene in sorted(scenes, key=lambda scene: [-scene.corners[:, 2].sum(), *scene.corners.ravel()]):
        apart = np.linalg.norm(scene.start - rows[-1][0].start) if rows else np.inf
        if apart > np.linalg.norm(scene.end - scene.start) / 2:
            rows.append([])
        rows[-1].append(scene)
    means = [_Scene(np.mean([scene.corners for scene in row], axis=0)) for row in rows]
    for mean, row in zip(means, rows, strict=True):
        for scene in row:
            _check_beside(key, max(np.linalg.norm(scene.start - mean.start), np.linalg.norm(scene.end - mean.end)))
    return means


def _joint(key: str, row: _Scene, following: _Scene) -> npt.NDArray[np.float64]:
    ahead = (row.end - row.start) / np.linalg.norm(row.end - row.start)
    between = following.start - row.end
    gap = float(between @ ahead)
    if gap > _TOUCH_M:
        raise RequestError(
            f"the footprints of track {key} leave a gap of {gap / 1000:.0f} km along the flight; give those of the "
            "scenes between, or make a track of each part"
        )
    _check_beside(key, np.linalg.norm(between - gap * ahead))
    return np.asarray((row.end + following.start) / 2)


def _check_beside(key: str, metres: np.floating) -> None:
    if metres > _DRIFT_M:
        raise RequestError(
            f"footprints of track {key} lie {metres / 1000:.0f} km beside each other; give the scenes of one path only"
        )


def _degrees(solid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    longitude, latitude, _ = transformer("EPSG:4978", "EPSG:4979").transform(solid[:, 0], solid[:, 1], solid[:, 2])
    return np.column_stack([longitude, latitude])


def _prolonged(line: npt.NDArray[np.float64], metres: float) -> LineString:
    line = np.array([_beyond(line[1], line[0], metres), *line[1:-1], _beyond(line[-2], line[-1], metres)])
    parts = []
    for start, end in pairwise(line):
        azimuth, length = _inverse(start, end)
        pieces = math.ceil(length / _VERTEX_M)
        parts += [_forward(start, azimuth, length * piece / pieces) for piece in range(pieces)]
    vertices = np.array([*parts, line[-1]])
    return LineString(np.column_stack([np.unwrap(vertices[:, 0], period=360.0), vertices[:, 1]]))


def _beyond(start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], metres: float) -> npt.NDArray[np.float64]:
    azimuth, length = _inverse(start, end)
    return _forward(start, azimuth, length + metres)


def _inverse(start: npt.NDArray[np.float64], end: npt.NDArray[np.float64]) -> tuple[float, float]:
    azimuth, _, length = _GEOD.inv(start[0], start[1], end[0], end[1])
    return float(azimuth), float(length)


def _forward(start: npt.NDArray[np.float64], azimuth: float, metres: float) -> npt.NDArray[np.float64]:
    return np.array(_GEOD.fwd(start[0], start[1], azimuth, metres)[:2])
