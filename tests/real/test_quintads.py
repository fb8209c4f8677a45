"""Five-day best-pixel composites of Belgium: in 17 of 20 periods every pixel is of one date.

The files hold the composites' bands, and of the 47 dates the index and the score, not the bands.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.real import netcdf
from weft.compositing import first_valid

EMPTY, MIXED = [7], [6, 15]
SINGLE = [period for period in range(20) if period not in EMPTY + MIXED]


@pytest.fixture(scope="module")
def composites(shared_data: Path, scratch: Path) -> tuple[NDArray[np.float32], list[int]]:
    """Index of the composites (period, y, x), and the periods' first days."""
    layers, times = netcdf.read(shared_data / "belgium-s2-s1-cdse-2023" / "s2_bap_quintad.nc", scratch)
    nir, red = (layers[f"S2-L2A-{label}"].astype(np.float64) for label in ("B08", "B04"))
    return ((nir - red) / (nir + red)).astype(np.float32), [time.toordinal() for time in times]


@pytest.fixture(scope="module")
def dates(shared_data: Path, scratch: Path) -> tuple[NDArray[np.float32], NDArray[np.float32], list[int]]:
    """Index and score of the dates (time, y, x), and their days."""
    file = shared_data / "belgium-s2-s1-cdse-2023" / "s2_bap_score_ndvi_2022_2023.nc"
    layers, times = netcdf.read(file, scratch)
    return layers["S2-L2A-NDVI"], layers["S2-L2A-BAPSCORE"], [time.toordinal() for time in times]


def within_quintad(days: list[int], start: int) -> list[int]:
    """Positions of the days in the five days from ``start`` on; the last quintad of a month goes on to its end."""
    first = date.fromordinal(start)
    assert first.day in (1, 6, 11, 16, 21, 26)
    until = start + 5 if first.day < 26 else (first + timedelta(days=10)).replace(day=1).toordinal()
    return [t for t, day in enumerate(days) if start <= day < until]


def test_every_pixel_of_a_period_is_of_one_date_in_it(
    composites: tuple[NDArray[np.float32], list[int]],
    dates: tuple[NDArray[np.float32], NDArray[np.float32], list[int]],
) -> None:
    ndvi, _, days = dates
    single = []
    for period, (composite, start) in enumerate(zip(*composites, strict=True)):
        within = within_quintad(days, start)
        assert within, "every period has dates"
        candidates = ndvi[within]
        same = np.abs(candidates - composite) < 1e-6
        index = first_valid(candidates[:, None], same)
        if len(np.unique(index)) == 1 and index[0, 0] >= 0:
            single.append(period)
            chosen = np.take_along_axis(candidates, index[None].astype(np.intp), axis=0)[0]
            np.testing.assert_allclose(chosen, composite, rtol=0, atol=1e-7)
        elif period in EMPTY:
            assert np.isnan(composite).all()
            assert (index == -1).all()
        else:
            assert (index == -1).mean() > 0.99, "of no date of the file"
    assert single == SINGLE


def test_best_date_first_is_a_composite_of_single_dates(
    composites: tuple[NDArray[np.float32], list[int]],
    dates: tuple[NDArray[np.float32], NDArray[np.float32], list[int]],
) -> None:
    """``first_valid`` over the dates, best score first, keeps to one date: in nine periods to that of the file.

    In the other eight of one date the file's composite is of a date with a lower score, so the score in the file is not
    all that chose it.
    """
    ndvi, score, days = dates
    agreed = []
    for period, (composite, start) in enumerate(zip(*composites, strict=True)):
        within = within_quintad(days, start)
        best_first = sorted(within, key=lambda t: (-float(score[t].mean()), t))
        candidates = ndvi[best_first]
        assert (first_valid(candidates[:, None], np.isfinite(candidates)) == 0).all()
        if np.abs(candidates[0] - composite).max() < 1e-7:
            agreed.append(period)
    assert agreed == [0, 1, 3, 4, 9, 10, 16, 18, 19]
    assert set(agreed) < set(SINGLE)
