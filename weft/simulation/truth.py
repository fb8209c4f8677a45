"""What products should have come out as: the ground itself, on any grid, over any period.

Belongs here: reading the truth of a simulated archive and sampling it. Not here: comparing products with it.
"""

from __future__ import annotations

import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.compositing.percentiles import percentiles as over_time
from weft.errors import RequestError
from weft.periods import TimeWindow
from weft.rasters.grid import Grid, Window
from weft.simulation.landscape import Landscape, reflectance
from weft.simulation.spectra import BANDS

TRUTH_FILE = "truth.json"

_EVERY = timedelta(days=5)
_STRIP_PIXELS = 50_000


@dataclass(frozen=True, slots=True)
class Truth:
    """The ground of one simulated archive.

    Attributes:
        landscape: the ground.
        document: parameters and seeded defects, as in ``truth.json``.
    """

    landscape: Landscape
    document: dict[str, Any]

    @classmethod
    def load(cls, directory: Path) -> Truth:
        """Truth of the archive that was simulated into ``directory``; raises :class:`RequestError` if there is none."""
        path = directory / TRUTH_FILE
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(Landscape(int(document["seed"]), float(document["preset"]["pixel"])), document)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RequestError(
                f"{path} tells no truth ({error}); run weft simulate {directory} or choose the folder of an archive"
            ) from error

    def reflectance(self, band: str, grid: Grid, window: TimeWindow, percentile: float) -> npt.NDArray[np.float32]:
        """One band and percentile of :meth:`reflectances`, float32 (y, x), read-only.

        Raises:
            RequestError: the archive has no such band.
        """
        if band not in BANDS:
            raise RequestError(f"band {band!r} is not simulated; use one of {', '.join(BANDS)}")
        found: npt.NDArray[np.float32] = self.reflectances(grid, window, (percentile,))[0, BANDS.index(band)]
        return found

    def reflectances(self, grid: Grid, window: TimeWindow, percentiles: tuple[float, ...]) -> npt.NDArray[np.float32]:
        """Percentiles over a period of the reflectance without cloud, noise or view-angle effect.

        The ground is taken every five days, whether or not a satellite passed. A pixel as fine as the archive's finest
        is the ground at its centre, which is how scenes are made; a coarser one is the mean over as many such points
        as fit (the scenes' coarse bands are means of 2 x 2).

        Args:
            grid: any grid in any CRS; at 10 m take it by windows, memory follows its size.
            window: the period.
            percentiles: 0 to 100, interpolated linearly; 50 is what a medoid is compared with.

        Returns:
            float32 (percentile, band, y, x) in the order of ``spectra.BANDS``, read-only.
        """
        return _percentiles(self.landscape, grid, window, percentiles)


@lru_cache(maxsize=4)
def _percentiles(
    landscape: Landscape, grid: Grid, window: TimeWindow, percentiles: tuple[float, ...]
) -> npt.NDArray[np.float32]:
    count = max(1, round((window.end - window.start) / _EVERY))
    step = (window.end - window.start) / count
    days = np.array([(window.start + step * (index + 0.5)).timetuple().tm_yday for index in range(count)], np.float64)
    points = max(1, math.ceil(round(max(grid.x_size, grid.y_size) / landscape.pixel, 6)))

    def look(strip: Window) -> npt.NDArray[np.float32]:
        here = grid.of_window(strip)
        dense = Grid(
            grid.crs,
            here.left,
            here.top,
            grid.x_size / points,
            grid.y_size / points,
            here.width * points,
            here.height * points,
        )
        seen, _ = reflectance(landscape.cover(dense), days)
        pixels: npt.NDArray[np.float32] = seen.reshape(count, len(BANDS), here.height, points, here.width, points).mean(
            axis=(3, 5), dtype=np.float32
        )
        return pixels

    values = np.empty((len(percentiles), len(BANDS), *grid.shape), np.float32)
    strips = list(grid.blocks(max(1, _STRIP_PIXELS // (grid.width * points * points)), grid.width))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for strip, pixels in zip(strips, pool.map(look, strips), strict=True):
            valid = np.ones((count, strip.height, strip.width), bool)
            for band in range(len(BANDS)):
                values[:, band, strip.slices[0]] = over_time(pixels[:, band], valid, percentiles)[0]
    values.setflags(write=False)
    return values
