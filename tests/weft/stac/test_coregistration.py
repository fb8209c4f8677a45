"""The field of a stack that says how its observations lie, and the way back."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from tests.weft.stac import examples
from weft.compositing.observations import Observation
from weft.errors import IntegrityError
from weft.regions import Coregistration
from weft.registration.displacement import Displacement
from weft.registration.points import TiePoints
from weft.registration.registration import Quality, Registration
from weft.registration.scenes import Aligned, Outcome
from weft.stac import Item
from weft.stac.coregistration import applied_field, coregistration_field, moved_of
from weft.stac.products import stack_item
from weft.stac.validation import validate

SETTINGS = Coregistration(method="phase", resampling="lanczos")
MATCHED = examples.GRID.at_resolution(20)
SHIFT = Displacement.shift(0.75, -1.5, MATCHED.shape).measured(rmse=0.1, ce90=0.2)
QUALITY = Quality(40, 38, 1.7, 0.1, 1.8, 0.2, 0.95, 1.0, "shift")


def registration(displacement: Displacement, reason: str = "fine") -> Registration:
    nothing = np.empty(0)
    points = TiePoints(nothing, nothing, nothing, nothing, nothing.astype(np.float32), nothing.astype(bool))
    return Registration(displacement, points, QUALITY, reason == "fine", reason, "cross_corr")


OUTCOMES = (
    Outcome(("first", "first_b"), registration(SHIFT), ""),
    Outcome(("second",), None, ""),
    Outcome(("third",), registration(Displacement.none(MATCHED.shape)), ""),
    Outcome(("fourth",), registration(Displacement.none(MATCHED.shape), "too few points"), "too few points"),
    Outcome(("fifth",), None, "scene fifth is set aside: it cannot be read"),
)
ALIGNED = Aligned(MATCHED, "red", ("second",), OUTCOMES)


def stack(field: dict[str, Any]) -> Item:
    """As a catalogue gives it back."""
    item = stack_item(
        item_id="flanders_2018-03_R051_31UDS",
        plan=examples.plan([examples.scene()], ["red"]),
        grid=examples.GRID,
        window=examples.SEASON,
        fingerprint=examples.MARK,
        coregistration=field,
        properties={**examples.PLACE, "weft:tile_track": "R051_31UDS"},
    )
    validate(item)
    return json.loads(json.dumps(item, allow_nan=False))


def test_every_observation_has_a_status_and_what_speaks_for_it() -> None:
    field = stack(coregistration_field(ALIGNED, SETTINGS))["properties"]["weft:coregistration"]
    entries = field.pop("observations")
    assert field == {
        "method": "phase",
        "reference": "second",
        "band": "red",
        "resolution": 20.0,
        "settings": SETTINGS.model_dump(mode="json"),
    }
    assert [entry["status"] for entry in entries] == ["registered", "reference", "in_place", "geometry", "geometry"]
    assert entries[0]["scenes"] == ["first", "first_b"]
    assert entries[0]["quality"] == QUALITY.properties()
    assert entries[3]["quality"] == QUALITY.properties()
    assert [entry.get("reason") for entry in entries[2:]] == [None, "too few points", OUTCOMES[4].reason]


def test_it_reads_back_what_is_displaced() -> None:
    (found,) = moved_of(stack(coregistration_field(ALIGNED, SETTINGS))).items()
    ids, moved = found
    assert ids == ("first", "first_b")
    assert moved.field == SHIFT
    assert (moved.grid, moved.kernel) == (MATCHED, "lanczos")


@pytest.mark.parametrize(
    "field", [{"method": "none"}, coregistration_field(Aligned(MATCHED, "red", None, ()), SETTINGS)]
)
def test_a_stack_that_displaces_nothing(field: dict[str, Any]) -> None:
    assert moved_of(stack(field)) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("observations", 0, "displacement", "coefficients"), [[1e9], [0]]),
        (("observations", 0, "displacement"), {}),
        (("observations", 0, "status"), None),
        (("observations", 0, "scenes"), 5),
        (("observations", 0, "displacement", "shape"), [20, 31]),
        (("settings", "resampling"), "sinc"),
        (("resolution",), "fine"),
    ],
)
def test_a_damaged_field_is_not_trusted(path: tuple[str | int, ...], value: object) -> None:
    item = stack(deepcopy(coregistration_field(ALIGNED, SETTINGS)))
    place = item["properties"]["weft:coregistration"]
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with pytest.raises(IntegrityError, match="materialise it again"):
        moved_of(item)


def test_a_product_names_the_scenes_it_displaced_and_says_nothing_where_none_can_be() -> None:
    item = stack(coregistration_field(ALIGNED, SETTINGS))
    (moved,) = moved_of(item).values()
    scene, other = examples.scene("first"), examples.scene("second")
    used = [Observation((other,)), Observation((scene,), moved)]
    told = applied_field(item, used)["weft:coregistration"]
    assert told["displaced"] == ["first"]
    assert (told["method"], told["reference"]) == ("phase", "second")
    assert applied_field(stack({"method": "none"}), used) == {}
