"""Two tracks of Sentinel-2 over one place in Flanders, days apart: the view is part of what tells them apart."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.real import stacks
from tests.real.stacks import BANDS
from weft.calibration.brdf import kernels, to_nadir
from weft.compositing.nadir import ANGLES

MOST_DAYS = 3
MOST_CLOUD = 0.2


def test_seen_from_nadir_two_tracks_differ_by_less(shared_data: Path, tmp_path: Path) -> None:
    """R051 looks from the west at 8 degrees, R094 from the east at 5; ratios of 14 pairs of clear dates."""
    stack = stacks.load("belgium", shared_data, tmp_path)
    with (shared_data / "belgium-s2-s1-l8-stack" / "s2_scenes.csv").open() as file:
        scenes = list(csv.DictReader(file))
    nadir = stack.numbers.copy()
    size = nadir.shape[2]
    for numbers, scene in zip(nadir, scenes, strict=True):
        nodes = kernels(*(np.full((1, 1), float(scene[name])) for name in ANGLES))
        to_nadir(numbers, np.ones((size, size), bool), nodes, np.zeros(size), np.zeros(size), BANDS)
    first, second = (
        [t for t, scene in enumerate(scenes) if scene["relative_orbit_derived"] == track] for track in ("51", "94")
    )
    ratios = []
    for i, j in product(first, second):
        both = stack.valid[i] & stack.valid[j]
        if abs((stack.dates[i] - stack.dates[j]).days) <= MOST_DAYS and both.mean() >= 1 - MOST_CLOUD:
            ratios.append([np.median(one[j][:, both] / one[i][:, both], axis=1) for one in (stack.numbers, nadir)])
    assert len(ratios) == 14
    as_seen, normalised = np.abs(np.log(np.median(ratios, axis=0)))
    assert normalised.sum() < 0.75 * as_seen.sum()
    # Haze, which no view angle explains, hides the effect in blue.
    for band in ("green", "rededge075", "nir", "nir08"):
        k = BANDS.index(band)
        assert as_seen[k] > 0.03
        assert normalised[k] < as_seen[k] / 2, band
    assert normalised[BANDS.index("red")] == pytest.approx(as_seen[BANDS.index("red")] - 0.031, abs=0.005)
