"""From two images to a displacement that may be used, or to a reason why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.weft.registration.images import Strangers, fields, moved, other_sensor, strangers, texture
from weft.errors import RequestError
from weft.registration.registration import Registration, register
from weft.registration.settings import Matching, Registering

SMALL: dict[Matching, int] = {"cross_corr": 32, "multimodal": 48}


def registered(
    reference: np.ndarray, secondary: np.ndarray, method: Matching = "cross_corr", **keywords: Any
) -> Registration:
    masks = {name: keywords.pop(name) for name in ("mask_reference", "mask_secondary", "workers") if name in keywords}
    settings = Registering(
        **{"method": method, "template": SMALL[method], "search": 12, "coarse_search": 40} | keywords
    )
    return register(reference, secondary, settings, method=method, **masks)


def error(found: Registration, dx: float, dy: float) -> float:
    y, x = np.mgrid[20:236:20, 20:236:20]
    at = found.displacement.at(x, y)
    return float(np.hypot(at[0] - dx, at[1] - dy).max())


def test_a_shift_is_found_to_a_hundredth_of_a_pixel() -> None:
    noise = np.random.default_rng(3).normal(0, 5, (256, 256))
    secondary = (0.9 * moved(texture(1), 3.37, -2.62) + 40 + noise).astype(np.float32)
    found = registered(texture(1), secondary)
    assert found.accepted, found.reason
    assert error(found, 3.37, -2.62) < 0.02
    assert found.quality.coverage > 0.9
    assert found.method == "cross_corr"


@pytest.mark.parametrize("reference", [texture(1), fields(2)])
def test_another_sensor_is_registered(reference: np.ndarray) -> None:
    found = registered(reference, other_sensor(moved(reference, 3.4, -2.6)), "multimodal")
    assert found.accepted, found.reason
    assert error(found, 3.4, -2.6) < 0.8


def test_a_shift_beyond_the_search_is_found_by_the_coarse_shift() -> None:
    secondary = moved(texture(1), 30.4, -17.3)
    found = registered(texture(1), secondary)
    assert found.accepted, found.reason
    assert error(found, 30.4, -17.3) < 0.05
    assert not registered(texture(1), secondary, coarse_search=0).accepted


def test_a_rotation_is_found() -> None:
    y, x = np.mgrid[:256, :256]
    found = registered(texture(1), moved(texture(1), 0.01 * (y - 128.0), -0.01 * (x - 128.0)))
    assert found.accepted, found.reason
    assert found.displacement.model == "affine"
    dx, dy = found.displacement.at([40.0, 200.0], [60.0, 220.0])
    np.testing.assert_allclose(dx, [-0.68, 0.92], atol=0.03)
    np.testing.assert_allclose(dy, [0.88, -0.72], atol=0.03)


def test_the_same_image_stays_where_it_is() -> None:
    found = registered(texture(1), texture(1))
    assert found.accepted, found.reason
    assert not found.displacement.moves
    assert "already aligned" in found.reason


def test_auto_takes_edges_where_values_prove_nothing() -> None:
    reference, secondary = texture(1), -moved(texture(1), 3.4, -2.6)
    settings = {"template": 48, "search": 12, "coarse_search": 0}
    assert not register(
        reference, secondary, Registering(method="cross_corr", **settings), method="cross_corr"
    ).accepted
    found = register(reference, secondary, Registering(**settings), method="cross_corr")
    assert found.accepted, found.reason
    assert found.method == "multimodal"


def test_what_is_masked_or_nan_has_no_say() -> None:
    reference, secondary = texture(1), moved(texture(1), 3.37, -2.62)
    reference[40:90, 50:100] = np.nan
    cloud = np.zeros((256, 256), bool)
    cloud[150:220, 120:200] = True
    secondary[cloud] = 30_000
    found = registered(reference, secondary, mask_secondary=~cloud)
    assert found.accepted, found.reason
    assert error(found, 3.37, -2.62) < 0.02


def test_half_the_image_alike_is_refused_where_coverage_is_asked_for() -> None:
    secondary = moved(texture(1), 3.4, -2.6)
    secondary[:, 100:] = texture(7)[:, 100:]
    found = registered(texture(1), secondary, min_coverage=0.8, min_agreement=0.1)
    assert not found.accepted
    assert "min_coverage is 80%" in found.reason


def test_threads_change_nothing() -> None:
    secondary = other_sensor(moved(texture(1), 3.4, -2.6))
    one, three = (registered(texture(1), secondary, "multimodal", workers=workers) for workers in (1, 3))
    assert one.displacement == three.displacement
    assert one.quality == three.quality


def test_images_of_two_shapes_are_refused() -> None:
    with pytest.raises(RequestError, match="on one grid; collocate first"):
        registered(texture(1), texture(1)[:200])


PAIRS = list(strangers(128, range(6)))


@pytest.mark.parametrize("method", ["cross_corr", "multimodal"])
@pytest.mark.parametrize("kind", sorted({pair.kind for pair in PAIRS}))
def test_none_of_a_hundred_pairs_of_strangers_is_accepted(kind: str, method: Matching) -> None:
    alike: list[Strangers] = [pair for pair in PAIRS if pair.kind == kind]
    assert len(PAIRS) >= 100
    for pair in alike:
        found = registered(pair.reference, pair.secondary, method, template=40, spacing=13, coarse_search=24, workers=1)
        assert not found.accepted, f"{kind}: {found.reason}"
        assert not found.displacement.moves
        assert found.reason
