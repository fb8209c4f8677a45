"""Small scenes, plans and products from which the tests of this folder build items."""

from __future__ import annotations

import math
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

from weft.compositing.observations import plan
from weft.periods import window
from weft.rasters.grid import Grid
from weft.rasters.product import LayerSpec, Product, RasterFile, Rejected, Statistics
from weft.scenes.scene import ClassLayer, Layer, Scene
from weft.stac import Item
from weft.stac.calibrated import calibrated_item
from weft.stac.parts import ItemRef
from weft.stac.products import product_item, stack_item

MARK = "ab" * 32
GRID = Grid("EPSG:32631", 600000.0, 5700000.0, 10.0, 10.0, 60, 40)
COARSE = Grid("EPSG:32631", 600000.0, 5700000.0, 20.0, 20.0, 30, 20)
SHEET = Grid("EPSG:3035", 3900000.0, 3100000.0, 30.0, 30.0, 20, 20)
SEASON = window("glad-seasons", "2018-03")
PLACE = {"weft:region": "flanders", "weft:period": "2018-03"}


def scene(identifier: str = "S2A_31UDS_20180401", **changes) -> Scene:
    def layer(name: str, band: int = 1) -> Layer:
        return Layer(f"https://archive.example/{identifier}/{name}.tif", band, GRID, 0.0001, -0.1, 0, "1", 1234)

    values = {
        "id": identifier,
        "mission": "sentinel-2",
        "platform": "sentinel-2a",
        "acquired": datetime(2018, 4, 1, 10, 50, 31, 24000, tzinfo=UTC),
        "datatake": "GS2A_20180401T105031_014490_N04.00",
        "segment": "2018-04-01T10:50:33Z",
        "tile": "31UDS",
        "track": "R051",
        "geolocation": GRID,
        "bands": {"red": layer("stack", 3), "green": layer("stack", 2), "blue": layer("stack"), "swir16": layer("B11")},
        "classes": ClassLayer(Layer("file:///data/SCL.jp2", 1, COARSE), "sentinel-2-scl", 0, (6,)),
        "angles": {"view_zenith": Layer("file:///data/vza.tif", 1, COARSE, 0.01, 0.0, math.nan, "deg")},
        "quality": {"aot": Layer("https://archive.example/aot.tif", 1, COARSE, 0.001, 0.0, 0, "1")},
        "baseline": "04.00",
        "processed": datetime(2022, 1, 2, 3, 4, 5, tzinfo=UTC),
        "provenance": {"product": "S2A_MSIL2A"},
    }
    return Scene(**(values | changes))


def calibrated(**changes) -> Item:
    return calibrated_item(scene(**changes), fingerprint=MARK, tile_track="R051_31UDS")


def stack(scenes: list[Scene]) -> Item:
    return stack_item(
        item_id="flanders_2018-03_R051_31UDS",
        plan=plan(scenes, ["red"]),
        grid=GRID,
        window=SEASON,
        fingerprint=MARK,
        coregistration={"method": "none"},
        properties={**PLACE, "weft:tile_track": "R051_31UDS"},
    )


def raster(layer: LayerSpec, *, empty: bool = False) -> RasterFile:
    numbers = (math.nan,) * 4 if empty else (0.01, 0.9, 0.25, 0.1)
    return RasterFile(layer, Path(f"{layer.key}.tif"), Statistics(*numbers, 0.0 if empty else 97.5), "cd" * 32)


def reflectance(band: str, statistic: str | None = "medoid") -> LayerSpec:
    key = f"{band}_{statistic.replace('.', '_')}" if statistic else band
    return LayerSpec(key, f"{band}, {statistic}", "uint16", 0, 0.0001, 0.0, "1", band, statistic)


LAYERS = (
    *(reflectance(band, statistic) for statistic in ("medoid", "p2.5") for band in ("blue", "green", "red")),
    LayerSpec("medoid_spread", "Spread", "float32", math.nan, unit="1"),
    LayerSpec("source_index", "Source", "int16", -1, categorical=True),
    LayerSpec("count", "Count", "uint16", None),
)


def product(layers: tuple[LayerSpec, ...] = LAYERS, grid: Grid = GRID, **changes) -> Product:
    return Product(grid, tuple(raster(layer) for layer in layers), (Rejected("S2B_bad", "it is truncated"),), **changes)


def composite(*, sources: int = 2, thumbnail: bool = True, made: Product | None = None) -> Item:
    return product_item(
        collection="composites",
        item_id="flanders_2018-03_R051_31UDS",
        product=made or product(),
        window=SEASON,
        fingerprint=MARK,
        derived_from=[ItemRef("calibrated-datasets", f"scene-{index}") for index in range(sources)],
        properties={**PLACE, "weft:tile_track": "R051_31UDS"},
        thumbnail=thumbnail,
    )


def published(item: Item) -> Item:
    """What publishing adds to the assets of an item."""
    done = deepcopy(item)
    for key, asset in done["assets"].items():
        asset |= {"href": f"s3://bucket/{key}.tif", "file:checksum": "1220" + "ef" * 32, "file:size": 10}
    return done
