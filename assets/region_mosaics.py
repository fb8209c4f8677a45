"""All sheets of one period as one thing: a virtual mosaic of each layer, an overview for maps, gaps and seams."""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import dagster as dg

from assets import mosaics
from assets.lane import DECODE_POOL, Lane
from assets.partitions import PERIOD
from assets.previews import describe
from assets.shelf import THUMBNAIL_SIZE, Shelf, mark_of
from assets.units import Nothing, Unit, resumable
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStore, ObjectStoreResource
from resources.publishing import folder_of
from resources.region import RegionResource
from resources.scratch import ScratchResource
from weft.errors import RequestError
from weft.fingerprints import fingerprint
from weft.mosaicking.gaps import Expected
from weft.mosaicking.layers import COUNT
from weft.mosaicking.names import file_name
from weft.mosaicking.overview import Overview, shown_layers
from weft.mosaicking.sheets import sheet
from weft.mosaicking.virtual import Piece, common_grid, gti, joined_layers, vrt
from weft.periods import window
from weft.rasters.cog import write_layers
from weft.rasters.grid import Grid
from weft.rasters.picture import write_picture
from weft.rasters.product import LayerSpec
from weft.rasters.quicklook import COUNT as COUNT_RAMP
from weft.rasters.quicklook import GAPS, painted, single
from weft.regions import Region
from weft.stac import Item
from weft.stac.parts import grid_of
from weft.stac.products import layers_of, source_product
from weft.stac.region_mosaics import COLLECTION, GTI, VRT, region_mosaic_item

NAME = "region_mosaic"
VERSION = 2
_GAPS_SIZE = 256
_ENDINGS = {VRT: ".vrt", GTI: ".gti.gpkg"}


