"""How fast images are registered, beside others and for a whole pair: `make bench-registration`.

Belongs here: what is run, the tables that are printed and the file that is written. Not here: the contestants
(``bench_registration_matching``, ``bench_registration_pair``), their inputs, or how they are timed (``harness``).

Prints tie points per second as median (smallest-largest) of all rounds, and writes ``results/registration.json``.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.bench_registration_inputs import pair_files
from benchmarks.bench_registration_pair import FOLDER
from benchmarks.harness import in_process, record, spread

console = Console(soft_wrap=True)


def main() -> None:
    """Run the parts that are asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=("matching", "pair"), default=None)
    parser.add_argument("--size", type=int, default=10_980, help="edge of the whole pair, pixels")
    parser.add_argument("--edge", type=int, default=2048, help="edge of the images that contestants match, pixels")
    parser.add_argument("--spacing", type=int, default=40, help="of their tie points, pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    parts = {"matching": _matching, "pair": _pair}
    for part in options.parts or parts:
        parts[part](options)


def _matching(options: argparse.Namespace) -> None:
    answer = in_process(
        "bench_registration_matching",
        *("--size", str(options.edge), "--spacing", str(options.spacing)),
        *("--rounds", str(options.rounds), "--threads", str(options.threads)),
        threads=1,
    )
    table = Table("contestant", "tie points a second", "per second of processor", "median error, px")
    figures: dict[str, Any] = {}
    for name, found in answer.items():
        speeds = {of: spread([found["points"] / run[of] for run in found["runs"]]) for of in ("wall", "cpu")}
        figures[name] = {"points": found["points"], "median_error": found["median_error"], "points_per_second": speeds}
        table.add_row(name, str(speeds["wall"]), str(speeds["cpu"]), f"{found['median_error']:.3f}")
    console.print(table)
    if "arosics 256" not in figures:
        console.print("  AROSICS is not installed here", style="dim")
    record(
        "registration",
        "matching",
        {
            "size": options.edge,
            "threads": options.threads,
            "rounds": options.rounds,
            "scikit-image": version("scikit-image"),
            "contestants": figures,
        },
    )


def _pair(options: argparse.Namespace) -> None:
    pair_files(FOLDER, options.size)
    arguments = ("--template", "256", "--threads", str(options.threads))
    # Loads or compiles the kernels into numba's cache, as every worker that has run before has done.
    in_process("bench_registration_pair", "--size", "1098", *arguments, threads=options.threads)
    answer = in_process("bench_registration_pair", "--size", str(options.size), *arguments, threads=options.threads)
    table = Table("stage", "seconds", "CPU seconds")
    for name, run in answer["stages"].items():
        table.add_row(name, f"{run['wall']:.1f}", f"{run['cpu']:.1f}")
    total = {of: sum(run[of] for run in answer["stages"].values()) for of in ("wall", "cpu")}
    table.add_row("all", f"{total['wall']:.1f}", f"{total['cpu']:.1f}")
    console.print(table)
    console.print(
        f"{options.size} x {options.size}: {answer['points']} tie points, {answer['model']}, accepted: "
        f"{answer['accepted']}; RMSE {answer['rmse_of_points']:.3f} px per point, {answer['rmse_of_displacement']:.3f} "
        f"px of the displacement; peak {answer['peak_mib']:.0f} MiB"
    )
    record("registration", f"pair {options.size}", {"threads": options.threads, "seconds": total, **answer})


if __name__ == "__main__":
    main()
