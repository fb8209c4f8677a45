"""``weft stack``: carry out a stack order.

Belongs here: arguments and output. Not here: orders (``weft.orders``) or the runs that carry them out
(``pipelines.orders``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from pipelines.cli.console import check, errors, output, partition_line, print_json
from pipelines.cli.order_files import export, product_table, read_order
from pipelines.instance import open_instance
from pipelines.orders import carry_out
from pipelines.runs import Report
from pipelines.settings import Settings
from resources.catalogue import CatalogueResource
from weft.orders import StackOrder
from weft.stac import Item
from weft.stac.order_products import EXPRESSIONS, STACKS


def stack(
    order_file: Annotated[Path, typer.Argument(metavar="ORDER.json", help="the order")],
    out: Annotated[Path | None, typer.Option(help="folder that gets a copy of every file and item")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the items and the report as JSON")] = False,
) -> None:
    """Co-register the datasets of an order, stack their bands and evaluate its expressions."""
    order, settings = read_order(order_file, StackOrder), Settings.of_environment()
    with open_instance(settings.dagster) as instance:
        report = carry_out(order, settings, instance, notify=(lambda one: None) if as_json else partition_line)
    check(report)
    items = list(_items(order, settings))
    if out is not None:
        export(items, settings, out)
    if as_json:
        print_json({"order": order.id, "unchanged": report.unchanged, "items": items})
    else:
        _show(order, items, report, out)
    if any(one["status"] == "refused" for one in _datasets(items)):
        raise typer.Exit(3)


def _items(order: StackOrder, settings: Settings) -> Iterator[Item]:
    catalogue = CatalogueResource(url=settings.catalogue).open()
    for collection in (STACKS, EXPRESSIONS):
        item = catalogue.get(collection, order.id)
        if item is not None:
            yield item


def _datasets(items: list[Item]) -> list[dict[str, Any]]:
    return [one for item in items for one in item["properties"].get("weft:coregistration", {}).get("datasets", ())]


def _show(order: StackOrder, items: list[Item], report: Report, out: Path | None) -> None:
    if datasets := _datasets(items):
        table = Table("dataset", "id", "became", "points", "CE90 before", "after", title="registration (pixels)")
        for one in datasets:
            figures = [_figure(one.get(name)) for name in ("ce90_before", "ce90_after")]
            points = f"{one['inliers']} of {one['points']}" if "points" in one else ""
            table.add_row(str(one["dataset"]), one["id"], one["status"], points, *figures)
        output.print(table)
    output.print(product_table(order, items))
    for one in datasets:
        if one["status"] == "refused":
            errors.print(f"[yellow]not registered[/] {one['id']}: {one['reason']}", soft_wrap=True, highlight=False)
    if report.unchanged:
        output.print("nothing was recomputed: the order is unchanged")
    where = f"{out / STACKS / 'report.html'}" if out else items[0]["assets"]["report"]["href"]
    output.print(f"report: {where}", soft_wrap=True, highlight=False)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
