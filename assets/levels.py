"""What brings the tracks of one period to one level: a gain and an offset of each track and layer of the region."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import dagster as dg

from assets import orbit_mosaics
from assets.lane import DECODE_POOL, Lane
from assets.partitions import PERIOD, RegionPartitions
from assets.previews import describe
from assets.shelf import Shelf, mark_of
from assets.units import Nothing, Unit, resumable
from resources.catalogue import Catalogue, CatalogueResource, Search
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from resources.scratch import ScratchResource
from weft.errors import RequestError
from weft.fingerprints import fingerprint
from weft.mosaicking.levels import Levels, fit
from weft.mosaicking.overlaps import OverlapSampler
from weft.mosaicking.sheets import sheet
from weft.mosaicking.virtual import common_grid
from weft.periods import window
from weft.regions import Region
from weft.stac import Item
from weft.stac.levels import COLLECTION, levels_field, levels_item, levels_of
from weft.stac.parts import ItemRef
from weft.stac.products import source_product

NAME = "track_levels"
VERSION = 1


def track_levels(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region; it is in the graph only where the region asks for levels."""
    partitions = lane.partitions
    every_track = dg.MultiToSingleDimensionPartitionMapping(PERIOD)

    @dg.asset(
        **lane.options(NAME, partitions.period, VERSION, lane.after(orbit_mosaics.NAME, every_track)),
        pool=DECODE_POOL,
        description=__doc__,
    )
    def track_levels(
        context: dg.AssetExecutionContext,
        region: RegionResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
        scratch: ScratchResource,
    ) -> dg.MaterializeResult:
        settings, shelf = region.load(), Shelf.open(COLLECTION, catalogue, store)
        with resumable(context) as units:
            for unit in units:
                sheets = _by_sheet(shelf.catalogue, settings, unit.period, partitions)
                marks = {item["id"]: mark_of(item) for tracks in sheets.values() for item in tracks.values()}
                mark = fingerprint(NAME, VERSION, orbit_mosaics=marks)
                make = partial(_fit, shelf, scratch, settings, unit, mark, sheets)
                shelf.settle(unit, unit.item_id(settings), mark, make)
                unit.finish(mark, {**describe(unit, shelf.store), **_described(unit)})
        return units.result()

    return track_levels


def after_levels(lane: Lane) -> tuple[dg.AssetDep, ...]:
    """What an asset of sheets that applies levels depends on, if the region asks for any."""
    every_sheet = dg.MultiToSingleDimensionPartitionMapping(PERIOD)
    return (lane.after(NAME, every_sheet),) if lane.partitions.region.normalisation.levels else ()


@dataclass(frozen=True, slots=True)
class Applied:
    """Levels that a mosaic applies.

    Attributes:
        levels: of its tracks.
        sources: the item they come from; none if no levels are applied.
    """

    levels: Levels
    sources: tuple[Item, ...]

    @property
    def properties(self) -> dict[str, object]:
        """What the item and the fingerprint of the mosaic say about them."""
        return {"weft:levels": levels_field(self.levels)} if self.sources else {}


def applied_levels(catalogue: Catalogue, settings: Region, period: str, tracks: Collection[str]) -> Applied:
    """Levels of some tracks of a region in a period; none where the region asks for none.

    Raises:
        RequestError: the region asks for levels and they have not been made.
    """
    if not (tracks and settings.normalisation.levels):
        return Applied({}, ())
    item = catalogue.get(COLLECTION, f"{settings.region}_{period}")
    if item is None:
        raise RequestError(f"{NAME} of {settings.region} in {period} are not there; materialise that partition first")
    return Applied({track: levels for track, levels in levels_of(item).items() if track in tracks}, (item,))


def _by_sheet(
    catalogue: Catalogue, settings: Region, period: str, partitions: RegionPartitions
) -> dict[str, dict[str, Item]]:
    """Sheet -> track -> orbit mosaic, as far as there are any."""
    names = {
        f"{settings.region}_{period}_{track}_{name}": (name, track)
        for track, sheets in partitions.sheets_of_track.items()
        for name in sheets
    }
    found: dict[str, dict[str, Item]] = {name: {} for name in partitions.sheets}
    for item in catalogue.search(Search(orbit_mosaics.COLLECTION, ids=list(names))):
        name, track = names[item["id"]]
        found[name][track] = item
    return {name: tracks for name, tracks in found.items() if tracks}


def _fit(
    shelf: Shelf,
    scratch: ScratchResource,
    settings: Region,
    unit: Unit,
    mark: str,
    sheets: Mapping[str, Mapping[str, Item]],
) -> Item | Nothing:
    if not sheets:
        return Nothing(f"no track has an orbit mosaic in {unit.period}")
    sampler = OverlapSampler()
    for tracks in sheets.values():
        with scratch.folder() as folder:  # one sheet at a time on the disk
            sampler.add({track: source_product(item, shelf.fetcher(folder)) for track, item in tracks.items()})
    item = levels_item(
        item_id=unit.item_id(settings),
        fitted=fit(sampler.overlaps()),
        sources=[ItemRef(item["collection"], item["id"]) for tracks in sheets.values() for item in tracks.values()],
        grid=common_grid(sheet(name, settings.mosaic).grid for name in sheets),
        window=window(settings.calendar, unit.period),
        fingerprint=mark,
        properties=unit.identity(settings),
    )
    return shelf.publish_item(item)


def _described(unit: Unit) -> dict[str, dg.TableMetadataValue]:
    """Steps between tracks before and after, one row for each overlap and layer."""
    columns = {"tracks": "string", "layer": "string", "used": "string", "before": "float", "after": "float"}
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])
    rows = [row for item in unit.items for row in _rows(item)]
    return {"steps": dg.MetadataValue.table(rows, schema=schema)} if rows else {}


def _rows(item: Item) -> Iterator[dg.TableRecord]:
    for overlap in item["properties"]["weft:overlaps"]:
        for layer, one in overlap["layers"].items():
            steps = {name: round(one[name], 2) for name in ("before", "after")}
            yield dg.TableRecord({"tracks": "-".join(overlap["tracks"]), "layer": layer, "used": one["used"], **steps})
