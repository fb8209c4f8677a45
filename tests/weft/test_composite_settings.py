from __future__ import annotations

import pydantic
import pytest

from weft.composite_settings import EXTRA_LAYERS, Composite, ShortTerm


def test_layers_come_in_one_order_whatever_the_order_asked() -> None:
    settings = Composite(layers=("valid_obs", "quality_aot"))
    assert settings.extra_layers == ("quality_aot", "valid_obs")
    assert Composite().extra_layers == ()


def test_all_means_all_that_the_methods_allow() -> None:
    assert Composite(methods=("s2gm",), layers="all").extra_layers == EXTRA_LAYERS
    assert set(EXTRA_LAYERS) - set(Composite(methods=("max_ndvi", "medoid"), layers="all").extra_layers) == {
        "medoid_mos"
    }
    assert Composite(methods=("percentiles",), layers="all").extra_layers == ("valid_obs",)


@pytest.mark.parametrize(
    ("methods", "layer", "message"),
    [
        (("percentiles", "mean"), "sun_zenith", "must be of s2gm, s2gm_v1, medoid, short_term, max_ndvi, first_valid"),
        (("max_ndvi", "medoid"), "medoid_mos", "must be of s2gm, s2gm_v1, medoid$"),
    ],
)
def test_a_layer_that_no_method_can_have_is_refused(methods: tuple[str, ...], layer: str, message: str) -> None:
    with pytest.raises(pydantic.ValidationError) as error:
        Composite(methods=methods, layers=(layer,))
    text = error.value.errors()[0]["msg"]
    assert text.endswith(message.rstrip("$")) if message.endswith("$") else message in text


def test_the_first_method_that_selects() -> None:
    assert Composite(methods=("mean", "first_valid", "medoid")).selecting == "first_valid"
    assert Composite(methods=("mean", "percentiles")).selecting is None


def test_thresholds_are_checked_by_name() -> None:
    assert ShortTerm(version=2, thresholds={"snow_mndwi": 0.6}).thresholds == {"snow_mndwi": 0.6}
    with pytest.raises(pydantic.ValidationError, match="known: dry_mndwi, stable_ndvi"):
        ShortTerm(thresholds={"snow": 0.6})
