"""Tie points by Weft and by others on the same pair, in a process of its own: `make bench-registration` starts it.

Belongs here: the contestants. Not here: the pair (``bench_registration_inputs``), turns, ratios and result files
(``harness``, ``bench_registration``). Prints seconds, points and errors of every contestant as JSON.

All contestants get the images in memory and the same two threads. Those of scikit-image are handed the same windows;
``upsample 1`` finds whole pixels, ``upsample 20`` twentieths. AROSICS takes part where it can be imported.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench_registration_inputs import displacement, images, pair_files
from benchmarks.bench_registration_pair import FOLDER
from benchmarks.harness import interleave, timed
from weft.registration import TiePoints, tie_points
from weft.registration.tie_points import Method

SEARCH = {"cross_corr": 10, "multimodal": 20}
TEMPLATE = {"cross_corr": 256, "multimodal": 101}

Image = NDArray[np.uint16]
Found = tuple[NDArray[Any], ...]
"""x, y, dx and dy of what was found."""


def main() -> None:
    """Print the runs of every contestant, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--spacing", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    pair = images(options.size)
    contestants: dict[str, Callable[[], Found]] = {
        "weft cross_corr 256": lambda: _weft(*pair, "cross_corr", options),
        "weft multimodal 101 +-20": lambda: _weft(*pair, "multimodal", options),
        "scikit-image 256, upsample 1": lambda: _skimage(*pair, 1, 1, options),
        # A tenth of the windows: it takes 20 times longer.
        "scikit-image 256, upsample 20": lambda: _skimage(*pair, 20, 10, options),
    }
    with contextlib.suppress(ImportError):
        contestants["arosics 256"] = _arosics(options)
    results: dict[str, Found] = {}

    def run(name: str) -> Callable[[], Any]:
        return lambda: timed(lambda: results.__setitem__(name, contestants[name]()))

    for name in ("weft cross_corr 256", "weft multimodal 101 +-20"):
        contestants[name]()  # compiled before the clock starts
    runs = interleave({name: run(name) for name in contestants}, options.rounds)
    print(  # noqa: T201
        json.dumps(
            {
                name: {
                    "runs": [asdict(one) for one in runs[name]],
                    "points": len(found[0]),
                    "median_error": _error(found),
                }
                for name, found in results.items()
            }
        )
    )


def _weft(reference: Image, secondary: Image, method: Method, options: argparse.Namespace) -> Found:
    points: TiePoints = tie_points(
        reference,
        secondary,
        method=method,
        template=TEMPLATE[method],
        search=SEARCH[method],
        spacing=options.spacing,
        workers=options.threads,
    )
    return points.x, points.y, points.dx, points.dy


def _skimage(reference: Image, secondary: Image, upsample: int, every: int, options: argparse.Namespace) -> Found:
    from skimage.registration import phase_cross_correlation

    half = TEMPLATE["cross_corr"] // 2
    ticks = np.arange(half, options.size - half + 1, options.spacing)
    x, y = (axis.ravel()[::every] for axis in np.meshgrid(ticks, ticks))

    def one(column: int, row: int) -> tuple[float, float]:
        window = slice(row - half, row + half), slice(column - half, column + half)
        ours, theirs = reference[window].astype(np.float32), secondary[window].astype(np.float32)
        down, right = phase_cross_correlation(theirs, ours, upsample_factor=upsample, normalization="phase")[0]
        return right, down

    with ThreadPoolExecutor(options.threads) as pool:
        dx, dy = np.array(list(pool.map(one, x, y))).T
    return x, y, dx, dy


def _arosics(options: argparse.Namespace) -> Callable[[], Found]:
    from arosics import COREG_LOCAL

    files = pair_files(FOLDER, options.size)

    def run() -> Found:
        with contextlib.redirect_stdout(io.StringIO()):
            local = COREG_LOCAL(
                str(files.reference),
                str(files.secondary),
                grid_res=options.spacing,
                window_size=(TEMPLATE["cross_corr"],) * 2,
                max_shift=SEARCH["cross_corr"],
                CPUs=options.threads,
                progress=False,
                q=True,
            )
            table = local.CoRegPoints_table
        # Its shifts say how far the secondary must move to lie on the reference: the opposite of ours.
        table = table[(table.X_SHIFT_PX != -9999) & ~table.OUTLIER.astype(bool)]
        x, y = table.X_IM.to_numpy(float), table.Y_IM.to_numpy(float)
        return x, y, -table.X_SHIFT_PX.to_numpy(float), -table.Y_SHIFT_PX.to_numpy(float)

    return run


def _error(found: Found) -> float:
    x, y, dx, dy = (np.asarray(column, np.float64) for column in found)
    true_x, true_y = displacement(x, y)
    return round(float(np.median(np.hypot(dx - true_x, dy - true_y))), 4)


if __name__ == "__main__":
    main()
