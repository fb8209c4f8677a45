"""What is shown of a registration: pictures that move and measure, and a page that stands alone."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from PIL import Image

from tests.order_scenes import Datasets
from tests.weft.stacking.plans import place, plan
from weft.orders.stack_plan import StackPlan
from weft.rasters.cog import LayerWriter
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, Product
from weft.registration.displacement import Displacement
from weft.registration.points import TiePoints
from weft.registration.quality import Quality
from weft.registration.registration import Registration
from weft.stacking import pictures
from weft.stacking.overview import MAX_SIDE, expressions_overview, overview
from weft.stacking.proof import FLICKER_SIDE, proof
from weft.stacking.report import coregistration_fields, registration_document, report
from weft.stacking.stack import Matched, Stacked

SHAPE = (120, 160)


def points(displacement: Displacement) -> TiePoints:
    columns, rows = (axis.ravel().astype(float) for axis in np.meshgrid(np.arange(8, 160, 16), np.arange(8, 120, 16)))
    dx, dy = displacement.at(columns, rows)
    inlier = np.arange(len(columns)) % 7 != 0
    return TiePoints(columns, rows, dx + np.where(inlier, 0, 9), dy, np.ones(len(columns)), inlier)


def frames(gif: bytes) -> list[np.ndarray]:
    image = Image.open(io.BytesIO(gif))
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append(np.asarray(image.convert("L")).astype(int))
    return found


def test_a_flicker_jumps_where_the_pair_does_not_fit() -> None:
    ground = np.kron(np.random.default_rng(3).random((16, 16)), np.ones((8, 8))).astype(np.float32)
    before = np.roll(ground, 4, axis=1)
    before[:, :4] = np.nan
    content = pictures.flicker(ground, before, ground)
    assert content == pictures.flicker(ground, before, ground)
    first, second = frames(content)
    assert first.shape == (128, 2 * 128 + 6)
    jumps = np.abs(first - second)[20:]  # below the captions
    assert jumps[:, :128].mean() > 20
    assert jumps[:, 134:].max() == 0


def test_the_plots_show_the_points_and_are_the_same_every_time() -> None:
    displacement = Displacement("affine", SHAPE, ((2.0, 0.5, 0.0), (-1.0, 0.0, 0.3)))
    found = points(displacement)
    for picture in (pictures.quiver(found, displacement), pictures.magnitude(found, displacement)):
        assert Image.open(io.BytesIO(picture)).format == "PNG"
        assert len(picture) < 60_000
    assert pictures.quiver(found, displacement) == pictures.quiver(found, displacement)
    assert pictures.quiver(found, displacement) != pictures.quiver(found, Displacement.none(SHAPE))
    assert pictures.quiver(TiePoints.none(), Displacement.none(SHAPE))
    assert pictures.magnitude(TiePoints.none(), Displacement.none(SHAPE))


def test_colours_are_stretched_and_gaps_stay_empty() -> None:
    values = np.linspace(0.0, 0.3, 100).reshape(10, 10)
    values[0, 0] = np.nan
    natural = pictures.colours([values, values, values], natural=True)
    assert natural.shape == (3, 10, 10)
    assert natural[:, 0, 0].tolist() == [0, 0, 0]
    assert natural[:, 9, 9].tolist() == [255, 255, 255]
    assert natural.reshape(3, -1)[:, 1:].min() >= 1
    assert (pictures.colours([values * 1000 - 25], natural=False)[0] == pictures.colours([values], natural=False)).all()
    empty = pictures.colours([np.full((4, 4), np.nan)], natural=False)
    assert empty.max() == 0


def stacked_plan(datasets: Datasets) -> StackPlan:
    return plan(
        datasets,
        datasets.optical,
        datasets.fine,
        bands="1.red,1.green,1.blue,2.red",
        reference_asset="1.red",
        name="an-order",
        coregistration={"on_failure": "geometry"},
    )


def matched(order: StackPlan, *, accepted: bool) -> Matched:
    grid = order.grid
    displacement = Displacement.shift(2.1, 1.9, grid.shape)
    columns, rows = (
        axis.ravel().astype(float) for axis in np.meshgrid(np.arange(5, grid.width, 20), np.arange(5, grid.height, 20))
    )
    found = TiePoints(
        columns, rows, columns * 0 + 2.1, rows * 0 + 1.9, np.ones(columns.size), np.ones(columns.size, bool)
    )
    quality = Quality(132, 121, 2.8, 0.3, 3.14159, 0.4, 0.95, 0.875, "shift")
    reason = "CE90 falls <as it should>" if accepted else "nothing agrees"
    moved = displacement if accepted else Displacement.none(grid.shape)
    registration = Registration(moved, found, quality, accepted, reason, "cross_corr")
    return Matched(2, "newsat-20220322", "red", registration, grid)


def product(order: StackPlan, folder: Path) -> Product:
    specs = [
        LayerSpec(f"{band.dataset}_{band.name}", str(band), "uint16", 0, 1e-4, 0.0, "1", band.name)
        for band in order.bands
    ]
    with LayerWriter(order.grid, specs, folder) as writer:
        for number, window in enumerate(order.grid.blocks(512, 512)):
            block = np.full((window.height, window.width), 500 + number, np.uint16)
            writer.write(window, {spec.key: block * (index + 1) for index, spec in enumerate(specs)})
        return Product(order.grid, writer.finish())


def test_the_proof_is_a_handful_of_files_at_full_resolution(datasets: Datasets, tmp_path: Path) -> None:
    order = stacked_plan(datasets)
    files = proof(order, matched(order, accepted=True), place, tmp_path)
    assert sorted(files) == ["flicker_2", "magnitude_2", "quiver_2", "tie_points_2"]
    first, second = frames(files["flicker_2"].read_bytes())
    assert first.shape == (FLICKER_SIDE, 2 * FLICKER_SIDE + 6)
    left, right = (slice(20, None), slice(0, FLICKER_SIDE)), (slice(20, None), slice(FLICKER_SIDE + 6, None))
    assert (first[left] == first[right]).all(), "the reference is the same on both sides"
    before = np.corrcoef(first[left].ravel(), second[left].ravel())[0, 1]
    after = np.corrcoef(first[right].ravel(), second[right].ravel())[0, 1]
    assert after > before + 0.1
    table = pq.read_table(files["tie_points_2"])
    assert {"geometry", "x", "y", "dx", "dy", "score", "inlier", "dx_m", "dy_m"} <= set(table.column_names)
    assert b"geo" in table.schema.metadata


def test_a_refused_registration_moves_nothing_in_its_pictures(datasets: Datasets, tmp_path: Path) -> None:
    order = stacked_plan(datasets)
    files = proof(order, matched(order, accepted=False), place, tmp_path)
    _, second = frames(files["flicker_2"].read_bytes())
    assert (second[20:, :FLICKER_SIDE] == second[20:, FLICKER_SIDE + 6 :]).all()


@pytest.mark.parametrize("accepted", [True, False])
def test_the_page_stands_alone_and_says_what_became_of_each_dataset(
    datasets: Datasets, tmp_path: Path, accepted: bool
) -> None:
    order = stacked_plan(datasets)
    stacked = Stacked(product(order, tmp_path), {2: matched(order, accepted=accepted)})
    page = report(order, stacked, overview(order, stacked.product), proof(order, stacked.matched[2], place, tmp_path))
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "http" not in re.sub(r"data:[^\"]*", "", page)
    for part in ("an-order", "sentinel-2-20220321", "newsat-20220322", "3.14", "0.40", "88 %", "1.red"):
        assert part in page
    assert ("registration was refused" in page) == (not accepted)
    assert "&lt;as it should&gt;" in page or not accepted
    assert "&#34;reference_asset&#34;: &#34;1.red&#34;" in page, "the exact order, to be placed again"


def test_the_item_fields_tell_the_settings_and_each_dataset(datasets: Datasets, tmp_path: Path) -> None:
    order = stacked_plan(datasets)
    stacked = Stacked(product(order, tmp_path), {2: matched(order, accepted=True)})
    fields = coregistration_fields(order, stacked)
    assert fields["reference"] == "1.red"
    assert fields["settings"]["on_failure"] == "geometry"
    (one,) = fields["datasets"]
    expected = {"dataset": 2, "status": "registered", "points": 132, "ce90_before": 3.1416, "coverage": 0.875}
    assert expected.items() <= one.items()
    assert one["pixel"] == pytest.approx(10)
    document = registration_document(stacked)["2"]
    assert Displacement.from_json(document["displacement"]) == stacked.matched[2].registration.displacement
    geometry = replace(order, methods={2: "stack"}, pairing={})
    (untouched,) = coregistration_fields(geometry, Stacked(stacked.product, {}))["datasets"]
    assert untouched == {"dataset": 2, "id": "newsat-20220322", "method": "stack", "status": "geometry"}


def test_the_overview_is_true_colour_of_the_reference_or_else_the_first_bands(
    datasets: Datasets, tmp_path: Path
) -> None:
    order = stacked_plan(datasets)
    shown = overview(order, product(order, tmp_path / "colour"))
    assert shown.shown == ("1.red", "1.green", "1.blue")
    assert shown.grid == order.grid
    digest = shown.write(tmp_path / "overview.tif")
    assert len(digest) == 64
    with rasterio.open(tmp_path / "overview.tif") as dataset:
        assert dataset.count == 3
        assert dataset.dtypes[0] == "uint8"
    other = plan(datasets, datasets.optical, datasets.fine, bands="1.red,1.nir,2.red,2.nir", reference_asset="1.red")
    assert overview(other, product(other, tmp_path / "other")).shown == ("1.red", "1.nir", "2.red")
    twin = replace(datasets.optical, item={**datasets.optical.item, "id": "twin"})
    colours = ",".join(f"{dataset}.{band}" for dataset in (1, 2) for band in ("red", "green", "blue"))
    both = plan(
        datasets,
        datasets.optical,
        replace(twin, take=replace(twin.take, id="twin")),
        bands=colours,
        reference_asset="2.red",
    )
    assert overview(both, product(both, tmp_path / "both")).shown == ("2.red", "2.green", "2.blue")
    assert Image.open(io.BytesIO(shown.thumbnail)).format == "PNG"


def test_large_stacks_get_a_small_overview(tmp_path: Path) -> None:
    grid = Grid("EPSG:32631", 0, 0, 10, 10, 5000, 100)
    spec = LayerSpec("1_red", "1.red", "uint16", 0, 1e-4, 0.0, "1", "red")
    with LayerWriter(grid, [spec], tmp_path) as writer:
        for window in grid.blocks(512, 512):
            writer.write(window, {"1_red": np.full((window.height, window.width), 900, np.uint16)})
        made = Product(grid, writer.finish())
    small = expressions_overview(made)
    assert max(small.pixels.shape) <= MAX_SIDE
    assert small.grid.bounds == grid.bounds
    assert small.grid.width == MAX_SIDE
