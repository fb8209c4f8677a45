"""What the report says and shows about seams: on fields of known offset, and in the simulated mosaic.

Belongs here: which fields and places are shown, and how. Not here: blending, or the measures (``weft.mosaicking``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from weft.mosaicking.blending import Method, blend, share, weights
from weft.mosaicking.seams import SeamMeter, SeamReport
from weft.mosaicking.tracks import HALF_SWATH_KM, distance_to_centre
from weft.rasters.grid import Grid, Window
from weft.rasters.product import SourceProduct
from weft.rasters.quicklook import RGB_WHITE, Ramp, as_data_uri, rgb, single
from weft.simulation.canvas import canvas, stored
from weft.simulation.offset_fields import LATITUDES, OFFSET, OffsetField, alternating, seeing, strip

METHODS: tuple[Method, ...] = get_args(Method)

_SHARE = Ramp(((0.0, "#2b3a67"), (0.5, "#f7f7f7"), (1.0, "#b5651d")))
_GRADIENT = Ramp(((0.0, "#0b0b14"), (0.35, "#5b3a8c"), (0.7, "#e07b39"), (1.0, "#fff7d6")))
"""Of a difference between neighbours as a share of the largest that is told apart."""
_SHOWN_LATITUDE = 45
_STEEP = 0.1  # of the offset: what is drawn brightest in the gradient of a known field
_CROP, _ENLARGED = 240, 2
_NATURAL = ("red", "green", "blue")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the page: title and PNG as data URI."""

    title: str
    source: str


@dataclass(frozen=True, slots=True)
class Seams:
    """What was found out about seams; pictures come in one row for each method.

    Attributes:
        steps_by_latitude: latitude in degrees north -> method -> largest step as a share of the offset.
        fields: field of known offset and its gradient, at 45 degrees north.
        reports: method -> step and index of the simulated mosaic.
        shares: how much the first track gives.
        places: the simulated mosaic around a swath edge, its gradient, and what it differs from seamless by.
    """

    steps_by_latitude: Mapping[str, Mapping[str, float]]
    fields: tuple[tuple[Picture, ...], ...]
    reports: Mapping[str, SeamReport]
    shares: tuple[Picture, ...]
    places: tuple[tuple[Picture, ...], ...]


def examine(orbit_mosaics: Mapping[str, Sequence[SourceProduct]]) -> Seams:
    """Blend the orbit mosaics of some tracks by every method, and fields of known offset as well.

    Args:
        orbit_mosaics: track -> its orbit mosaics on all sheets.
    """
    scene = _Scene.of(orbit_mosaics)
    row, column = scene.busiest_edge()
    window = _around(row, column, scene.grid)
    mosaics = {method: scene.mosaic(method) for method in METHODS}
    return Seams(
        {str(latitude): _steps(latitude) for latitude in LATITUDES},
        _fields(_SHOWN_LATITUDE),
        {method: scene.report(method, mosaics[method]) for method in METHODS},
        tuple(scene.share(method) for method in METHODS),
        _places({method: mosaic[(slice(None), *window.slices)] for method, mosaic in mosaics.items()}),
    )


def _steps(latitude: int) -> dict[str, float]:
    grid = strip(latitude, start_km=0, width_km=320, height_km=0.4, pixel_m=100)
    field = OffsetField.over(grid, seeing(grid, latitude))
    levels = alternating(len(field.tracks))
    return {method: field.largest_step(field.blended(method, levels)) for method in METHODS}