def region_mosaic(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region."""
    partitions = lane.partitions
    every_sheet = dg.MultiToSingleDimensionPartitionMapping(PERIOD)

    @dg.asset(
        **lane.options(NAME, partitions.period, VERSION, lane.after(mosaics.NAME, every_sheet)),
        pool=DECODE_POOL,
        description=__doc__,
    )
    def region_mosaic(
        context: dg.AssetExecutionContext,
        region: RegionResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
        scratch: ScratchResource,
    ) -> dg.MaterializeResult:
        settings, shelf = region.load(), Shelf.open(COLLECTION, catalogue, store)
        with resumable(context) as units:
            for unit in units:
                sheets = _sheets(shelf, settings, unit.period, partitions.sheets)
                marks = {name: mark_of(item) for name, item in sheets.items()}
                mark = fingerprint(NAME, VERSION, sheets=marks, all=list(partitions.sheets))
                make = partial(_whole, shelf, scratch, settings, unit, mark, sheets, partitions.sheets)
                shelf.settle(unit, unit.item_id(settings), mark, make)
                unit.finish(mark, {**describe(unit, shelf.store), "sheets_missing": _missing(unit)})
        return units.result()

    return region_mosaic


def _sheets(shelf: Shelf, settings: Region, period: str, names: Sequence[str]) -> dict[str, Item]:
    """Sheets of the region that there are, by name."""
    ids = {f"{settings.region}_{period}_{name}": name for name in names}
    found = {ids[item["id"]]: item for item in shelf.catalogue.search(Search(mosaics.COLLECTION, ids=list(ids)))}
    for name, item in found.items():
        if grid_of(item["properties"]) != sheet(name, settings.mosaic).grid:
            raise RequestError(
                f"sheet {name} of {period} was made with other mosaic settings than the region file has now; make "
                f"{mosaics.NAME} of all sheets of {period} again"
            )
    return dict(sorted(found.items()))


def _whole(
    shelf: Shelf,
    scratch: ScratchResource,
    settings: Region,
    unit: Unit,
    mark: str,
    sheets: Mapping[str, Item],
    names: Sequence[str],
) -> Item | Nothing:
    if not sheets:
        return Nothing(f"there is no mosaic of any sheet in {unit.period}")
    # The grid is that of all sheets, so that periods with different gaps lie pixel on pixel.
    grid = common_grid(sheet(name, settings.mosaic).grid for name in names)
    layers = joined_layers({item["id"]: layers_of(item) for item in sheets.values()})
    shown = shown_layers([layer for layer in layers if all(layer.key in item["assets"] for item in sheets.values())])
    overview = _overview(shelf, scratch, grid, shown, list(sheets.values()))
    item_id = unit.item_id(settings)
    with scratch.folder() as folder:
        paths, digests = _pictures(overview, bool(shown), Expected.of(overview.grid, settings.tiles), folder)
        named = partial(file_name, settings, unit.period)
        files = {
            **{key: path.rename(folder / (named(overview.grid, key) + path.suffix)) for key, path in paths.items()},
            **_virtual(
                shelf.store,
                folder_of(COLLECTION, item_id, mark),
                grid,
                layers,
                list(sheets.values()),
                folder,
                partial(named, grid),
            ),
        }
        item = region_mosaic_item(
            item_id=item_id,
            grid=grid,
            layers=layers,
            shown=shown,
            overview=overview.grid,
            digests=digests,
            sheets=sheets,
            missing=sorted(set(names) - set(sheets)),
            window=window(settings.calendar, unit.period),
            fingerprint=mark,
            properties=unit.identity(settings),
        )
        return shelf.publish_item(item, files)


def _overview(
    shelf: Shelf, scratch: ScratchResource, grid: Grid, shown: Sequence[LayerSpec], sheets: Sequence[Item]
) -> Overview:
    overview = Overview(grid, shown)
    wanted = {COUNT, *(layer.key for layer in shown)}
    for item in sheets:
        with scratch.folder() as folder:  # one sheet at a time on the disk
            overview.paint(source_product(item, shelf.fetcher(folder), sorted(wanted)))
    return overview


def _pictures(
    overview: Overview, coloured: bool, expected: Expected, folder: Path
) -> tuple[dict[str, Path], dict[str, str]]:
    """Asset key to its file; and of the rasters the digest of their pixels."""
    counted = LayerSpec("overview_count", "Mean number of valid observations", "uint16", None)
    (count,) = write_layers(overview.grid, {counted: overview.count}, folder)
    paths, digests = {"overview_count": count.path}, {"overview_count": count.pixel_sha256}
    if coloured:
        paths["overview"] = folder / "overview.tif"
        digests["overview"] = write_picture(overview.grid, overview.colour, paths["overview"])
        thumbnail = painted(overview.colour, max_size=THUMBNAIL_SIZE)
    else:
        thumbnail = single(overview.observations(THUMBNAIL_SIZE), COUNT_RAMP, max_size=THUMBNAIL_SIZE)
    gaps = single(expected.only(overview.observations(_GAPS_SIZE)), GAPS)
    for key, png in {"thumbnail": thumbnail, "gaps": gaps}.items():
        paths[key] = folder / f"{key}.png"
        paths[key].write_bytes(png)
    return paths, digests


def _virtual(
    store: ObjectStore,
    here: str,
    grid: Grid,
    layers: Sequence[LayerSpec],
    sheets: Sequence[Item],
    folder: Path,
    name: Callable[[str], str],
) -> dict[str, Path]:
    """Asset key to the file of each virtual mosaic."""
    files = {}
    for layer in layers:
        parts = [(item["assets"][layer.key], item["properties"]) for item in sheets if layer.key in item["assets"]]
        pieces = [
            Piece(posixpath.relpath(store.key_of(asset["href"]), here), grid_of(properties))
            for asset, properties in parts
        ]
        for kind, content in ((VRT, vrt(layer, grid, pieces)), (GTI, gti(layer, grid, pieces))):
            path = files[f"{layer.key}_{kind}"] = folder / (name(layer.key) + _ENDINGS[kind])
            path.write_bytes(content)
    return files


def _missing(unit: Unit) -> dg.JsonMetadataValue:
    return dg.MetadataValue.json([name for item in unit.items for name in item["properties"]["weft:sheets_missing"]])
