"""Cloud-free composite of one tile_track over one period, on the tile's own grid."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import dagster as dg

from assets import calibrated, stacks
from assets.lane import DECODE_POOL, Lane
from assets.previews import describe
from assets.shelf import Shelf, mark_of, rejected_of
from assets.units import Nothing, Unit, resumable
from resources.archive import ArchiveResource
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from resources.scratch import ScratchResource
from weft.compositing.composite import Recipe, composite
from weft.compositing.nadir import Nbar
from weft.compositing.observations import Observation
from weft.fingerprints import fingerprint
from weft.periods import window
from weft.rasters.reading import Place
from weft.regions import Region
from weft.stac import Item
from weft.stac.calibrated import COLLECTION as CALIBRATED
from weft.stac.calibrated import scene_from_item
from weft.stac.coregistration import applied_field, moved_of

COLLECTION = "composites"
NAME = "tile_composite"
VERSION = 3


def tile_composite(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region."""

    @dg.asset(
        **lane.options(NAME, lane.partitions.period_tile_track, VERSION, lane.after(stacks.NAME)),
        pool=DECODE_POOL,
        description=__doc__,
    )
    def tile_composite(
        context: dg.AssetExecutionContext,
        region: RegionResource,
        archive: ArchiveResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
        scratch: ScratchResource,
    ) -> dg.MaterializeResult:
        settings, shelf = region.load(), Shelf.open(COLLECTION, catalogue, store)
        with resumable(context) as units:
            recipe = Recipe(
                settings.bands,
                settings.validity,
                settings.composite,
                settings.working_resolution,
                settings.normalisation.nbar,
            )
            for unit in units:
                stack = shelf.catalogue.get(stacks.COLLECTION, unit.item_id(settings))
                mark = fingerprint(NAME, VERSION, stack=mark_of(stack) if stack else None, recipe=_parts(settings))
                with scratch.folder() as folder:
                    work = _Work(settings, recipe, unit, mark, shelf, archive.open().place, folder)
                    shelf.settle(unit, unit.item_id(settings), mark, partial(_composite, work, stack))
                unit.finish(mark, describe(unit, shelf.store))
        return units.result()

    return tile_composite


@dataclass(frozen=True, slots=True)
class _Work:
    """One unit that has to be made, and with what."""

    settings: Region
    recipe: Recipe
    unit: Unit
    mark: str
    shelf: Shelf
    place: Place
    folder: Path


def _parts(settings: Region) -> dict[str, object]:
    """What of the region file decides about the pixels."""
    parts = settings.model_dump(mode="json", include={"bands", "validity", "composite", "working_resolution"})
    return parts | ({"nbar": True} if settings.normalisation.nbar else {})


def _composite(work: _Work, stack: Item | None) -> Item | Nothing:
    if stack is None:
        return Nothing(f"no scene was found: {calibrated.searched(work.settings, work.unit)}")
    ids = [scene_id for scene_ids in stack["properties"]["weft:observations"] for scene_id in scene_ids]
    items = {item["id"]: item for item in work.shelf.catalogue.search(Search(CALIBRATED, ids=ids))}
    moved = moved_of(stack)
    observations = [
        Observation(tuple(scene_from_item(items[scene_id]) for scene_id in scene_ids), moved.get(tuple(scene_ids)))
        for scene_ids in stack["properties"]["weft:observations"]
    ]
    settings = work.settings
    made = composite(observations, work.recipe, work.folder, work.place, progress=work.unit.progress)
    rejected = (*rejected_of(stack), *made.rejected)
    if made.product is None:
        return Nothing(f"every scene was set aside: {calibrated.searched(settings, work.unit)}", rejected)
    used = [list(observation.scene_ids) for observation in made.observations]
    carried = ("weft:superseded", "weft:duplicates_collapsed", "weft:granules_merged")
    return work.shelf.publish_product(
        replace(made.product, rejected=rejected),
        work.folder,
        item_id=work.unit.item_id(settings),
        mark=work.mark,
        window=window(settings.calendar, work.unit.period),
        sources=[stack, *(items[scene_id] for scene_ids in used for scene_id in scene_ids)],
        properties={
            **work.unit.identity(settings),
            **{name: stack["properties"][name] for name in carried},
            "weft:observations": used,
            "weft:layers_left_out": list(made.layers_left_out),
            "weft:validity_not_applied": list(made.validity_not_applied),
            **_nbar(made.nbar),
            **applied_field(stack, made.observations),
        },
    )


def _nbar(nbar: Nbar | None) -> dict[str, object]:
    """What the item says about the normalisation to nadir view; nothing unless the region asks for it."""
    if nbar is None:
        return {}
    left = {"observations": nbar.without_angles, "bands": list(nbar.bands_without)}
    return {"weft:nbar": nbar.applied, "weft:nbar_not_applied": left}
