"""Every band that a stack order asks for, registered to its reference asset, with the report on how well it fits."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dagster as dg

from assets.lane import DECODE_POOL
from assets.orders import inputs
from assets.orders.inputs import inputs_of_order, published_inputs, stack_plan
from assets.orders.lane import options
from assets.orders.previews import describe_stack
from assets.shelf import Shelf, mark_of
from assets.units import Nothing, resumable
from resources.catalogue import CatalogueResource
from resources.item_source import places_of
from resources.object_store import ObjectStoreResource
from resources.orders import get_order
from resources.scratch import ScratchResource
from weft.fingerprints import fingerprint
from weft.orders import Order, StackOrder
from weft.progress import Progress
from weft.stac import Item
from weft.stac.order_products import STACKS
from weft.stacking.package import package
from weft.stacking.stack import coregistered_stack as make_stack

NAME = "coregistered_stack"
VERSION = 1


@dg.asset(**options(NAME, VERSION, inputs.NAME), pool=DECODE_POOL, description=__doc__)
def coregistered_stack(
    context: dg.AssetExecutionContext,
    catalogue: CatalogueResource,
    store: ObjectStoreResource,
    scratch: ScratchResource,
) -> dg.MaterializeResult:
    """The asset."""
    shelf = Shelf.open(STACKS, catalogue, store)
    with resumable(context) as units:
        for unit in units:
            order = get_order(str(unit.key), shelf.store)
            source = published_inputs(order.id, shelf.catalogue)
            mark = fingerprint(NAME, VERSION, inputs=mark_of(source))
            with scratch.folder() as folder:
                work = _Work(shelf, source, mark, folder, context.log, unit.progress)
                shelf.settle(unit, order.id, mark, partial(_stack, work, order))
            unit.finish(mark, describe_stack(unit, shelf.store))
    return units.result()


@dataclass(frozen=True, slots=True)
class _Work:
    """One order that has to be made, and with what."""

    shelf: Shelf
    source: Item
    mark: str
    folder: Path
    log: dg.DagsterLogManager
    progress: Progress


def _stack(work: _Work, order: Order) -> Item | Nothing:
    if not isinstance(order, StackOrder):
        return Nothing(f"order {order.id} is for a {order.kind()}")
    found = inputs_of_order(work.source, work.shelf.store)
    plan = stack_plan(order, found)
    place = places_of(found, work.shelf.store, work.folder / "fetched")
    stacked = make_stack(plan, place, work.folder, progress=work.progress)
    for one in stacked.matched.values():
        work.log.info(f"{order.id}: dataset {one.dataset} ({one.id}) {one.status}: {one.registration.reason}.")
    made = package(plan, stacked, place, work.folder, inputs=found, fingerprint=work.mark)
    return work.shelf.publish_item(made.item, made.files)
