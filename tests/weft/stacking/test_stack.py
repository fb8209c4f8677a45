"""Stacks of simulated datasets whose displacement is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.order_scenes import Datasets
from tests.weft.stacking.plans import place, plan
from weft.errors import RequestError
from weft.rasters.cog import check_cog
from weft.rasters.grid import Grid
from weft.simulation.order_scenes import Drift
from weft.stacking import stack as stacking
from weft.stacking.layers import asset_keys, stored
from weft.stacking.stack import Stacked, coregistered_stack


def pixels(stacked: Stacked, key: str) -> np.ndarray:
    with rasterio.open(stacked.product.file(key).path) as dataset:
        return dataset.read(1)


def error(stacked: Stacked, index: int, drift: Drift) -> float:
    """90th percentile of the distance in pixels between what was found and what is true."""
    matched = stacked.matched[index]
    rows, columns = (axis.astype(float) for axis in np.mgrid[0 : matched.grid.height : 5, 0 : matched.grid.width : 5])
    found, true = matched.registration.displacement.at(columns, rows), drift.pixels(matched.grid, columns, rows)
    return float(np.percentile(np.hypot(found[0] - true[0], found[1] - true[1]), 90))


def outside(layer: Grid, target: Grid, window_of: np.ndarray) -> tuple[slice, slice]:
    """Where a target lies in a layer of the same pixels."""
    row, col = round((layer.top - target.top) / layer.y_size), round((target.left - layer.left) / layer.x_size)
    return slice(row, row + window_of.shape[0]), slice(col, col + window_of.shape[1])


@pytest.fixture(scope="module")
def optical(datasets: Datasets, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stacked, list[tuple[int, int]]]:
    steps: list[tuple[int, int]] = []
    made = coregistered_stack(
        plan(
            datasets,
            datasets.optical,
            datasets.fine,
            bands="1.red,1.nir,1.swir16,2.red,2.nir",
            reference_asset="1.red",
        ),
        place,
        tmp_path_factory.mktemp("optical"),
        progress=lambda done, total: steps.append((done, total)),
    )
    return made, steps


def test_the_displacement_of_an_optical_dataset_is_found(
    optical: tuple[Stacked, list[tuple[int, int]]], datasets: Datasets
) -> None:
    made, steps = optical
    found = made.registrations[2]
    assert found.accepted
    assert found.method == "cross_corr"
    assert error(made, 2, datasets.fine.take.drift) < 0.5
    assert found.quality.ce90_after < found.quality.ce90_before / 3
    assert steps[0] == (1, 2)
    assert steps[-1] == (2, 2)


def test_bands_on_the_reference_pixels_are_copied_to_the_bit(
    optical: tuple[Stacked, list[tuple[int, int]]], datasets: Datasets
) -> None:
    made, _ = optical
    for band in ("red", "nir"):
        with rasterio.open(datasets.optical.path.parent / f"{band}.tif") as source:
            whole = source.read(1)
        stacked = pixels(made, f"1_{band}")
        assert (stacked == whole[outside(datasets.optical.take.grid, made.product.grid, stacked)]).all()


def test_every_band_keeps_its_type_and_scale_and_lies_on_one_grid(
    optical: tuple[Stacked, list[tuple[int, int]]],
) -> None:
    made, _ = optical
    assert [file.layer.title for file in made.product.files] == ["1.red", "1.nir", "1.swir16", "2.red", "2.nir"]
    for file in made.product.files:
        layer = file.layer
        assert (layer.dtype, layer.scale, layer.offset, layer.nodata, layer.unit) == ("uint16", 1e-4, 0, 0, "1")
        check_cog(file.path, file.pixel_sha256)
        with rasterio.open(file.path) as dataset:
            assert dataset.shape == made.product.grid.shape
            assert dataset.crs == made.product.grid.crs


def test_bands_are_written_some_at_a_time(
    optical: tuple[Stacked, list[tuple[int, int]]],
    datasets: Datasets,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stacking, "_OPEN", 2)
    steps: list[tuple[int, int]] = []
    order = {"bands": "1.red,1.nir,1.swir16", "reference_asset": "1.red"}
    made = coregistered_stack(
        plan(datasets, datasets.optical, **order), place, tmp_path, progress=lambda *done: steps.append(done)
    )
    assert [file.layer.key for file in made.product.files] == ["1_red", "1_nir", "1_swir16"]
    assert steps == [(1, 2), (2, 2)]
    digests = {file.layer.key: file.pixel_sha256 for file in optical[0].product.files}
    assert all(file.pixel_sha256 == digests[file.layer.key] for file in made.product.files)


def test_what_was_moved_fits_and_what_was_not_does_not(
    optical: tuple[Stacked, list[tuple[int, int]]], datasets: Datasets, tmp_path: Path
) -> None:
    made, _ = optical
    order = {"bands": "1.red,2.red", "reference_asset": "1.red", "coregistration": {"method": "stack"}}
    unmoved = coregistered_stack(plan(datasets, datasets.optical, datasets.fine, **order), place, tmp_path)
    assert not unmoved.matched
    reference = pixels(made, "1_red").astype(float)

    def likeness(stacked: Stacked) -> float:
        values = pixels(stacked, "2_red").astype(float)
        seen = (values > 0) & (reference > 0)
        return float(np.corrcoef(reference[seen], values[seen])[0, 1])

    assert likeness(made) > 0.75  # ten days lie between them, and crops ripen
    assert likeness(made) > likeness(unmoved) + 0.1


def test_what_is_matched_on_coarse_pixels_moves_finer_ones(datasets: Datasets, tmp_path: Path) -> None:
    order = {
        "bands": "1.red,2.red",
        "reference_asset": "1.red",
        "coregistration": {"resolution": 5, "model": "affine", "coarse_search": 0},
    }
    made = coregistered_stack(plan(datasets, datasets.optical, datasets.fine, **order), place, tmp_path)
    assert made.product.grid.x_size == 5
    assert made.matched[2].grid.x_size == 10, "the reference shows no more"
    assert error(made, 2, datasets.fine.take.drift) < 0.5
    reference, moved = pixels(made, "1_red").astype(float), pixels(made, "2_red").astype(float)
    seen = (reference > 0) & (moved > 0)
    assert np.corrcoef(reference[seen], moved[seen])[0, 1] > 0.75


def test_radar_is_registered_to_an_optical_band_and_stays_decibel(datasets: Datasets, tmp_path: Path) -> None:
    order = {"bands": "1.nir,2.s0_db_c_vv,2.s0_db_c_vh", "reference_asset": "1.nir"}
    made = coregistered_stack(plan(datasets, datasets.optical, datasets.radar, **order), place, tmp_path)
    assert made.registrations[2].method == "multimodal"
    assert error(made, 2, datasets.radar.take.drift) < 0.7
    layer = made.product.file("2_s0_db_c_vv").layer
    assert (layer.dtype, layer.unit) == ("float32", "dB")
    assert np.isnan(layer.nodata)
    values = pixels(made, "2_s0_db_c_vv")
    assert -25 < np.nanmedian(values) < -5


def flat(datasets: Datasets, folder: Path) -> Datasets:
    """The fine dataset with noise instead of a picture: nothing can be found on it."""
    folder.mkdir()
    item = {**datasets.fine.item, "assets": {}}
    for band, asset in datasets.fine.item["assets"].items():
        target = folder / f"{band}.tif"
        with rasterio.open(place(asset["href"])) as source, rasterio.open(target, "w", **source.profile) as copy:
            copy.write(np.random.default_rng(7).integers(500, 900, source.shape).astype("uint16"), 1)
        item["assets"][band] = {**asset, "href": target.as_uri()}
    return replace(datasets, fine=replace(datasets.fine, item=item))


def test_what_cannot_prove_itself_fails_the_order_or_is_left_where_it_is(datasets: Datasets, tmp_path: Path) -> None:
    noisy = flat(datasets, tmp_path / "noise")
    order = {"bands": "1.red,2.red", "reference_asset": "1.red"}
    with pytest.raises(RequestError, match=r"coregistration: input_reference\[2\] \(newsat-20220322\) cannot be .*red"):
        coregistered_stack(plan(noisy, noisy.optical, noisy.fine, **order), place, tmp_path / "failed")
    lenient = order | {"coregistration": {"on_failure": "geometry"}}
    made = coregistered_stack(plan(noisy, noisy.optical, noisy.fine, **lenient), place, tmp_path / "left")
    facts = made.matched[2].properties()
    assert facts["status"] == "refused"
    assert facts["reason"]
    geometry = order | {"coregistration": {"method": "stack"}}
    unmoved = coregistered_stack(plan(noisy, noisy.optical, noisy.fine, **geometry), place, tmp_path / "geometry")
    assert (pixels(made, "2_red") == pixels(unmoved, "2_red")).all()


def test_a_value_never_becomes_the_number_that_means_none(optical: tuple[Stacked, list[tuple[int, int]]]) -> None:
    spec = optical[0].product.file("1_red").layer
    values = np.array([[np.nan, 0.0, 0.00004, 0.00015, 0.5, 9.9, -1.0]], np.float32)
    assert stored(values, spec).tolist() == [[0, 1, 1, 2, 5000, 65535, 1]]
    top = replace(spec, nodata=65535, scale=1.0)
    assert stored(np.array([[70000.0, np.nan, 3.0]], np.float32), top).tolist() == [[65534, 65535, 3]]


def test_names_become_asset_keys_or_are_told_to_clash() -> None:
    assert asset_keys(["1.nir", "2.s0_db_c_vv", "burnt-area"]) == {
        "1.nir": "1_nir",
        "2.s0_db_c_vv": "2_s0_db_c_vv",
        "burnt-area": "burnt_area",
    }
    with pytest.raises(RequestError, match=r"1.B04 and 1.b04 would both be the asset 1_b04"):
        asset_keys(["1.B04", "1.b04"])
