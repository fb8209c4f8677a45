"""A whole pair of images registered by Weft, in a process of its own: `make bench-registration` starts it.

Belongs here: from two files to one warped COG. Not here: the inputs (``bench_registration_inputs``), what is printed
(``bench_registration``). Prints wall and CPU seconds of every stage, the peak resident memory and the errors as JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench_registration_inputs import Pair, displacement, pair_files
from benchmarks.harness import ROOT, peak_mib, timed
from weft.rasters.cog import LayerWriter
from weft.rasters.grid import Window
from weft.rasters.product import LayerSpec
from weft.rasters.streaming import in_order
from weft.registration.collocation import Source, collocate
from weft.registration.displacement import Displacement
from weft.registration.registration import Registration, register
from weft.registration.remapping import Remapped
from weft.registration.settings import Registering

FOLDER = ROOT / ".weft" / "bench"
_BLOCK = 1024
_BAND = LayerSpec("red", "Red, on the reference", "uint16", 0, 0.0001, 0.0, "1", "red")
_EVERY = 97


def main() -> None:
    """Register one pair and warp one band."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--template", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    pair = pair_files(FOLDER, options.size)
    work = _Work(pair, options.template, options.threads)
    stages = {stage.__name__: asdict(timed(stage)) for stage in (work.read, work.register, work.warp)}
    found = work.found
    print(  # noqa: T201
        json.dumps(
            {
                "stages": stages,
                "peak_mib": peak_mib(),
                "accepted": found.accepted,
                "reason": found.reason,
                "model": found.displacement.model,
                "points": len(found.points),
                "inliers": int(found.points.inlier.sum()),
                "rmse_of_points": _error(found.points.x, found.points.y, found.points.dx, found.points.dy),
                "rmse_of_displacement": _rmse(found.displacement),
            }
        )
    )


class _Work:
    """The stages, one after the other; the images are let go as soon as they are matched."""

    found: Registration

    def __init__(self, pair: Pair, template: int, threads: int) -> None:
        self._pair = pair
        self._settings = Registering(method="cross_corr", template=template)
        self._threads = threads
        self._images: tuple[NDArray[np.float32], ...] = ()

    def read(self) -> None:
        """Both bands, on the grid of the pair."""
        pair = self._pair
        sources = [Source(str(path), pair.layer(path)) for path in (pair.reference, pair.secondary)]
        self._images = collocate(sources, pair.grid, workers=self._threads).images

    def register(self) -> None:
        """Tie points, outliers, model, verdict."""
        reference, secondary = self._images
        self.found = register(reference, secondary, self._settings, method="cross_corr", workers=self._threads)
        self._images = ()

    def warp(self) -> None:
        """The band of the secondary on the reference, as a COG."""
        pair = self._pair
        made = FOLDER / f"made-registration-{pair.grid.width}"
        shutil.rmtree(made, ignore_errors=True)
        layer, place = pair.layer(pair.secondary), str(pair.secondary)
        with (
            Remapped(place, layer, pair.grid, kernel="cubic", displacement=self.found.displacement) as band,
            LayerWriter(pair.grid, [_BAND], made) as writer,
        ):

            def stored(window: Window) -> tuple[Window, NDArray[np.uint16]]:
                values = np.round(band.read(window) / np.float32(_BAND.scale))
                return window, np.clip(np.nan_to_num(values, nan=0), 0, 65_535).astype(np.uint16)

            for window, values in in_order(stored, pair.grid.blocks(_BLOCK, _BLOCK), workers=self._threads):
                writer.write(window, {_BAND.key: values})
            writer.finish(workers=self._threads)


def _rmse(moved: Displacement) -> float:
    rows, columns = moved.shape
    x, y = np.meshgrid(np.arange(0.0, columns, _EVERY), np.arange(0.0, rows, _EVERY))
    return _error(x, y, *moved.at(x, y))


def _error(x: NDArray[Any], y: NDArray[Any], dx: NDArray[Any], dy: NDArray[Any]) -> float:
    true_x, true_y = displacement(x, y)
    return round(float(np.sqrt(np.mean((dx - true_x) ** 2 + (dy - true_y) ** 2))), 5)


if __name__ == "__main__":
    main()
