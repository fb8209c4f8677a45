from __future__ import annotations

import subprocess
import sys
import threading
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from weft.errors import RequestError
from weft.expressions import components, parse, streaming
from weft.expressions.streaming import check_together, evaluate_grid
from weft.rasters.grid import Grid, Window

NAN = np.nan
TEXTS = {
    "ndvi": "(norm_diff 1.nir 1.red)",
    "median": "(median_filter 1.nir 5)",
    "smooth": "(gaussian (norm_diff 1.nir 1.red) 1.7)",
    "edges": "(sobel (median_filter (gaussian 1.red 0.8) 3))",
    "two": "(- (gaussian 1.nir 2) (median_filter 1.red 3))",
    "parts": "(label (> (gaussian 1.nir 1) 0.52))",
    "filled": "(fill_holes (> 1.nir 0.3))",
    "nested": "(+ 1.red (sobel (label (fill_holes (> (median_filter 1.nir 3) 0.55)))))",
    "again": "(* 2 (label (> (gaussian 1.nir 1) 0.52)))",
    "three": "(fill_holes (== 0 (label (fill_holes (> 1.red 0.6)))))",
    "constant": "(+ 1 2)",
}
EXPRESSIONS = {name: parse(text) for name, text in TEXTS.items()}


def _grid(height, width):
    return Grid("EPSG:32631", 0, 0, 10, 10, width, height)


def _bands(shape, seed=0):
    rng = np.random.default_rng(seed)
    bands = {name: rng.random(shape, np.float32) for name in ("1.nir", "1.red")}
    for band in bands.values():
        band[rng.random(shape) < 0.05] = NAN
    bands["1.red"][shape[0] // 3 :, : shape[1] // 4] = NAN
    return bands


class Rasters:
    """Bands to read from and results to write to, which watch how they are used."""

    def __init__(self, bands, shape):
        self.bands, self.shape = bands, shape
        self.reads, self.windows, self.made = Counter(), [], {}
        self.thread = threading.get_ident()

    def read(self, name, window):
        assert threading.get_ident() == self.thread
        assert window.row >= 0
        assert window.col >= 0
        self.reads[name] += 1
        values = self.bands[name][window.slices]
        assert values.shape == (window.height, window.width)
        return values

    def write(self, window, values):
        assert threading.get_ident() == self.thread
        self.windows.append(window)
        for name, block in values.items():
            assert block.dtype == np.float32
            self.made.setdefault(name, np.full(self.shape, -999, np.float32))[window.slices] = block


def _streamed(shape, bands, folder, expressions=EXPRESSIONS, workers=2):
    rasters = Rasters(bands, shape)
    evaluate_grid(
        expressions, rasters.read, _grid(*shape), write=rasters.write, scratch=folder / "scratch", workers=workers
    )
    return rasters


@pytest.fixture
def block(monkeypatch, request):
    """Edge of a block, 20 unless the test says otherwise."""
    edge = getattr(request, "param", 20)
    monkeypatch.setattr(streaming, "_BLOCK", edge)
    return edge


@pytest.mark.parametrize(
    ("shape", "block"),
    [((61, 83), 7), ((61, 83), 32), ((61, 83), 512), ((5, 70), 1), ((5, 70), 16), ((1, 1), 1)],
    indirect=["block"],
)
def test_blocks_of_any_size_give_the_bits_of_the_whole(tmp_path, shape, block):
    bands = _bands(shape)
    rasters = _streamed(shape, bands, tmp_path)
    assert list(rasters.made) == list(EXPRESSIONS)
    for name, expression in EXPRESSIONS.items():
        np.testing.assert_array_equal(
            rasters.made[name].view(np.uint32), expression.evaluate(bands).view(np.uint32), err_msg=name
        )
    assert rasters.windows == list(_grid(*shape).blocks(block, block))
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("budget", ["_TILE_BYTES", "_BLOCK_BYTES"])
def test_a_smaller_budget_gives_the_same_bits(tmp_path, monkeypatch, budget):
    bands = _bands((90, 70))
    expected = _streamed((90, 70), bands, tmp_path, workers=1).made
    monkeypatch.setattr(streaming, budget, 1)
    monkeypatch.setattr(streaming, "_LEAST_EDGE", 9)
    rasters = _streamed((90, 70), bands, tmp_path, workers=3)
    found, several = rasters.made, len(rasters.windows) > 1
    assert several == (budget == "_BLOCK_BYTES")
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name].view(np.uint32), values.view(np.uint32), err_msg=name)


