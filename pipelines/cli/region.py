"""``weft region``: work on a whole region.

Belongs here: arguments and output. Not here: which runs carry a period through the lane (``pipelines.runs``), or what
an area needs (``weft.planning``).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from assets.partitions import RegionPartitions
from pipelines.cli.console import check, output, partition_line, print_json, steps, summary
from pipelines.definitions import build_defs
from pipelines.instance import open_instance
from pipelines.runs import materialize
from pipelines.settings import Settings
from resources.archive import ArchiveResource
from weft import planning, regions
from weft.errors import RequestError
from weft.regions import MAX_TILE_TRACKS

app = typer.Typer(help="Work on a whole region.", no_args_is_help=True)


@app.callback()
def region() -> None:
    """Work on a whole region."""


@app.command("plan")
def plan_region(
    area_file: Annotated[Path, typer.Argument(metavar="AOI.geojson", help="polygons of the area")],
    out: Annotated[Path, typer.Option(help="the region file to write")],
    name: Annotated[str | None, typer.Option(help="name of the region; by default that of the file")] = None,
    like: Annotated[Path | None, typer.Option(help="region file whose other keys are taken over")] = None,
    crs: Annotated[str | None, typer.Option(help="CRS of the mosaic, with sheets of 100 km or 1 degree")] = None,
    resolution: Annotated[float | None, typer.Option(help="pixel of the mosaic in the unit of the CRS")] = None,
    split: Annotated[bool, typer.Option("--split", help="write several regions if one would be too large")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the counts as JSON")] = False,
) -> None:
    """Find the tiles, tracks and sheets that an area needs, and write its region file."""
    document, mosaic = planning.template(like, out, crs=crs, resolution=resolution)
    with steps("planning") as progress:
        whole = planning.plan(planning.read_area(area_file), mosaic, progress=progress)
    if len(whole.tile_tracks) > MAX_TILE_TRACKS and not split:
        raise RequestError(
            f"{area_file} needs {len(whole.tile_tracks)} tile_tracks, more than the {MAX_TILE_TRACKS} of one region; "
            "add --split to write several regions, or plan a smaller area"
        )
    parts = planning.split(whole, mosaic, MAX_TILE_TRACKS)
    files = planning.region_files(parts, out, document, name=name or out.stem, source=area_file.name)
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    written = [{"file": str(path), **part.counts} for path, part in zip(files, parts, strict=True)]
    if as_json:
        print_json({**whole.counts, "regions": written})
    else:
        output.print(_table(written))


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


def _table(written: list[dict[str, Any]]) -> Table:
    table = Table(*written[0], title="planned")
    for row in written:
        table.add_row(*map(str, row.values()))
    return table


def _held(region_file: Path) -> str:
    extent = ArchiveResource(region_file=str(region_file)).open().extent()
    first, last = (f"{day:%Y-%m-%d}" if day else "an unknown day" for day in (extent.first, extent.last))
    return f"The collection holds scenes from {first} to {last}"
