"""A plan that is too large for one region, cut into several.

Belongs here: which sheets go together. Not here: what a sheet needs (``plan``).

Every sheet belongs to exactly one region, and every region has all tile_tracks that its sheets need: a tile_track on
the border belongs to both sides, and is composited once for each. So a mosaic made of the regions has the same pixels
as one made at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from weft.errors import RequestError
from weft.mosaicking.sheets import sheet
from weft.planning.plan import Plan
from weft.rasters.grid import Bounds
from weft.regions import Mosaic


def split(plan: Plan, settings: Mosaic, limit: int) -> tuple[Plan, ...]:
    """Cut a plan by its sheets until no part has more than ``limit`` tile_tracks.

    Parts are halved across the longer axis of their sheets, where the larger half needs fewest tile_tracks.

    Returns:
        Parts with disjoint sheets, from west to east or south to north within each cut; the plan itself if it is small
        enough.

    Raises:
        RequestError: a single sheet needs more than ``limit`` tile_tracks.
    """
    return _parts(plan, {name: sheet(name, settings).grid.bounds for name in plan.sheets}, limit)


def _parts(plan: Plan, bounds: Mapping[str, Bounds], limit: int) -> tuple[Plan, ...]:
    if len(plan.tile_tracks) <= limit:
        return (plan,)
    if len(plan.sheets) == 1:
        raise RequestError(
            f"sheet {plan.sheets[0]} needs {len(plan.tile_tracks)} tile_tracks, more than {limit}; make sheets smaller"
        )
    places = [
        {name: bounds[name].left for name in plan.sheets},
        {name: bounds[name].bottom for name in plan.sheets},
    ]
    axis = max(places, key=lambda place: max(place.values()) - min(place.values()))
    cut = _cut(plan, axis)
    first = {name for name in plan.sheets if axis[name] < cut}
    return (
        *_parts(plan.only(first), bounds, limit),
        *_parts(plan.only(set(plan.sheets) - first), bounds, limit),
    )


def _cut(plan: Plan, place: Mapping[str, float]) -> float:
    """The first place of the second half."""
    spans = np.array([[min(place[n] for n in names), max(place[n] for n in names)] for names in plan.needs.values()])
    cuts = np.unique(list(place.values()))[1:]
    larger = [max((spans[:, 0] < cut).sum(), (spans[:, 1] >= cut).sum()) for cut in cuts]
    return float(cuts[int(np.argmin(larger))])
