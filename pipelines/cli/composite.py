"""``weft composite``: carry out a composite order.

Belongs here: arguments and output. Not here: orders (``weft.orders``) or the runs that carry them out
(``pipelines.orders``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.console import check, output, partition_line, print_json
from pipelines.cli.order_files import export, product_table, read_order
from pipelines.instance import open_instance
from pipelines.orders import carry_out
from pipelines.settings import Settings
from resources.catalogue import CatalogueResource
from weft.orders import CompositeOrder
from weft.stac.order_products import COMPOSITES


def composite(
    order_file: Annotated[Path, typer.Argument(metavar="ORDER.json", help="the order")],
    out: Annotated[Path | None, typer.Option(help="folder that gets a copy of every file and the item")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the item and the report as JSON")] = False,
) -> None:
    """Composite any area and period from the calibrated datasets of the catalogue, as one product."""
    order, settings = read_order(order_file, CompositeOrder), Settings.of_environment()
    with open_instance(settings.dagster) as instance:
        report = carry_out(order, settings, instance, notify=(lambda one: None) if as_json else partition_line)
    check(report)
    item = CatalogueResource(url=settings.catalogue).open().get(COMPOSITES, order.id)
    items = [item] if item else []
    if out is not None:
        export(items, settings, out)
    if as_json:
        print_json({"order": order.id, "unchanged": report.unchanged, "items": items})
    else:
        output.print(product_table(order, items))
        if report.unchanged:
            output.print("nothing was recomputed: the order is unchanged")
    if report.rejected:
        raise typer.Exit(3)
