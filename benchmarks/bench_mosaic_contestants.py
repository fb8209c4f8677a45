"""One contestant of the mosaic benchmark, in a process of its own that is handed sheets: `make bench-mosaic` starts it.

Belongs here: the same sheets mosaicked by Weft, read, warped and written by GDAL alone, and merged as others do. Not
here: the inputs (``bench_mosaic_inputs``), turns and ratios (``bench_mosaic``). Answers every list of sheets with its
wall and CPU seconds, the CPU seconds of its stages and the peak resident memory so far.

* ``weft``: the orbit mosaic of every track, then the mosaic, both from files to finished COGs.
* ``gdal``: the floor. Every composite is decoded and warped in the blocks and with the settings that Weft uses, orbit
  mosaics are decoded once as the mosaic's inputs, and the layers Weft has made are written with the same COG options.
  Loading these is not timed, and nothing is computed.
* ``rio``: what ``rio merge`` and ``gdal_merge.py`` do after a warp, the first tile that has a value wins; the mosaic
  alone.
* ``odc``: rasterio, dask and odc-algo, the mean of all tiles; the mosaic alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from benchmarks import rasters
from benchmarks.bench_mosaic_inputs import LAYERS, SETTINGS, Area, area
from benchmarks.harness import ROOT, Run, peak_mib, serve, timed
from weft.compositing.layers import COUNT
from weft.mosaicking.mosaic import mosaic
from weft.mosaicking.orbit_mosaic import _BLOCK, orbit_mosaic
from weft.mosaicking.sheets import Sheet
from weft.rasters.grid import Grid, Window, transformer
from weft.rasters.product import LayerSpec, Product, SourceLayer, SourceProduct
from weft.rasters.warping import Kernel, kernel_for

FOLDER = ROOT / ".weft" / "bench" / "mosaic"
MADE = ROOT / ".weft" / "bench" / "mosaic-made"
MOSAIC = "mosaic"


def main() -> None:
    """Serve sheets until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contestant", choices=CONTESTANTS)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    whole = area(FOLDER, options.size)
    sheets = {one.name: one for one in whole.sheets}
    with ThreadPoolExecutor(options.threads) as pool:
        contestant = CONTESTANTS[options.contestant](whole, pool, options.threads)

        def work(names: Sequence[str]) -> dict[str, Any]:
            contestant.clear()
            for name in names:
                contestant.make(sheets[name])
            return {**asdict(contestant.total()), "stages": contestant.stages}

        serve(work)


class _Contestant(ABC):
    """Sheets made one after the other, and the seconds that each stage took."""

    def __init__(self, whole: Area, pool: ThreadPoolExecutor, threads: int) -> None:
        self._composites = whole.composites
        self._pool = pool
        self._threads = threads
        self.clear()

    def clear(self) -> None:
        """Forget the seconds so far."""
        self._wall = 0.0
        self.stages: Counter[str] = Counter()

    def total(self) -> Run:
        """Seconds since :meth:`clear`."""
        return Run(self._wall, self.stages.total(), peak_mib())

    @abstractmethod
    def make(self, sheet: Sheet) -> None:
        """Everything this contestant makes of one sheet."""

    def _timed(self, stage: str, work: Callable[[], Any]) -> None:
        run = timed(work)
        self._wall += run.wall
        self.stages[stage] += run.cpu

    def _each(self, work: Callable[..., Any], *arguments: Sequence[Any]) -> list[Any]:
        return list(self._pool.map(work, *arguments))


class _Weft(_Contestant):
    def make(self, sheet: Sheet) -> None:
        shutil.rmtree(MADE / sheet.name, ignore_errors=True)
        tracks: dict[str, SourceProduct] = {}
        for track, composites in self._composites[sheet.name].items():
            folder = MADE / sheet.name / track
            self._timed("orbit mosaics", lambda t=track, c=composites, f=folder: self._join(t, c, sheet, f, tracks))
        self._timed("mosaics", lambda: self._blend(tracks, sheet))

    def _join(
        self,
        track: str,
        composites: Sequence[SourceProduct],
        sheet: Sheet,
        folder: Path,
        tracks: dict[str, SourceProduct],
    ) -> None:
        product = orbit_mosaic(composites, sheet, SETTINGS, folder, workers=self._threads)
        if product is not None:
            tracks[track] = _remembered(product, folder)

    def _blend(self, tracks: dict[str, SourceProduct], sheet: Sheet) -> None:
        folder = MADE / sheet.name / MOSAIC
        made = mosaic(tracks, sheet, SETTINGS, folder, workers=self._threads)
        if made is not None:
            _remembered(made.product, folder)


class _Gdal(_Contestant):
    def make(self, sheet: Sheet) -> None:
        composites = [one for found in self._composites[sheet.name].values() for one in found]
        jobs = [(one, layer, sheet, _windows(one, sheet)) for one in composites for layer in LAYERS]
        self._timed("warp", lambda: self._each(_warped, *zip(*jobs, strict=True)))
        folders = sorted(path.parent for path in (MADE / sheet.name).glob("*/layers.json"))
        for folder in folders:
            layers = [LayerSpec(**spec) for spec in json.loads((folder / "layers.json").read_text())]
            if folder.name != MOSAIC:
                windows = list(sheet.grid.blocks(_BLOCK, _BLOCK))
                paths = [folder / f"{layer.key}.tif" for layer in layers]
                self._timed("read orbit mosaics", partial(self._each, partial(rasters.decode, windows=windows), paths))
            self._write(folder, layers, sheet)

    def _write(self, folder: Path, layers: Sequence[LayerSpec], sheet: Sheet) -> None:
        stage = "write mosaics" if folder.name == MOSAIC else "write orbit mosaics"
        for first in range(0, len(layers), self._threads):
            some = layers[first : first + self._threads]
            paths = [folder / f"{layer.key}.again.tif" for layer in some]
            held = [rasters.Encoding(layer, sheet.grid, rasters.read(folder / f"{layer.key}.tif")) for layer in some]
            self._timed(stage, lambda h=held, p=paths: self._each(rasters.Encoding.run, h, p))
            for one, path in zip(held, paths, strict=True):
                one.close()
                path.unlink()


