from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from weft.rasters import streaming
from weft.rasters.cog import write_layers
from weft.rasters.gdal import UnreadableRaster
from weft.rasters.grid import Grid, Window
from weft.rasters.product import LayerSpec
from weft.rasters.streaming import OpenRasters, in_order

GRID = Grid("EPSG:32631", 0, 0, 10, 10, 40, 30)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order_and_wait_for_nobody_but_the_first(workers: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(in_order(work, range(30), workers=workers)) == [item * item for item in range(30)]
    assert list(in_order(work, [], workers=workers)) == []


def test_few_results_wait() -> None:
    started: list[int] = []
    results = in_order(lambda item: started.append(item), range(100), workers=2)
    for taken in range(1, 51):
        next(results)
        assert len(started) <= taken + 2
    results.close()
    assert len(started) <= 52


def test_an_error_ends_the_work() -> None:
    started: list[int] = []

    def work(item: int) -> int:
        started.append(item)
        if item == 3:
            raise ValueError("three")
        return item

    results = in_order(work, range(100), workers=2)
    with pytest.raises(ValueError, match="three"):
        list(results)
    assert len(started) < 10


def files(count: int, folder: Path) -> list[Path]:
    layers = {
        LayerSpec(f"a{k}", "A", "uint16", 0): np.full(GRID.shape, k + 1, np.uint16) + np.arange(40, dtype=np.uint16)
        for k in range(count)
    }
    return [file.path for file in write_layers(GRID, layers, folder)]


def test_files_stay_open_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(streaming, "open_raster", lambda path: opened.append(path) or real(path))
    paths = files(3, tmp_path)
    out = np.empty((5, 7), np.uint16)
    with OpenRasters(2) as rasters:
        for k in (0, 1, 0, 1, 2, 1, 2, 0):
            rasters.read(paths[k], Window(2, 3, 5, 7), out)
            assert (out == k + 1 + np.arange(3, 10)).all()
    assert opened == [paths[0], paths[1], paths[2], paths[0]]


real = streaming.open_raster


def test_threads_read_side_by_side(tmp_path: Path) -> None:
    paths = files(4, tmp_path)
    meet = threading.Barrier(2, timeout=10)

    def work(row: int) -> list[int]:
        meet.wait()
        out = np.empty((1, 40), np.uint16)
        found = []
        for path in paths:
            rasters.read(path, Window(row, 0, 1, 40), out)
            found.append(int(out[0, 0]))
        return found

    with OpenRasters(2) as rasters:
        assert list(in_order(work, range(30), workers=2)) == [[1, 2, 3, 4]] * 30


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (path,) = files(1, tmp_path)
    path.write_bytes(path.read_bytes()[:700])
    with OpenRasters(2) as rasters:
        for bad in (path, tmp_path / "absent.tif"):
            with pytest.raises(UnreadableRaster, match=bad.name):
                rasters.read(bad, Window(0, 0, 30, 40), np.empty(GRID.shape, np.uint16))
