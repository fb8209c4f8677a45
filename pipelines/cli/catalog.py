"""``weft catalog``: look at what is published.

Belongs here: arguments and output. Not here: the catalogue (``resources.catalogue``).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.console import errors, output, print_json
from pipelines.settings import Settings
from resources.catalogue import Catalogue, CatalogueResource, Search
from weft.errors import IntegrityError, RequestError
from weft.stac import Item
from weft.stac.validation import validate

app = typer.Typer(help="Look at what is published.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def search(
    collection: Annotated[str | None, typer.Argument(help="collection; all by default")] = None,
    bbox: Annotated[str | None, typer.Option(help="west,south,east,north in degrees")] = None,
    start: Annotated[str | None, typer.Option(help="first moment, ISO 8601, UTC unless it says otherwise")] = None,
    end: Annotated[str | None, typer.Option(help="end (exclusive), ISO 8601")] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most this many items of each collection")] = 100,
    as_json: _Json = False,
) -> None:
    """Items of a collection by place and time."""
    catalogue = _catalogue()
    window = None
    if start or end:
        window = (_moment(start or "0001-01-01"), _moment(end or "9999-12-31"))
    box = _box(bbox) if bbox else None
    names = [collection] if collection else [extent.collection for extent in catalogue.collections()]
    items = [item for name in names for item in catalogue.search(Search(name, window=window, bbox=box, limit=limit))]
    if as_json:
        print_json({"type": "FeatureCollection", "features": items})
        return
    table = Table("collection", "id", "start", "end", "assets")
    for item in items:
        properties = item["properties"]
        first = properties.get("start_datetime") or properties["datetime"]
        last = properties.get("end_datetime") or properties["datetime"]
        table.add_row(item["collection"], item["id"], first[:10], last[:10], str(len(item["assets"])))
    output.print(table)
    output.print(f"{len(items)} items")


@app.command()
def show(
    collection: Annotated[str, typer.Argument(help="collection")],
    item_id: Annotated[str, typer.Argument(metavar="ID", help="item id")],
) -> None:
    """One item as JSON."""
    item = _catalogue().get(collection, item_id)
    if item is None:
        raise RequestError(
            f"{collection}/{item_id} is not in the catalogue; `weft catalog search {collection}` lists what is"
        )
    output.print_json(json.dumps(item))


@app.command("validate")
def validate_items(
    collection: Annotated[str | None, typer.Argument(help="collection; all by default")] = None, as_json: _Json = False
) -> None:
    """Check every item against STAC 1.1 and the extensions it names, offline."""
    catalogue = _catalogue()
    names = [collection] if collection else [extent.collection for extent in catalogue.collections()]
    faults: dict[str, str] = {}
    count = 0
    for name in names:
        for item in catalogue.search(Search(name)):
            count += 1
            fault = _fault(item)
            if fault:
                faults[f"{name}/{item['id']}"] = fault
    if as_json:
        print_json({"items": count, "faults": faults})
    else:
        for name, fault in faults.items():
            errors.print(f"[red]invalid[/] {name}: {fault}", soft_wrap=True, highlight=False)
        output.print(f"{count} items, {len(faults)} invalid")
    if faults:
        raise typer.Exit(1)


def _catalogue() -> Catalogue:
    url = Settings.of_environment().catalogue
    path = url.removeprefix("sqlite:///")
    if "://" not in path and not Path(path).exists():
        raise RequestError(
            f"there is no catalogue at {path}; set WEFT_HOME or WEFT_CATALOG, or materialise something first"
        )
    return CatalogueResource(url=url).open()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestError(f"{text!r} is not an ISO 8601 time ({error}); write it like 2018-03-21") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise RequestError(f"bbox {text!r} is not west,south,east,north in degrees") from error
    return west, south, east, north


def _fault(item: Item) -> str | None:
    try:
        validate(item)
    except IntegrityError as error:
        return str(error)
    return None
