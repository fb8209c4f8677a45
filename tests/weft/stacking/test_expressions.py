"""Band arithmetic over a stack against the same thing in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from weft.errors import RequestError
from weft.expressions import parse
from weft.expressions.scaling import Scaling
from weft.rasters.cog import write_layers
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, SourceLayer, SourceProduct
from weft.stacking.expressions import stack_expressions

GRID = Grid("EPSG:32631", 500_000, 5_600_000, 10, 10, 70, 50)


@pytest.fixture
def stack(tmp_path: Path) -> SourceProduct:
    rng = np.random.default_rng(5)
    nir = rng.integers(1, 9000, GRID.shape).astype(np.uint16)
    nir[3, 4] = 0
    radar = rng.normal(-12, 3, GRID.shape).astype(np.float32)
    radar[7, 8] = np.nan
    layers = {
        LayerSpec("1_nir", "1.nir", "uint16", 0, 0.0001, 0.0, "1", "nir"): nir,
        LayerSpec("2_s0_db_c_vv", "2.s0_db_c_vv", "float32", np.nan, unit="dB", band="s0_db_c_vv"): radar,
    }
    files = write_layers(GRID, layers, tmp_path / "stack")
    return SourceProduct("stack", GRID, {file.layer.key: SourceLayer(file.layer, file.path) for file in files})


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_expressions_are_of_physical_values_and_gaps_stay_gaps(stack: SourceProduct, tmp_path: Path) -> None:
    expressions = {"half": parse("(/ 1.nir 2)"), "burnt-area": parse("(+ 1.nir (linear 2.s0_db_c_vv))")}
    made = stack_expressions(stack, expressions, tmp_path / "made")
    assert {file.layer.title: file.layer.key for file in made.files} == {"half": "half", "burnt-area": "burnt_area"}
    nir = read(stack.layers["1_nir"].path) * 1e-4
    nir[3, 4] = np.nan
    radar = read(stack.layers["2_s0_db_c_vv"].path).astype(float)
    np.testing.assert_allclose(read(made.file("half").path), nir / 2, rtol=1e-6)
    np.testing.assert_allclose(read(made.file("burnt_area").path), nir + 10 ** (radar / 10), rtol=1e-6)
    assert np.isnan(read(made.file("burnt_area").path)[[3, 7], [4, 8]]).all()


def test_an_order_may_ask_for_whole_numbers(stack: SourceProduct, tmp_path: Path) -> None:
    expressions = {"half": parse("(/ 1.nir 2)"), "parts": parse("(label (> 1.nir 0.45))")}
    scaling = {"half": Scaling(), "parts": Scaling(dtype="int16", scale=1)}
    made = stack_expressions(stack, expressions, tmp_path / "made", scaling=scaling)
    half, parts = made.file("half"), made.file("parts")
    assert (half.layer.dtype, half.layer.nodata, half.layer.scale) == ("uint16", 0, 1e-4)
    nir = read(stack.layers["1_nir"].path)
    steps = read(half.path).astype(int)
    assert np.abs(2 * steps - nir).max() <= 2, "half a step, and one up from nothing"
    np.testing.assert_array_equal(steps == 0, nir == 0)
    assert parts.layer.categorical
    assert not half.layer.categorical
    assert read(parts.path)[3, 4] == parts.layer.nodata == -32768
    assert read(parts.path).max() > 5


def test_names_that_come_to_one_asset_are_told(stack: SourceProduct, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="a-b and a_b would both"):
        stack_expressions(stack, {"a-b": parse("(abs 1.nir)"), "a_b": parse("(abs 1.nir)")}, tmp_path)
