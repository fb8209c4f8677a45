"""All scenes of one tile_track and period, registered where they lie: names, scale and offset of bands, no pixels."""

from collections.abc import Iterable, Sequence
from functools import partial

import dagster as dg

from assets.archive import ARCHIVE_ITEMS, archive_fingerprint
from assets.lane import Lane
from assets.previews import describe
from assets.registering import calibrated
from assets.shelf import Shelf
from assets.units import Nothing, Unit, resumable
from resources.archive import ArchiveResource, SceneArchive
from resources.archive_item import ArchivedItem
from resources.catalogue import CatalogueResource
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from weft.errors import SceneRejected
from weft.fingerprints import fingerprint
from weft.mosaicking.tiles import tile_grid
from weft.periods import window
from weft.rasters.product import Rejected
from weft.regions import Region, tile_of, track_of
from weft.stac import Item
from weft.stac.calibrated import COLLECTION
from weft.stac.registers import register_item

NAME = "calibrated_datasets"
VERSION = 1


def calibrated_datasets(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region."""

    @dg.asset(
        **lane.options(NAME, lane.partitions.period_tile_track, VERSION, lane.after(ARCHIVE_ITEMS)),
        description=__doc__,
    )
    def calibrated_datasets(
        context: dg.AssetExecutionContext,
        region: RegionResource,
        archive: ArchiveResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
    ) -> dg.MaterializeResult:
        settings, source, shelf = region.load(), archive.open(), Shelf.open(COLLECTION, catalogue, store)
        with resumable(context) as units:
            for unit in units:
                when = window(settings.calendar, unit.period)
                found = source.items(when, tile_of(unit.place), track_of(unit.place))
                mark = fingerprint(NAME, VERSION, archive=archive_fingerprint(source, found))
                scenes, rejected = _registered(source, found, unit.place)
                shelf.catalogue.upsert(scenes)
                make = partial(_register, shelf, settings, unit, mark, scenes, rejected)
                shelf.settle(unit, unit.item_id(settings), mark, make)
                unit.finish(mark, {"scenes": len(scenes), **describe(unit, shelf.store)})
        return units.result()

    return calibrated_datasets


def searched(region: Region, unit: Unit) -> str:
    """Where the scenes of a unit were looked for, for messages."""
    start, end = window(region.calendar, unit.period)
    return (
        f"collection {region.archive.collection} of {region.archive.stac} was searched for {unit.place}, acquired from "
        f"{start:%Y-%m-%d} to before {end:%Y-%m-%d}"
    )


def _registered(
    source: SceneArchive, found: Iterable[ArchivedItem], tile_track: str
) -> tuple[list[Item], list[Rejected]]:
    scenes, rejected = [], []
    for entry in found:
        try:
            scenes.append(calibrated(source, entry, tile_track))
        except SceneRejected as error:
            rejected.append(Rejected(error.scene_id, error.reason))
    return scenes, rejected


def _register(
    shelf: Shelf, settings: Region, unit: Unit, mark: str, scenes: Sequence[Item], rejected: Sequence[Rejected]
) -> Item | Nothing:
    if not scenes and not rejected:
        return Nothing(f"no scene was found: {searched(settings, unit)}")
    item = register_item(
        item_id=unit.item_id(settings),
        scene_ids=[scene["id"] for scene in scenes],
        rejected=rejected,
        grid=tile_grid(tile_of(unit.place)),
        window=window(settings.calendar, unit.period),
        fingerprint=mark,
        properties=unit.identity(settings),
    )
    return shelf.publish_item(item)
