"""Two neighbouring paths of Landsat 8, whose scenes lie askew in their rasters: 19 real scenes at 3 km.

The sheet lies where only the sides of the two swaths end; north and south of it path 013 ends because its other scenes
are not here. Products are the scenes themselves, in reflectance without the sun's elevation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from shapely.geometry import Polygon

from tests.weft.mosaicking.products import COUNT, digests, reflectance, source
from weft.mosaicking import Sheet, Track, distance_to_centre, midline, mosaic, orbit_mosaic, swath
from weft.rasters.grid import Grid, transformer
from weft.rasters.product import Product, SourceLayer, SourceProduct
from weft.regions import Mosaic

PATHS = {"P013": 8, "P014": 11}
RED, NIR = reflectance("red_p50"), reflectance("nir_p50")
BANDS = {RED: "B4", NIR: "B5"}
CRS = "EPSG:32618"
SHEET = Sheet("test", Grid(CRS, 402_000, 4_557_000, 3000, 3000, 124, 48))
OFFSET = 4000


@dataclass(frozen=True)
class Scene:
    name: str
    grid: Grid
    bands: dict[str, np.ndarray]

    @property
    def seen(self) -> np.ndarray:
        return np.logical_and.reduce([band > 0 for band in self.bands.values()])

    def outline(self) -> Polygon:
        """Of the pixels with data; bulges by a pixel's corner."""
        rows, columns = np.nonzero(self.seen)
        corners = [np.column_stack([columns + right, rows + down]) for right in (0, 1) for down in (0, 1)]
        hull = shapely.convex_hull(shapely.multipoints(np.concatenate(corners)))
        return shapely.transform(hull, self._degrees)

    def _degrees(self, pixels: np.ndarray) -> np.ndarray:
        x, y = self.grid.left + pixels[:, 0] * self.grid.x_size, self.grid.top - pixels[:, 1] * self.grid.y_size
        return np.column_stack(transformer(CRS, "EPSG:4326").transform(x, y))

    def product(self, folder: Path, *, offset: int = 0) -> SourceProduct:
        layers = {
            layer: np.where(self.seen, _reflectance(self.bands[name]) + offset, 0).astype(np.uint16)
            for layer, name in BANDS.items()
        }
        return source(self.name, self.grid, layers | {COUNT: self.seen.astype(np.uint16)}, folder)


def _reflectance(numbers: np.ndarray) -> np.ndarray:
    # Two hundred thousandths of reflectance a step and an offset of -0.1, as in all of Landsat 8's level 1.
    return np.clip(numbers * 0.2 - 1000, 1, 20_000)


@pytest.fixture(scope="module")
def scenes(shared_data: Path) -> dict[str, list[Scene]]:
    found: dict[str, list[Scene]] = {path: [] for path in PATHS}
    for folder in sorted((shared_data / "newyork-landsat8-l1-2018").glob("LC08_*")):
        bands = {}
        for name in BANDS.values():
            with rasterio.open(next(folder.glob(f"*_{name}.TIF"))) as dataset:
                bands[name] = dataset.read(1)
                grid = Grid.from_transform(CRS, dataset.transform, height=dataset.height, width=dataset.width)
        found[f"P{folder.name[10:13]}"].append(Scene(folder.name, grid, bands))
    assert {path: len(some) for path, some in found.items()} == PATHS
    return found


@pytest.fixture(scope="module")
def paths(scenes: dict[str, list[Scene]]) -> dict[str, Track]:
    return {path: midline(path, [scene.outline() for scene in some]) for path, some in scenes.items()}


def settings(blend: str) -> Mosaic:
    return Mosaic(crs=CRS, resolution=3000, sheet_km=300, blend=blend)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def products(scenes: dict[str, list[Scene]], scratch: Path) -> dict[str, list[SourceProduct]]:
    return {path: [scene.product(scratch / "plain") for scene in some] for path, some in scenes.items()}


@pytest.fixture(scope="module")
def plain(products: dict[str, list[SourceProduct]], scratch: Path) -> dict[str, SourceProduct]:
    return {path: joined(path, some, scratch / "orbits") for path, some in products.items()}


@pytest.fixture(scope="module")
def raised(scenes: dict[str, list[Scene]], plain: dict[str, SourceProduct], scratch: Path) -> dict[str, SourceProduct]:
    """As if path 014 saw everything brighter."""
    brighter = [scene.product(scratch / "raised", offset=OFFSET) for scene in scenes["P014"]]
    return plain | {"P014": joined("P014", brighter, scratch / "raised")}


def joined(path: str, products: list[SourceProduct], folder: Path) -> SourceProduct:
    product = orbit_mosaic(products, SHEET, settings("seamless"), folder / path)
    assert product is not None
    layers = {file.layer.key: SourceLayer(file.layer, file.path) for file in product.files}
    return SourceProduct(f"x_2018_{path}_test", SHEET.grid, layers)


