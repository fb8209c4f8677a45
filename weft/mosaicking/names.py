"""Names of mosaic files, which tell their content to people who have nothing but the file.

Belongs here: the pattern. Not here: the folder a file lies in, which no one else's file shares
(``resources.publishing``).
"""

from __future__ import annotations

from datetime import timedelta

import pyproj

from weft.periods import name_of, window
from weft.rasters.grid import Grid
from weft.regions import Region


def file_name(region: Region, period: str, grid: Grid, layer: str, sheet: str | None = None) -> str:
    """Name of a file without its ending.

    Args:
        region: the region.
        period: period key.
        grid: pixels of the file.
        layer: key of the layer or asset.
        sheet: name of the sheet; None for a file of the whole region.

    Returns:
        ``{region}_{layer}_{pixel size}_{sheet}_{first day}..{last day}_{season}``, e.g.
        ``europe_red_p50_30m_100kmE39N31_2018-06-25..2018-09-12_summer``. A calendar without season names ends with the
        period's key.
    """
    start, end = window(region.calendar, period)
    days = f"{start:%Y-%m-%d}..{end - timedelta(days=1):%Y-%m-%d}"
    parts = (region.region, layer, _pixel_size(grid), sheet, days, name_of(region.calendar, period))
    return "_".join(part for part in parts if part)


def _pixel_size(grid: Grid) -> str:
    unit = "deg" if pyproj.CRS.from_user_input(grid.crs).is_geographic else "m"
    return f"{grid.x_size:.10g}{unit}"
