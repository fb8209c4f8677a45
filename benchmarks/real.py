"""The production lane over real scenes, compared with a brute-force NumPy oracle: `make real`.

118 Sentinel-2 L2A dates of two tracks over one patch in Belgium go through the same definitions as any region. Every
published pixel of composites, orbit mosaics, mosaics and expressions of two seasons must equal what slow, obvious NumPy
makes of the same files. Exits 0 if so, 1 if not, 2 if the sample scenes are not on this machine.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from assets.partitions import RegionPartitions
from benchmarks import real_archive
from benchmarks.real_archive import PATCH
from pipelines.cli.console import check, summary
from pipelines.definitions import build_defs
from pipelines.instance import open_instance
from pipelines.runs import materialize
from pipelines.settings import Settings
from resources.catalogue import Catalogue, CatalogueResource
from resources.object_store import ObjectStore, ObjectStoreResource
from tests.oracles import composite as oracle
from tests.oracles import mosaicking as mosaic_oracle
from weft import regions
from weft.mosaicking import distance_to_centre
from weft.periods import window
from weft.rasters.gdal import environment, open_raster
from weft.rasters.grid import Grid
from weft.regions import Region
from weft.stac import Item
from weft.stac.parts import grid_of

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "belgium-s2-s1-l8-stack"
HOME = ROOT / ".weft" / "real"

Layers = Mapping[str, np.ndarray]

_LABELS = {"blue": ("10m", 1), "green": ("10m", 2), "red": ("10m", 3), "nir": ("10m", 4)}
_LABELS |= {"swir16": ("20m", 5), "swir22": ("20m", 6)}


def main() -> int:
    """Materialise, compare, print; the exit code."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    if not DATA.is_dir():
        console.print("the real sample scenes are not on this machine: expected ../shared/data beside the checkout")
        return 2
    begun = time.monotonic()
    region_file = real_archive.write(DATA, HOME)
    region = regions.load(region_file)
    settings = Settings.of_home(HOME, region_file)
    with open_instance(settings.dagster) as instance:
        for period in real_archive.PERIODS:
            report = materialize(build_defs(settings), RegionPartitions(region), instance, period=period)
            console.print(f"period {period}")
            console.print(summary(report))
            check(report)
    catalogue = CatalogueResource(url=settings.catalogue).open()
    store = ObjectStoreResource(url=settings.store).open()
    published = Published(catalogue, store, HOME / "scratch")
    table = Table("product", "layers", "pixels", "observations", "different", title="against the oracle")
    table.columns[0].no_wrap = True
    different = 0
    for period in real_archive.PERIODS:
        for row in compare(region, period, published):
            different += row.different
            table.add_row(row.product, str(row.layers), str(row.pixels), row.observations, str(row.different))
    console.print(table)
    verdict = "all products equal the oracle" if not different else f"{different} pixels differ from the oracle"
    console.print(f"{verdict} ({time.monotonic() - begun:.1f} s)")
    return 1 if different else 0


class Published:
    """Reads what the lane published."""

    def __init__(self, catalogue: Catalogue, store: ObjectStore, scratch: Path) -> None:
        self._catalogue, self._store, self._scratch = catalogue, store, scratch

    def item(self, collection: str, item_id: str) -> Item | None:
        """One item, None if the lane made none."""
        return self._catalogue.get(collection, item_id)

    def layers(self, item: Item) -> dict[str, np.ndarray]:
        """Stored numbers of every raster of an item."""
        found = {}
        for key, asset in item["assets"].items():
            if asset["href"].endswith(".tif"):  # the others are pictures
                path = self._store.fetch(self._store.key_of(asset["href"]), self._scratch)
                with environment(), open_raster(path) as dataset:
                    found[key] = dataset.read(1)
        return found


class Row:
    """One line of the comparison."""

    def __init__(self, product: str, found: Layers, expected: Layers, observations: str = "") -> None:
        if set(found) != set(expected):
            raise AssertionError(f"{product} has layers {sorted(found)}, the oracle {sorted(expected)}")
        self.product, self.layers, self.observations = product, len(found), observations
        self.pixels = sum(array.size for array in found.values())
        self.different = sum(_different(found[key], expected[key]) for key in found)


