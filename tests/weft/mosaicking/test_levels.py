"""Levels of several tracks: recovered, with the mean held, and given up where nothing can be known."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.mosaicking.levels import AS_IT_IS, MAX_GAIN, Fitted, Level, apply, fit
from weft.mosaicking.overlaps import Overlap, Overlaps, Seen

LAYER = "red_p50"
TRUE = {"R008": Level(1.05, -40.0), "R051": Level(0.97, 25.0), "R094": Level(1.0, 80.0), "R137": Level(1.02, 10.0)}


def region(
    sees: dict[str, tuple[float, float]],
    *,
    levels: dict[str, Level] = TRUE,
    spoilt: float = 0.0,
    noise: float = 40.0,
    contrast: float = 1.0,
    pixels: int = 6000,
) -> Overlaps:
    """A ground along one axis; each track sees an interval of it through its own level."""
    rng = np.random.default_rng(7)
    place = np.sort(rng.random(pixels))
    truth = 1500 + contrast * (rng.gamma(4.0, 350.0, pixels) - 1400)
    stored = {}
    for track, (start, end) in sees.items():
        seen = levels[track].gain * truth + levels[track].offset + rng.normal(0, noise, pixels)
        cloud = rng.random(pixels) < spoilt
        seen[cloud] += rng.uniform(300, 6000, cloud.sum())
        inside = (place >= start) & (place < end)
        stored[track] = (np.rint(seen).clip(1, 65535) * inside).astype(np.uint16)
    tracks = {
        track: {LAYER: Seen(int(np.count_nonzero(values)), int(values.sum(dtype=np.int64)))}
        for track, values in stored.items()
    }
    pairs = []
    for first, second in combinations(sorted(sees), 2):
        both = (stored[first] > 0) & (stored[second] > 0)
        if both.any():
            values = np.stack([stored[first][both], stored[second][both]])
            pairs.append(Overlap((first, second), int(both.sum()), {LAYER: values}))
    return Overlaps((LAYER,), tracks, tuple(pairs))


def levelled(overlaps: Overlaps, found: Fitted, track: str) -> float:
    """Mean of a track's values after levelling."""
    level = found.levels[track][LAYER]
    return level.gain * overlaps.tracks[track][LAYER].mean + level.offset


def mean(overlaps: Overlaps, tracks: list[str], found: Fitted | None = None) -> float:
    pixels = [overlaps.tracks[track][LAYER].pixels for track in tracks]
    means = [levelled(overlaps, found, track) if found else overlaps.tracks[track][LAYER].mean for track in tracks]
    return float(np.average(means, weights=pixels))


CHAIN = {"R008": (0.0, 0.5), "R051": (0.3, 0.8), "R094": (0.6, 1.0)}
RING = {"R008": (0.0, 0.7), "R051": (0.2, 0.9), "R094": (0.1, 0.8)}


@pytest.mark.parametrize("sees", [CHAIN, RING])
@pytest.mark.parametrize("spoilt", [0.0, 0.2])
def test_tracks_meet_at_one_level_also_through_clouds_and_the_mean_stays(
    sees: dict[str, tuple[float, float]], spoilt: float
) -> None:
    """With a fifth of each track cloud, more than a third of the pairs are spoilt, on either side."""
    overlaps = region(sees, spoilt=spoilt)
    found = fit(overlaps)
    levels = {track: found.levels[track][LAYER] for track in sees}
    gains = [levels[track].gain * TRUE[track].gain for track in sees]
    assert max(gains) / min(gains) < 1.02
    for truth in (800, 1500, 3000):
        seen = [levels[t].gain * (TRUE[t].gain * truth + TRUE[t].offset) + levels[t].offset for t in sees]
        assert np.ptp(seen) < 0.012 * truth + 4
    assert mean(overlaps, list(sees), found) == pytest.approx(mean(overlaps, list(sees)), abs=0.01)
    pixels = [overlaps.tracks[track][LAYER].pixels for track in sees]
    contrast = np.average(np.log([levels[track].gain for track in sees]), weights=pixels)
    assert contrast == pytest.approx(0, abs=2e-5), "the contrast of the region stays as well"
    for comparison in (one[LAYER] for one in found.comparisons.values()):
        assert comparison.used == "gain and offset"
        assert abs(comparison.after) < max(abs(comparison.before) / 10, 4)


