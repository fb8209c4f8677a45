"""What the commands that carry out orders have in common: the document they are given, and what they hand out.

Belongs here: reading an order of one kind, the table of its products, and copies of them in a folder. Not here: any one
command, or carrying orders out (``pipelines.orders``).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from rich.table import Table

from pipelines.settings import Settings
from resources.object_store import ObjectStoreResource
from resources.scratch import ScratchResource
from weft import orders
from weft.errors import RequestError
from weft.orders import Order
from weft.stac import Item
from weft.stac.products import COG_TYPE

AnyOrder = TypeVar("AnyOrder", bound=Order)

_ORDER = "order"


def read_order(path: Path, kind: type[AnyOrder]) -> AnyOrder:
    """The order in a file.

    Raises:
        RequestError: the file cannot be read, is no order, or an order of another kind.
    """
    try:
        order = orders.parse(path.read_bytes())
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror}); give the path of an order") from error
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error
    if not isinstance(order, kind):
        raise RequestError(f"{path} is an order for a {order.kind()}; use weft {order.kind()}")
    return order


def product_table(order: Order, items: Sequence[Item]) -> Table:
    """Every raster of an order's items and where it is."""
    table = Table("product", "collection", "file", title=f"order {order.id}")
    for item in items:
        for asset in item["assets"].values():
            if asset.get("type") == COG_TYPE:
                table.add_row(asset["title"], item["collection"], asset["href"])
    return table


def export(items: Sequence[Item], settings: Settings, folder: Path) -> None:
    """Copies of all files beside their items, whose hrefs are relative: the folder can go anywhere."""
    store = ObjectStoreResource(url=settings.store).open()
    with ScratchResource(directory=settings.scratch).folder() as fetched:
        for item in items:
            target = folder / item["collection"]
            target.mkdir(parents=True, exist_ok=True)
            copied = {**item, "assets": {}}
            for key, asset in item["assets"].items():
                name = asset["href"].rpartition("/")[2]
                shutil.copyfile(store.fetch(store.key_of(asset["href"]), fetched), target / name)
                copied["assets"][key] = {**asset, "href": f"./{name}"}
                if key == _ORDER:
                    shutil.copyfile(target / name, folder / name)
            (target / "item.json").write_text(json.dumps(copied, indent=1) + "\n", encoding="utf-8")
