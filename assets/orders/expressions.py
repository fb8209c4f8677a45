"""The band arithmetic that a stack order asks for, one band for each expression."""

from functools import partial
from pathlib import Path

import dagster as dg

from assets.orders import stack
from assets.orders.lane import options
from assets.previews import describe
from assets.shelf import Shelf, mark_of
from assets.units import Nothing, resumable
from resources.catalogue import CatalogueResource
from resources.object_store import ObjectStoreResource
from resources.orders import get_order
from resources.scratch import ScratchResource
from weft.fingerprints import fingerprint
from weft.orders import Order, StackOrder
from weft.stac import Item
from weft.stac.order_products import EXPRESSIONS, STACKS, expressions_item
from weft.stac.products import source_product
from weft.stacking.expressions import stack_expressions
from weft.stacking.layers import asset_keys
from weft.stacking.overview import expressions_overview

NAME = "expression_bands"
VERSION = 1


@dg.asset(**options(NAME, VERSION, stack.NAME), description=__doc__)
def expression_bands(
    context: dg.AssetExecutionContext,
    catalogue: CatalogueResource,
    store: ObjectStoreResource,
    scratch: ScratchResource,
) -> dg.MaterializeResult:
    """The asset."""
    shelf = Shelf.open(EXPRESSIONS, catalogue, store)
    with resumable(context) as units:
        for unit in units:
            order = get_order(str(unit.key), shelf.store)
            source = shelf.catalogue.get(STACKS, order.id)
            asked = {"expressions": _texts(order), "scaling": _scaling(order)}
            mark = fingerprint(NAME, VERSION, stack=mark_of(source) if source else None, **asked)
            with scratch.folder() as folder:
                shelf.settle(unit, order.id, mark, partial(_expressions, shelf, order, source, mark, folder))
            unit.finish(mark, describe(unit, shelf.store))
    return units.result()


def _texts(order: Order) -> dict[str, str]:
    """Output name -> canonical expression."""
    if not isinstance(order, StackOrder):
        return {}
    return {name: str(expression) for name, expression in order.expressions.items()}


def _scaling(order: Order) -> dict[str, object]:
    """Output name -> how it is stored."""
    if not isinstance(order, StackOrder):
        return {}
    return {name: scaling.model_dump() for name, scaling in order.scaling.items()}


def _expressions(shelf: Shelf, order: Order, source: Item | None, mark: str, folder: Path) -> Item | Nothing:
    if not isinstance(order, StackOrder) or not order.expressions:
        return Nothing(f"order {order.id} asks for no expressions")
    if source is None:
        return Nothing(f"there is no stack of order {order.id}")
    used = sorted(frozenset().union(*(expression.names for expression in order.expressions.values())))
    fetched = source_product(source, shelf.fetcher(folder / "fetched"), list(asset_keys(used).values()))
    product = stack_expressions(fetched, order.expressions, folder, scaling=order.scaling)
    item = expressions_item(
        order_id=order.id, product=product, stack=source, expressions=_texts(order), fingerprint=mark
    )
    files = {file.layer.key: file.path for file in product.files}
    files |= {"order": folder / "order.json", "thumbnail": folder / "thumbnail.png"}
    files["order"].write_bytes(order.canonical())
    files["thumbnail"].write_bytes(expressions_overview(product).thumbnail)
    return shelf.publish_item(item, files)
