from __future__ import annotations

import dataclasses
import itertools
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from shapely.geometry import LineString

from tests.oracles import mosaicking as oracle
from tests.weft.mosaicking.products import COUNT, digests, reflectance, source
from weft.errors import RequestError
from weft.mosaicking import Sheet, Track, centre_line, distance_to_centre, mosaic, weights
from weft.mosaicking.contributions import WHOLE
from weft.mosaicking.levels import Level
from weft.mosaicking.seams import SeamMeter
from weft.rasters.gdal import UnreadableRaster, environment
from weft.rasters.grid import Grid, Window, transformer
from weft.rasters.product import Product, SourceProduct
from weft.regions import Mosaic

RED, NIR = reflectance("red_p50"), reflectance("nir_medoid")
TRACKS = ("R008", "R051", "R094")
SEAMLESS = Mosaic(blend="seamless")
MODULE = sys.modules["weft.mosaicking.mosaic"]


def sheet_between(first: str, second: str, latitude: float = 51.0, size: int = 61) -> Sheet:
    """A sheet of 3 km pixels half way between two centre lines."""
    middle = np.mean([_crossing(track, latitude) for track in (first, second)])
    x, y = transformer("EPSG:4326", "EPSG:3035").transform(middle, latitude)
    left, top = round(x / 3000 - size / 2) * 3000, round(y / 3000 + size / 2) * 3000
    return Sheet("test", Grid("EPSG:3035", left, top, 3000, 3000, size, size))


def _crossing(track: str, latitude: float) -> float:
    longitudes, latitudes = np.asarray(centre_line(track).coords).T
    return float(np.interp(latitude, latitudes[::-1], longitudes[::-1]))


@pytest.fixture
def sheet() -> Sheet:
    return sheet_between("R051", "R094")


