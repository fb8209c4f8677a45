"""Blending from memory, one thread: `make bench-mosaic` starts it.

Belongs here: the kernels of ``weft.mosaicking.blending`` and the same formula in NumPy, on three tracks. Not here:
files (``bench_mosaic_contestants``), tables (``bench_mosaic``).

Blocks are those of a mosaic, one after the other from a pile larger than any cache. As in a mosaic, the weights of a
block serve all of its layers. ``blend`` is the weighted mean of one layer; ``weigh`` turns the distances and counts of
all tracks into weights, once for all layers of a block.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import interleave, timed
from weft.mosaicking.blending import blend, weights

TRACKS = 3
LAYERS = 4
BLOCK = 512
BLOCKS = 24
"""Of counts, weights and four layers of values: 560 MiB."""


def main(rounds: int) -> None:
    """Print the runs of every contestant, as JSON."""
    if os.environ.get("NUMBA_NUM_THREADS") != "1":
        raise SystemExit("start this through benchmarks.bench_mosaic, which gives every contestant one thread")
    rng = np.random.default_rng(5)
    shape = BLOCKS, TRACKS, BLOCK, BLOCK
    count = rng.integers(0, 12, shape).astype(np.uint16)
    values = rng.integers(1, 5000, (BLOCKS, LAYERS, TRACKS, BLOCK, BLOCK), np.uint16)
    values *= count[:, None] > 0
    ramp = np.abs(np.linspace(-170.0, 170.0, TRACKS * BLOCK, dtype=np.float32)).reshape(TRACKS, 1, BLOCK)
    distance = np.ascontiguousarray(np.broadcast_to(ramp, shape[1:]))
    weight = np.stack([_weigh(distance, count[n]) for n in range(BLOCKS)])
    np.testing.assert_allclose(blend(values[0, 0], weight[0]), _numpy(values[0, 0], weight[0]), atol=1)

    contestants: dict[str, Callable[[], object]] = {
        "blend": lambda: _every_layer(blend, values, weight),
        "blend, NumPy": lambda: _every_layer(_numpy, values, weight),
        "weigh": lambda: _every_block(distance, count),
    }
    runs = interleave({name: (lambda work=work: timed(work)) for name, work in contestants.items()}, rounds)
    figures = {name: [asdict(run) for run in some] for name, some in runs.items()}
    pixels = BLOCKS * BLOCK * BLOCK
    blended = {name: pixels if name == "weigh" else pixels * LAYERS for name in runs}
    print(json.dumps({"pixels": blended, "runs": figures}))  # noqa: T201


def _every_layer(
    work: Callable[[NDArray[np.uint16], NDArray[np.uint32]], object],
    values: NDArray[np.uint16],
    weight: NDArray[np.uint32],
) -> None:
    for n in range(BLOCKS):
        for layer in values[n]:
            work(layer, weight[n])


def _every_block(distance: NDArray[np.float32], count: NDArray[np.uint16]) -> None:
    for n in range(BLOCKS):
        _weigh(distance, count[n])


def _weigh(distance: NDArray[np.float32], count: NDArray[np.uint16]) -> NDArray[np.uint32]:
    return np.stack([weights("seamless", distance[k], count[k]) for k in range(TRACKS)])


def _numpy(values: NDArray[np.uint16], weight: NDArray[np.uint32]) -> NDArray[np.uint16]:
    given = np.where(values > 0, weight, 0).astype(np.float64)
    below = given.sum(axis=0)
    return np.floor((given * values).sum(axis=0) / np.maximum(below, 1.0) + 0.5).astype(np.uint16)


if __name__ == "__main__":
    main(int(sys.argv[1]))
