"""The composite of any area: from scenes of whatever tiles and tracks to one product.

Belongs here: compositing each tile_track as far as the area reaches into it, and handing the composites on. Not here:
the reductions (``composite``), the joining (``weft.mosaicking.area``), what an order may say (``weft.orders``), or
which scenes there are (``assets``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from weft.compositing.composite import Composited, Recipe, composite
from weft.compositing.observations import Plan, Superseded, plan
from weft.errors import RequestError
from weft.mosaicking.area import area_mosaic, needed_window
from weft.orders.composite_plan import CompositePlan
from weft.progress import Progress
from weft.rasters.product import Product, Rejected, SourceLayer, SourceProduct
from weft.rasters.reading import Place
from weft.scenes.scene import Scene


@dataclass(frozen=True, slots=True)
class Ordered:
    """What became of an order.

    Attributes:
        product: every layer on the order's grid; None if no pixel of it was observed.
        observations: scene ids of the granules of every observation, tile_track by tile_track in the order of their
            names: what ``source_index`` counts.
        rejected: scenes that could not be used, with reasons.
        superseded: scenes that a newer processing replaces.
        layers_left_out: layers asked for that the archive of a tile_track cannot feed.
        validity_not_applied: limits of validity that it has no layer for.
    """

    product: Product | None
    observations: tuple[tuple[str, ...], ...]
    rejected: tuple[Rejected, ...]
    superseded: tuple[Superseded, ...]
    layers_left_out: tuple[str, ...]
    validity_not_applied: tuple[str, ...]


def by_tile_track(scenes: Iterable[Scene], wanted: CompositePlan) -> dict[str, Plan]:
    """The observations of every tile_track that an order needs, sorted by its name.

    Raises:
        RequestError: no scene of a tile_track has one of the order's bands.
    """
    grouped: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes:
        if needed_window(scene.geolocation, wanted.grid) is not None:
            grouped[f"{scene.track}_{scene.tile}"].append(scene)
    try:
        return {key: plan(grouped[key], wanted.order.bands) for key in sorted(grouped)}
    except RequestError as error:
        raise RequestError(f"bands: {error}") from error


def ordered_composite(
    plans: Mapping[str, Plan],
    wanted: CompositePlan,
    place: Place,
    scratch: Path,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> Ordered:
    """Make what an order asks for.

    The pixels are those of a region with the same settings, see :mod:`weft.mosaicking.area`.

    Args:
        plans: see :func:`by_tile_track`.
        wanted: the order and its grid.
        place: href resolver.
        scratch: an empty folder for the files.
        workers: threads; they do not change the result.
        progress: called after each tile_track.

    Raises:
        RequestError: see :func:`weft.compositing.composite.composite` and :func:`weft.mosaicking.area.area_mosaic`.
        Unavailable: a remote archive does not answer.
    """
    order = wanted.order
    recipe = Recipe(order.bands, order.validity, order.composite, order.working_metres)
    made: dict[str, Composited] = {}
    for done, (tile_track, planned) in enumerate(plans.items()):
        if progress and done:
            progress(done, len(plans))
        if planned.grid is None:
            continue
        area = needed_window(planned.grid.at_resolution(recipe.resolution), wanted.grid)
        if area is not None:
            folder = scratch / tile_track
            made[tile_track] = composite(planned.observations, recipe, folder, place, area=area, threads=workers)
    composites = {key: _source(key, one.product) for key, one in made.items() if one.product is not None}
    counts = {key: len(made[key].observations) for key in composites}
    product = area_mosaic(composites, counts, wanted.grid, order.mosaic, scratch / "joined", workers=workers)
    rejected = [one for planned in plans.values() for one in planned.rejected]
    rejected += [one for composited in made.values() for one in composited.rejected]
    return Ordered(
        product=product,
        observations=tuple(one.scene_ids for key in composites for one in made[key].observations),
        rejected=tuple(sorted(rejected, key=lambda one: one.scene_id)),
        superseded=tuple(one for planned in plans.values() for one in planned.superseded),
        layers_left_out=_union(one.layers_left_out for one in made.values()),
        validity_not_applied=_union(one.validity_not_applied for one in made.values()),
    )


def _source(name: str, product: Product) -> SourceProduct:
    layers = {file.layer.key: SourceLayer(file.layer, file.path) for file in product.files}
    return SourceProduct(name, product.grid, layers)


def _union(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(sorted({one for some in lists for one in some}))
