"""What the tracks of a region share: pairs of values, sampled sheet by sheet.

Belongs here: which pixels are taken, and keeping them in bounded memory. Not here: what is concluded from them
(``agreement``, ``levels``).

Of each sheet a lattice of pixels is looked at, about 256 a side. Where two tracks both have at least two observations
(a single one may be an undetected cloud) their values are a pair. Of all pairs of two tracks those 16,384 are kept
whose place has the lowest hash: a fair sample of the whole overlap, whatever the order in which sheets are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt

from weft.errors import RequestError
from weft.mosaicking.layers import COUNT, carried_layers
from weft.rasters.grid import Grid
from weft.rasters.product import SourceProduct
from weft.rasters.streaming import OpenRasters

LATTICE = 256
"""Most pixels of a sheet that are looked at along each side."""
MIN_COUNT = 2
"""Fewest observations of both tracks at a pixel that makes a pair."""
KEPT = 16_384
"""Most pairs kept of two tracks."""

_STRIP_ROWS = 512  # a row of file blocks


@dataclass(slots=True)
class Seen:
    """What is known of one layer of one track over all of its sampled pixels.

    Attributes:
        pixels: how many have a value.
        total: sum of the stored values.
    """

    pixels: int = 0
    total: int = 0

    @property
    def mean(self) -> float:
        """Mean of the stored values; 0 if there is none."""
        return self.total / self.pixels if self.pixels else 0.0


@dataclass(frozen=True, slots=True)
class Overlap:
    """Pairs of two tracks.

    Attributes:
        tracks: their keys, sorted.
        pixels: how many pairs there are in the lattice.
        values: layer -> stored values (2, n) uint16 of the pairs that are kept; 0 where a track has no value.
    """

    tracks: tuple[str, str]
    pixels: int
    values: Mapping[str, npt.NDArray[np.uint16]]


@dataclass(frozen=True, slots=True)
class Overlaps:
    """All that is known of the tracks of a region.

    Attributes:
        layers: keys of the reflectance layers, sorted.
        tracks: track -> layer -> what was seen.
        pairs: tracks that overlap, sorted.
    """

    layers: tuple[str, ...]
    tracks: Mapping[str, Mapping[str, Seen]]
    pairs: tuple[Overlap, ...]


@dataclass(slots=True)
class _Kept:
    """Pairs so far: ``values`` is (layer, 2, n), in the order of ``hashes``."""

    hashes: npt.NDArray[np.uint64]
    values: npt.NDArray[np.uint16]
    pixels: int = 0


@dataclass(slots=True)
class OverlapSampler:
    """Samples the orbit mosaics of a region; add every sheet once, in any order."""

    _layers: tuple[str, ...] = ()
    _tracks: dict[str, dict[str, Seen]] = field(default_factory=dict)
    _pairs: dict[tuple[str, str], _Kept] = field(default_factory=dict)

    def add(self, tracks: Mapping[str, SourceProduct]) -> None:
        """Sample one sheet.

        Args:
            tracks: track key to its orbit mosaic of the sheet.

        Raises:
            RequestError: the orbit mosaics, or those of another sheet, have different layers or lie on different grids.
            UnreadableRaster: a file cannot be read.
        """
        order = sorted(tracks)
        layers = tuple(layer.key for layer in carried_layers(tracks.values()) if layer.key != COUNT)
        grids = {tracks[track].grid for track in order}
        if not order:
            return
        if len(grids) > 1 or (self._layers and layers != self._layers):
            raise RequestError(
                f"{', '.join(tracks[track].id for track in order)} differ in grid or layers from each other or from "
                "other sheets; make them again with the region's mosaic settings"
            )
        self._layers = layers
        (grid,) = grids
        with OpenRasters(1) as files:
            counts, *values = (
                np.stack([_sample(tracks[track], key, files) for track in order]) for key in (COUNT, *layers)
            )
        stack = np.stack(values)
        for track, of_track in zip(order, stack.swapaxes(0, 1), strict=True):
            self._see(track, of_track)
        hashes = _hashes(grid)
        for first, second in combinations(range(len(order)), 2):
            both = (counts[first] >= MIN_COUNT) & (counts[second] >= MIN_COUNT)
            self._keep((order[first], order[second]), hashes[both], stack[:, (first, second)][:, :, both])

    def overlaps(self) -> Overlaps:
        """What was sampled so far."""
        pairs = tuple(
            Overlap(tracks, kept.pixels, dict(zip(self._layers, kept.values, strict=True)))
            for tracks, kept in sorted(self._pairs.items())
        )
        return Overlaps(self._layers, self._tracks, pairs)

    def _see(self, track: str, values: npt.NDArray[np.uint16]) -> None:
        seen = self._tracks.setdefault(track, {layer: Seen() for layer in self._layers})
        for layer, of_layer in zip(self._layers, values, strict=True):
            seen[layer].pixels += int(np.count_nonzero(of_layer))
            seen[layer].total += int(of_layer.sum(dtype=np.int64))

    def _keep(self, tracks: tuple[str, str], hashes: npt.NDArray[np.uint64], values: npt.NDArray[np.uint16]) -> None:
        if not hashes.size:
            return
        kept = self._pairs.get(tracks)
        pixels = hashes.size
        if kept is not None:
            hashes, values = np.concatenate([kept.hashes, hashes]), np.concatenate([kept.values, values], axis=2)
            pixels += kept.pixels
        lowest = np.argsort(hashes)[:KEPT]
        self._pairs[tracks] = _Kept(hashes[lowest], values[:, :, lowest], pixels)


def _lattice(size: int) -> npt.NDArray[np.intp]:
    step = -(-size // LATTICE)
    return np.arange(step // 2, size, step)


def _sample(product: SourceProduct, key: str, files: OpenRasters) -> npt.NDArray[np.uint16]:
    """Stored values of a layer at the lattice."""
    rows, cols = (_lattice(size) for size in product.grid.shape)
    found = np.empty((rows.size, cols.size), np.uint16)
    strip = np.empty((_STRIP_ROWS, product.grid.width), np.uint16)
    for window in product.grid.blocks(_STRIP_ROWS, product.grid.width):
        inside = (rows >= window.row) & (rows < window.row + window.height)
        if inside.any():
            files.read(product.layers[key].path, window, strip[: window.height])
            found[inside] = strip[rows[inside] - window.row][:, cols]
    return found


def _hashes(grid: Grid) -> npt.NDArray[np.uint64]:
    """A hash of the place of each pixel of the lattice, (y, x): the finaliser of SplitMix64 (Steele et al. 2014)."""
    row, col = round(grid.top / grid.y_size), round(grid.left / grid.x_size)
    rows, cols = (_lattice(size).astype(np.int64) for size in grid.shape)
    places = ((rows - row)[:, None] << 32) + (cols + col)[None, :]
    bits = places.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return bits ^ (bits >> np.uint64(31))