def compare(region: Region, period: str, published: Published) -> list[Row]:
    """Every product of one period against the oracle; each family starts from the oracle's own result before it."""
    rows, composites = [], {}
    for tile_track in region.tiles:
        item = _need(published.item("composites", f"{region.region}_{period}_{tile_track}"), tile_track)
        stack, valid, days = _observations(region, period, regions.track_of(tile_track))
        expected = oracle.composite(stack, valid, region.bands, region.composite.percentiles, days=days)
        composites[regions.track_of(tile_track)] = expected
        rows.append(Row(f"composites/{item['id']}", published.layers(item), expected, f"{len(stack)} dates"))
    for sheet in RegionPartitions(region).sheets:
        orbits: dict[str, Layers] = {}
        grid = None
        for track, composite in composites.items():
            item = published.item("orbit-mosaics", f"{region.region}_{period}_{track}_{sheet}")
            if item is None:
                continue
            grid = grid_of(item["properties"])
            orbits[track] = {
                key: _cut(values, grid)
                for key, values in composite.items()
                if key not in ("medoid_spread", "source_index", "observation_date")
            }
            rows.append(Row(f"orbit-mosaics/{item['id']}", published.layers(item), orbits[track]))
        if grid is None:
            continue
        expected = _blend(orbits, grid, region)
        item = _need(published.item("mosaics", f"{region.region}_{period}_{sheet}"), sheet)
        rows.append(Row(f"mosaics/{item['id']}", published.layers(item), expected))
        item = _need(published.item("expression-bands", f"{region.region}_{period}_{sheet}"), sheet)
        rows.append(Row(f"expression-bands/{item['id']}", published.layers(item), _ndvi(expected)))
    return rows


def _observations(region: Region, period: str, track: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
    when = window(region.calendar, period)
    stack, valid, days = [], [], []
    with (DATA / "s2_scenes.csv").open(encoding="utf-8") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: (row["date"], row["time_utc"]), reverse=True)
    for row in rows:
        moment = datetime.fromisoformat(f"{row['date']}T{row['time_utc']}+00:00")
        if int(row["relative_orbit_derived"]) != int(track[1:]) or not when.start <= moment < when.end:
            continue
        stamp = row["date"].replace("-", "")
        bands = {}
        for band in region.bands:
            resolution, number = _LABELS[band]
            bands[band] = oracle.read(str(DATA / "s2" / f"S2_L2A_{stamp}_{resolution}.tif"), number, PATCH.shape)
        scl = oracle.read(str(DATA / "s2" / f"S2_L2A_{stamp}_SCL.tif"), 1, PATCH.shape)
        values, seen = oracle.observation(bands, scl, 0.0, region.validity.classes)
        stack.append(values)
        valid.append(seen)
        days.append((moment.date() - date(1970, 1, 1)).days)
    return np.stack(stack), np.stack(valid), days


def _cut(values: np.ndarray, grid: Grid) -> np.ndarray:
    """The patch laid onto a sheet of the same lattice, 0 beyond it."""
    out = np.zeros(grid.shape, values.dtype)
    row, col = round((grid.top - PATCH.top) / 10), round((PATCH.left - grid.left) / 10)
    for y in range(PATCH.height):
        for x in range(PATCH.width):
            if 0 <= y + row < grid.height and 0 <= x + col < grid.width:
                out[y + row, x + col] = values[y, x]
    return out


def _blend(orbits: Mapping[str, Layers], grid: Grid, region: Region) -> dict[str, np.ndarray]:
    tracks = sorted(orbits)
    counts = np.stack([orbits[track]["count"] for track in tracks])
    distances = np.stack([distance_to_centre(track, grid) for track in tracks])
    weights = np.zeros(counts.shape, np.int64)
    for index, count in np.ndenumerate(counts):
        weights[index] = mosaic_oracle.integer_weight(region.mosaic.blend, float(distances[index]), int(count))
    out = {
        key: mosaic_oracle.blend(np.stack([orbits[track][key] for track in tracks]), weights)
        for key in orbits[tracks[0]]
        if key != "count"
    }
    total = np.maximum(weights.sum(0), 1)
    shares = {f"track_weight_{track}": (400 * weights[i] + total) // (2 * total) for i, track in enumerate(tracks)}
    return (
        out | {"count": counts.sum(0, dtype="uint16")} | {key: share.astype("uint8") for key, share in shares.items()}
    )


def _ndvi(mosaic: Layers) -> dict[str, np.ndarray]:
    out = {}
    for key in mosaic:
        if key.startswith("nir_"):
            nir, red = (mosaic[f"{band}_{key.removeprefix('nir_')}"].astype("float64") for band in ("nir", "red"))
            nir, red = (np.where(band == 0, np.nan, band * 0.0001) for band in (nir, red))
            out[key.replace("nir_", "ndvi_")] = ((nir - red) / (nir + red)).astype("float32")
    return out


def _different(found: np.ndarray, expected: np.ndarray) -> int:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return found.size
    both_missing = np.isnan(found) & np.isnan(expected) if found.dtype.kind == "f" else np.zeros(found.shape, bool)
    return int(((found != expected) & ~both_missing).sum())


def _need(item: Item | None, what: str) -> Item:
    if item is None:
        raise AssertionError(f"the lane published nothing for {what}")
    return item


if __name__ == "__main__":
    sys.exit(main())
