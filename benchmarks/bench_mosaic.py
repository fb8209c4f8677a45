"""How fast a region is mosaicked, beside the bare cost of its files and beside its peers: `make bench-mosaic`.

Belongs here: what is run, the tables that are printed and the file that is written. Not here: the contestants
(``bench_mosaic_contestants``, ``bench_mosaic_blend``), their inputs, or the way they are timed (``harness``).

Prints ratios as median (smallest-largest) of all rounds, and writes ``results/mosaic.json``. A round is one row of
sheets, mosaicked by every contestant in turn; the ratio of the sums over all rows stands beside the median. Files are
read once before the clock starts, so that nobody pays for a cold disk.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.bench_mosaic_contestants import FOLDER, MADE
from benchmarks.bench_mosaic_inputs import LARGEST, LAYERS, Area, area
from benchmarks.harness import Run, Session, in_process, ratio, record, spread
from weft.mosaicking.sheets import Sheet

_PEERS = 2
"""Sheets a side for the peers."""
_SEAMS = {
    "weft": "at most 1 % of the difference between the tracks, proven by tests: weights are zero before the data end",
    "rio": "all of the difference, wherever the tile that was painted first ends (gdal_merge.py: where the last ends)",
    "odc": "half of the difference where one of two tracks ends, a third where one of three does",
}
"""What is left at a swath edge; the others know no tracks."""

console = Console(soft_wrap=True)


def main() -> None:
    """Run the parts that are asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=("blend", "region", "peers"), default=None)
    parser.add_argument(
        "--size",
        type=int,
        default=LARGEST,
        choices=range(1, LARGEST + 1),
        metavar="SHEETS",
        help="sheets of 100 km a side; 12 are 40,000 pixels of 30 m",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="of the blend; sheets are rounds of their own")
    options = parser.parse_args()
    parts = {"blend": _blend, "region": _region, "peers": _peers}
    for part in options.parts or parts:
        parts[part](options)


def _blend(options: argparse.Namespace) -> None:
    answer = in_process("bench_mosaic_blend", str(options.rounds), threads=1)
    speeds = {
        name: spread([answer["pixels"][name] / run["cpu"] / 1e9 for run in runs])
        for name, runs in answer["runs"].items()
    }
    table = Table("kernel, three tracks", "Gpx/s and core")
    for name, speed in speeds.items():
        table.add_row(name, str(speed))
    console.print(table)
    record("mosaic", "blend", {"rounds": options.rounds, "gpx_per_second_and_core": speeds})


