"""The accuracy benchmark: the simulator's truth, observations as spoiled as asked, a page that shows the results."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from benchmarks import accuracy_model as model
from benchmarks.accuracy_methods import default_method, nearest_to_median, regret_of_nearest
from benchmarks.accuracy_scores import COUNTS, Scores, score
from tests.conftest import ROOT
from weft.periods import window
from weft.rasters.grid import Grid
from weft.simulation.landscape import GROUND_CRS, Landscape
from weft.simulation.truth import Truth

SIDE = 8


@pytest.fixture(scope="module")
def places() -> list[model.Site]:
    return [model.site(3, season, SIDE) for season in ("2021-03", "2021-06")]


def settled(places: list[model.Site]) -> int:
    return sum(int(place.settled.sum()) for place in places)


def test_the_truth_is_that_of_the_simulator() -> None:
    grid = Grid(GROUND_CRS, 3_950_000.0, 3_100_000.0, 10.0, 10.0, 9, 7)
    landscape, when = Landscape(3, 10.0), window("glad-seasons", "2020-12")
    expected = Truth(landscape, {}).reflectances(grid, when, (50.0,))[0]
    assert np.array_equal(model.truth(landscape.cover(grid), when), expected)


def test_a_sample_is_reproducible_and_holds_the_settled_pixels(places: list[model.Site]) -> None:
    first, again = model.sample(places, 0.2), model.sample(places, 0.2)
    assert first.values.shape == (model.OBSERVATIONS, len(model.STACK_BANDS), 1, settled(places))
    for name in first.__dataclass_fields__:
        assert np.array_equal(getattr(first, name), getattr(again, name)), name
    other = model.sample([model.site(4, "2021-06", SIDE)], 0.2)
    assert other.values.shape != first.values.shape or not np.array_equal(other.values, first.values)


def test_clear_observations_scatter_about_the_ground_they_saw(places: list[model.Site]) -> None:
    sample = model.sample(places, 0.0)
    assert not sample.spoiled.any()
    assert np.isin(sample.classes, (4, 5, 6)).all()
    lowest = np.concatenate([place.daily.min(axis=0)[:, place.settled] for place in places], axis=1)
    highest = np.concatenate([place.daily.max(axis=0)[:, place.settled] for place in places], axis=1)
    seen = sample.values[:, : len(lowest), 0] / 10_000
    assert (seen > lowest * 0.9 - 0.01).all()
    assert (seen < highest * 1.1 + 0.01).all()


def test_a_larger_share_spoils_more_of_the_same_observations(places: list[model.Site]) -> None:
    clear, some, more = (model.sample(places, share) for share in (0.0, 0.1, 0.3))
    assert some.spoiled.mean() == pytest.approx(0.1, abs=0.03)
    assert more.spoiled.mean() == pytest.approx(0.3, abs=0.03)
    assert (more.spoiled | ~some.spoiled).all()
    untouched = ~more.spoiled[:, None].repeat(len(model.STACK_BANDS), axis=1)
    assert np.array_equal(more.values[untouched], clear.values[untouched])
    assert np.array_equal(more.draw, clear.draw)


@pytest.mark.parametrize(("leak", "sign"), [("bright", 1), ("dark", -1)])
def test_leaks_brighten_or_darken_what_they_touch(places: list[model.Site], leak: model.Leak, sign: int) -> None:
    clear, leaky = model.sample(places, 0.0), model.sample(places, 0.3, leak)
    blue = leaky.values[:, 0].astype(int) - clear.values[:, 0]
    assert sign * blue[leaky.spoiled].mean() > 50
    assert np.isin(leaky.classes, (2, 4, 5, 6)).all()
    darkened = (leaky.classes == 2).any()
    assert darkened == (leak == "dark")
    hinted = leaky.cloud_confidence[leaky.spoiled] > 5
    assert hinted.any() == (leak == "bright")
    assert hinted.mean() < 0.6


def test_the_draw_gives_n_observations_of_every_pixel(places: list[model.Site]) -> None:
    draw = model.sample(places, 0.0).draw
    for count in COUNTS:
        assert ((draw < count).sum(axis=0) == count).all()


def test_the_nearest_to_the_median_is_found_and_never_better_than_the_medoid(places: list[model.Site]) -> None:
    sample = model.sample(places, 0.2)
    valid = sample.draw < 6
    index = nearest_to_median(sample, valid)[0]
    for pixel in range(0, index.size, 7):
        times = np.flatnonzero(valid[:, 0, pixel])
        vectors = sample.values[times, :6, 0, pixel].astype(float)
        away = np.linalg.norm(vectors - np.median(vectors, axis=0), axis=1)
        assert away[list(times).index(index[pixel])] == pytest.approx(away.min(), rel=1e-6)
    other, mean, worst = regret_of_nearest(sample, valid)
    assert 0 < other < 1
    assert 0 < mean < worst


def test_scores_are_errors_against_the_truth(places: list[model.Site]) -> None:
    pytest.importorskip("geomad")
    sample = model.sample(places, 0.1)
    scores = score([sample, model.sample(places, 0.2)])
    difference = np.median(sample.values[:, :6, 0].astype(float), axis=0) - sample.truth[:, 0] * 10_000
    position = scores.methods.index("p50")
    assert scores.rmse[0, -1, position] == pytest.approx(np.sqrt((difference**2).mean(axis=1)), rel=1e-5)
    assert scores.bias[0, -1, position] == pytest.approx(difference.mean(axis=1), rel=1e-3, abs=1e-3)
    assert (
        np.ptp(scores.rmse[:, 0, [scores.methods.index(name) for name in ("p25", "mean", "medoid")]], axis=1).max() < 1
    )


def test_regret_compares_seed_by_seed() -> None:
    rmse = np.array([[[[10.0], [11.0]]], [[[20.0], [22.0]]]])
    scores = Scores(("a", "b"), rmse, rmse, rmse[..., 0])
    assert scores.best(1) == "a"
    assert scores.regret(1, "b").mean == pytest.approx(0.1)
    assert scores.regret(1, "b").error == pytest.approx(0.0)
    assert scores.worst_regret(1, "b") == pytest.approx(0.1)


def test_the_documented_default_is_within_two_percent_of_the_best() -> None:
    rows = json.loads((ROOT / "benchmarks" / "results" / "accuracy.json").read_text())["default"]
    assert [row["count"] for row in rows] == list(COUNTS)
    for row in rows:
        assert row["method"] == default_method(row["count"])
        assert row["regret"]["mean"] <= 2


def test_the_page_on_methods_shows_the_results() -> None:
    text = (ROOT / "docs" / "methods.md").read_text()
    shown = re.findall(r"^\| (\d+) \| `(\w+)` \| `(\w+)` \| ([\d.]+) ± ([\d.]+) \|", text, re.MULTILINE)
    rows = json.loads((ROOT / "benchmarks" / "results" / "accuracy.json").read_text())["default"]
    assert len(shown) == len(COUNTS)
    for (count, method, best, mean, error), row in zip(shown, rows, strict=True):
        assert (int(count), method, best) == (row["count"], row["method"], row["best"])
        assert float(mean) == pytest.approx(row["regret"]["mean"], abs=0.051)
        assert float(error) == pytest.approx(row["regret"]["se"], abs=0.051)


@pytest.mark.parametrize("kind", ["rmse", "bias"])
def test_the_tables_of_the_page_show_the_results(kind: str) -> None:
    text = (ROOT / "docs" / "methods.md").read_text()
    table = re.search(rf"^\| {kind} \|(.*?)\|\n\|[-:|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table
    counts = [int(cell) for cell in table[1].split("|")]
    results = json.loads((ROOT / "benchmarks" / "results" / "accuracy.json").read_text())["pooled"]
    shown = {}
    for line in table[2].splitlines():
        name, *cells = line.strip("|").split("|")
        shown[name.strip(" `")] = [[float(number) for number in cell.split("±")] for cell in cells]
    assert shown.keys() == results.keys()
    for method, cells in shown.items():
        found = results[method][kind]
        for count, (mean, error) in zip(counts, cells, strict=True):
            assert mean == pytest.approx(found["mean"][count - 1], abs=0.51), method
            assert error == pytest.approx(found["se"][count - 1], abs=0.051), method
