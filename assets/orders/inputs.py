"""The datasets of an order, found and judged: everything that can be wrong is wrong here, before a pixel is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import dagster as dg

from assets.orders.lane import options
from assets.previews import describe
from assets.shelf import Shelf
from assets.units import resumable
from resources.catalogue import Catalogue, CatalogueResource
from resources.item_source import ItemSource, ItemSourceResource
from resources.object_store import ObjectStore, ObjectStoreResource
from resources.orders import get_order
from resources.scratch import ScratchResource
from weft.errors import RequestError
from weft.fingerprints import fingerprint
from weft.orders import Order, StackOrder
from weft.orders.datasets import dataset_from_item
from weft.orders.stack_plan import StackPlan, plan_stack
from weft.rasters.grid import Grid
from weft.stac import Item
from weft.stac.order_products import ORDERS, Input, inputs_document, inputs_of, order_item
from weft.stacking.layers import asset_keys

NAME = "order_inputs"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Found:
    """What an order is about.

    Attributes:
        inputs: its datasets.
        grid: of what will be made.
    """

    inputs: tuple[Input, ...]
    grid: Grid


class Finder(Protocol):
    """Finds the inputs of one kind of order and judges the order by them; raises RequestError if it is wrong."""

    def __call__(self, order: Any, source: ItemSource, catalogue: Catalogue) -> Found:
        """What was found."""


def order_inputs(finders: Mapping[str, Finder]) -> dg.AssetsDefinition:
    """The asset; ``finders`` by kind of order."""

    @dg.asset(**options(NAME, VERSION), description=__doc__)
    def order_inputs(
        context: dg.AssetExecutionContext,
        items: ItemSourceResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
        scratch: ScratchResource,
    ) -> dg.MaterializeResult:
        source, shelf = items.open(), Shelf.open(ORDERS, catalogue, store)
        with resumable(context) as units:
            for unit in units:
                order = get_order(str(unit.key), shelf.store)
                found = finders[order.kind()](order, source, shelf.catalogue)
                told = [[one.href, {**one.item, "links": []}] for one in found.inputs]
                mark = fingerprint(NAME, VERSION, order=order.fingerprint, inputs=told)
                with scratch.folder() as folder:
                    shelf.settle(unit, order.id, mark, partial(_publish, shelf, order, found, mark, folder))
                unit.finish(mark, {"kind": order.kind(), "datasets": len(found.inputs), **describe(unit, shelf.store)})
        return units.result()

    return order_inputs


def stack_inputs(order: StackOrder, source: ItemSource, catalogue: Catalogue) -> Found:
    """The datasets of a stack order, one for each ``input_reference``."""
    inputs = []
    for index, reference in enumerate(order.input_reference, start=1):
        try:
            inputs.append(source.find(reference, catalogue))
        except RequestError as error:
            raise RequestError(f"input_reference[{index}]: {error}") from error
    return Found(tuple(inputs), stack_plan(order, inputs).grid)


def stack_plan(order: StackOrder, inputs: Sequence[Input]) -> StackPlan:
    """The plan of a stack order; raises RequestError that names the field if the order is wrong."""
    datasets = [dataset_from_item(one.item, index) for index, one in enumerate(inputs, start=1)]
    plan = plan_stack(order, datasets)
    asset_keys(map(str, plan.bands))
    asset_keys(plan.expressions)
    return plan


def inputs_of_order(item: Item, store: ObjectStore) -> tuple[Input, ...]:
    """What :func:`order_inputs` published with the item of an order."""
    return inputs_of(store.get(store.key_of(item["assets"]["inputs"]["href"])))


def published_inputs(order_id: str, catalogue: Catalogue) -> Item:
    """Item of an order whose inputs were found.

    Raises:
        RequestError: there is none yet.
    """
    item = catalogue.get(ORDERS, order_id)
    if item is None:
        raise RequestError(f"the datasets of order {order_id} were not looked for yet; materialise {NAME} first")
    return item


def _publish(shelf: Shelf, order: Order, found: Found, mark: str, folder: Path) -> Item:
    item = order_item(order_id=order.id, kind=order.kind(), inputs=found.inputs, grid=found.grid, fingerprint=mark)
    files = {"order": folder / "order.json", "inputs": folder / "inputs.json"}
    files["order"].write_bytes(order.canonical())
    files["inputs"].write_bytes(inputs_document(found.inputs))
    return shelf.publish_item(item, files)
