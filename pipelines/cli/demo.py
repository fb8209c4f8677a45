"""``weft demo``: simulate an archive, carry it through the whole lane, report on it.

Belongs here: the order of these steps and the summary on the terminal. Not here: any of the steps.
"""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from assets.partitions import RegionPartitions
from pipelines.cli.console import check, errors, output, partition_line, steps, summary
from pipelines.definitions import build_defs
from pipelines.instance import open_instance
from pipelines.runs import Report, materialize
from pipelines.settings import Settings
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStoreResource
from weft import periods, regions, simulation
from weft.simulation import report as page
from weft.simulation.truth import Truth
from weft.stac.products import source_product

_REPORTED = ("composites", "orbit-mosaics", "mosaics")


def demo(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="where everything goes")] = Path(".weft/demo"),
    preset: Annotated[str, typer.Option(help="what to simulate, see weft simulate")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="equal seeds give equal bytes")] = 1,
) -> None:
    """From nothing to a seamless seasonal mosaic with a report; a second call finds everything done."""
    begun = time.monotonic()
    settings = Settings.of_home(directory)
    with steps("simulating") as progress:
        archive = simulation.simulate(directory, preset=preset, seed=seed, progress=progress)
    simulated = time.monotonic()
    truth = Truth.load(directory)
    region = regions.load(archive.region)
    period = region.start
    with open_instance(settings.dagster) as instance:
        result = materialize(
            build_defs(settings), RegionPartitions(region), instance, period=period, notify=partition_line
        )
    materialized = time.monotonic()
    output.print(summary(result))
    check(result)
    document_path = directory / "report.json"
    if result.unchanged and not archive.created and document_path.exists():
        document = json.loads(document_path.read_text(encoding="utf-8"))
        outcome = f"nothing was recomputed: all {len(result.partitions)} partitions are unchanged"
    else:
        entries, figures = _published(settings, directory)
        findings = page.examine(entries, truth, periods.window(region.calendar, period))
        facts = {
            "region": region.region,
            "period": period,
            "seed": seed,
            "scenes": archive.granules,
            **figures,
            "partitions": _statuses(result),
            "rejected": list(result.rejected),
            "simulate_s": simulated - begun,
            "materialize_s": materialized - simulated,
            "wall_s": time.monotonic() - begun,
            "cpu_s": time.process_time(),
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        document = page.write(directory, findings, facts)
        outcome = f"report: {directory / 'report.html'}"
    output.print(_table(document))
    output.print(f"{outcome} ({time.monotonic() - begun:.1f} s)", soft_wrap=True, highlight=False)
    errors.print(f"look around: make ui, or WEFT_HOME={directory} weft catalog search", soft_wrap=True, highlight=False)
    if result.rejected:
        raise typer.Exit(3)


def _published(settings: Settings, directory: Path) -> tuple[list[page.Entry], dict[str, float | None]]:
    """Products to report on, and what their items counted and measured."""
    catalogue = CatalogueResource(url=settings.catalogue).open()
    store = ObjectStoreResource(url=settings.store).open()
    entries = [
        page.Entry(
            collection,
            source_product(item, lambda href: store.fetch(store.key_of(href), directory / "scratch")),
            item["properties"].get("weft:track") if collection == "orbit-mosaics" else None,
        )
        for collection in _REPORTED
        for item in catalogue.search(Search(collection))
    ]
    stacks = [item["properties"] for item in catalogue.search(Search("coregistered-stacks"))]
    names = ("duplicates_collapsed", "granules_merged")
    counts = {name: sum(stack[f"weft:{name}"] for stack in stacks) for name in names}
    seams = [item["properties"]["weft:seams"] for item in catalogue.search(Search("mosaics"))]
    largest = {
        f"largest_seam_{name}": max((seam[name] for seam in seams if seam[name] is not None), default=None)
        for name in ("step", "index")
    }
    return entries, counts | largest


def _statuses(result: Report) -> dict[str, dict[str, int]]:
    assets = dict.fromkeys(partition.asset for partition in result.partitions)
    return {
        asset: dict(Counter(one["status"] for one in map(asdict, result.partitions) if one["asset"] == asset))
        for asset in assets
    }


def _table(document: dict[str, Any]) -> Table:
    table = Table("product", "band", "RMSE", "bias", title="against the truth (reflectance)")
    for name, bands in document["products"].items():
        if name.startswith("mosaics/"):
            for band, found in bands.items():
                if found["pixels"]:
                    table.add_row(name, f"{band} {found['statistic']}", f"{found['rmse']:.4f}", f"{found['bias']:+.4f}")
    table.caption = (
        f"largest step at a swath edge, share of the track difference: {_by_method(document['seam_step_ratio'], 4)}\n"
        f"gradient across swath edges over gradient beside them: {_by_method(document['seam_index'], 3)}\n"
        f"{document['duplicates_collapsed']} duplicates collapsed, {document['granules_merged']} granules merged, "
        f"{document['wall_s']:.0f} s, {document['peak_rss_mib']:.0f} MiB at most"
    )
    return table


def _by_method(values: dict[str, float | None], digits: int) -> str:
    return ", ".join(f"{method} {value:.{digits}f}" for method, value in values.items() if value is not None)
