"""Virtual mosaics are read by a GDAL that Weft has not locked down, and compared with the sheets they stand for."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sqlite3
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests import plain_gdal
from tests.weft.mosaicking.products import COUNT, DATE, SPREAD, reflectance
from weft.errors import RequestError
from weft.mosaicking.byte_scale import byte_layer
from weft.mosaicking.sheets import sheets_over
from weft.mosaicking.virtual import Piece, common_grid, gti, joined_layers, overview_factors, references, vrt, window_in
from weft.rasters.cog import write_layers
from weft.rasters.grid import Bounds, Grid
from weft.rasters.product import LayerSpec
from weft.regions import Mosaic

RED = reflectance("red_p50")
WRITERS = {"mosaic.vrt": vrt, "mosaic.gti.gpkg": gti}
# 20 km at 30 m are 666 or 667 pixels: neighbours differ in size.
METRES = Mosaic(crs="EPSG:3035", resolution=30, sheet_km=20)
DEGREES = Mosaic(crs="EPSG:4326", resolution=0.0005, sheet_deg=0.5)
AREAS = {
    "metres": (METRES, Grid("EPSG:3035", 3_901_000, 3_139_000, 1000, 1000, 50, 30)),
    "degrees": (DEGREES, Grid("EPSG:4326", 4.1, 51.4, 0.1, 0.1, 8, 3)),
}


def sheets_of(name: str) -> list[Grid]:
    settings, area = AREAS[name]
    return [sheet.grid for sheet in sheets_over([area], settings)]


def published(root: Path, layer: LayerSpec, grids: list[Grid]) -> tuple[list[Piece], list[np.ndarray]]:
    """One file for each sheet, in folders as they lie in a store, named like those of mosaics."""
    pieces, arrays = [], []
    for number, grid in enumerate(grids):
        random = np.random.default_rng(number)
        array = random.integers(1, 200, grid.shape).astype(layer.dtype)
        array[: grid.height // 3] = 0
        name = f"e_{layer.key}_30m_s{number}_2018-06-25..2018-09-12_summer.tif"
        folder = root / "mosaics" / f"e_2018-06_s{number}" / "0123456789abcdef"
        folder.mkdir(parents=True)
        (file,) = write_layers(grid, {layer: array}, root / "scratch")
        file.path.rename(folder / name)
        pieces.append(Piece(os.path.relpath(folder / name, virtual_folder(root)), grid))
        arrays.append(array)
    return pieces, arrays


def virtual_folder(root: Path) -> Path:
    folder = root / "region-mosaics" / "e_2018-06" / "fedcba9876543210"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def assembled(whole: Grid, grids: list[Grid], arrays: list[np.ndarray]) -> np.ndarray:
    full = np.zeros(whole.shape, arrays[0].dtype)
    for grid, array in zip(grids, arrays, strict=True):
        full[window_in(whole, grid).slices] = array
    return full


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("layer", [RED, COUNT, byte_layer(RED, 0.0025)], ids=lambda layer: layer.key)
def test_anybody_reads_the_sheets_through_it_pixel_by_pixel(area: str, layer: LayerSpec, tmp_path: Path) -> None:
    grids = sheets_of(area)
    whole = common_grid(grids)
    pieces, arrays = published(tmp_path / "store", layer, grids)
    del pieces[1], arrays[1]  # a sheet that was never made
    for name, write in WRITERS.items():
        (virtual_folder(tmp_path / "store") / name).write_bytes(write(layer, whole, pieces))
    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "store", moved)  # paths are relative to the file, whatever the working directory
    paths = [str(virtual_folder(moved) / name) for name in WRITERS]
    told, pixels = plain_gdal.read(paths, tmp_path, out=tmp_path)
    expected = assembled(whole, [piece.grid for piece in pieces], arrays)
    assert len({array.shape for array in arrays}) > 1 or area == "degrees"
    for path in paths:
        np.testing.assert_array_equal(pixels[path][0], expected)
        assert told[path]["crs"] == whole.crs
        assert told[path]["transform"] == pytest.approx(list(whole.transform)[:6], rel=1e-12)
        assert told[path]["dtypes"] == [layer.dtype]
        assert told[path]["nodata"] == layer.nodata
        assert told[path]["scales"] == [layer.scale]
        assert told[path]["offsets"] == [layer.offset]
        assert told[path]["units"] == [layer.unit]
        assert told[path]["colours"] == ["gray"]
        assert told[path]["overviews"] == overview_factors(whole) != []
    assert [told[path]["driver"] for path in paths] == ["VRT", "GTI"]
    assert told[paths[0]]["descriptions"] == [layer.key]


def test_sheets_on_both_sides_of_the_antimeridian_are_joined_there(tmp_path: Path) -> None:
    area = Grid("EPSG:4326", 178.6, -16.0, 0.1, 0.1, 20, 6)
    settings = Mosaic(crs="EPSG:4326", resolution=0.005, sheet_deg=1)
    grids = [sheet.grid for sheet in sheets_over([area], settings)]
    assert {grid.left for grid in grids} == {178.0, 179.0, -180.0}
    whole = common_grid(grids)
    assert (whole.left, whole.width) == (178.0, 600)
    assert whole == common_grid(grids[::-1])
    pieces, arrays = published(tmp_path, RED, grids)
    folder = virtual_folder(tmp_path)
    for name, write in WRITERS.items():
        (folder / name).write_bytes(write(RED, whole, pieces))
    told, pixels = plain_gdal.read(list(WRITERS), folder, out=tmp_path)
    expected = assembled(whole, grids, arrays)
    assert (expected[:, 400:] > 0).any()
    np.testing.assert_array_equal(pixels["mosaic.vrt"][0], expected)
    # A tile index places sheets by their own coordinates, and so goes all round.
    assert told["mosaic.gti.gpkg"]["transform"][2] == -180
    circle = pixels["mosaic.gti.gpkg"][0]
    assert circle.shape == (200, 72_000)
    np.testing.assert_array_equal(circle[:, -400:], expected[:, :400])
    np.testing.assert_array_equal(circle[:, :200], expected[:, 400:])
    assert not circle[:, 200:-400].any()


def test_a_thinned_read_takes_the_overviews_of_the_sheets(tmp_path: Path) -> None:
    grids = [Grid("EPSG:3035", 3_900_000 + number * 30 * 1024, 3_100_000, 30, 30, 1024, 1024) for number in range(2)]
    whole = common_grid(grids)
    pieces, arrays = published(tmp_path, RED, grids)
    folder = virtual_folder(tmp_path)
    for name, write in WRITERS.items():
        (folder / name).write_bytes(write(RED, whole, pieces))
    _, pixels = plain_gdal.read(list(WRITERS), folder, out=tmp_path, thin=2)
    full = np.ma.masked_equal(assembled(whole, grids, arrays), 0).astype(float)
    means = full.reshape(512, 2, 1024, 2).mean(axis=(1, 3))
    for name in WRITERS:
        # Every pixel decoded and every second one taken would differ by far more than rounding.
        assert np.abs(pixels[name][0] - means).max() <= 0.5


def test_the_bytes_depend_on_nothing_but_the_input() -> None:
    grids = sheets_of("metres")
    pieces = [Piece(f"../{number}.tif", grid) for number, grid in enumerate(grids)]
    for write in WRITERS.values():
        assert write(RED, common_grid(grids), pieces) == write(RED, common_grid(grids), pieces)
        assert write(RED, common_grid(grids), pieces) != write(RED, common_grid(grids), pieces[:-1])


def test_a_tile_index_is_a_sound_geopackage(tmp_path: Path) -> None:
    grids = sheets_of("metres")
    pieces = [Piece(f"../{number}.tif", grid) for number, grid in enumerate(grids)]
    data = gti(RED, common_grid(grids), pieces)
    (tmp_path / "index.gpkg").write_bytes(data)
    with sqlite3.connect(tmp_path / "index.gpkg") as base:
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert base.execute("PRAGMA foreign_key_check").fetchall() == []
        assert base.execute("PRAGMA application_id").fetchone() == (0x47504B47,)
        assert base.execute("SELECT location FROM sheets ORDER BY id").fetchall() == [(one.path,) for one in pieces]
    changes, valid_for, library = (slice(place, place + 4) for place in (24, 92, 96))
    assert data[changes] == data[valid_for] == data[library] == bytes(4), "these differ from machine to machine"


def test_whatever_is_in_a_path_or_title_stays_text(tmp_path: Path) -> None:
    grid = Grid("EPSG:3035", 0, 300, 30, 30, 10, 10)
    path = "../a&b<c>\"d'/é.tif"
    layer = dataclasses.replace(RED, key="red<&>", unit="m/s & more")
    assert references(vrt(layer, grid, [Piece(path, grid), Piece("b.tif", grid)])) == [path, "b.tif"]
    root = ET.fromstring(vrt(layer, grid, [Piece(path, grid)]))  # noqa: S314  (written a moment ago)
    assert root.findtext("VRTRasterBand/SimpleSource/SourceFilename") == path
    assert root.findtext("VRTRasterBand/Description") == "red<&>"
    (tmp_path / "index.gpkg").write_bytes(gti(layer, grid, [Piece(path, grid)]))
    with sqlite3.connect(tmp_path / "index.gpkg") as base:
        assert base.execute("SELECT location FROM sheets").fetchone() == (path,)
        ((metadata,),) = base.execute("SELECT metadata FROM gpkg_metadata").fetchall()
    items = ET.fromstring(metadata)  # noqa: S314  (the same)
    assert items.findtext("Metadata/MDI[@key='BAND_1_UNITTYPE']") == "m/s & more"


def test_the_common_grid_covers_all_sheets_and_nothing_else() -> None:
    grids = sheets_of("metres")
    edges = [grid.bounds for grid in grids]
    assert common_grid(grids).bounds == Bounds(
        min(one.left for one in edges),
        min(one.bottom for one in edges),
        max(one.right for one in edges),
        max(one.top for one in edges),
    )
    assert common_grid(grids[:1]) == grids[0]
    with pytest.raises(RequestError, match="at least one sheet"):
        common_grid([])


@pytest.mark.parametrize(
    "change",
    [{"crs": "EPSG:32631"}, {"x_size": 20, "y_size": 20}, {"left": 15}, {"top": 3_000_010}],
    ids=lambda change: next(iter(change)),
)
def test_sheets_of_another_lattice_are_refused(change: dict) -> None:
    grid = Grid("EPSG:3035", 0, 3_000_000, 30, 30, 10, 10)
    other = dataclasses.replace(grid, **{"left": 300, **change})
    with pytest.raises(RequestError, match="make all sheets with the same mosaic settings"):
        common_grid([grid, other])
    for write in WRITERS.values():
        with pytest.raises(RequestError, match="lattice"):
            write(RED, dataclasses.replace(grid, width=20), [Piece("a.tif", other)])


@pytest.mark.parametrize(
    ("width", "factors"),
    [(1, []), (512, []), (513, [2]), (1024, [2]), (1025, [2, 4]), (200_000, [2**n for n in range(1, 10)])],
)
def test_overviews_reach_down_to_one_block(width: int, factors: list[int]) -> None:
    assert overview_factors(Grid("EPSG:3035", 0, 0, 30, 30, width, 1)) == factors


def test_joined_are_statistics_their_variants_and_the_count() -> None:
    light = byte_layer(RED, 0.0025)
    weight = LayerSpec("track_weight_R051", "Weight", "uint8", None, 0.005)
    layers = {layer.key: layer for layer in (RED, light, COUNT, SPREAD, DATE, weight)}
    assert joined_layers({"b": layers, "a": {COUNT.key: COUNT}}) == (COUNT, RED, light)
    assert joined_layers({}) == ()


def test_sheets_that_store_a_layer_differently_are_refused() -> None:
    one, other = byte_layer(RED, 0.0025), byte_layer(RED, 0.004)
    with pytest.raises(RequestError, match="a and b store red_p50_8bit differently"):
        joined_layers({"a": {one.key: one}, "b": {other.key: other}})
