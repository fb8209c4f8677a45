"""The composites of one track over one period, joined on the mosaic grid and cut in sheets."""

from collections.abc import Mapping, Sequence
from functools import partial

import dagster as dg

from assets import composites
from assets.lane import DECODE_POOL, Lane
from assets.previews import describe
from assets.shelf import Shelf, mark_of
from assets.units import Nothing, Unit, resumable
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from resources.scratch import ScratchResource
from weft.fingerprints import fingerprint
from weft.mosaicking.layers import COUNT
from weft.mosaicking.orbit_mosaic import orbit_mosaic as join
from weft.mosaicking.orbit_mosaic import resampling
from weft.mosaicking.sheets import sheet, sheets_over
from weft.periods import window
from weft.regions import Region, track_of
from weft.stac import Item
from weft.stac.parts import grid_of
from weft.stac.products import layers_of, source_product

COLLECTION = "orbit-mosaics"
NAME = "orbit_mosaic"
VERSION = 2


def orbit_mosaic(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region."""
    partitions = lane.partitions

    @dg.asset(
        **lane.options(
            NAME, partitions.period_track, VERSION, lane.after(composites.NAME, partitions.tile_track_to_track)
        ),
        pool=DECODE_POOL,
        description=__doc__,
    )
    def orbit_mosaic(
        context: dg.AssetExecutionContext,
        region: RegionResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
        scratch: ScratchResource,
    ) -> dg.MaterializeResult:
        settings, shelf = region.load(), Shelf.open(COLLECTION, catalogue, store)
        with resumable(context) as units:
            for unit in units:
                marks = {}
                for name, tiles in _by_sheet(shelf, settings, unit, partitions.sheets_of_track).items():
                    inputs = [mark_of(tile) for tile in tiles]
                    marks[name] = fingerprint(NAME, VERSION, tiles=inputs, grid=_grid(settings))
                    make = partial(_sheet, shelf, scratch, settings, unit, marks[name], name, tiles)
                    shelf.settle(unit, unit.item_id(settings, name), marks[name], make)
                unit.finish(fingerprint(NAME, VERSION, sheets=marks), describe(unit, shelf.store))
        return units.result()

    return orbit_mosaic


def _by_sheet(shelf: Shelf, settings: Region, unit: Unit, sheets: Mapping[str, Sequence[str]]) -> dict[str, list[Item]]:
    """Every sheet of the unit's track with the composites that touch it."""
    ids = [f"{settings.region}_{unit.period}_{key}" for key in settings.tiles if track_of(key) == unit.place]
    found: dict[str, list[Item]] = {name: [] for name in sheets[unit.place]}
    for item in shelf.catalogue.search(Search(composites.COLLECTION, ids=ids)):
        for touched in sheets_over([grid_of(item["properties"])], settings.mosaic):
            if touched.name in found:
                found[touched.name].append(item)
    return found


def _grid(settings: Region) -> dict[str, object]:
    """What of the region file decides about the pixels; what happens to tracks afterwards does not."""
    return settings.mosaic.model_dump(mode="json", exclude={"blend", "byte_scale"})


def _sheet(
    shelf: Shelf, scratch: ScratchResource, settings: Region, unit: Unit, mark: str, name: str, tiles: Sequence[Item]
) -> Item | Nothing:
    with scratch.folder() as folder:
        sources = [source_product(tile, shelf.fetcher(folder), _carried(tile)) for tile in tiles]
        target = sheet(name, settings.mosaic)
        product = join(sources, target, settings.mosaic, folder)
        if product is None:
            return Nothing(f"no composite of {unit.place} in {unit.period} has a pixel in sheet {name}")
        return shelf.publish_product(
            product,
            folder,
            item_id=unit.item_id(settings, name),
            mark=mark,
            window=window(settings.calendar, unit.period),
            sources=tiles,
            properties={
                **unit.identity(settings),
                "weft:sheet": name,
                "weft:resampling": list(resampling(sources, target, settings.mosaic)),
            },
        )


def _carried(tile: Item) -> list[str]:
    """Layers that travel on; the others, some of them large, are not fetched."""
    return [key for key, layer in layers_of(tile).items() if key == COUNT or layer.statistic]
