"""Composite one tile of N dates (which share two files) and print the peak resident memory in MiB."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.scenes import GRID, make_scene
from weft.compositing.composite import Recipe, composite
from weft.compositing.observations import plan
from weft.regions import Composite, Validity

SETTINGS = {
    "default": (Validity(), Composite()),
    "many": (
        Validity(dilate_m=10, shadow_dilate_m=10),
        Composite(methods=("s2gm", "mean", "percentiles"), layers="all"),
    ),
}


def main(folder: Path, dates: int, settings: str) -> None:
    grid = replace(GRID, width=1792, height=1792)
    originals = [make_scene(folder / str(dates), number, grid=grid, block=64) for number in range(2)]
    scenes = [
        replace(
            originals[number % 2],
            id=f"scene{number}",
            datatake=f"pass{number}",
            acquired=originals[0].acquired + timedelta(days=number),
        )
        for number in range(dates)
    ]
    recipe = Recipe(tuple(originals[0].bands), *SETTINGS[settings], 10)
    composite(plan(scenes, recipe.bands).observations, recipe, folder / f"out{dates}", lambda href: href)
    print(_peak_mib())


def _peak_mib() -> float:
    """Peak of this program alone: getrusage also reports what the process held before it became this program."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
