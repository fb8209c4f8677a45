"""All tracks of one period, blended without seams, sheet by sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial

import dagster as dg

from assets import orbit_mosaics
from assets.lane import DECODE_POOL, Lane
from assets.levels import Applied, after_levels, applied_levels
from assets.partitions import RegionPartitions
from assets.previews import describe
from assets.shelf import Shelf, mark_of
from assets.units import Nothing, Unit, resumable
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from resources.scratch import ScratchResource
from weft.fingerprints import fingerprint
from weft.mosaicking.gaps import Expected
from weft.mosaicking.mosaic import mosaic as blend
from weft.mosaicking.names import file_name
from weft.mosaicking.sheets import sheet
from weft.periods import window
from weft.rasters.quicklook import GAPS, single
from weft.regions import Region, track_of
from weft.stac import Item
from weft.stac.products import source_product

COLLECTION = "mosaics"
NAME = "mosaic"
VERSION = 3


def mosaic(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region."""
    partitions = lane.partitions
    after = (lane.after(orbit_mosaics.NAME, partitions.track_to_sheet), *after_levels(lane))

    @dg.asset(
        **lane.options(NAME, partitions.period_sheet, VERSION, *after),
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
                applied = applied_levels(shelf.catalogue, settings, unit.period, tracks)
                expected = Expected.of(sheet(unit.place, settings.mosaic).grid, _seeing(partitions, unit.place))
                mark = fingerprint(
                    NAME,
                    VERSION,
                    tracks={track: mark_of(item) for track, item in tracks.items()},
                    blend=settings.mosaic.model_dump(mode="json"),
                    levels=applied.properties,
                    expected=expected.percent,
                )
                make = partial(_sheet, shelf, scratch, settings, unit, mark, tracks, applied, expected)
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


def _seeing(partitions: RegionPartitions, place: str) -> list[str]:
    """Tile_tracks that might see a sheet, whether or not anything has been made of them."""
    return [key for key in partitions.region.tiles if place in partitions.sheets_of_track[track_of(key)]]


def _sheet(
    shelf: Shelf,
    scratch: ScratchResource,
    settings: Region,
    unit: Unit,
    mark: str,
    tracks: Mapping[str, Item],
    applied: Applied,
    expected: Expected,
) -> Item | Nothing:
    target = sheet(unit.place, settings.mosaic)
    with scratch.folder() as folder:
        sources = {track: source_product(item, shelf.fetcher(folder)) for track, item in tracks.items()}
        made = blend(sources, target, settings.mosaic, folder, levels=applied.levels)
        if made is None:
            return Nothing(f"no track has a pixel in sheet {unit.place} in {unit.period}")
        return shelf.publish_product(
            made.product,
            folder,
            item_id=unit.item_id(settings),
            mark=mark,
            window=window(settings.calendar, unit.period),
            sources=[*tracks.values(), *applied.sources],
            properties={
                **unit.identity(settings),
                "weft:blend": settings.mosaic.blend,
                "weft:resampling": sorted({kernel for item in tracks.values() for kernel in _kernels(item)}),
                **applied.properties,
                "weft:gaps": made.gaps.percent(),
                "weft:expected": expected.percent,
                "weft:seams": asdict(made.seams),
            },
            name=lambda key: file_name(settings, unit.period, target.grid, key, unit.place),
            pictures={"gaps": single(expected.only(made.gaps.sample), GAPS)},
        )


def _kernels(track: Item) -> list[str]:
    kernels: list[str] = track["properties"]["weft:resampling"]
    return kernels
