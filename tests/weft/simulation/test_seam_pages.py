from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from tests.weft.mosaicking.products import COUNT, reflectance, source
from weft.mosaicking import distance_to_centre
from weft.rasters.gdal import environment
from weft.rasters.grid import Grid, Window
from weft.rasters.product import SourceProduct
from weft.simulation import seam_pages
from weft.simulation.canvas import canvas, joined, stored
from weft.simulation.seam_pages import METHODS, Picture

WHOLE = Grid("EPSG:3035", 3_900_000, 3_140_000, 1000, 1000, 160, 90)
HALVES = (Window(0, 0, 90, 100), Window(0, 100, 90, 60))
BANDS = [reflectance(f"{band}_p50") for band in ("red", "green", "blue")]


def orbit_mosaics(folder: Path, tracks: tuple[str, ...]) -> dict[str, list[SourceProduct]]:
    """Two sheets a track; the second track says 0.02 more."""
    rng = np.random.default_rng(0)
    ground = rng.integers(400, 700, WHOLE.shape)
    products: dict[str, list[SourceProduct]] = {}
    for k, track in enumerate(tracks):
        count = np.where(distance_to_centre(track, WHOLE) < 145, 5, 0).astype(np.uint16)
        said = np.where(count > 0, ground + 200 * k, 0).astype(np.uint16)
        for number, window in enumerate(HALVES):
            layers = dict.fromkeys(BANDS, said[window.slices]) | {COUNT: count[window.slices]}
            product = source(f"{track}_{number}", WHOLE.of_window(window), layers, folder)
            products.setdefault(track, []).append(product)
    return products


def drawn(picture: Picture) -> np.ndarray:
    png = base64.b64decode(picture.source.removeprefix("data:image/png;base64,"))
    with environment(), MemoryFile(png) as memory, rasterio.open(memory) as dataset:
        return dataset.read().astype(int)


@pytest.fixture(scope="module")
def seams(tmp_path_factory: pytest.TempPathFactory) -> seam_pages.Seams:
    return seam_pages.examine(orbit_mosaics(tmp_path_factory.mktemp("sheets"), ("R008", "R051")))


def test_the_mosaic_is_measured_over_all_sheets(seams: seam_pages.Seams) -> None:
    mean, idw, seamless = (seams.reports[method] for method in METHODS)
    assert mean.step == 0.5
    assert idw.step == pytest.approx(0.16, abs=0.02)
    assert seamless.step == pytest.approx(0, abs=0.001)
    assert mean.index is not None
    assert idw.index is not None
    assert mean.index > idw.index > 1.01
    assert seamless.index == pytest.approx(1, abs=0.01)


def test_fields_of_known_offset_give_the_published_steps(seams: seam_pages.Seams) -> None:
    assert list(seams.steps_by_latitude) == ["35", "45", "55", "65"]
    idw = [steps["idw"] for steps in seams.steps_by_latitude.values()]
    assert idw == pytest.approx([0.35, 0.24, 0.06, 0.10], abs=0.03)
    assert all(steps["seamless"] <= 0.01 for steps in seams.steps_by_latitude.values())


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pictures_show_a_seam_where_there_is_one(seams: seam_pages.Seams) -> None:
    gradients = [drawn(row[1])[:3].sum(axis=0) for row in seams.fields]
    mean, idw, seamless = (int(picture.max()) for picture in gradients)
    assert mean == idw > 2 * seamless > 0
    differences = [drawn(row[2])[:3] for row in seams.places[:2]]
    steps = [int(np.abs(np.diff(picture, axis=2)).max()) for picture in differences]
    assert steps[0] > steps[1] > 0
    assert [picture.title for picture in seams.shares] == [f"share of R008, {method}" for method in METHODS]
    assert [len(row) for row in (*seams.fields, *seams.places)] == [2, 2, 2, 3, 3, 2]


def test_a_mosaic_of_one_track_has_no_seams(tmp_path: Path) -> None:
    found = seam_pages.examine(orbit_mosaics(tmp_path, ("R051",)))
    assert {(report.step, report.index) for report in found.reports.values()} == {(None, None)}
    assert len(found.places) == len(METHODS)


def test_products_are_joined_where_they_lie(tmp_path: Path) -> None:
    products = orbit_mosaics(tmp_path, ("R051",))["R051"]
    assert canvas(products) == WHOLE
    count = np.where(distance_to_centre("R051", WHOLE) < 145, 5, 0)
    assert np.array_equal(stored(products, "count", WHOLE), count)
    red = joined(products[1:], "red_p50", WHOLE)
    assert np.isnan(red[:, :100]).all()
    assert np.array_equal(np.isfinite(red[:, 100:]), count[:, 100:] > 0)
    assert np.array_equal(stored(products[1:], "red_p50", WHOLE)[:, 100:], np.rint(np.nan_to_num(red[:, 100:]) * 1e4))