def _fields(latitude: int) -> tuple[tuple[Picture, ...], ...]:
    grid = strip(latitude, start_km=-30, width_km=300, height_km=150, pixel_m=1000)
    field = OffsetField.over(grid, seeing(grid, latitude))
    levels = alternating(len(field.tracks))
    low = int(field.values(levels)[field.count > 0].min())
    rows = []
    for method in METHODS:
        blended = (field.blended(method, levels).astype(np.float64) - low) / OFFSET
        pictures = single(_enlarged(blended), _SHARE), single(_enlarged(_gradient(blended) / _STEEP), _GRADIENT)
        titles = f"{method} at {latitude}° N", f"its gradient, brightest at {_STEEP:.0%} of the offset per kilometre"
        rows.append(tuple(Picture(title, as_data_uri(png)) for title, png in zip(titles, pictures, strict=True)))
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class _Scene:
    """The simulated tracks on one canvas: distance, count (track, y, x); values (band, track, y, x)."""

    grid: Grid
    tracks: tuple[str, ...]
    distance_km: npt.NDArray[np.float32]
    count: npt.NDArray[np.uint16]
    values: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, orbit_mosaics: Mapping[str, Sequence[SourceProduct]]) -> _Scene:
        tracks = tuple(sorted(orbit_mosaics))
        everything = [product for track in tracks for product in orbit_mosaics[track]]
        grid = canvas(everything)
        statistic = "p50" if "red_p50" in everything[0].layers else "medoid"
        layers = [
            np.stack([stored(orbit_mosaics[track], key, grid) for track in tracks])
            for key in ("count", *(f"{band}_{statistic}" for band in _NATURAL))
        ]
        distance = np.stack([distance_to_centre(track, grid) for track in tracks])
        return cls(grid, tracks, distance, layers[0], np.stack(layers[1:]))

    def weights(self, method: Method) -> npt.NDArray[np.uint32]:
        pairs = zip(self.distance_km, self.count, strict=True)
        return np.stack([weights(method, *pair) for pair in pairs])

    def mosaic(self, method: Method) -> npt.NDArray[np.uint16]:
        weight = self.weights(method)
        return np.stack([blend(values, weight) for values in self.values])

    def report(self, method: Method, mosaic: npt.NDArray[np.uint16]) -> SeamReport:
        meter = SeamMeter([HALF_SWATH_KM] * len(self.tracks))
        whole = Window(0, 0, *self.grid.shape)
        meter.add(whole, self.distance_km, self.count, self.weights(method), mosaic[0], self.values[0])
        return meter.report()

    def share(self, method: Method) -> Picture:
        given = np.where((self.count > 0).any(axis=0), share(self.weights(method))[0], np.nan)
        return Picture(f"share of {self.tracks[0]}, {method}", as_data_uri(single(given, _SHARE, max_size=600)))

    def busiest_edge(self) -> tuple[int, int]:
        """Middle of the longest edge of a track under which another has data."""
        data = self.count > 0
        edges = (data[:, :, 1:] != data[:, :, :-1]) & ((data[:, :, 1:] & data[:, :, :-1]).any(axis=0))
        edges &= self.distance_km[:, :, 1:] > HALF_SWATH_KM - 5
        rows, columns = np.nonzero(edges[np.argmax(edges.sum(axis=(1, 2)))])
        middle = len(rows) // 2
        return (int(rows[middle]), int(columns[middle])) if len(rows) else (data.shape[1] // 2, data.shape[2] // 2)


def _around(row: int, column: int, grid: Grid) -> Window:
    height, width = min(_CROP, grid.height), min(_CROP, grid.width)
    top = min(max(row - height // 2, 0), grid.height - height)
    return Window(top, min(max(column - width // 2, 0), grid.width - width), height, width)


def _places(crops: Mapping[Method, npt.NDArray[np.uint16]]) -> tuple[tuple[Picture, ...], ...]:
    """Natural colour and gradient of red, and the difference to seamless; each stretched alike, and enlarged."""
    shown = {method: np.where(crop > 0, crop, np.nan) for method, crop in crops.items()}
    best = shown["seamless"]
    low, high = np.nanpercentile(best, [1, 99], axis=(1, 2))[:, :, None, None]
    steep = np.nanpercentile(_gradient(best[0]), 99)
    much = max(float(np.nanpercentile(np.abs(crop[0] - best[0]), 98)) for crop in shown.values()) or 1.0
    difference = Ramp(((-much, "#2b3a67"), (0.0, "#f7f7f7"), (much, "#b5651d")))
    rows = []
    for method, crop in shown.items():
        colours = np.clip((crop - low) / (high - low), 0, 1) * RGB_WHITE
        row = [
            (f"{method}, natural colour", rgb(*map(_enlarged, colours))),
            ("gradient of red", single(_enlarged(_gradient(crop[0]) / steep), _GRADIENT)),
        ]
        if crop is not best:
            row.append(("minus seamless", single(_enlarged(crop[0] - best[0]), difference)))
        rows.append(tuple(Picture(title, as_data_uri(png)) for title, png in row))
    return tuple(rows)


def _gradient(field: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Larger of the differences to the right and the lower neighbour, (y, x)."""
    right, below = (np.abs(np.diff(field, axis=axis, append=np.take(field, [-1], axis))) for axis in (1, 0))
    return np.maximum(right, below)


def _enlarged(field: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.repeat(np.repeat(field, _ENLARGED, axis=0), _ENLARGED, axis=1)
