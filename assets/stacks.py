"""The observations of one tile_track and period, each scene where its reference is; virtual, no pixels are copied.

Duplicates are collapsed, granules of one pass joined, and scenes that do not fit set aside, all by metadata alone.
Where the region asks for it, one band of each observation is read and its displacement to a reference is found; what
reads the stack applies it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from assets import calibrated
from assets.lane import DECODE_POOL, Lane
from assets.previews import describe
from assets.shelf import Shelf, mark_of, rejected_of
from assets.units import Nothing, Unit, resumable
from resources.archive import ArchiveResource
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStoreResource
from resources.region import RegionResource
from resources.scratch import ScratchResource
from weft.compositing.observations import Plan, plan
from weft.fingerprints import fingerprint
from weft.mosaicking.tiles import tile_grid
from weft.periods import window
from weft.regions import Region, tile_of
from weft.registration.scenes import align
from weft.stac import Item
from weft.stac.calibrated import COLLECTION as CALIBRATED
from weft.stac.calibrated import scene_from_item
from weft.stac.coregistration import NONE, coregistration_field
from weft.stac.products import sources_of, stack_item

COLLECTION = "coregistered-stacks"
NAME = "scene_stack"
VERSION = 1
_FIGURES = ("points", "inliers", "ce90_before", "ce90_after", "coverage")


def scene_stack(lane: Lane) -> dg.AssetsDefinition:
    """The asset of one region."""

    @dg.asset(
        **lane.options(NAME, lane.partitions.period_tile_track, VERSION, lane.after(calibrated.NAME)),
        pool=None if lane.partitions.region.coregistration.method == "none" else DECODE_POOL,
        description=__doc__,
    )
    def scene_stack(
        context: dg.AssetExecutionContext,
        region: RegionResource,
        archive: ArchiveResource,
        catalogue: CatalogueResource,
        store: ObjectStoreResource,
        scratch: ScratchResource,
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
                    coregistration=settings.coregistration.parts(),
                    **_matched(settings),
                )
                with scratch.folder() as folder:
                    work = _Work(settings, unit, mark, shelf, archive, folder)
                    shelf.settle(unit, unit.item_id(settings), mark, partial(_stack, work, register))
                unit.finish(mark, {**describe(unit, shelf.store), **_displacements(unit)})
        return units.result()

    return scene_stack


@dataclass(frozen=True, slots=True)
class _Work:
    """One unit that has to be made, and with what."""

    settings: Region
    unit: Unit
    mark: str
    shelf: Shelf
    archive: ArchiveResource
    folder: Path


def _matched(settings: Region) -> dict[str, Any]:
    """What of the region file decides about displacements besides their own settings."""
    if settings.coregistration.method == "none":
        return {}
    return {"matched": settings.model_dump(mode="json", include={"validity", "working_resolution"})}


def _stack(work: _Work, register: Item | None) -> Item | Nothing:
    settings, unit, shelf = work.settings, work.unit, work.shelf
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
        fingerprint=work.mark,
        coregistration=_coregistration(work, planned),
        properties=unit.identity(settings),
    )
    return shelf.publish_item(item)


def _coregistration(work: _Work, planned: Plan) -> Mapping[str, Any]:
    settings = work.settings
    if settings.coregistration.method == "none" or not planned.observations:
        return NONE
    aligned = align(
        planned.observations,
        settings.coregistration,
        bands=settings.bands,
        validity=settings.validity,
        resolution=settings.working_resolution,
        window=window(settings.calendar, work.unit.period),
        place=work.archive.open().place,
        scratch=work.folder,
    )
    return coregistration_field(aligned, settings.coregistration)


def _displacements(unit: Unit) -> dict[str, dg.MetadataValue]:
    """What became of each observation, for the Dagster UI."""
    told = [entry for item in unit.items for entry in item["properties"]["weft:coregistration"].get("observations", ())]
    rows = [
        {
            "scenes": ", ".join(entry["scenes"]),
            "status": entry["status"],
            **{name: entry.get("quality", {}).get(name) for name in _FIGURES},
            "reason": entry.get("reason", ""),
        }
        for entry in told
    ]
    kinds = {"scenes": "string", "status": "string", **dict.fromkeys(_FIGURES, "float"), "reason": "string"}
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in kinds.items()])
    return {"displacements": dg.MetadataValue.table(list(map(dg.TableRecord, rows)), schema=schema)} if rows else {}
