"""The four multi-date Sentinel-2 L2A stacks of the shared data, as the reductions take them.

Not here: what is expected of them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from tests.real import netcdf
from tests.weft.compositing.random_stacks import BANDS, Observed

FINE = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}
COARSE = {"rededge075": "B06", "nir08": "B8A", "swir16": "B11", "swir22": "B12"}
# Two stacks have no 10 m band: others of theirs play the parts. The numbers are real, and the oracles get the same.
STAND_INS = COARSE | {"blue": "B05", "green": "B05", "red": "B05", "nir": "B07"}
VALID = (2, 4, 5, 6, 11)
NAMES = ("belgium", "0000280849BAC91C", "000028085BF08E7E", "2021_TZA_COPERNICUS-GEOGLAM_POLY_1101950")


@dataclass(frozen=True)
class Stack:
    """Observations oldest first: stored numbers (time, band, y, x) in the order of ``BANDS``, and scene classes."""

    numbers: NDArray[np.uint16]
    classes: NDArray[np.uint8]
    dates: tuple[date, ...]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """By class, and no band 0: one rule in two lines, for reductions only."""
        return np.isin(self.classes, VALID) & (self.numbers > 0).all(axis=1)

    def months(self) -> list[list[int]]:
        """Positions of the observations of every calendar month."""
        keys = [(day.year, day.month) for day in self.dates]
        return [[t for t, key in enumerate(keys) if key == month] for month in sorted(set(keys))]

    def newest_first(self, times: list[int]) -> Observed:
        """Some of the observations in S2GM's order, as the random stacks are; no cloud confidence is known."""
        chosen = times[::-1]
        count = len(chosen)
        valid = self.valid[chosen].reshape(count, 1, -1)
        return Observed(
            self.numbers[chosen].reshape(count, len(BANDS), 1, -1),
            valid,
            self.classes[chosen].reshape(count, 1, -1),
            np.zeros(valid.shape, np.uint8),
        )


def load(name: str, data: Path, scratch: Path) -> Stack:
    """A stack of ``NAMES``, at 10 m where it has bands of 10 m, the coarser ones by nearest neighbour."""
    if name == "belgium":
        return _belgium(data / "belgium-s2-s1-l8-stack")
    folder = data / "belgium-tanzania-s2-netcdf"
    layers, times = netcdf.read(next(folder.glob(f"S2_L2A_20m_{name}_*.nc")), scratch)
    fine = list(folder.glob(f"S2_L2A_10m_{name}_*.nc"))
    if not fine:
        return _stack({band: layers[label] for band, label in STAND_INS.items()}, layers["SCL"], times)
    fine_layers, fine_times = netcdf.read(fine[0], scratch)
    assert fine_times == times
    bands = {band: fine_layers[label] for band, label in FINE.items()}
    bands |= {band: _doubled(layers[label]) for band, label in COARSE.items()}
    return _stack(bands, _doubled(layers["SCL"]), times)


def _belgium(folder: Path) -> Stack:
    with (folder / "s2_scenes.csv").open() as file:
        days = [row["date"] for row in csv.DictReader(file)]

    def read(day: str, part: str) -> tuple[NDArray[Any], tuple[str, ...]]:
        with rasterio.open(folder / "s2" / f"S2_L2A_{day.replace('-', '')}_{part}.tif") as dataset:
            return dataset.read(), dataset.descriptions

    bands: dict[str, list[NDArray[Any]]] = {band: [] for band in BANDS}
    classes = []
    for day in days:
        classes.append(_doubled(read(day, "SCL")[0][0]))
        fine, coarse = read(day, "10m"), read(day, "20m")
        for band, label in FINE.items():
            bands[band].append(fine[0][fine[1].index(label)])
        for band, label in COARSE.items():
            bands[band].append(_doubled(coarse[0][coarse[1].index(label)]))
    times = [datetime.fromisoformat(day) for day in days]
    return _stack({band: np.stack(layers) for band, layers in bands.items()}, np.stack(classes), times)


def _doubled(layer: NDArray[Any]) -> NDArray[Any]:
    return layer.repeat(2, axis=-2).repeat(2, axis=-1)


def _stack(bands: dict[str, NDArray[Any]], classes: NDArray[Any], times: list[datetime]) -> Stack:
    numbers = np.stack([bands[band] for band in BANDS], axis=1)
    assert numbers.dtype == np.uint16
    return Stack(numbers, classes.astype(np.uint8), tuple(time.date() for time in times))
