from __future__ import annotations

import sys

import pytest

from tests.weft.compositing.tiles import BANDS, recipe
from weft.composite_settings import Composite, Validity
from weft.compositing import short_term_v1, short_term_v2
from weft.compositing.composite import Recipe, composite
from weft.compositing.observations import Observation
from weft.errors import RequestError


def test_bands_that_a_method_cannot_do_without() -> None:
    for method, needed in (("max_ndvi", ["nir"]), ("s2gm", ["nir", "swir16", "swir22"])):
        with pytest.raises(RequestError, match="add them to the bands") as error:
            Recipe(("blue", "green", "red"), Validity(), Composite(methods=(method,)), 10)
        assert str(needed) in str(error.value)


def test_the_bands_named_are_those_the_kernels_read() -> None:
    settings = Composite(methods=("s2gm", "s2gm_v1"), short_term={"version": 2})
    assert settings.needed_bands() == {"s2gm": short_term_v2.NEEDED, "s2gm_v1": short_term_v1.NEEDED}
    assert Composite(methods=("short_term",)).needed_bands() == {"short_term": short_term_v1.NEEDED}
    assert Composite().needed_bands() == {}


def test_geomedian_without_its_package_fails_before_a_pixel_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geomad", None)
    with pytest.raises(RequestError, match=r"pip install 'weft\[geomedian\]'"):
        recipe(methods=("geomedian",))


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"methods": ("medoid", "percentiles")}, False),
        ({"methods": ("s2gm",)}, True),
        ({"methods": ("short_term",), "short_term": {"version": 2}}, False),
        ({"methods": ("s2gm_v1",), "short_term": {"version": 2}}, True),
    ],
)
def test_classes_are_kept_only_for_rules_that_read_them(settings: dict[str, object], kept: bool) -> None:
    assert recipe(**settings).needs_classes is kept


def test_too_many_observations_are_refused_at_once(tmp_path) -> None:
    with pytest.raises(RequestError, match="at most 255 observations are composited, got 256"):
        composite([Observation(())] * 256, recipe(methods=("mean",)), tmp_path, str)
    assert len(BANDS) == 11
