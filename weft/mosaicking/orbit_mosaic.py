"""Orbit mosaic: the tiles of one track, resampled once onto a sheet and joined where they overlap.

Tiles of one track show the same observations, so a plain mean leaves no seam. Belongs here: merging tiles of one track.
Not here: joining tracks (``mosaic``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from weft.mosaicking.layers import COUNT, carried_layers
from weft.mosaicking.sheets import Sheet
from weft.mosaicking.tracks import continuous_footprint
from weft.rasters.cog import LayerWriter
from weft.rasters.grid import Bounds, Grid, Window, transformer
from weft.rasters.product import LayerSpec, Product, RasterFile, SourceProduct
from weft.rasters.streaming import in_order
from weft.rasters.warping import Kernel, Warped, kernel_for
from weft.regions import Mosaic

# GDAL's result depends by up to its tolerance on how the target is cut; this is part of what a sheet looks like.
_BLOCK = 1024
# Enough for threads to finish at about the same time; more would decode more of the files twice.
_TASKS_PER_WORKER = 4
_STRIP_PIXELS = 1 << 24
# A kernel reaches this many source pixels beyond a block.
_REACH_PIXELS = 2


def orbit_mosaic(
    composites: Sequence[SourceProduct],
    sheet: Sheet,
    settings: Mosaic,
    scratch: Path,
    *,
    area: Window | None = None,
    workers: int = 2,
) -> Product | None:
    """One track's composites on one sheet.

    Each reflectance layer is the mean of the composites that have a value at the pixel, ``count`` the mean of those
    that have an observation; sums are exact and rounded half up, so a reflectance never becomes 0. ``source_index`` and
    ``medoid_spread`` are not carried on: an index into one composite's observations means nothing in a mean of several.

    With ``settings.resampling: nearest`` nothing is averaged: a pixel takes its value, in every layer, from the nearest
    pixel of one composite, the first by id that has one. All bands of a statistic then come from one pixel of one
    composite, so what was a measured spectrum there still is one.

    Args:
        composites: products of the tiles of one track, each on its own grid; the order does not matter.
        sheet: where to.
        settings: the region's mosaic.
        scratch: folder for the files.
        area: the part of the sheet that is wanted; all of it by default. It is warped in the sheet's own blocks, so its
            pixels are those of the whole sheet.
        workers: threads that warp, beside one that writes; they do not change the result.

    Returns:
        The product, or None if no wanted pixel of the sheet is valid.

    Raises:
        RequestError: the composites differ in their layers, or the sheet reaches over a pole or outside the domain of
            its CRS.
        UnreadableRaster: a file cannot be read.
    """
    layers = carried_layers(composites)
    continuous_footprint(sheet.grid)  # refuses what has no footprint
    tasks = math.ceil(_TASKS_PER_WORKER * workers / max(1, len(layers)))
    area = area or Window(0, 0, *sheet.grid.shape)
    strips = list(_strips(sorted(composites, key=lambda composite: composite.id), sheet.grid, area, tasks))
    if not any(block.under for strip in strips for block in strip):
        return None
    # ``count`` first: it tells whether the others are worth the while.
    order = sorted(layers, key=lambda layer: layer.key != COUNT)
    jobs = ((layer, strip) for layer in order for strip in strips)
    finished: dict[str, Future[RasterFile]] = {}
    seen = False
    with (
        ThreadPoolExecutor(1) as finisher,
        closing(in_order(partial(_joined, sheet.grid, settings), jobs, workers=workers)) as made,
    ):
        for layer in order:
            with ExitStack() as unless_finished:
                writer = unless_finished.enter_context(LayerWriter(sheet.grid.of_window(area), [layer], scratch))
                for strip in strips:
                    for block, values in zip(strip, next(made), strict=True):
                        part = values[block.wanted.relative_to(block.window).slices]
                        writer.write(block.wanted.relative_to(area), {layer.key: part})
                        seen = seen or bool(part.any())
                if not seen:
                    return None
                finished[layer.key] = finisher.submit(_finished, writer)
                unless_finished.pop_all()
        return Product(sheet.grid.of_window(area), tuple(finished[layer.key].result() for layer in layers))


def resampling(composites: Sequence[SourceProduct], sheet: Sheet, settings: Mosaic) -> tuple[Kernel, ...]:
    """Kernels that :func:`orbit_mosaic` uses, for the property ``weft:resampling`` of its item; sorted, distinct."""
    kernels = {
        kernel_for(layer, composite.grid, sheet.grid, wanted=settings.resampling)
        for composite in composites
        for layer in carried_layers([composite])
    }
    return tuple(sorted(kernels))


@dataclass(frozen=True, slots=True)
class _Block:
    """A window of the sheet, the part of it that is wanted, and the composites that may reach into it."""

    window: Window
    wanted: Window
    under: tuple[SourceProduct, ...]


def _strips(composites: Sequence[SourceProduct], grid: Grid, area: Window, count: int) -> Iterator[tuple[_Block, ...]]:
    """At least ``count`` strips of whole rows of blocks, as far as there are rows, in the order of the blocks."""
    blocks = [
        _block(composites, grid, window, wanted)
        for window in grid.blocks(_BLOCK, _BLOCK)
        if (wanted := window.overlap(area))
    ]
    rows = [tuple(row) for _, row in groupby(blocks, key=lambda block: block.window.row)]
    count = min(len(rows), max(count, math.ceil(grid.width * grid.height / _STRIP_PIXELS)))
    for k in range(count):
        yield tuple(chain.from_iterable(rows[k * len(rows) // count : (k + 1) * len(rows) // count]))


def _block(composites: Sequence[SourceProduct], grid: Grid, window: Window, wanted: Window) -> _Block:
    target = grid.of_window(wanted)
    return _Block(window, wanted, tuple(composite for composite in composites if _may_touch(target, composite.grid)))


def _may_touch(target: Grid, source: Grid) -> bool:
    # In the source's CRS, which is a tile's own and has neither the antimeridian nor a pole nearby. Infinite where the
    # target lies outside its domain: GDAL would still paint something there.
    edges = target.bounds
    left, bottom, right, top = transformer(target.crs, source.crs).transform_bounds(
        edges.left, edges.bottom, edges.right, edges.top, densify_pts=21
    )
    if left > right:  # a source in degrees, and a target across the antimeridian
        left, right = -180.0, 180.0
    if not all(map(math.isfinite, (left, bottom, right, top))):
        return False
    reach = _REACH_PIXELS * max(source.x_size, source.y_size)
    return Bounds(left - reach, bottom - reach, right + reach, top + reach).intersects(source.bounds)


def _joined(grid: Grid, settings: Mosaic, job: tuple[LayerSpec, tuple[_Block, ...]]) -> list[npt.NDArray[np.uint16]]:
    """One layer of a strip; a file is opened once for all its blocks, and what they share of it is decoded once."""
    layer, strip = job
    joins = [(_First if settings.resampling == "nearest" else _Mean)(block.window) for block in strip]
    under = {composite.id: composite for block in strip for composite in block.under}
    for name in sorted(under):
        composite = under[name]
        kernel = kernel_for(layer, composite.grid, grid, wanted=settings.resampling)
        # One file after the other: GDAL has the transform between two CRSs at hand for one file at a time, and makes
        # another of them, in as long as a tenth of a block takes, for each that is open beside it.
        # A count of 0 takes no part either: beside a gap the observed pixels tell how often the place was seen.
        with Warped(composite.layers[layer.key].path, grid, kernel=kernel, nodata=0) as warped:
            for block, join in zip(strip, joins, strict=True):
                if composite in block.under:
                    join.add(warped.read(block.window))
    return [join.values() for join in joins]


def _finished(writer: LayerWriter) -> RasterFile:
    with writer:
        (file,) = writer.finish(workers=1)
    return file


class _Mean:
    """Mean of all values of a pixel, exact and rounded half up."""

    def __init__(self, window: Window) -> None:
        self._total = np.zeros((window.height, window.width), np.uint32)
        self._seen = np.zeros((window.height, window.width), np.uint8)

    def add(self, part: npt.NDArray[np.uint16]) -> None:
        _add(part, self._total, self._seen)

    def values(self) -> npt.NDArray[np.uint16]:
        return _divide(self._total, self._seen)


class _First:
    """The first value of a pixel."""

    def __init__(self, window: Window) -> None:
        self._found = np.zeros((window.height, window.width), np.uint16)

    def add(self, part: npt.NDArray[np.uint16]) -> None:
        np.copyto(self._found, part, where=self._found == 0)

    def values(self) -> npt.NDArray[np.uint16]:
        return self._found


@njit(nogil=True, cache=True)
def _add(part: npt.NDArray[np.uint16], total: npt.NDArray[np.uint32], seen: npt.NDArray[np.uint8]) -> None:
    for y in range(part.shape[0]):
        for x in range(part.shape[1]):
            total[y, x] += part[y, x]
            seen[y, x] += part[y, x] > 0


@njit(nogil=True, cache=True)
def _divide(total: npt.NDArray[np.uint32], seen: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    mean = np.empty(total.shape, np.uint16)
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            n = np.uint32(seen[y, x])
            mean[y, x] = total[y, x] if n < 2 else (2 * total[y, x] + n) // (2 * n)
    return mean
