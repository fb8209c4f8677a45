"""How the observations of a stack lie to each other, as a field of its item: ``weft:coregistration``.

Belongs here: writing the field, its inverse :func:`moved_of`, and what products made of the stack repeat of it. Not
here: registering (``weft.registration.scenes``), or the field of an order's stack (``order_products``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weft.compositing.observations import Observation
from weft.errors import IntegrityError, RequestError
from weft.rasters.moving import Moved
from weft.regions import Coregistration
from weft.registration.displacement import Displacement
from weft.registration.scenes import Aligned, Outcome
from weft.stac import Item
from weft.stac.parts import grid_of

NONE: dict[str, Any] = {"method": "none"}
"""The field of a stack whose observations keep their geolocation because the region wants it so."""


def coregistration_field(aligned: Aligned, settings: Coregistration) -> dict[str, Any]:
    """What was done and found.

    Each entry of ``observations`` has ``scenes`` and a ``status``: ``reference``, ``registered`` (with what to displace
    it by, in pixels of ``resolution``), ``in_place`` (nothing needs to move) or ``geometry`` (it keeps its geolocation
    for a ``reason``); and the ``quality`` of its registration where one was tried.
    """
    reference = {} if aligned.reference is None else {"reference": aligned.reference[0]}
    return {
        "method": settings.method,
        **reference,
        "band": aligned.band,
        "resolution": aligned.grid.x_size,
        "settings": settings.parts(),
        "observations": [_entry(outcome, outcome.scene_ids == aligned.reference) for outcome in aligned.outcomes],
    }


def _entry(outcome: Outcome, is_reference: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"scenes": list(outcome.scene_ids)}
    if outcome.registration is not None:
        entry["quality"] = outcome.registration.quality.properties()
    if outcome.reason:
        return entry | {"status": "geometry", "reason": outcome.reason}
    if outcome.registration is None or is_reference:
        return entry | {"status": "reference"}
    displacement = outcome.registration.displacement
    if not displacement.moves:
        return entry | {"status": "in_place"}
    return entry | {"status": "registered", "displacement": displacement.to_json()}


def moved_of(stack: Item) -> dict[tuple[str, ...], Moved]:
    """Displaced observations of a stack, by the ids of their scenes.

    Raises:
        IntegrityError: the field is not what :func:`coregistration_field` writes.
    """
    field = stack["properties"]["weft:coregistration"]
    try:
        found = {
            tuple(entry["scenes"]): Displacement.from_json(entry["displacement"])
            for entry in field.get("observations", ())
            if entry["status"] == "registered"
        }
        if not found:
            return {}
        grid = grid_of(stack["properties"]).at_resolution(field["resolution"])
        kernel = Coregistration.model_validate(field["settings"]).resampling
    except (KeyError, TypeError, ValueError, RequestError) as error:
        raise IntegrityError(
            f"{stack['collection']}/{stack['id']} does not say how its scenes lie ({error}); materialise it again"
        ) from error
    if wrong := [ids for ids, displacement in found.items() if displacement.shape != grid.shape]:
        raise IntegrityError(
            f"{stack['collection']}/{stack['id']} displaces {', '.join(wrong[0])} on another grid than its own; "
            "materialise it again"
        )
    return {ids: Moved(displacement, grid, kernel) for ids, displacement in found.items()}


def applied_field(stack: Item, used: Iterable[Observation]) -> dict[str, Any]:
    """What a product of a stack repeats: how it was registered, and which of the scenes used are displaced.

    Returns:
        The field as an item property; nothing if the region trusts the provider's geolocation.
    """
    field = stack["properties"]["weft:coregistration"]
    if field["method"] == "none":
        return {}
    told = {name: field[name] for name in ("method", "reference", "band", "settings") if name in field}
    moved = [scene_id for observation in used if observation.moved for scene_id in observation.scene_ids]
    return {"weft:coregistration": told | {"displaced": moved}}
