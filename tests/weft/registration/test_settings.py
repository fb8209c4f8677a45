"""The coregistration block of an order."""

from __future__ import annotations

from typing import Any

import pytest

from weft import regions
from weft.errors import RequestError
from weft.registration.settings import Registering


def parse(**block: Any) -> Registering:
    return regions.parse(Registering, block, "coregistration")


def test_defaults_ask_for_nothing() -> None:
    settings = parse()
    assert settings.method == "auto"
    assert settings.model == "auto"
    assert settings.on_failure == "fail"
    assert (settings.window("cross_corr"), settings.window("multimodal")) == (64, 101)
    assert parse(template=48).window("multimodal") == 48


def test_dem_assisted_is_answered_with_when_it_comes() -> None:
    with pytest.raises(RequestError, match=r"method: .*dem_assisted.*radar geometry in a later step"):
        parse(method="dem_assisted")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"metod": "auto"}, "metod"),
        ({"method": "phase"}, "method"),
        ({"model": "spline"}, "model"),
        ({"pairing": {"0": "red"}}, "pairing"),
        ({"pairing": {"two": "red"}}, "pairing"),
        ({"pairing": {"2": "../red"}}, "pairing"),
        ({"template": 8}, "template"),
        ({"search": 0}, "search"),
        ({"spacing": 1}, "spacing"),
        ({"resolution": 0}, "resolution"),
        ({"resolution": float("nan")}, "resolution"),
        ({"min_points": 1}, "min_points"),
        ({"min_agreement": 0}, "min_agreement"),
        ({"min_coverage": 1.5}, "min_coverage"),
        ({"max_ce90": 0}, "max_ce90"),
        ({"on_failure": "ignore"}, "on_failure"),
        ({"warp_order": 2}, "model: snap"),
        ({"model": "auto", "rms_threshold": 0.1}, "rms_threshold belong"),
        ({"model": "snap", "warp_order": 4}, "warp_order"),
    ],
)
def test_wrong_settings_are_named(block: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        parse(**block)


def test_snap_takes_its_own_parameters() -> None:
    settings = parse(model="snap", warp_order=1, rms_threshold=0.1)
    assert (settings.warp_order, settings.rms_threshold) == (1, 0.1)


def test_pairing_is_kept_as_it_is() -> None:
    assert parse(pairing={"2": "s0_db_c_vv", "13": "red"}).pairing == {"2": "s0_db_c_vv", "13": "red"}
