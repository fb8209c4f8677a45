"""``weft region``: work on a whole region.

Belongs here: arguments and output. Not here: which runs carry a period through the lane (``pipelines.runs``).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from assets.partitions import RegionPartitions
from pipelines.cli.console import check, output, partition_line, print_json, summary
from pipelines.definitions import build_defs
from pipelines.instance import open_instance
from pipelines.runs import materialize
from pipelines.settings import Settings
from resources.archive import ArchiveResource
from weft import regions
from weft.errors import RequestError

app = typer.Typer(help="Work on a whole region.", no_args_is_help=True)


@app.callback()
def region() -> None:
    """Work on a whole region."""


@app.command("materialize")
def materialize_region(
    region_file: Annotated[Path, typer.Argument(metavar="REGION.yaml", help="the region file")],
    period: Annotated[str, typer.Option(help="key of a closed period, e.g. 2018-03")],
    tile_track: Annotated[list[str] | None, typer.Option(help="only these, e.g. R051_31UDS; repeatable")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Make composites, orbit mosaics and mosaics of one period; work already done is not done again."""
    partitions = RegionPartitions(regions.load(region_file))
    settings = Settings.of_environment(region_file)
    with open_instance(settings.dagster) as instance:
        report = materialize(
            build_defs(settings),
            partitions,
            instance,
            period=period,
            tile_tracks=tile_track,
            notify=(lambda partition: None) if as_json else partition_line,
        )
    if as_json:
        print_json(asdict(report))
    else:
        output.print(summary(report))
    check(report)
    if all(one.status == "empty" for one in report.partitions):
        raise RequestError(
            f"period {period} of {region_file} is empty: {report.partitions[0].message}. {_held(region_file)}; choose "
            "a period within, or correct archive or tiles in the region file"
        )
    if report.rejected:
        raise typer.Exit(3)


def _held(region_file: Path) -> str:
    extent = ArchiveResource(region_file=str(region_file)).open().extent()
    first, last = (f"{day:%Y-%m-%d}" if day else "an unknown day" for day in (extent.first, extent.last))
    return f"The collection holds scenes from {first} to {last}"
