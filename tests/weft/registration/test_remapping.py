from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyproj
import pytest
from scipy import ndimage

from tests.oracles.interpolation import Waves, centres, covering
from tests.weft.rasters.files import write_layer
from weft.errors import RequestError
from weft.rasters.grid import Grid, Window
from weft.registration.displacement import Displacement
from weft.registration.remapping import Remapped
from weft.registration.tie_points import tie_points

TARGET = Grid("EPSG:32631", 600_000.0, 5_600_000.0, 10.0, 10.0, 300, 260)
WHOLE = Window(0, 0, 260, 300)
WAVES = Waves()


GRIDS = {
    "same CRS": covering(TARGET, "EPSG:32631", 10.0),
    "20 m, shifted": covering(TARGET, "EPSG:32631", 20.0, 3.3),
    "next zone": covering(TARGET, "EPSG:32630", 10.0, 1.7),
    "equal area": covering(TARGET, "EPSG:3035", 10.0),
    "degrees": covering(TARGET, "EPSG:4326", 1e-4),
    "web map": covering(TARGET, "EPSG:3857", 15.0),
    "finer": covering(TARGET, "EPSG:32632", 5.0, 1.1),
    "finer, degrees": covering(TARGET, "EPSG:4326", 6e-5),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same scene on all grids, float32, and where each file lies."""
    folder = tmp_path_factory.mktemp("scene")
    found = {}
    for name, grid in GRIDS.items():
        path = folder / f"{len(found)}.tif"
        found[name] = str(path), write_layer(path, grid, WAVES.on(grid).astype(np.float32))
    return found


@pytest.mark.parametrize("kernel", ["bilinear", "cubic", "lanczos"])
@pytest.mark.parametrize("name", GRIDS)
def test_the_same_scene_from_any_grid_lies_at_the_same_place(files, name, kernel):
    with Remapped(*files[name], TARGET, kernel=kernel) as layer:
        image = layer.read(WHOLE)
    assert np.isfinite(image).all()
    assert np.abs(WAVES.shift_of(image, TARGET)).max() < 0.005  # asked for: 0.02
    assert np.abs(image - WAVES.on(TARGET)).max() < 0.03


@pytest.mark.parametrize("name", ["20 m, shifted", "next zone", "equal area", "degrees"])
def test_matching_finds_nothing_to_correct_between_grids(files, name):
    images = []
    for one in ("same CRS", name):
        with Remapped(*files[one], TARGET, kernel="cubic") as layer:
            images.append(layer.read(WHOLE))
    points = tie_points(*images, method="cross_corr", template=128, search=4, spacing=24)
    assert len(points) > 50
    assert abs(np.median(points.dx)) < 0.01
    assert abs(np.median(points.dy)) < 0.01
    assert np.hypot(points.dx, points.dy).max() < 0.02


@pytest.mark.parametrize("pixel", [10.0, 2.5])
def test_every_place_is_exact_to_a_hundredth_of_the_finer_pixel(tmp_path, pixel):
    """A ramp gives its places away: where places bend, and however fine the target is."""
    source = covering(TARGET, "EPSG:3035", 10.0, 3.3)
    target = Grid(TARGET.crs, TARGET.left + 400, TARGET.top - 400, pixel, pixel, 280, 270)
    rng = np.random.default_rng(12)
    waves = [tuple(tuple(row) for row in rng.normal(0, 3, (9, 9))) for _ in "xy"]
    field = Displacement("field", target.shape, ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), tuple(waves))
    cols, rows = np.meshgrid(np.arange(280.0), np.arange(270.0))
    dx, dy = field.at(cols, rows)
    to_layer = pyproj.Transformer.from_crs(TARGET.crs, source.crs, always_xy=True)
    x, y = to_layer.transform(target.left + (cols + dx + 0.5) * pixel, target.top - (rows + dy + 0.5) * pixel)
    ramps = np.indices(source.shape)[::-1].astype(np.float32)
    for ramp, exact in zip(ramps, ((x - source.left) / 10 - 0.5, (source.top - y) / 10 - 0.5), strict=True):
        layer = write_layer(tmp_path / "a.tif", source, ramp)
        with Remapped(str(tmp_path / "a.tif"), layer, target, kernel="cubic", displacement=field) as remapped:
            off = np.abs(remapped.read(Window(0, 0, 270, 280)) - exact)
        inside = (exact > 2) & (exact < ramp.max() - 2) & np.isfinite(off)
        assert inside.mean() > 0.8
        assert off[inside].max() < 0.01 * min(1.0, pixel / 10)


def test_the_measure_of_shifts_sees_them():
    moved = WAVES.on(replace(TARGET, left=TARGET.left + 0.5, top=TARGET.top + 0.2))
    np.testing.assert_allclose(WAVES.shift_of(moved, TARGET), (0.05, -0.02), atol=1e-3)


@pytest.mark.parametrize(("name", "times"), [("same CRS", 2), ("next zone", 2), ("equal area", 3), ("degrees", 4)])
def test_coarser_targets_are_averaged_and_nothing_moves(files, name, times):
    """The truth there: the scene averaged over the pixels of the target. No shift of half a pixel, to either side."""
    target = Grid(TARGET.crs, TARGET.left, TARGET.top, 10.0 * times, 10.0 * times, 300 // times, 260 // times)
    fine = Grid(TARGET.crs, TARGET.left, TARGET.top, 2.5, 2.5, target.width * times * 4, target.height * times * 4)
    average = WAVES.on(fine).reshape(target.height, times * 4, target.width, times * 4).mean((1, 3))
    with Remapped(*files[name], target, kernel="cubic") as layer:
        assert min(layer.averaged) >= times
        image = layer.read(Window(0, 0, *target.shape))
    assert np.abs(WAVES.shift_of(image, target)).max() < 0.005
    assert np.sqrt(np.mean((image - average) ** 2)) < 0.008


def test_multiples_of_the_pixel_on_the_same_corner_are_exactly_the_area_average(tmp_path):
    rng = np.random.default_rng(8)
    values = rng.integers(1, 60_000, (60, 90)).astype(np.uint16)
    values[:3, :2] = 0
    grid = Grid("EPSG:32631", 500_000.0, 5_000_000.0, 10.0, 10.0, 90, 60)
    layer = write_layer(tmp_path / "a.tif", grid, values, nodata=0.0, scale=1e-4)
    for target, rows, cols in [
        (grid.at_resolution(30.0), 0, 0),
        (grid.of_window(Window(6, 9, 54, 81)).at_resolution(30), 2, 3),
    ]:
        with Remapped(str(tmp_path / "a.tif"), layer, target, kernel="cubic") as remapped:
            found = remapped.read(Window(0, 0, *target.shape))
        physical = np.where(values == 0, np.nan, values * 1e-4).reshape(20, 3, 30, 3)
        expected = np.nanmean(physical, (1, 3))
        expected[0, 0] = np.nan  # fewer than half of its pixels
        np.testing.assert_allclose(found, expected[rows:, cols:], rtol=1e-5)


def test_noise_does_not_alias_when_the_target_is_coarser(tmp_path):
    rng = np.random.default_rng(9)
    grid = Grid("EPSG:32631", 600_000.0, 5_600_000.0, 10.0, 10.0, 400, 400)
    layer = write_layer(tmp_path / "a.tif", grid, rng.normal(0, 1, grid.shape).astype(np.float32))
    target = Grid("EPSG:32631", 600_013.0, 5_599_991.0, 80.0, 80.0, 49, 49)
    with Remapped(str(tmp_path / "a.tif"), layer, target, kernel="cubic") as remapped:
        assert 0.05 < np.nanstd(remapped.read(Window(0, 0, 49, 49))) < 0.14  # 1/8, and 1 if it were picked


def test_decibels_are_averaged_as_power(tmp_path):
    grid = Grid("EPSG:32631", 600_000.0, 5_600_000.0, 10.0, 10.0, 64, 64)
    values = np.where(np.indices(grid.shape).sum(0) % 2, 0.0, -20.0).astype(np.float32)
    values[:20, :20] = np.nan
    layer = write_layer(tmp_path / "a.tif", grid, values, unit="dB", nodata=float("nan"))
    target = grid.at_resolution(20.0)
    with Remapped(str(tmp_path / "a.tif"), layer, target, kernel="bilinear") as remapped:
        found = remapped.read(Window(0, 0, 32, 32))
    assert np.isnan(found[:10, :10]).all()
    np.testing.assert_allclose(found[10:], 10 * np.log10(0.505), atol=1e-4)


FIELD = Displacement("polynomial", TARGET.shape, ((1.5, 0.8, -0.6, 0.3, 0.2, -0.4), (-2.2, 0.5, 0.7, -0.3, 0.4, 0.2)))


@pytest.mark.parametrize("name", ["same CRS", "20 m, shifted", "next zone", "equal area", "degrees", "finer"])
def test_reprojection_and_displacement_are_one_composition(files, name):
    """The secondary shows at (x + dx, y + dy) what belongs at (x, y): analytic truth."""
    cols, rows = np.meshgrid(np.arange(300.0), np.arange(260.0))
    dx, dy = FIELD.at(cols, rows)
    x, y = centres(TARGET, TARGET.crs)
    truth = WAVES.value(x + 10 * dx, y - 10 * dy)
    with Remapped(*files[name], TARGET, kernel="cubic", displacement=FIELD) as layer:
        image = layer.read(WHOLE)
    inner = np.s_[15:-15, 15:-15]
    assert np.abs(image - truth)[inner].max() < 0.01
    assert np.abs(WAVES.shift_of(image, TARGET)).max() > 0.5


@pytest.mark.parametrize("name", ["next zone", "equal area", "degrees"])
def test_exact_places_and_scipy_agree(files, name):
    """Two dense steps with another spline: every pixel through pyproj, then map_coordinates."""
    _, layer = files[name]
    grid = layer.geolocation
    cols, rows = np.meshgrid(np.arange(300.0), np.arange(260.0))
    dx, dy = FIELD.at(cols, rows)
    to_layer = pyproj.Transformer.from_crs(TARGET.crs, grid.crs, always_xy=True)
    x, y = to_layer.transform(TARGET.left + (cols + dx + 0.5) * 10, TARGET.top - (rows + dy + 0.5) * 10)
    found = (grid.top - y) / grid.y_size - 0.5, (x - grid.left) / grid.x_size - 0.5
    expected = ndimage.map_coordinates(WAVES.on(grid), found, order=3)
    with Remapped(*files[name], TARGET, kernel="cubic", displacement=FIELD) as remapped:
        assert np.abs(remapped.read(WHOLE) - expected)[15:-15, 15:-15].max() < 2e-3


def test_the_displacement_may_belong_to_another_grid(files):
    """Found at 20 m on a larger grid in another CRS, used on a window at 10 m: the ground moves by the same metres."""
    grid = covering(TARGET, "EPSG:3035", 20.0)
    shift = Displacement.shift(1.25, -0.75, grid.shape)
    to_other = pyproj.Transformer.from_crs(TARGET.crs, "EPSG:3035", always_xy=True)
    x, y = to_other.transform(*centres(TARGET, TARGET.crs))
    back = pyproj.Transformer.from_crs("EPSG:3035", TARGET.crs, always_xy=True)
    truth = WAVES.value(*back.transform(x + 25.0, y + 15.0))
    with Remapped(*files["next zone"], TARGET, kernel="cubic", displacement=shift, displacement_grid=grid) as layer:
        assert np.abs(layer.read(WHOLE) - truth)[10:-10, 10:-10].max() < 5e-3


def test_results_do_not_depend_on_windows_or_threads(files):
    for name, times in [("equal area", 1), ("degrees", 3)]:
        target = Grid(TARGET.crs, TARGET.left, TARGET.top, 10.0 * times, 10.0 * times, 300, 260)
        with Remapped(*files[name], target, kernel="cubic", displacement=FIELD) as layer:
            whole = layer.read(WHOLE)
            windows = list(target.blocks(67, 101))
            with ThreadPoolExecutor(4) as pool:
                for window, part in zip(windows, pool.map(layer.read, windows), strict=True):
                    np.testing.assert_array_equal(part, whole[window.slices])


def test_pixels_of_the_layer_are_copied_exactly(tmp_path):
    rng = np.random.default_rng(10)
    grid = Grid("EPSG:32631", 500_000.0, 5_000_000.0, 10.0, 10.0, 90, 60)
    stored = rng.integers(0, 9, grid.shape).astype(np.uint16)
    layer = write_layer(tmp_path / "a.tif", grid, stored, nodata=0.0, scale=1e-4, offset=-0.1)
    target = Grid("EPSG:32631", 499_950.0, 4_999_980.0, 10.0, 10.0, 50, 70)
    with Remapped(str(tmp_path / "a.tif"), layer, target, kernel="lanczos") as remapped:
        assert remapped.kernel == "nearest"
        found, raw = remapped.read(Window(0, 0, 70, 50)), remapped.read_stored(Window(0, 0, 70, 50))
    expected = np.zeros((70, 50), np.uint16)
    expected[:58, 5:] = stored[2:, :45]
    np.testing.assert_array_equal(raw, expected)
    physical = expected.astype(np.float32) * np.float32(1e-4) + np.float32(-0.1)
    np.testing.assert_array_equal(found, np.where(expected == 0, np.nan, physical))


def test_labels_are_taken_from_the_nearest_pixel(tmp_path):
    rng = np.random.default_rng(11)
    grid = covering(TARGET, "EPSG:32632", 20.0)
    labels = rng.integers(1, 12, grid.shape).astype(np.uint8)
    layer = write_layer(tmp_path / "a.tif", grid, labels, nodata=0)
    to_layer = pyproj.Transformer.from_crs(TARGET.crs, grid.crs, always_xy=True)
    x, y = to_layer.transform(*centres(TARGET, TARGET.crs))
    col, row = (x - grid.left) / 20, (grid.top - y) / 20
    clear = (np.abs(col - np.round(col)) > 0.01) & (np.abs(row - np.round(row)) > 0.01)
    with Remapped(str(tmp_path / "a.tif"), layer, TARGET, kernel="nearest") as remapped:
        found = remapped.read_stored(WHOLE)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[clear], labels[row.astype(int), col.astype(int)][clear])


def test_what_the_layer_does_not_cover(files, tmp_path):
    far = replace(TARGET, left=TARGET.left + 50_000)
    with Remapped(*files["equal area"], far, kernel="cubic") as layer:
        assert np.isnan(layer.read(Window(0, 0, 50, 50))).all()
    labels = write_layer(
        tmp_path / "a.tif", GRIDS["next zone"], np.ones(GRIDS["next zone"].shape, np.uint8), nodata=255
    )
    with Remapped(str(tmp_path / "a.tif"), labels, far, kernel="nearest") as layer:
        assert (layer.read_stored(Window(0, 0, 50, 50)) == 255).all()


def test_the_pixel_size_of_the_target_alone_decides_about_averaging(files):
    """Whatever window of the layer a target is, so that windows of one product are treated alike."""
    grid = replace(TARGET, x_size=15.0, y_size=15.0)
    found = []
    for moved in (0, 20_000):
        with Remapped(*files["next zone"], replace(grid, left=grid.left + moved), kernel="cubic") as layer:
            found.append(layer.averaged)
    assert found[0] == found[1]


def test_only_what_lies_under_a_window_is_read(files, monkeypatch):
    with Remapped(*files["degrees"], TARGET, kernel="cubic", displacement=FIELD) as layer:
        read = []
        monkeypatch.setattr(
            layer._file, "read", lambda window, real=layer._file.read: (read.append(window), real(window))[1]
        )
        layer.read(Window(100, 100, 32, 32))
    assert sum(window.height * window.width for window in read) < 60 * 60


def test_strips_of_a_much_coarser_target_do_not_show(files, monkeypatch):
    target = Grid(TARGET.crs, TARGET.left, TARGET.top, 100.0, 100.0, 30, 26)
    with Remapped(*files["next zone"], target, kernel="cubic") as layer:
        whole = layer.read(Window(0, 0, 26, 30))
        monkeypatch.setattr("weft.registration.remapping._STRIP_PIXELS", 5000)
        np.testing.assert_array_equal(layer.read(Window(0, 0, 26, 30)), whole)


def test_a_displacement_of_another_grid_is_refused(files):
    with pytest.raises(RequestError, match=r"shape \(9, 9\) is not of its grid"):
        Remapped(*files["degrees"], TARGET, kernel="cubic", displacement=Displacement.shift(1.0, 0.0, (9, 9)))


def test_a_crs_that_does_not_reach_the_layer_is_refused(tmp_path):
    pole = Grid("EPSG:4326", 10.0, -89.9, 0.001, 0.001, 20, 20)
    layer = write_layer(tmp_path / "a.tif", pole, np.ones(pole.shape, np.uint8))
    web = Grid("EPSG:3413", 0.0, 0.0, 10.0, 10.0, 10, 10)
    with pytest.raises(RequestError, match=r"a\.tif in EPSG:4326 has no place in EPSG:3413"):
        Remapped(str(tmp_path / "a.tif"), replace(layer, geolocation=replace(pole, top=-89.99)), web, kernel="cubic")