def test_each_band_is_read_once_per_block_and_stage(tmp_path, block):
    bands = _bands((40, 50))
    some = {name: EXPRESSIONS[name] for name in ("ndvi", "median", "smooth", "two", "constant")}
    assert _streamed((40, 50), bands, tmp_path, some).reads == {"1.nir": 6, "1.red": 6}
    assert not (tmp_path / "scratch").exists()
    masks = {name: EXPRESSIONS[name] for name in ("parts", "again", "nested")}
    # stage 1 labels and fills, stage 2 labels what is filled, stage 3 adds red
    assert _streamed((40, 50), bands, tmp_path, masks).reads == {"1.nir": 6, "1.red": 6}


def test_windows_grow_by_the_halo_as_far_as_the_grid_reaches(tmp_path, block):
    bands, seen = _bands((40, 50)), []

    def read(name, window):
        seen.append(window)
        return bands[name][window.slices]

    expression = {"edges": EXPRESSIONS["edges"]}
    assert EXPRESSIONS["edges"].halo == 5
    evaluate_grid(expression, read, _grid(40, 50), write=lambda *_: None, scratch=tmp_path)
    assert seen == [
        Window(0, 0, 25, 25),
        Window(0, 15, 25, 30),
        Window(0, 35, 25, 15),
        Window(15, 0, 25, 25),
        Window(15, 15, 25, 30),
        Window(15, 35, 25, 15),
    ]


def test_a_reader_of_the_wrong_shape_is_found_out(tmp_path):
    with pytest.raises(ValueError, match=r"1\.nir was read as \(3, 3\) pixels where"):
        evaluate_grid(
            {"nir": parse("1.nir")}, lambda *_: np.ones((3, 3)), _grid(4, 4), write=lambda *_: None, scratch=tmp_path
        )


def test_too_many_labellings_are_refused_before_a_pixel_is_read(tmp_path):
    several = {str(i): parse(f"(label (fill_holes (> nir 0.{i})))") for i in range(1, 6)}
    with pytest.raises(RequestError, match="call fill_holes and label 10 times together; keep it to 8"):
        evaluate_grid(several, None, _grid(9, 9), write=None, scratch=tmp_path)
    check_together([parse("(label (fill_holes (> nir 0.1)))")] * 9)  # the same calls, made once


@pytest.mark.parametrize("stage", ["read", "write", "label"])
def test_an_error_ends_the_work_and_leaves_nothing(tmp_path, monkeypatch, block, stage):
    bands = _bands((40, 50))

    def read(name, window):
        if stage == "read" and window.row > 0:
            raise RequestError("no more")
        return bands[name][window.slices]

    def write(window, values):
        if stage == "write" and window.row > 0:
            raise RequestError("no more")

    if stage == "label":
        monkeypatch.setattr(components, "MAX_COMPONENTS", 3)
    with pytest.raises(RequestError, match="at most 3" if stage == "label" else "no more"):
        evaluate_grid(EXPRESSIONS, read, _grid(40, 50), write=write, scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_widest_expression_keeps_within_bounds(tmp_path):
    wide = parse(f"(gaussian (+ {'nir ' * 500}) 4)")
    tracemalloc.start()
    evaluate_grid(
        {"wide": wide},
        lambda _, window: np.ones((window.height, window.width), np.float32),
        _grid(288, 288),
        write=lambda *_: None,
        scratch=tmp_path,
        workers=1,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # 500 float64 values for every pixel would be 330 MB


FULL_TILE = """
import re, sys
from pathlib import Path
import numpy as np
from weft.expressions import parse
from weft.expressions.streaming import check_together, evaluate_grid
from weft.rasters.grid import Grid

def read(name, window):
    rng = np.random.default_rng([window.row, window.col])
    return rng.random((window.height, window.width), np.float32)

evaluate_grid(
    {str(i): parse(text) for i, text in enumerate(sys.argv[2:])},
    read,
    Grid("EPSG:32631", 0, 0, 10, 10, 10980, 10980),
    write=lambda window, values: None,
    scratch=Path(sys.argv[1]),
)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
def test_a_full_tile_streams_in_less_memory_than_one_of_its_bands_takes(tmp_path):
    texts = ["(norm_diff nir red)", "(label (fill_holes (> (gaussian nir 2) 0.52)))"]
    done = subprocess.run(
        [sys.executable, "-c", FULL_TILE, str(tmp_path), *texts], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) * 1024 < 10980 * 10980 * 4
