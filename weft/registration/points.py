"""Tie points: where the same thing lies in two images.

Belongs here: the table of tie points and its GeoParquet file. Not here: finding them (``tie_points``), judging them
(``outliers``, ``estimate``) or drawing them (``weft.stacking``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely
from numpy.typing import NDArray

from weft.errors import RequestError
from weft.rasters.grid import Grid

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_COLUMNS = {"x": np.float64, "y": np.float64, "dx": np.float64, "dy": np.float64, "score": np.float32, "inlier": bool}


@dataclass(frozen=True, slots=True, eq=False)
class TiePoints:
    """Columns of equal length, one element for each point.

    Attributes:
        x: column in the reference, pixels, float64.
        y: row in the reference, pixels, float64.
        dx: columns to add to find the same thing in the secondary, pixels, float64.
        dy: rows to add, pixels, float64.
        score: how well the two windows agree, float32 from 0 (not at all) to 1.
        inlier: whether the point is believed, bool; all are until outliers are sought.
    """

    x: Floats
    y: Floats
    dx: Floats
    dy: Floats
    score: NDArray[np.float32]
    inlier: Mask

    def __post_init__(self) -> None:
        """Bring the columns to their dtypes; refuse columns of unequal length and numbers that are not finite."""
        for name, dtype in _COLUMNS.items():
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype))
        shapes = {name: getattr(self, name).shape for name in _COLUMNS}
        if any(shape != (self.x.size,) for shape in shapes.values()):
            raise RequestError(f"columns of tie points must be 1-D and of equal length, got {shapes}")
        if not all(np.isfinite(getattr(self, name)).all() for name in ("x", "y", "dx", "dy", "score")):
            raise RequestError("tie points must be finite; leave out those without a match")

    @classmethod
    def none(cls) -> TiePoints:
        """A table without points."""
        return cls(*(np.empty(0, dtype) for dtype in _COLUMNS.values()))

    def __len__(self) -> int:
        """How many points."""
        return self.x.size

    def select(self, mask: Mask | NDArray[np.intp]) -> TiePoints:
        """Those points that a boolean mask or an array of positions chooses."""
        return TiePoints(*(getattr(self, name)[mask] for name in _COLUMNS))

    def with_inliers(self, mask: Mask) -> TiePoints:
        """The same points, believed where ``mask`` is true."""
        return replace(self, inlier=mask)

    def to_parquet(self, path: Path, grid: Grid) -> None:
        """Write GeoParquet 1.1: one WKB point for each tie point at its reference position.

        Args:
            path: the file to write.
            grid: the reference grid; gives the CRS, and the pixel size for ``dx_m`` and ``dy_m``, the displacement
                in units of the CRS (x to the east, y to the north, so that ``dy_m`` has the opposite sign of ``dy``).
        """
        eastings = grid.left + (self.x + 0.5) * grid.x_size
        northings = grid.top - (self.y + 0.5) * grid.y_size
        columns: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        columns["dx_m"] = self.dx * grid.x_size
        columns["dy_m"] = -self.dy * grid.y_size
        geometry = shapely.to_wkb(shapely.points(eastings, northings))
        table = pa.table({"geometry": pa.array(geometry, pa.binary()), **columns})
        pq.write_table(table.replace_schema_metadata({"geo": json.dumps(self._geo(grid, eastings, northings))}), path)

    def _geo(self, grid: Grid, eastings: Floats, northings: Floats) -> dict[str, Any]:
        column: dict[str, Any] = {
            "encoding": "WKB",
            "geometry_types": ["Point"],
            "crs": pyproj.CRS.from_user_input(grid.crs).to_json_dict(),
        }
        if len(self):
            column["bbox"] = [eastings.min(), northings.min(), eastings.max(), northings.max()]
        return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