class _Rio(_Contestant):
    def make(self, sheet: Sheet) -> None:
        (MADE / sheet.name).mkdir(parents=True, exist_ok=True)
        composites = [one for found in self._composites[sheet.name].values() for one in found]
        self._timed("mosaics", lambda: self._each(partial(self._merged, composites, sheet), LAYERS))

    def _merged(self, composites: Sequence[SourceProduct], sheet: Sheet, layer: LayerSpec) -> None:
        parts = {composite.layers[layer.key].path: _part(composite, sheet) for composite in composites}
        values = rasters.merge(parts, sheet.grid, _kernel(layer, composites[0], sheet))
        _written(f"rio_{layer.key}", layer, sheet, values)


class _Odc(_Contestant):
    def make(self, sheet: Sheet) -> None:
        (MADE / sheet.name).mkdir(parents=True, exist_ok=True)
        composites = [one for found in self._composites[sheet.name].values() for one in found]
        self._timed("mosaics", lambda: [self._merged(composites, sheet, layer) for layer in LAYERS])

    def _merged(self, composites: Sequence[SourceProduct], sheet: Sheet, layer: LayerSpec) -> None:
        import dask
        import dask.array
        import xarray
        from odc.algo import from_float, to_float

        @dask.delayed
        def load(composite: SourceProduct, window: Window) -> np.ndarray:
            path, kernel = composite.layers[layer.key].path, _kernel(layer, composite, sheet)
            return next(rasters.warp(path, sheet.grid, [window], kernel))[None]

        def lazy(composite: SourceProduct, window: Window) -> Any:
            return dask.array.from_delayed(load(composite, window), (1, window.height, window.width), np.uint16)

        windows = list(sheet.grid.blocks(_BLOCK, _BLOCK))
        rows = [[window for window in windows if window.row == row] for row in range(0, sheet.grid.height, _BLOCK)]
        stack = dask.array.concatenate(
            [dask.array.block([[lazy(one, window) for window in row] for row in rows]) for one in composites]
        )
        tiles = xarray.DataArray(stack, dims=("time", "y", "x"), attrs={"nodata": 0})
        if layer is COUNT:
            wanted = tiles.sum("time", dtype=np.uint16)
        else:
            wanted = from_float(to_float(tiles).mean("time", skipna=True), "uint16", 0)
        with dask.config.set(scheduler="threads", num_workers=self._threads):
            values = wanted.compute().values
        _written(f"odc_{layer.key}", layer, sheet, values)


CONTESTANTS: dict[str, type[_Contestant]] = {"weft": _Weft, "gdal": _Gdal, "rio": _Rio, "odc": _Odc}


def _remembered(product: Product, folder: Path) -> SourceProduct:
    specs = [asdict(file.layer) for file in product.files]
    (folder / "layers.json").write_text(json.dumps(specs))
    layers = {file.layer.key: SourceLayer(file.layer, file.path) for file in product.files}
    return SourceProduct(folder.name, product.grid, layers)


def _warped(composite: SourceProduct, layer: LayerSpec, sheet: Sheet, windows: Sequence[Window]) -> None:
    kernel = _kernel(layer, composite, sheet)
    for _ in rasters.warp(composite.layers[layer.key].path, sheet.grid, windows, kernel):
        pass


def _kernel(layer: LayerSpec, composite: SourceProduct, sheet: Sheet) -> Kernel:
    return kernel_for(layer, composite.grid, sheet.grid, wanted=SETTINGS.resampling)


def _windows(composite: SourceProduct, sheet: Sheet) -> list[Window]:
    """Blocks of the sheet that the composite's tile touches."""
    outline = _outline(composite, sheet)
    touched = []
    for window in sheet.grid.blocks(_BLOCK, _BLOCK):
        edges = sheet.grid.of_window(window).bounds
        if outline.intersects(shapely.box(edges.left, edges.bottom, edges.right, edges.top)):
            touched.append(window)
    return touched


def _outline(composite: SourceProduct, sheet: Sheet) -> shapely.Polygon:
    edges = composite.grid.bounds
    outline = shapely.box(edges.left, edges.bottom, edges.right, edges.top).segmentize(5000)
    project = transformer(composite.grid.crs, sheet.grid.crs)
    return shapely.transform(outline, lambda xy: np.column_stack(project.transform(*xy.T)))


def _part(composite: SourceProduct, sheet: Sheet) -> Grid:
    """The part of a sheet's grid that a composite's tile lies on."""
    grid, size = sheet.grid, sheet.grid.x_size
    left, bottom, right, top = _outline(composite, sheet).bounds
    first_col, first_row = max(0, int((left - grid.left) // size)), max(0, int((grid.top - top) // size))
    last_col = min(grid.width, int((right - grid.left) // size) + 1)
    last_row = min(grid.height, int((grid.top - bottom) // size) + 1)
    width, height = last_col - first_col, last_row - first_row
    return Grid(grid.crs, grid.left + first_col * size, grid.top - first_row * size, size, size, width, height)


def _written(key: str, layer: LayerSpec, sheet: Sheet, values: np.ndarray) -> None:
    rasters.write_cog(MADE / sheet.name / f"{key}.tif", layer, sheet.grid, values)


if __name__ == "__main__":
    main()
