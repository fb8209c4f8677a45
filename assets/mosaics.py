"""All tracks of one period, blended without seams, sheet by sheet."""

from collections.abc import Mapping, Sequence
from functools import partial

import dagster as dg

from assets import orbit_mosaics
from assets.lane import DECODE_POOL, Lane
from assets.previews import describe
from assets.shelf import Shelf, mark_of
from assets.units import Nothing, Unit, resumable
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from resources.scratch import ScratchResource
from weft.fingerprints import fingerprint
from weft.mosaicking.mosaic import mosaic as blend
from weft.mosaicking.sheets import sheet
from weft.periods import window
from weft.regions import Region
from weft.stac import Item
from weft.stac.products import source_product

COLLECTION = "mosaics"
NAME = "mosaic"
VERSION = 1


def mosaic(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region."""
    partitions = lane.partitions

    @dg.asset(
        **lane.options(
            NAME, partitions.period_sheet, VERSION, lane.after(orbit_mosaics.NAME, partitions.track_to_sheet)
        ),
        pool=DECODE_POOL,
        description=__doc__,
    )
    def mosaic(
        context: dg.AssetExecutionContext,
        region: RegionResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
        scratch: ScratchResource,
    ) -> dg.MaterializeResult:
        settings, shelf = region.load(), Shelf.open(COLLECTION, catalogue, store)
        with resumable(context) as units:
            for unit in units:
                tracks = _tracks(shelf, settings, unit, partitions.sheets_of_track)
                mark = fingerprint(
                    NAME,
                    VERSION,
                    tracks={track: mark_of(item) for track, item in tracks.items()},
                    blend=settings.mosaic.model_dump(mode="json"),
                )
                make = partial(_sheet, shelf, scratch, settings, unit, mark, tracks)
                shelf.settle(unit, unit.item_id(settings), mark, make)
                unit.finish(mark, describe(unit, shelf.store))
        return units.result()

    return mosaic


def _tracks(shelf: Shelf, settings: Region, unit: Unit, sheets: Mapping[str, Sequence[str]]) -> dict[str, Item]:
    """Track -> its orbit mosaic of the unit's sheet, where there is one."""
    names = {
        f"{settings.region}_{unit.period}_{track}_{unit.place}": track
        for track in settings.tracks
        if unit.place in sheets[track]
    }
    found = shelf.catalogue.search(Search(orbit_mosaics.COLLECTION, ids=list(names)))
    return {names[item["id"]]: item for item in found}


def _sheet(
    shelf: Shelf, scratch: ScratchResource, settings: Region, unit: Unit, mark: str, tracks: Mapping[str, Item]
) -> Item | Nothing:
    with scratch.folder() as folder:
        sources = {track: source_product(item, shelf.fetcher(folder)) for track, item in tracks.items()}
        product = blend(sources, sheet(unit.place, settings.mosaic), settings.mosaic.blend, folder)
        if product is None:
            return Nothing(f"no track has a pixel in sheet {unit.place} in {unit.period}")
        return shelf.publish_product(
            product,
            folder,
            item_id=unit.item_id(settings),
            mark=mark,
            window=window(settings.calendar, unit.period),
            sources=list(tracks.values()),
            properties={**unit.identity(settings), "weft:blend": settings.mosaic.blend},
        )