def pixels(product: Product | SourceProduct, key: str) -> np.ndarray:
    path = product.file(key).path if isinstance(product, Product) else product.layers[key].path
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def largest_step(field: np.ndarray, seen: np.ndarray, *, at_edges: bool) -> float:
    """Between neighbours that both paths see, or of which one path's data (track, y, x) end between them."""
    steps = [0.0]
    for axis in (0, 1):
        first, second = (np.arange(field.shape[axis] - 1) + k for k in (0, 1))
        ends = np.take(seen, first, axis + 1) != np.take(seen, second, axis + 1)
        both = (np.take(seen, first, axis + 1) & np.take(seen, second, axis + 1)).any(axis=0)
        pairs = (ends.any(axis=0) == at_edges) & both
        assert not at_edges or axis == 0 or pairs.sum() > 80, "both sides of the overlap run from north to south"
        steps.extend(np.abs(np.diff(field, axis=axis))[pairs])
    return float(max(steps))


def test_midlines_of_the_real_outlines(scenes: dict[str, list[Scene]], paths: dict[str, Track]) -> None:
    for path, track in paths.items():
        assert track.half_width_km == pytest.approx(94, abs=1), "185 km, a pixel's corners, less what the dates differ"
        rows = {scene.name[13:16] for scene in scenes[path]}
        alone = [midline(path, [s.outline() for s in scenes[path] if s.name[13:16] == row]) for row in sorted(rows)]
        for part in alone:
            points = np.asarray(part.line.coords)[15:-15]
            assert max(track.line.distance(shapely.points(point)) for point in points) < 0.01
    assert not shapely.intersects(paths["P013"].line, paths["P014"].line)
    shared = shapely.intersection(swath(paths["P013"]), swath(paths["P014"]))
    assert 0.2 < shared.area / swath(paths["P013"]).area < 0.4


def test_weights_end_before_the_real_data_do(scenes: dict[str, list[Scene]], paths: dict[str, Track]) -> None:
    for path, track in paths.items():
        for scene in scenes[path]:
            distance = distance_to_centre(track, scene.grid)
            for row in range(20, 55):  # the sides only: the wedges of the corners are above and below
                assert scene.seen[row, distance[row] < track.taper_end_km - 1.5].all(), (scene.name, row)
            assert distance[scene.seen].max() < track.half_width_km + 7


def test_a_known_offset_leaves_no_step_at_the_edges(
    plain: dict[str, SourceProduct], raised: dict[str, SourceProduct], paths: dict[str, Track], tmp_path: Path
) -> None:
    seen = np.stack([pixels(plain[path], "count") > 0 for path in PATHS])
    assert 0.15 < seen.all(axis=0).mean() < 0.25
    steps = {}
    for blend in ("mean", "idw", "seamless"):
        both = [
            mosaic(tracks, SHEET, settings(blend), tmp_path / f"{blend}{k}", paths=paths)
            for k, tracks in enumerate((plain, raised))
        ]
        assert both[0] is not None
        assert both[1] is not None
        for key in ("red_p50", "nir_p50"):
            difference = (pixels(both[1].product, key).astype(float) - pixels(both[0].product, key)) / OFFSET
            assert difference.min() == 0.0
            assert difference.max() == 1.0
            steps[blend, key] = largest_step(difference, seen, at_edges=True)
            # Three kilometres from pixel to pixel: a tenth of the taper, whose steepest tenth is 15 %.
            if blend == "seamless":
                assert largest_step(difference, seen, at_edges=False) < 0.16
        assert both[0].seams.step is not None
        assert both[0].seams.step == pytest.approx(steps[blend, "red_p50"], abs=0.001)
    for key in ("red_p50", "nir_p50"):
        assert steps["mean", key] == pytest.approx(0.5, abs=0.001)
        assert steps["idw", key] > 0.2
        assert steps["seamless", key] <= 0.01


def test_any_order_gives_the_same_pixels(
    products: dict[str, list[SourceProduct]],
    plain: dict[str, SourceProduct],
    paths: dict[str, Track],
    tmp_path: Path,
) -> None:
    expected = mosaic(plain, SHEET, settings("seamless"), tmp_path / "a", paths=paths)
    again = {path: joined(path, some[::-1], tmp_path) for path, some in reversed(products.items())}
    found = mosaic(again, SHEET, settings("seamless"), tmp_path / "b", paths=dict(reversed(paths.items())), workers=1)
    assert expected is not None
    assert found is not None
    assert digests(found.product) == digests(expected.product)
    assert {"track_weight_P013", "track_weight_P014"} < digests(found.product).keys()
