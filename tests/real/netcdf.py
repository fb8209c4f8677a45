"""NetCDF to NumPy for tests, in a process of its own.

Weft keeps GDAL's NetCDF driver out of every process that imports it, and the NetCDF packages are an extra. This file
therefore runs as a script with rasterio alone: ``python netcdf.py FROM.nc TO.npz``. Not here: reading rasters for
anything but a test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

NO_DRIVER = 3


def read(file: Path, scratch: Path) -> tuple[dict[str, NDArray[Any]], list[datetime]]:
    """Every variable (time, y, x) as stored, and the times; skips the test where this GDAL has no NetCDF driver."""
    target = scratch / f"{file.stem}.npz"
    if not target.exists():
        environment = {key: value for key, value in os.environ.items() if key != "GDAL_SKIP"}
        command = [sys.executable, __file__, str(file), str(target)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if ended.returncode == NO_DRIVER:
            pytest.skip("the GDAL of this rasterio has no NetCDF driver")
        assert ended.returncode == 0, ended.stderr
    with np.load(target) as arrays:
        layers = {key: arrays[key] for key in arrays if not key.startswith("time")}
        unit, _, start = str(arrays["time_unit"]).partition(" since ")
        epoch = datetime.fromisoformat(start).replace(tzinfo=UTC)
        times = [epoch + timedelta(**{unit: int(step)}) for step in arrays["time_steps"]]
    assert {len(layer) for layer in layers.values()} == {len(times)}
    return layers, times


def convert(source: str, target: str) -> None:
    warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
    with rasterio.Env() as env:
        if "netCDF" not in env.drivers():
            sys.exit(NO_DRIVER)
        with rasterio.open(source, driver="netCDF") as dataset:
            parts = dataset.subdatasets
        arrays: dict[str, Any] = {}
        for part in parts:
            with rasterio.open(part) as dataset:
                arrays[part.rsplit(":", 1)[1]] = dataset.read()
                tags = dataset.tags()
        axis = tags["NETCDF_DIM_EXTRA"].strip("{}")
        arrays["time_unit"] = np.array(tags[f"{axis}#units"])
        arrays["time_steps"] = np.array(re.findall(r"-?\d+", tags[f"NETCDF_DIM_{axis}_VALUES"]), np.int64)
    np.savez(target, **arrays)


if __name__ == "__main__":
    convert(*sys.argv[1:])