def test_two_groups_of_tracks_are_each_held_and_one_alone_stays() -> None:
    sees = {"R008": (0.0, 0.3), "R051": (0.2, 0.45), "R094": (0.5, 0.7), "R137": (0.6, 0.75), "R140": (0.8, 1.0)}
    overlaps = region(sees, levels=TRUE | {"R140": Level(1.1, 300.0)})
    found = fit(overlaps)
    for group in (["R008", "R051"], ["R094", "R137"]):
        assert mean(overlaps, group, found) == pytest.approx(mean(overlaps, group), abs=0.01)
        assert found.levels[group[0]][LAYER] != AS_IT_IS
    assert found.levels["R140"][LAYER] == AS_IT_IS


@pytest.mark.parametrize("contrast", [0.0, 0.04])
def test_without_contrast_there_is_an_offset_only_and_with_too_few_pixels_nothing(contrast: float) -> None:
    two = {"R051": (0.0, 0.6), "R094": (0.4, 1.0)}
    flat = fit(region(two, contrast=contrast))
    levels = [flat.levels[track][LAYER] for track in two]
    assert {level.gain for level in levels} == {1.0}
    assert levels[0].offset - levels[1].offset == pytest.approx(1500 * 0.03 + 55, abs=6)
    assert flat.comparisons["R051", "R094"][LAYER].used == "offset"
    few = fit(region(two, pixels=150))
    assert {few.levels[track][LAYER] for track in two} == {AS_IT_IS}
    comparison = few.comparisons["R051", "R094"][LAYER]
    assert comparison.used == "nothing"
    assert comparison.after == comparison.before != 0


def test_a_gain_beyond_belief_is_not_used_nor_a_chain_that_adds_up_to_one() -> None:
    two = {"R051": (0.0, 0.6), "R094": (0.4, 1.0)}
    steep = fit(region(two, levels={"R051": Level(1.0, 0.0), "R094": Level(1.6, -700.0)}))
    assert {steep.levels[track][LAYER].gain for track in two} == {1.0}
    assert steep.comparisons["R051", "R094"][LAYER].used == "offset"
    growing = {f"R{n:03}": Level(1.2**n, 1500 * (1 - 1.2**n)) for n in range(1, 6)}
    chain = {track: (0.19 * n, 0.19 * n + 0.24) for n, track in enumerate(growing)}
    found = fit(region(chain, levels=growing, pixels=12_000))
    assert {found.levels[track][LAYER].gain for track in chain} == {1.0}


def test_a_step_beyond_belief_is_not_used_and_no_track_is_moved_beyond_it() -> None:
    levels = {"R051": Level(1.0, 0.0), "R094": Level(1.0, 60.0), "R137": Level(1.0, 2500.0)}
    apart = fit(region({"R051": (0.0, 0.5), "R094": (0.4, 0.8), "R137": (0.7, 1.0)}, levels=levels))
    assert [one[LAYER].used for one in apart.comparisons.values()] == ["gain and offset", "nothing"]
    assert apart.levels["R137"][LAYER] == AS_IT_IS
    assert abs(apart.comparisons["R051", "R094"][LAYER].after) < 4
    # Held by a track nine times as large, the small one would have to take all of the step.
    uneven = {"R051": (0.0, 0.95), "R137": (0.85, 1.0)}
    moved = fit(region(uneven, levels=levels | {"R137": Level(1.0, 1900.0)}))
    assert {moved.levels[track][LAYER] for track in uneven} == {AS_IT_IS}
    assert moved.comparisons["R051", "R137"][LAYER].used == "nothing"


def test_levels_are_numbers_that_json_and_arithmetic_keep_exactly() -> None:
    found = fit(region(CHAIN))
    for track in CHAIN:
        level = found.levels[track][LAYER]
        assert (level.gain * 65536).is_integer()
        assert (level.offset * 256).is_integer()
        assert 1 / MAX_GAIN < level.gain < MAX_GAIN
    again = fit(region(dict(reversed(CHAIN.items()))))
    assert again.levels.keys() == found.levels.keys()


def test_no_tracks_have_no_levels() -> None:
    assert fit(Overlaps((), {}, ())) == Fitted({}, {})


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 65535), min_size=1, max_size=20),
    st.integers(52429, 81920),
    st.integers(-1000 * 256, 1000 * 256),
)
def test_a_level_is_applied_exactly_and_never_makes_or_takes_a_value(
    values: list[int], gain_steps: int, offset_steps: int
) -> None:
    level = Level(gain_steps / 65536, offset_steps / 256)
    found = apply(np.array([values], np.uint16), level)
    assert found.dtype == np.uint16
    for value, out in zip(values, found[0].tolist(), strict=True):
        exact = Fraction(value * gain_steps, 65536) + Fraction(offset_steps, 256)
        assert out == (min(max(floor(exact + Fraction(1, 2)), 1), 65535) if value else 0)
    np.testing.assert_array_equal(apply(found, AS_IT_IS), found)
