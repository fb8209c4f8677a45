"""``weft simulate``: write a synthetic archive with known truth. Not here: the simulator (``weft.simulation``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.console import output, steps
from weft import simulation


def simulate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="where archive, truth and region file go")],
    preset: Annotated[str, typer.Option(help="demo (coarse pixels) or bench (10 m)")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="equal seeds give equal bytes")] = 1,
) -> None:
    """Simulate a Sentinel-2 archive whose truth is known."""
    with steps("simulating") as progress:
        made = simulation.simulate(directory, preset=preset, seed=seed, progress=progress)
    verb = "simulated" if made.created else "found, as asked for,"
    output.print(f"{verb} {made.granules} scenes: {made.archive}", soft_wrap=True, highlight=False)
    output.print(f"region file: {made.region}, truth: {made.truth}", soft_wrap=True, highlight=False)