def _region(options: argparse.Namespace) -> None:
    # Inputs first: every contestant would write those that are missing, all at once.
    smallest, quarter, whole = (area(FOLDER, size) for size in (1, max(1, options.size // 2), options.size))
    with Session("bench_mosaic_contestants", *_arguments("weft", 1, options), threads=options.threads) as first:
        first.ask([smallest.sheets[0].name])  # compiles the kernels into numba's cache
    small = _raced(("weft",), quarter, options)["weft"]
    answers = _raced(("weft", "gdal"), whole, options)
    ours, floor = answers["weft"], answers["gdal"]
    tiles = _composites(whole)
    label = f"{whole.pixels / 1e9:.2f} Gpx, {len(LAYERS)} layers, {len(whole.tracks)} tracks, {tiles} composites"
    figures: dict[str, Any] = {
        "size": options.size,
        "threads": options.threads,
        "pixels": whole.pixels,
        "tracks": len(whole.tracks),
        "composites": tiles,
        "input_gib": round(_bytes(whole) / 2**30, 2),
        "peak_mib": {str(one.pixels): _peak(runs) for one, runs in ((quarter, small), (whole, ours))},
        "stages_cpu": {name: _stages(runs) for name, runs in answers.items()},
    }
    for of in ("cpu", "wall"):
        figures[f"ratio_{of}"] = ratio(_runs(floor), _runs(ours), of)
        figures[f"ratio_{of}_total"] = round(_sum(ours, of) / _sum(floor, of), 4)
        figures[f"seconds_{of}"] = {name: round(_sum(runs, of), 1) for name, runs in answers.items()}
    console.print(
        f"{label}: {figures['ratio_cpu_total']:.2f} times the CPU of reading, warping and writing alone, "
        f"{figures['ratio_wall_total']:.2f} times the wall clock; by rows of sheets {figures['ratio_cpu']} and "
        f"{figures['ratio_wall']}"
    )
    console.print(f"  {_sum(ours, 'wall'):.0f} s against {_sum(floor, 'wall'):.0f} s on the clock")
    console.print(
        f"  peak {_peak(ours):.0f} MiB resident, {_peak(small):.0f} MiB for {quarter.pixels / 1e9:.2f} Gpx "
        f"({_peak(ours) / _peak(small) - 1:+.1%})"
    )
    table = Table("contestant", "stage", "CPU s")
    for name, stages in figures["stages_cpu"].items():
        for stage, seconds in stages.items():
            table.add_row(name, stage, f"{seconds:.1f}")
    console.print(table)
    record("mosaic", f"region {options.size} x {options.size}", figures)


def _peers(options: argparse.Namespace) -> None:
    whole = area(FOLDER, _PEERS)
    answers = _raced(("weft", "rio", "odc"), whole, options)
    ours = answers["weft"]
    table = Table("contestant", "times Weft, CPU", "times Weft, wall", "peak MiB")
    figures: dict[str, Any] = {}
    for name, runs in answers.items():
        figures[name] = {
            "ratio_cpu": ratio(_runs(ours), _runs(runs)),
            "ratio_wall": ratio(_runs(ours), _runs(runs), "wall"),
            "peak_mib": round(_peak(runs)),
            "seam": _SEAMS[name],
        }
        cells = (figures[name][key] for key in ("ratio_cpu", "ratio_wall", "peak_mib"))
        table.add_row(name, *map(str, cells))
    console.print(table)
    console.print("  Weft also writes the orbit mosaics and every track's weight; the others write the mosaic alone.")
    for name, seam in _SEAMS.items():
        console.print(f"  Largest step at a swath edge, {name}: {seam}")
    record("mosaic", "peers", {"size": _PEERS, "threads": options.threads, "contestants": figures})


def _raced(names: Sequence[str], whole: Area, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """What every contestant answers for every row of sheets; the first comes first, since others use what it made."""
    size = len(whole.rows)
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with ExitStack() as stack:
        sessions = {
            name: stack.enter_context(
                Session("bench_mosaic_contestants", *_arguments(name, size, options), threads=options.threads)
            )
            for name in names
        }
        for number, row in enumerate(whole.rows, 1):
            _warm(whole, row)
            for name, session in sessions.items():
                answers[name].append(session.ask([sheet.name for sheet in row]))
            shutil.rmtree(MADE, ignore_errors=True)
            seconds = ", ".join(
                f"{n} {some[-1]['cpu']:.1f} s of CPU in {some[-1]['wall']:.1f} s" for n, some in answers.items()
            )
            console.print(f"  row {number} of {size}: {seconds}", style="dim")
    return answers


def _warm(whole: Area, row: Sequence[Sheet]) -> None:
    for path in whole.files(row):
        with path.open("rb") as file:
            while file.read(1 << 22):
                pass


def _arguments(contestant: str, size: int, options: argparse.Namespace) -> tuple[str, ...]:
    return contestant, "--size", str(size), "--threads", str(options.threads)


def _runs(answers: Sequence[dict[str, Any]]) -> list[Run]:
    return [Run(answer["wall"], answer["cpu"], answer["peak_mib"]) for answer in answers]


def _sum(answers: Sequence[dict[str, Any]], of: str) -> float:
    return sum(answer[of] for answer in answers)


def _peak(answers: Sequence[dict[str, Any]]) -> float:
    return max(answer["peak_mib"] for answer in answers)


def _stages(answers: Sequence[dict[str, Any]]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for answer in answers:
        total.update(answer["stages"])
    return {stage: round(seconds, 1) for stage, seconds in total.items()}


def _composites(whole: Area) -> int:
    return len({product.id for found in whole.composites.values() for some in found.values() for product in some})


def _bytes(whole: Area) -> int:
    return sum(Path(path).stat().st_size for path in whole.files(whole.sheets))


if __name__ == "__main__":
    main()
