"""The observations of one tile_track and period, each scene where its reference is; virtual, no pixels are copied.

Duplicates are collapsed, granules of one pass joined, and scenes that do not fit set aside, all by metadata alone.
"""

from dataclasses import replace
from functools import partial

import dagster as dg

from assets import calibrated
from assets.lane import Lane
from assets.previews import describe
from assets.shelf import Shelf, mark_of, rejected_of
from assets.units import Nothing, Unit, resumable
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from weft.compositing.observations import plan
from weft.fingerprints import fingerprint
from weft.mosaicking.tiles import tile_grid
from weft.periods import window
from weft.regions import Region, tile_of
from weft.stac import Item
from weft.stac.calibrated import COLLECTION as CALIBRATED
from weft.stac.calibrated import scene_from_item
from weft.stac.products import sources_of, stack_item

COLLECTION = "coregistered-stacks"
NAME = "scene_stack"
VERSION = 1


def scene_stack(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region."""

    @dg.asset(
        **lane.options(NAME, lane.partitions.period_tile_track, VERSION, lane.after(calibrated.NAME)),
        description=__doc__,
    )
    def scene_stack(
        context: dg.AssetExecutionContext,
        region: RegionResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
    ) -> dg.MaterializeResult:
        settings, shelf = region.load(), Shelf.open(COLLECTION, catalogue, store)
        with resumable(context) as units:
            for unit in units:
                register = shelf.catalogue.get(CALIBRATED, unit.item_id(settings))
                mark = fingerprint(
                    NAME,
                    VERSION,
                    register=mark_of(register) if register else None,
                    bands=settings.bands,
                    coregistration=settings.coregistration.model_dump(mode="json"),
                )
                make = partial(_stack, shelf, settings, unit, register, mark)
                shelf.settle(unit, unit.item_id(settings), mark, make)
                unit.finish(mark, describe(unit, shelf.store))
        return units.result()

    return scene_stack


def _stack(shelf: Shelf, settings: Region, unit: Unit, register: Item | None, mark: str) -> Item | Nothing:
    if register is None:
        return Nothing(f"no scene was found: {calibrated.searched(settings, unit)}")
    ids = [source.id for source in sources_of(register)]
    scenes = [scene_from_item(item) for item in shelf.catalogue.search(Search(CALIBRATED, ids=ids))]
    planned = plan(scenes, settings.bands)
    item = stack_item(
        item_id=unit.item_id(settings),
        plan=replace(planned, rejected=(*rejected_of(register), *planned.rejected)),
        grid=planned.grid or tile_grid(tile_of(unit.place)),
        window=window(settings.calendar, unit.period),
        fingerprint=mark,
        properties=unit.identity(settings),
    )
    return shelf.publish_item(item)