def arrays(sheet: Sheet, track: str, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    seen = (distance_to_centre(track, sheet.grid) < 145) & (rng.random(sheet.grid.shape) < 0.9)
    count = np.where(seen, rng.integers(1, 12, seen.shape), 0).astype(np.uint16)
    red, nir = (np.where(seen, rng.integers(1, 9000, seen.shape), 0).astype(np.uint16) for _ in range(2))
    nir[count < 4] = 0
    return {"red_p50": red, "nir_medoid": nir, "count": count}


@pytest.fixture
def orbit_mosaics(sheet: Sheet, tmp_path: Path) -> dict[str, SourceProduct]:
    return {
        track: source(
            f"x_2018-03_{track}_test",
            sheet.grid,
            {layer: arrays(sheet, track, seed)[layer.key] for layer in (RED, NIR, COUNT)},
            tmp_path,
        )
        for seed, track in enumerate(TRACKS)
    }


def inputs(sheet: Sheet) -> list[dict[str, np.ndarray]]:
    return [arrays(sheet, track, seed) for seed, track in enumerate(TRACKS)]


def weights_of(method: str, sheet: Sheet) -> np.ndarray:
    distances = (distance_to_centre(track, sheet.grid) for track in TRACKS)
    pairs = zip(distances, inputs(sheet), strict=True)
    return np.stack([weights(method, distance, values["count"]) for distance, values in pairs])  # type: ignore[arg-type]


def pixels(product: Product, key: str) -> np.ndarray:
    with environment(), rasterio.open(product.file(key).path) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize("method", ["mean", "idw", "seamless"])
def test_mosaic_is_the_weighted_mean_of_its_tracks(
    method: str, sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path
) -> None:
    made = mosaic(orbit_mosaics, sheet, Mosaic(blend=method), tmp_path / "out")  # type: ignore[arg-type]
    assert made is not None
    shares = [f"track_weight_{track}" for track in TRACKS]
    assert [file.layer.key for file in made.product.files] == ["nir_medoid", "red_p50", "count", *shares]
    weight = weights_of(method, sheet)
    assert ((weight > 0).sum(axis=0) >= 2).any()
    for key in ("red_p50", "nir_medoid"):
        stored = np.stack([values[key] for values in inputs(sheet)])
        assert np.array_equal(pixels(made.product, key), oracle.blend(stored, weight))
    count = sum(values["count"].astype(int) for values in inputs(sheet))
    assert np.array_equal(pixels(made.product, "count"), count)
    total = np.maximum(weight.sum(axis=0, dtype=np.int64), 1)
    for key, one in zip(shares, weight.astype(np.int64), strict=True):
        assert np.array_equal(pixels(made.product, key), (2 * WHOLE * one + total) // (2 * total))
    assert made.gaps.pixels == tuple(int(n) for n in np.bincount(np.minimum(count, 3).ravel(), minlength=4))
    meter = SeamMeter([145.0] * 3)
    distances, counts, red = (
        np.stack([distance_to_centre(track, sheet.grid) for track in TRACKS]),
        *(np.stack([values[key] for values in inputs(sheet)]) for key in ("count", "red_p50")),
    )
    meter.add(Window(0, 0, *sheet.grid.shape), distances, counts, weight, pixels(made.product, "red_p50"), red)
    assert made.seams == meter.report()
    assert made.seams.step is not None


def test_any_order_of_tracks_threads_and_blocks_gives_the_same(
    sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mosaic(orbit_mosaics, sheet, SEAMLESS, tmp_path / "out")
    assert expected is not None
    for k, order in enumerate(itertools.permutations(TRACKS)):
        monkeypatch.setattr(MODULE, "_BLOCK", (16, 37, 61)[k % 3])
        shuffled = {track: orbit_mosaics[track] for track in order}
        made = mosaic(shuffled, sheet, SEAMLESS, tmp_path / f"out{k}", workers=(1, 2, 4)[k % 3])
        assert made is not None
        assert digests(made.product) == digests(expected.product)
        assert (made.gaps, made.seams) == (expected.gaps, expected.seams)


class NoSeams:
    """Seams are measured from row to row; pixels do not depend on that."""

    def __init__(self, half_widths_km: object) -> None: ...

    def add(self, *arrays: object) -> None: ...

    def report(self) -> None: ...


@pytest.mark.parametrize("seed", range(4))
def test_blocks_may_be_blended_in_any_order(
    seed: int, sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mosaic(orbit_mosaics, sheet, SEAMLESS, tmp_path / "out")
    blocks = Grid.blocks

    def shuffled(grid: Grid, height: int, width: int) -> Iterator[Window]:
        windows = list(blocks(grid, height, width))
        random.Random(seed).shuffle(windows)
        yield from windows

    monkeypatch.setattr(MODULE, "_BLOCK", 16)
    monkeypatch.setattr(MODULE, "SeamMeter", NoSeams)
    monkeypatch.setattr(Grid, "blocks", shuffled)
    made = mosaic(orbit_mosaics, sheet, SEAMLESS, tmp_path / "shuffled")
    assert made is not None
    assert expected is not None
    assert digests(made.product) == digests(expected.product)
    assert made.gaps == expected.gaps


def test_a_single_track_fills_all_it_has(sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path) -> None:
    made = mosaic({"R094": orbit_mosaics["R094"]}, sheet, SEAMLESS, tmp_path / "out")
    assert made is not None
    stored = arrays(sheet, "R094", 2)
    assert np.array_equal(pixels(made.product, "red_p50"), stored["red_p50"])
    assert np.array_equal(pixels(made.product, "track_weight_R094"), np.where(stored["count"] > 0, WHOLE, 0))


def test_with_nearest_every_spectrum_is_that_of_one_track(
    sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path
) -> None:
    made = mosaic(orbit_mosaics, sheet, Mosaic(resampling="nearest"), tmp_path / "out")
    assert made is not None
    weight = weights_of("seamless", sheet)
    for key in ("red_p50", "nir_medoid"):
        stored = np.stack([values[key] for values in inputs(sheet)])
        best = np.where(stored > 0, weight, 0).argmax(axis=0)
        assert np.array_equal(pixels(made.product, key), np.take_along_axis(stored, best[None], axis=0)[0])
    shares = np.stack([pixels(made.product, f"track_weight_{track}") for track in TRACKS])
    assert np.array_equal(shares == WHOLE, (weight == weight.max(axis=0)) & (weight > 0))
    assert set(np.unique(shares)) == {0, WHOLE}


def test_eight_bits_are_the_exact_layer_in_larger_steps(
    sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path
) -> None:
    made = mosaic(orbit_mosaics, sheet, Mosaic(byte_scale=0.0025), tmp_path / "out")
    assert made is not None
    for key in ("red_p50", "nir_medoid"):
        exact, small = pixels(made.product, key).astype(int), made.product.file(f"{key}_8bit")
        assert (small.layer.dtype, small.layer.scale, small.layer.nodata) == ("uint8", 0.0025, 0)
        expected = np.where(exact > 0, np.clip((2 * exact + 25) // 50, 1, 255), 0)
        assert np.array_equal(pixels(made.product, f"{key}_8bit"), expected)


def test_levels_are_applied_to_their_track_and_layer_before_blending(
    sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path
) -> None:
    levels = {"R051": {"red_p50": Level(1.5, -20.0)}, "R999": {"red_p50": Level(9.0, 0.0)}}
    made = mosaic(orbit_mosaics, sheet, SEAMLESS, tmp_path / "out", levels=levels)
    assert made is not None
    red, nir = (np.stack([values[key] for values in inputs(sheet)]) for key in ("red_p50", "nir_medoid"))
    leveled = np.clip(np.floor(red[1] * 1.5 - 20 + 0.5), 1, 65535)
    red[1] = np.where(red[1] > 0, leveled, 0)
    weight = weights_of("seamless", sheet)
    assert np.array_equal(pixels(made.product, "red_p50"), oracle.blend(red, weight))
    assert np.array_equal(pixels(made.product, "nir_medoid"), oracle.blend(nir, weight))


def test_tracks_of_other_missions_bring_their_lines(sheet: Sheet, tmp_path: Path) -> None:
    lines = {}
    for track, between in (("R198", 0.4), ("R199", 0.6)):
        x = sheet.grid.left + between * 3000 * 61
        longitude, latitude = transformer("EPSG:3035", "EPSG:4326").transform(
            [x, x], [sheet.grid.top + 3e5, sheet.grid.top - 5e5]
        )
        lines[track] = Track(track, LineString(np.column_stack([longitude, latitude])), 92.5)
    full = np.full(sheet.grid.shape, 5, np.uint16)
    tracks = {}
    for track, value in (("R198", 1000), ("R199", 2000)):
        seen = distance_to_centre(lines[track], sheet.grid) < 92.5
        values = {RED: np.where(seen, value, 0), COUNT: np.where(seen, full, 0)}
        tracks[track] = source(
            track, sheet.grid, {key: array.astype(np.uint16) for key, array in values.items()}, tmp_path
        )
    made = mosaic(tracks, sheet, SEAMLESS, tmp_path / "out", paths=lines)
    assert made is not None
    weight = np.stack(
        [
            weights("seamless", distance_to_centre(line, sheet.grid), seen, half_swath_km=line.taper_end_km)
            for line, seen in (
                (lines[t], np.where(distance_to_centre(lines[t], sheet.grid) < 92.5, full, 0)) for t in lines
            )
        ]
    )
    values = np.stack([np.where(one > 0, value, 0) for one, value in zip(weight, (1000, 2000), strict=True)])
    assert np.array_equal(pixels(made.product, "red_p50"), oracle.blend(values.astype(np.uint16), weight))
    with pytest.raises(RequestError, match="R198"):
        mosaic(tracks, sheet, SEAMLESS, tmp_path / "out")


def test_counts_saturate_instead_of_wrapping(sheet: Sheet, tmp_path: Path) -> None:
    full = np.full(sheet.grid.shape, 65000, np.uint16)
    tracks = {track: source(track, sheet.grid, {RED: full, COUNT: full}, tmp_path) for track in TRACKS}
    made = mosaic(tracks, sheet, Mosaic(blend="mean"), tmp_path / "out")
    assert made is not None
    assert (pixels(made.product, "count") == 65535).all()
    assert (pixels(made.product, "red_p50") == 65000).all()


def test_a_sheet_without_valid_pixels_is_no_product(sheet: Sheet, tmp_path: Path) -> None:
    nothing = np.zeros(sheet.grid.shape, np.uint16)
    empty = source("a", sheet.grid, {RED: nothing, COUNT: nothing}, tmp_path)
    assert mosaic({"R051": empty}, sheet, SEAMLESS, tmp_path / "o") is None
    assert mosaic({}, sheet, SEAMLESS, tmp_path / "o") is None
    assert not list((tmp_path / "o").glob("*"))


def test_wrong_inputs_are_refused(sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path) -> None:
    one = orbit_mosaics["R051"]
    moved = dataclasses.replace(one, grid=dataclasses.replace(sheet.grid, left=0.0))
    with pytest.raises(RequestError, match="does not lie on sheet test"):
        mosaic({**orbit_mosaics, "R051": moved}, sheet, SEAMLESS, tmp_path / "o")
    with pytest.raises(RequestError, match="R999"):
        mosaic({"R999": one}, sheet, SEAMLESS, tmp_path / "o")
    less = dataclasses.replace(one, layers={key: one.layers[key] for key in ("red_p50", "count")})
    with pytest.raises(RequestError, match="nir_medoid"):
        mosaic({**orbit_mosaics, "R051": less}, sheet, SEAMLESS, tmp_path / "o")
    counted = dataclasses.replace(one, layers={"count": one.layers["count"]})
    with pytest.raises(RequestError, match="no band"):
        mosaic({"R051": counted}, sheet, SEAMLESS, tmp_path / "o")


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (Grid("EPSG:3995", -50_000, 50_000, 1000, 1000, 100, 100), "pole"),
        (Grid("EPSG:4326", 3.0, 90.0, 0.01, 0.01, 100, 100), "pole"),
        (Grid("EPSG:4326", 3.0, 95.0, 0.01, 0.01, 100, 100), "pole|domain"),
        (Grid("EPSG:3035", 3e7, 3e7, 1000, 1000, 100, 100), "domain of EPSG:3035"),
    ],
)
def test_a_sheet_over_the_pole_or_outside_the_domain_is_refused(grid: Grid, message: str, tmp_path: Path) -> None:
    ones = np.ones(grid.shape, np.uint16)
    track = source("a", grid, {RED: ones, COUNT: ones}, tmp_path)
    with pytest.raises(RequestError, match=message):
        mosaic({"R051": track}, Sheet("X0Y0", grid), SEAMLESS, tmp_path / "o")


def test_a_truncated_input_is_named(sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path) -> None:
    path = orbit_mosaics["R051"].layers["red_p50"].path
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableRaster, match=r"red_p50\.tif"):
        mosaic(orbit_mosaics, sheet, SEAMLESS, tmp_path / "o")
