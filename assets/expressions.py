"""The region's expressions, such as a vegetation index, of one sheet of the mosaic."""

from functools import partial

import dagster as dg

from assets import mosaics
from assets.lane import Lane
from assets.previews import describe
from assets.shelf import Shelf, mark_of
from assets.units import Nothing, Unit, resumable
from resources.catalogue import CatalogueResource
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from resources.scratch import ScratchResource
from weft.expressions.bands import expression_bands
from weft.fingerprints import fingerprint
from weft.mosaicking.names import file_name
from weft.periods import window
from weft.regions import Region
from weft.stac import Item
from weft.stac.products import layers_of, source_product

COLLECTION = "expression-bands"
NAME = "mosaic_expressions"
VERSION = 1


def mosaic_expressions(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region."""

    @dg.asset(
        **lane.options(NAME, lane.partitions.period_sheet, VERSION, lane.after(mosaics.NAME)),
        description=__doc__,
    )
    def mosaic_expressions(
        context: dg.AssetExecutionContext,
        region: RegionResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
        scratch: ScratchResource,
    ) -> dg.MaterializeResult:
        settings, shelf = region.load(), Shelf.open(COLLECTION, catalogue, store)
        with resumable(context) as units:
            for unit in units:
                source = shelf.catalogue.get(mosaics.COLLECTION, unit.item_id(settings))
                mark = fingerprint(
                    NAME, VERSION, mosaic=mark_of(source) if source else None, expressions=settings.expressions
                )
                make = partial(_expressions, shelf, scratch, settings, unit, mark, source)
                shelf.settle(unit, unit.item_id(settings), mark, make)
                unit.finish(mark, describe(unit, shelf.store))
        return units.result()

    return mosaic_expressions


def _expressions(
    shelf: Shelf, scratch: ScratchResource, settings: Region, unit: Unit, mark: str, source: Item | None
) -> Item | Nothing:
    if source is None:
        return Nothing(f"there is no mosaic of sheet {unit.place} in {unit.period}")
    if not settings.expressions:
        return Nothing(f"region {settings.region} asks for no expressions")
    with scratch.folder() as folder:
        statistics = [key for key, layer in layers_of(source).items() if layer.statistic]
        mosaic = source_product(source, shelf.fetcher(folder), statistics)
        product = expression_bands(mosaic, settings.expressions, folder)
        if product is None:
            return Nothing(f"no pixel of the mosaic of sheet {unit.place} in {unit.period} has a value")
        return shelf.publish_product(
            product,
            folder,
            item_id=unit.item_id(settings),
            mark=mark,
            window=window(settings.calendar, unit.period),
            sources=[source],
            properties={**unit.identity(settings), "processing:expression": _expression(settings)},
            name=lambda key: file_name(settings, unit.period, product.grid, key, unit.place),
        )


def _expression(settings: Region) -> dict[str, object]:
    """STAC processing extension: one expression object."""
    return {"format": "s-expression", "expression": dict(sorted(settings.expressions.items()))}
