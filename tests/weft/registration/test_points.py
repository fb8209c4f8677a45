"""The table of tie points and its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from weft.errors import RequestError
from weft.rasters.grid import Grid
from weft.registration import TiePoints

GRID = Grid("EPSG:32631", 500_000.0, 5_600_000.0, 10.0, 20.0, 300, 200)


def three() -> TiePoints:
    return TiePoints([0, 10, 20], [5, 6, 7], [1.5, -1, 0], [0.25, 2, 0], [0.9, 0.5, 0.1], [True, True, False])


def test_columns_have_their_dtypes() -> None:
    points = three()
    assert len(points) == 3
    assert [getattr(points, name).dtype for name in ("x", "y", "dx", "dy", "score", "inlier")] == [
        *[np.float64] * 4,
        np.float32,
        np.bool_,
    ]


def test_points_are_chosen_by_mask_and_by_position() -> None:
    points = three()
    np.testing.assert_array_equal(points.select(points.inlier).x, [0, 10])
    np.testing.assert_array_equal(points.select(np.array([2, 0])).dx, [0, 1.5])
    doubted = points.with_inliers(np.array([False, True, True]))
    np.testing.assert_array_equal(doubted.inlier, [False, True, True])
    np.testing.assert_array_equal(points.inlier, [True, True, False])


@pytest.mark.parametrize("column", range(5))
def test_numbers_are_finite(column: int) -> None:
    columns = [np.zeros(2) for _ in range(5)]
    columns[column][1] = np.nan
    with pytest.raises(RequestError, match="finite"):
        TiePoints(*columns, np.ones(2, bool))


def test_columns_are_equally_long() -> None:
    with pytest.raises(RequestError, match="equal length"):
        TiePoints([1, 2], [1], [0, 0], [0, 0], [1, 1], [True, True])


def test_the_file_is_geoparquet(tmp_path: Path) -> None:
    path = tmp_path / "points.parquet"
    three().to_parquet(path, GRID)
    table = pq.read_table(path)
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    column = geo["columns"][geo["primary_column"]]
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["Point"]
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 32631}
    assert column["bbox"] == [500_005.0, 5_599_850.0, 500_205.0, 5_599_890.0]
    # The centre of pixel (10, 6): ten and a half pixels to the right, six and a half down.
    assert shapely.from_wkb(table["geometry"][1].as_py()) == shapely.Point(500_105.0, 5_599_870.0)
    assert table["dx_m"].to_pylist() == [15.0, -10.0, 0.0]
    assert table["dy_m"].to_pylist() == [-5.0, -40.0, 0.0], "north is up, rows run down"
    assert table["inlier"].to_pylist() == [True, True, False]
    assert table["x"].to_pylist() == [0, 10, 20]


def test_a_file_without_points_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "points.parquet"
    TiePoints.none().to_parquet(path, GRID)
    table = pq.read_table(path)
    assert table.num_rows == 0
    assert "bbox" not in json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]
