"""Sampling orbit mosaics: which pixels make pairs, and that order and cut do not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.weft.mosaicking.products import COUNT, reflectance, source
from weft.errors import RequestError
from weft.mosaicking import overlaps as sampling
from weft.mosaicking.overlaps import Overlaps, OverlapSampler
from weft.rasters.grid import Grid
from weft.rasters.product import SourceProduct

RED, NIR = reflectance("red_p50"), reflectance("nir_p50")
GRID = Grid("EPSG:3035", 3_900_000, 3_100_000, 100, 100, 40, 30)
EAST = Grid("EPSG:3035", 3_904_000, 3_100_000, 100, 100, 40, 30)


def orbit(folder: Path, name: str, seed: int, grid: Grid = GRID) -> SourceProduct:
    rng = np.random.default_rng(seed)
    count = rng.integers(0, 5, grid.shape).astype(np.uint16)
    values = {layer: (rng.integers(1, 4000, grid.shape) * (count > 0)).astype(np.uint16) for layer in (RED, NIR)}
    values[NIR][count == 3] = 0  # a layer may lack a value where the track has observations
    return source(name, grid, values | {COUNT: count}, folder)


def read(product: SourceProduct, key: str) -> np.ndarray:
    import rasterio

    with rasterio.open(product.layers[key].path) as dataset:
        return dataset.read(1)


def contents(found: Overlaps) -> object:
    tracks = {t: {k: (s.pixels, s.total) for k, s in layers.items()} for t, layers in found.tracks.items()}
    return tracks, [
        (one.tracks, one.pixels, {key: values.tolist() for key, values in one.values.items()}) for one in found.pairs
    ]


@pytest.fixture
def sheets(tmp_path: Path) -> list[dict[str, SourceProduct]]:
    here = {track: orbit(tmp_path, f"a{track}", seed) for seed, track in enumerate(("R008", "R051", "R094"))}
    there = {track: orbit(tmp_path, f"b{track}", seed + 9, EAST) for seed, track in enumerate(("R051", "R094"))}
    return [here, there]


def test_pairs_are_where_both_tracks_have_two_observations(sheets: list[dict[str, SourceProduct]]) -> None:
    sampler = OverlapSampler()
    sampler.add(sheets[0])
    found = sampler.overlaps()
    assert found.layers == ("nir_p50", "red_p50")
    assert [one.tracks for one in found.pairs] == [("R008", "R051"), ("R008", "R094"), ("R051", "R094")]
    one = sheets[0]
    both = (read(one["R008"], "count") >= 2) & (read(one["R051"], "count") >= 2)
    pair = found.pairs[0]
    assert pair.pixels == both.sum()
    for key in found.layers:
        expected = np.stack([read(one[track], key)[both] for track in pair.tracks])
        assert sorted(pair.values[key].T.tolist()) == sorted(expected.T.tolist())
    seen = read(one["R094"], "nir_p50")
    assert found.tracks["R094"]["nir_p50"].pixels == np.count_nonzero(seen)
    assert found.tracks["R094"]["nir_p50"].mean == pytest.approx(seen[seen > 0].mean())


def test_the_order_of_sheets_and_tracks_does_not_matter(
    sheets: list[dict[str, SourceProduct]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "KEPT", 100)
    forth, back = OverlapSampler(), OverlapSampler()
    for sheet in sheets:
        forth.add(sheet)
    for sheet in reversed(sheets):
        back.add(dict(reversed(sheet.items())))
    found = forth.overlaps()
    assert contents(found) == contents(back.overlaps())
    (common,) = (one for one in found.pairs if one.tracks == ("R051", "R094"))
    assert common.pixels > 200
    assert common.values["red_p50"].shape == (2, 100), "no more is kept than asked for"


def test_a_large_sheet_is_looked_at_on_a_lattice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "LATTICE", 10)
    monkeypatch.setattr(sampling, "_STRIP_ROWS", 7)
    tracks = {track: orbit(tmp_path, track, seed) for seed, track in enumerate(("R008", "R051"))}
    sampler = OverlapSampler()
    sampler.add(tracks)
    found = sampler.overlaps()
    lattice = (slice(1, None, 3), slice(2, None, 4))  # 30 rows and 40 columns
    seen = read(tracks["R008"], "red_p50")[lattice]
    assert found.tracks["R008"]["red_p50"].total == seen.sum()
    counts = [read(tracks[track], "count")[lattice] >= 2 for track in ("R008", "R051")]
    assert found.pairs[0].pixels == (counts[0] & counts[1]).sum()


def test_tracks_that_do_not_meet_make_no_pair_and_other_grids_are_refused(tmp_path: Path) -> None:
    one, other = orbit(tmp_path, "one", 1), orbit(tmp_path, "other", 2, EAST)
    sampler = OverlapSampler()
    sampler.add({})
    sampler.add({"R008": one})
    sampler.add({"R051": other})
    assert sampler.overlaps().pairs == ()
    assert sampler.overlaps().tracks.keys() == {"R008", "R051"}
    with pytest.raises(RequestError, match="one, other differ in grid or layers"):
        sampler.add({"R008": one, "R051": other})
    bare = source("bare", GRID, {RED: read(one, "red_p50"), COUNT: read(one, "count")}, tmp_path)
    with pytest.raises(RequestError, match="bare"):
        sampler.add({"R008": bare})
