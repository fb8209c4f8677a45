"""One contestant of the full-tile benchmark, in a process of its own: `make bench-compositing` starts it.

Belongs here: the same tile composited by Weft, decoded and encoded by GDAL alone, and by a straightforward pipeline of
rasterio, dask and odc-algo. Not here: the inputs (``bench_compositing_inputs``), turns and ratios
(``bench_compositing``). Prints its wall and CPU seconds and its peak resident memory as JSON.

* ``weft``: medoid, percentiles 25, 50, 75 and what comes with them, from files to finished COGs.
* ``gdal``: the floor. Every block of every input is decoded once, and the layers Weft has made are written with the
  same COG options; loading them is not timed, and nothing is computed.
* ``odc``: the percentiles and the count alone, since odc-algo has no medoid.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import rasters
from benchmarks.bench_compositing_inputs import BANDS, tile
from benchmarks.harness import ROOT, Run, peak_mib, timed
from weft.composite_settings import Composite, Validity
from weft.compositing.composite import Recipe, composite
from weft.compositing.observations import Observation
from weft.rasters.product import LayerSpec
from weft.scenes.scene import Layer

FOLDER = ROOT / ".weft" / "bench"
PERCENTILES = (25, 50, 75)
_CHUNK = 1024


def main() -> None:
    """Run one contestant once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contestant", choices=("weft", "gdal", "odc"))
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--dates", type=int, required=True)
    parser.add_argument("--kind", choices=("cog", "jp2"), required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    observations = tile(FOLDER, options.size, options.dates, options.kind)
    made = FOLDER / f"made-{options.kind}-{options.size}"
    runs = {"weft": _weft, "gdal": _gdal, "odc": _odc}
    run = runs[options.contestant](observations, made, options.threads)
    print(json.dumps({"wall": run.wall, "cpu": run.cpu, "peak_mib": peak_mib()}))  # noqa: T201


def _weft(observations: Sequence[Observation], made: Path, threads: int) -> Run:
    shutil.rmtree(made, ignore_errors=True)
    recipe = Recipe(BANDS, Validity(), Composite(methods=("medoid", "percentiles"), percentiles=PERCENTILES), 10)

    def run() -> None:
        outcome = composite(observations, recipe, made, lambda href: href, threads=threads)
        if outcome.rejected or outcome.product is None:
            raise SystemExit(f"a benchmark scene cannot be read: {outcome.rejected}")
        layers = {file.layer.key: file.layer for file in outcome.product.files}
        (made / "layers.json").write_text(json.dumps({key: _spec(layer) for key, layer in layers.items()}))

    return timed(run)


def _gdal(observations: Sequence[Observation], made: Path, threads: int) -> Run:
    layers = [LayerSpec(**spec) for spec in json.loads((made / "layers.json").read_text()).values()]
    inputs = [layer for observation in observations for scene in observation.scenes for layer in _layers(scene)]
    grid = observations[0].scenes[0].geolocation

    def decode(layer: Layer) -> None:
        path = Path(layer.href)
        rasters.decode(path, layer.geolocation.blocks(*rasters.block_shape(path)))

    with ThreadPoolExecutor(threads) as pool:
        runs = [timed(lambda: list(pool.map(decode, inputs)))]
        for first in range(0, len(layers), threads):
            some = layers[first : first + threads]
            held = [rasters.Encoding(layer, grid, rasters.read(made / f"{layer.key}.tif")) for layer in some]
            runs.append(
                timed(lambda held=held: list(pool.map(lambda n: held[n].run(made / f"again{n}.tif"), range(len(held)))))
            )
            for one in held:
                one.close()
    return Run(sum(run.wall for run in runs), sum(run.cpu for run in runs))


def _odc(observations: Sequence[Observation], made: Path, threads: int) -> Run:
    import dask
    import dask.array
    import xarray
    from odc.algo._percentile import xr_quantile_bands

    grid = observations[0].scenes[0].geolocation
    edges = [(start, min(start + _CHUNK, grid.height)) for start in range(0, grid.height, _CHUNK)]

    @dask.delayed
    def load(band: str, rows: tuple[int, int], cols: tuple[int, int]) -> np.ndarray:
        return np.stack([_masked(observation, band, rows, cols) for observation in observations])

    def lazy(band: str) -> Any:
        shape = len(observations), *grid.shape
        blocks = [
            [
                dask.array.from_delayed(
                    load(band, rows, cols), (shape[0], rows[1] - rows[0], cols[1] - cols[0]), np.uint16
                )
                for cols in edges
            ]
            for rows in edges
        ]
        return xarray.DataArray(dask.array.block(blocks), dims=("time", "y", "x"))

    def run() -> None:
        made.mkdir(parents=True, exist_ok=True)
        for band in BANDS:
            source = xarray.Dataset({band: lazy(band)})
            wanted = xr_quantile_bands(source, [q / 100 for q in PERCENTILES], nodata=0)
            if band == BANDS[0]:
                wanted["count"] = (source[band] != 0).sum("time", dtype=np.uint16)
            with dask.config.set(scheduler="threads", num_workers=threads):
                done = wanted.compute()
            for name, values in done.data_vars.items():
                encoding = rasters.Encoding(LayerSpec(str(name), "", "uint16", 0), grid, values.values)
                encoding.run(made / f"odc_{name}.tif")
                encoding.close()

    return timed(run)


def _masked(observation: Observation, band: str, rows: tuple[int, int], cols: tuple[int, int]) -> np.ndarray:
    (scene,) = observation.scenes
    classes = rasters.window(Path(scene.classes.layer.href), [r // 2 for r in rows], [c // 2 for c in cols])
    layer = scene.bands[band]
    step = round(layer.geolocation.x_size / scene.geolocation.x_size)
    values = rasters.window(Path(layer.href), [r // step for r in rows], [c // step for c in cols])
    shape = rows[1] - rows[0], cols[1] - cols[0]
    valid = _repeated(np.isin(classes, Validity().classes), 2, shape)
    offset = round(layer.offset / layer.scale)
    return np.where(valid, np.maximum(_repeated(values, step, shape).astype(np.int32) + offset, 1), 0).astype(np.uint16)


def _repeated(values: np.ndarray, step: int, shape: tuple[int, int]) -> np.ndarray:
    grown = values.repeat(step, 0).repeat(step, 1)
    missing = [(0, max(0, wanted - had)) for wanted, had in zip(shape, grown.shape, strict=True)]
    return np.pad(grown, missing, mode="edge")[: shape[0], : shape[1]]


def _layers(scene: Any) -> list[Layer]:
    return [scene.classes.layer, *scene.bands.values()]


def _spec(layer: LayerSpec) -> dict[str, Any]:
    return {
        name: getattr(layer, name)
        for name in ("key", "title", "dtype", "nodata", "scale", "offset", "unit", "band", "statistic", "categorical")
    }


if __name__ == "__main__":
    main()
