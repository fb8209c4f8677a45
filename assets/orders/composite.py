"""The composite that an order asks for: one product over all tiles, zones and tracks of its area."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import dagster as dg

from assets.lane import DECODE_POOL
from assets.orders import inputs
from assets.orders.inputs import Found, inputs_of_order, published_inputs
from assets.orders.lane import options
from assets.previews import describe
from assets.shelf import THUMBNAIL_SIZE, Shelf, mark_of
from assets.units import Nothing, resumable
from resources.catalogue import Catalogue, CatalogueResource, Search
from resources.item_source import ItemSource, places_of
from resources.object_store import ObjectStoreResource
from resources.orders import get_order
from resources.scratch import ScratchResource
from weft.compositing.observations import Plan
from weft.compositing.ordered import by_tile_track, ordered_composite
from weft.errors import RequestError
from weft.fingerprints import fingerprint
from weft.orders import CompositeOrder, Order
from weft.orders.composite_plan import plan_composite
from weft.progress import Progress
from weft.rasters.quicklook import quicklook
from weft.stac import Item
from weft.stac.calibrated import COLLECTION as CALIBRATED
from weft.stac.calibrated import scene_from_item
from weft.stac.order_products import COMPOSITES, Input, document_asset
from weft.stac.parts import ItemRef
from weft.stac.products import product_item

NAME = "composite_order"
VERSION = 1


@dg.asset(**options(NAME, VERSION, inputs.NAME), pool=DECODE_POOL, description=__doc__)
def composite_order(
    context: dg.AssetExecutionContext,
    catalogue: CatalogueResource,
    store: ObjectStoreResource,
    scratch: ScratchResource,
) -> dg.MaterializeResult:
    """The asset."""
    shelf = Shelf.open(COMPOSITES, catalogue, store)
    with resumable(context) as units:
        for unit in units:
            order = get_order(str(unit.key), shelf.store)
            source = published_inputs(order.id, shelf.catalogue)
            mark = fingerprint(NAME, VERSION, inputs=mark_of(source))
            with scratch.folder() as folder:
                make = partial(_composite, shelf, order, source, mark, folder, unit.progress)
                shelf.settle(unit, order.id, mark, make)
            unit.finish(mark, describe(unit, shelf.store))
    return units.result()


def composite_inputs(order: CompositeOrder, source: ItemSource, catalogue: Catalogue) -> Found:
    """The calibrated datasets of an area and a period.

    Raises:
        RequestError: the order is too large, or the catalogue has no scene that it could use.
    """
    plan = plan_composite(order)
    search = Search(CALIBRATED, window=order.window, bbox=plan.grid.footprint().bounds)
    items = {item["id"]: item for item in catalogue.search(search) if "weft:register" not in item["properties"]}
    plans = by_tile_track(map(scene_from_item, items.values()), plan)
    if not any(planned.observations for planned in plans.values()):
        start, end = order.window
        raise RequestError(
            f"area, period: the catalogue has no usable calibrated dataset there from {start:%Y-%m-%d} to before "
            f"{end:%Y-%m-%d}; materialise calibrated_datasets of a region that holds the area, or order another period"
        )
    return Found(tuple(Input.of_catalogue(name, items[name]) for name in sorted(_all_scenes(plans))), plan.grid)


def _all_scenes(plans: Mapping[str, Plan]) -> Iterator[str]:
    """Also those that are left out, for the product says why they are."""
    for plan in plans.values():
        yield from (scene.id for one in plan.observations for scene in one.scenes)
        yield from (one.scene_id for one in plan.superseded)
        yield from (one.scene_id for one in plan.rejected)


def _composite(shelf: Shelf, order: Order, source: Item, mark: str, folder: Path, progress: Progress) -> Item | Nothing:
    if not isinstance(order, CompositeOrder):
        return Nothing(f"order {order.id} is for a {order.kind()}")
    found = inputs_of_order(source, shelf.store)
    plan = plan_composite(order)
    plans = by_tile_track([scene_from_item(one.item) for one in found], plan)
    place = places_of(found, shelf.store, folder / "fetched")
    made = ordered_composite(plans, plan, place, folder, progress=progress)
    if made.product is None:
        return Nothing(f"no pixel of order {order.id} was observed", made.rejected)
    item = product_item(
        collection=COMPOSITES,
        item_id=order.id,
        product=replace(made.product, rejected=made.rejected),
        window=order.window,
        fingerprint=mark,
        derived_from=[ItemRef(CALIBRATED, name) for scene_ids in made.observations for name in scene_ids],
        properties={
            "weft:order": order.id,
            "weft:period": order.period,
            "weft:blend": order.blend,
            "weft:superseded": [{"id": one.scene_id, "by": one.by} for one in made.superseded],
            "weft:observations": [list(scene_ids) for scene_ids in made.observations],
            "weft:layers_left_out": list(made.layers_left_out),
            "weft:validity_not_applied": list(made.validity_not_applied),
        },
        thumbnail=True,
    )
    item["assets"]["order"] = document_asset("The order, to be placed again")
    files = {file.layer.key: file.path for file in made.product.files}
    files |= {"order": folder / "order.json", "thumbnail": folder / "thumbnail.png"}
    files["order"].write_bytes(order.canonical())
    files["thumbnail"].write_bytes(next(iter(quicklook(made.product, max_size=THUMBNAIL_SIZE).values())))
    return shelf.publish_item(item, files)
