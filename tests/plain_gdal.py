"""Reading rasters as anybody's programs do: in a process of its own that has never heard of Weft.

Weft skips the drivers of virtual mosaics in its own process, so its tests have to ask another one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_SCRIPT = """
import json, sys
import numpy as np
import rasterio
told, arrays = {}, {}
paths, out, thin = json.loads(sys.argv[1])
for path in paths:
    with rasterio.open(path) as dataset:
        told[path] = {
            "driver": dataset.driver, "crs": dataset.crs.to_string(), "transform": list(dataset.transform)[:6],
            "shape": list(dataset.shape), "dtypes": list(dataset.dtypes), "nodata": dataset.nodata,
            "scales": list(dataset.scales), "offsets": list(dataset.offsets), "units": list(dataset.units),
            "colours": [one.name for one in dataset.colorinterp], "overviews": dataset.overviews(1),
            "descriptions": list(dataset.descriptions),
        }
        shape = (dataset.count, *(-(-side // thin) for side in dataset.shape))
        arrays[path] = dataset.read(out_shape=shape)
np.savez(out, **arrays)
print(json.dumps(told))
"""


def read(
    paths: list[str], folder: Path, *, out: Path, thin: int = 1
) -> tuple[Mapping[str, dict[str, Any]], Mapping[str, npt.NDArray[Any]]]:
    """Open rasters with rasterio.

    Args:
        paths: as they are typed in ``folder``.
        folder: working directory of the process.
        out: folder for the pixels.
        thin: read every n-th pixel, from overviews where there are any.

    Returns:
        What each raster says about itself, and its pixels (band, y, x).
    """
    file = out / "pixels.npz"
    told = run(_SCRIPT, json.dumps([paths, str(file), thin]), folder=folder)
    with np.load(file) as pixels:
        return json.loads(told), {path: pixels[path] for path in paths}


def run(script: str, *arguments: str, folder: Path) -> str:
    """Run a Python script in a folder; what it prints."""
    # Weft sets GDAL_SKIP for whatever its process starts.
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("GDAL_", "CPL_"))}
    checked = f"{script}\nimport sys\nassert 'weft' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-I", "-c", checked, *arguments],
        cwd=folder,
        env=plain,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
