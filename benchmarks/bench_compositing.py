"""How fast compositing is beside its peers: `make bench-compositing`.

Belongs here: what is run, the tables that are printed and the file that is written. Not here: the contestants
(``bench_compositing_kernels``, ``bench_compositing_tile``) or the way they are timed (``harness``).

Prints ratios (how many times longer the others take, in CPU time of one thread for kernels and in CPU and wall time for
tiles) as median (smallest-largest) of all rounds, and writes ``results/compositing.json``.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.bench_compositing_inputs import BANDS, FULL, tile
from benchmarks.bench_compositing_tile import FOLDER
from benchmarks.harness import Run, in_process, interleave, ratio, record, spread

_REDUCED = 2745
"""A sixteenth of a tile, for what would need hours for a whole one: decoding JPEG 2000, and the pipeline of peers."""
_LONG = 3
"""Times as many dates for the second look at memory."""

console = Console(soft_wrap=True)


def main() -> None:
    """Run the parts that are asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=("kernels", "cog", "jp2", "odc", "memory"), default=None)
    parser.add_argument("--size", type=int, default=FULL, help="rows and columns of the tile")
    parser.add_argument("--dates", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    parts: dict[str, Callable[[argparse.Namespace], None]] = {
        "kernels": _kernels,
        "cog": partial(_tile, kind="cog"),
        "jp2": partial(_tile, kind="jp2"),
        "odc": _odc,
        "memory": _memory,
    }
    for part in options.parts or parts:
        parts[part](options)


def _kernels(options: argparse.Namespace) -> None:
    figures = in_process("bench_compositing_kernels", str(options.rounds), threads=1)
    pixels, rounds = figures.pop("pixels"), figures.pop("rounds")
    summary: dict[str, Any] = {}
    table = Table("kernel", "contestant", "ns per pixel, CPU", "times Weft, CPU", "times Weft, wall")
    for kernel, contestants in figures.items():
        ours = _runs(contestants["weft"])
        summary[kernel] = {}
        for name, some in contestants.items():
            runs = _runs(some)
            nanoseconds = spread([run.cpu / pixels * 1e9 for run in runs])
            cpu, wall = ratio(ours, runs), ratio(ours, runs, "wall")
            summary[kernel][name] = {"ns_per_pixel": nanoseconds, "ratio_cpu": cpu, "ratio_wall": wall}
            table.add_row(kernel, name, str(nanoseconds), str(cpu), str(wall))
    console.print(table)
    record("compositing", "kernels", {"threads": 1, "rounds": rounds, "pixels": pixels, "kernels": summary})


def _tile(options: argparse.Namespace, kind: str) -> None:
    size = options.size if kind == "cog" else min(options.size, _REDUCED)
    label = f"{kind} {size} x {size}, {len(BANDS)} bands, {options.dates} dates"
    runs = _raced(("weft", "gdal"), kind, size, options)
    ours, floor = runs["weft"], runs["gdal"]
    cpu, wall = ratio(floor, ours), ratio(floor, ours, "wall")
    console.print(f"{label}: {cpu} times the CPU of decoding and encoding alone, {wall} times the wall clock")
    console.print(f"  {_seconds(ours)} against {_seconds(floor)}; peak {max(_peaks(ours)):.0f} MiB")
    figures = {"ratio_cpu": cpu, "ratio_wall": wall, "weft": ours, "gdal": floor}
    record("compositing", f"tile {kind} {size}", {**_setting(options), "size": size, **figures})


def _odc(options: argparse.Namespace) -> None:
    size = min(options.size, _REDUCED)
    runs = _raced(("weft", "odc"), "cog", size, options)
    ours, theirs = runs["weft"], runs["odc"]
    cpu, wall = ratio(ours, theirs), ratio(ours, theirs, "wall")
    console.print(
        f"cog {size} x {size}: rasterio, dask and odc-algo take {cpu} times the CPU and {wall} times the wall clock of "
        f"Weft, for the percentiles alone; peak {max(_peaks(theirs)):.0f} MiB against {max(_peaks(ours)):.0f} MiB"
    )
    figures = {"ratio_cpu": cpu, "ratio_wall": wall, "weft": ours, "odc": theirs}
    record("compositing", f"pipeline cog {size}", {**_setting(options), "size": size, **figures})


def _memory(options: argparse.Namespace) -> None:
    size = options.size
    peaks = {}
    for dates in (options.dates, _LONG * options.dates):
        tile(FOLDER, size, dates, "cog")
        peaks[dates] = _run("weft", "cog", size, dates, options.threads).peak_mib
        console.print(f"cog {size} x {size}, {dates} dates: peak {peaks[dates]:.0f} MiB resident")
    growth = peaks[_LONG * options.dates] / peaks[options.dates] - 1
    console.print(f"  growth {growth:+.1%}")
    figures = {f"peak_mib_{dates}_dates": peak for dates, peak in peaks.items()}
    record("compositing", f"memory cog {size}", {"threads": options.threads, "size": size, **figures})


def _raced(names: Sequence[str], kind: str, size: int, options: argparse.Namespace) -> dict[str, list[Run]]:
    tile(FOLDER, size, options.dates, kind)
    _run("weft", "cog", 512, 3, options.threads)  # compiles the kernels into numba's cache
    contestants = {name: partial(_run, name, kind, size, options.dates, options.threads) for name in names}
    try:
        # The floor encodes the layers that Weft has made, so Weft comes first once.
        return interleave(contestants, options.rounds)
    finally:
        shutil.rmtree(FOLDER / f"made-{kind}-{size}", ignore_errors=True)


def _run(contestant: str, kind: str, size: int, dates: int, threads: int) -> Run:
    arguments = ["--size", str(size), "--dates", str(dates), "--kind", kind, "--threads", str(threads)]
    return Run(**in_process("bench_compositing_tile", contestant, *arguments, threads=threads))


def _runs(some: Sequence[dict[str, Any]]) -> list[Run]:
    return [Run(**run) for run in some]


def _peaks(runs: Sequence[Run]) -> list[float]:
    return [run.peak_mib or 0.0 for run in runs]


def _seconds(runs: Sequence[Run]) -> str:
    return f"{spread([run.cpu for run in runs])} s of CPU, {spread([run.wall for run in runs])} s on the clock"


def _setting(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("size", "dates", "threads", "rounds")}


if __name__ == "__main__":
    main()
