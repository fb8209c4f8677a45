from __future__ import annotations

import dataclasses
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.oracles import mosaicking as oracle
from tests.weft.mosaicking.products import COUNT, digests, reflectance, source
from weft.errors import RequestError
from weft.mosaicking import Sheet, centre_line, distance_to_centre, mosaic, weights
from weft.rasters.gdal import UnreadableRaster, environment
from weft.rasters.grid import Grid, transformer
from weft.rasters.product import Product, SourceProduct

RED, NIR = reflectance("red_p50"), reflectance("nir_medoid")
TRACKS = ("R008", "R051", "R094")


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


def pixels(product: Product, key: str) -> np.ndarray:
    with environment(), rasterio.open(product.file(key).path) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize("method", ["mean", "idw", "seamless"])
def test_mosaic_is_the_weighted_mean_of_its_tracks(
    method: str, sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path
) -> None:
    product = mosaic(orbit_mosaics, sheet, method, tmp_path / "out")  # type: ignore[arg-type]
    assert product is not None
    assert [file.layer.key for file in product.files] == ["nir_medoid", "red_p50", "count"]
    stored = [arrays(sheet, track, seed) for seed, track in enumerate(TRACKS)]
    weight = np.stack(
        [
            weights(method, distance_to_centre(track, sheet.grid), values["count"])  # type: ignore[arg-type]
            for track, values in zip(TRACKS, stored, strict=True)
        ]
    )
    assert ((weight > 0).sum(axis=0) >= 2).any()
    for key in ("red_p50", "nir_medoid"):
        assert np.array_equal(pixels(product, key), oracle.blend(np.stack([v[key] for v in stored]), weight))
    assert np.array_equal(pixels(product, "count"), sum(values["count"].astype(int) for values in stored))


def test_any_order_threads_and_blocks_give_the_same_pixels(
    sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mosaic(orbit_mosaics, sheet, "seamless", tmp_path / "out")
    assert expected is not None
    for k, order in enumerate(itertools.permutations(TRACKS)):
        monkeypatch.setattr(sys.modules["weft.mosaicking.mosaic"], "_BLOCK", (16, 37, 61)[k % 3])
        shuffled = {track: orbit_mosaics[track] for track in order}
        product = mosaic(shuffled, sheet, "seamless", tmp_path / f"out{k}", workers=(1, 2, 4)[k % 3])
        assert product is not None
        assert digests(product) == digests(expected)


def test_a_single_track_fills_all_it_has(sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path) -> None:
    product = mosaic({"R094": orbit_mosaics["R094"]}, sheet, "seamless", tmp_path / "out")
    assert product is not None
    assert np.array_equal(pixels(product, "red_p50"), arrays(sheet, "R094", 2)["red_p50"])


def test_counts_saturate_instead_of_wrapping(sheet: Sheet, tmp_path: Path) -> None:
    full = np.full(sheet.grid.shape, 65000, np.uint16)
    tracks = {track: source(track, sheet.grid, {RED: full, COUNT: full}, tmp_path) for track in TRACKS}
    product = mosaic(tracks, sheet, "mean", tmp_path / "out")
    assert product is not None
    assert (pixels(product, "count") == 65535).all()
    assert (pixels(product, "red_p50") == 65000).all()


def test_a_sheet_without_valid_pixels_is_no_product(sheet: Sheet, tmp_path: Path) -> None:
    nothing = np.zeros(sheet.grid.shape, np.uint16)
    assert (
        mosaic(
            {"R051": source("a", sheet.grid, {RED: nothing, COUNT: nothing}, tmp_path)}, sheet, "idw", tmp_path / "o"
        )
        is None
    )
    assert mosaic({}, sheet, "idw", tmp_path / "o") is None
    assert not list((tmp_path / "o").glob("*"))


def test_wrong_inputs_are_refused(sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path) -> None:
    one = orbit_mosaics["R051"]
    moved = dataclasses.replace(one, grid=dataclasses.replace(sheet.grid, left=0.0))
    with pytest.raises(RequestError, match="does not lie on sheet test"):
        mosaic({**orbit_mosaics, "R051": moved}, sheet, "idw", tmp_path / "o")
    with pytest.raises(RequestError, match="R999"):
        mosaic({"R999": one}, sheet, "idw", tmp_path / "o")
    with pytest.raises(RequestError, match="use mean, idw or seamless"):
        mosaic(orbit_mosaics, sheet, "feather", tmp_path / "o")  # type: ignore[arg-type]
    less = dataclasses.replace(one, layers={key: one.layers[key] for key in ("red_p50", "count")})
    with pytest.raises(RequestError, match="nir_medoid"):
        mosaic({**orbit_mosaics, "R051": less}, sheet, "idw", tmp_path / "o")


def test_a_truncated_input_is_named(sheet: Sheet, orbit_mosaics: dict[str, SourceProduct], tmp_path: Path) -> None:
    path = orbit_mosaics["R051"].layers["red_p50"].path
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableRaster, match=r"red_p50\.tif"):
        mosaic(orbit_mosaics, sheet, "idw", tmp_path / "o")
