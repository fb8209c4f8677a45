"""Expressions over rasters of any size, block by block.

Belongs here: blocks with margins, the order of the stages, and labels that wait in scratch files for their meaning. Not
here: what a function computes, or files of bands and results: they are the caller's two functions.

A block is read once with the margin that the filters need. Functions of the whole raster split the work: a first stage
runs over all blocks and labels the masks strip by strip into scratch files; once all components are known, the next
stage takes their results like those of a band. Pixels come out the same, to the bit, whatever the size of blocks.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.errors import RequestError
from weft.expressions import tree
from weft.expressions.components import WHOLES, Components, Truth, Whole, truth
from weft.expressions.expression import Expression, rounded
from weft.expressions.functions import Values
from weft.rasters.cog import COG_BLOCK
from weft.rasters.grid import Grid, Window
from weft.rasters.streaming import in_order

Read = Callable[[str, Window], npt.NDArray[Any]]
Write = Callable[[Window, Mapping[str, npt.NDArray[Any]]], None]

MAX_WHOLES = 8
"""Distinct calls of functions of the whole raster in expressions that are evaluated together."""

_BLOCK = COG_BLOCK
_BLOCK_BYTES = 128 << 20  # bands and results of one block; a few are in memory at once
_TILE_BYTES = 32 << 20  # values that wait for one another; one tile for each thread
_LEAST_EDGE = 32


def evaluate_grid(
    expressions: Mapping[str, Expression],
    read: Read,
    grid: Grid,
    *,
    write: Write,
    scratch: Path,
    workers: int = 2,
) -> None:
    """Evaluate expressions over a grid in bounded memory: a few blocks of the bands, whatever the size of the grid.

    ``label`` and ``fill_holes`` need 4 bytes of scratch space a pixel each, and 4 bytes of memory a component.

    Args:
        expressions: name of a result to its expression.
        read: physical values of a band in a window of the grid: any real dtype, (height, width), NaN where there is no
            data. Windows never reach beyond the grid. Called once per band, block and stage, in the calling thread;
            there is one stage, and one more for each level of nested functions of the whole raster.
        grid: only its shape is used.
        write: takes a window and the float32 result of every expression there, NaN where there is no value. Called
            once per block, row by row, in the calling thread.
        scratch: folder for temporary files, gone when this returns; made if need be.
        workers: threads that compute. The result does not depend on them.

    Raises:
        RequestError: as :func:`check_together`, or a mask has more components than float32 can number.
    """
    check_together(expressions.values())
    roots = {name: expression.root for name, expression in expressions.items()}
    with ExitStack() as stack:
        wholes: dict[str, _Labels] = {}
        for stage in _stages(roots.values()):
            made = {
                text: stack.enter_context(closing(_Labels(function, grid.shape, scratch)))
                for text, (function, _) in stage.items()
            }
            masks = {text: mask for text, (_, mask) in stage.items()}
            _Run(masks, truth, np.int8, wholes, grid, workers).over(read, partial(_label, made))
            wholes |= made
        _Run(roots, rounded, np.float32, wholes, grid, workers).over(read, write)


def check_together(expressions: Iterable[Expression]) -> None:
    """Refuse expressions that would need too much scratch space when they are evaluated together.

    Raises:
        RequestError: they call functions of the whole raster more than MAX_WHOLES times, the same call counted once.
    """
    calls = {text for stage in _stages(expression.root for expression in expressions) for text in stage}
    if len(calls) > MAX_WHOLES:
        raise RequestError(
            f"the expressions call {' and '.join(WHOLES)} {len(calls)} times together; keep it to {MAX_WHOLES}"
        )


@dataclass(frozen=True, slots=True)
class _Block:
    """The pixels of one block: bands with their margin, results of whole-raster functions from scratch files."""

    area: tree.Area
    bands: Mapping[str, npt.NDArray[Any]]
    wholes: Mapping[str, _Labels]

    def band(self, name: str, area: tree.Area) -> npt.NDArray[Any]:
        return self.bands[name][area.within(self.area)]

    def whole(self, call: tree.Call, area: tree.Area) -> npt.NDArray[Any]:
        return self.wholes[str(call)].read(area.window)


@dataclass(frozen=True, slots=True)
class _Run:
    """One stage: nodes over all blocks of a grid; ``finish`` makes ``dtype`` of their values."""

    nodes: Mapping[str, tree.Node]
    finish: Callable[[Values], npt.NDArray[Any]]
    dtype: npt.DTypeLike
    wholes: Mapping[str, _Labels]
    grid: Grid
    workers: int

    def over(self, read: Read, write: Write) -> None:
        """Hand the finished values of each block to ``write``."""
        names = sorted(frozenset().union(*(tree.names(node, streamed=True) for node in self.nodes.values())))
        margin = max((tree.halo(node, streamed=True) for node in self.nodes.values()), default=0)

        edge = _edge(_BLOCK, margin, 4 * (len(names) + len(self.nodes)), _BLOCK_BYTES)

        def blocks() -> Iterator[tuple[Window, _Block]]:
            for window in self.grid.blocks(edge, edge):
                area = tree.Area(window, self.grid.shape).grown(margin)
                yield window, _Block(area, {name: _checked(read, name, area.window) for name in names}, self.wholes)

        def work(item: tuple[Window, _Block]) -> tuple[Window, dict[str, npt.NDArray[Any]]]:
            window, pixels = item
            return window, {name: self._values(node, pixels, window) for name, node in self.nodes.items()}

        with closing(in_order(work, blocks(), workers=self.workers)) as results:
            for window, values in results:
                write(window, values)

    def _values(self, node: tree.Node, pixels: _Block, window: Window) -> npt.NDArray[Any]:
        values = np.empty((window.height, window.width), self.dtype)
        with np.errstate(all="ignore"):
            for tile in _tiles(node, window):
                area = tree.Area(tile, self.grid.shape)
                part = Window(tile.row - window.row, tile.col - window.col, tile.height, tile.width)
                values[part.slices] = self.finish(tree.evaluate(node, pixels, area))
        return values


class _Labels:
    """A mask's provisional labels in a scratch file, and later their meaning."""

    def __init__(self, function: Whole, shape: tuple[int, int], scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._function = function
        self._shape = shape
        self._file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  (closed by close)
        self._components = Components()
        self._strip = np.empty((0, shape[1]), np.int8)
        self._table = np.empty(0, np.float32)

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()

    def add(self, window: Window, mask: Truth) -> None:
        """The next block, row by row; a strip is labelled when its last block has come."""
        if window.col == 0:
            self._strip = np.empty((window.height, self._shape[1]), np.int8)
        self._strip[:, window.slices[1]] = mask
        if window.col + window.width == self._shape[1]:
            self._file.write(self._function.labels(self._strip, self._components).data)
            if window.row + window.height == self._shape[0]:
                self._file.flush()
                self._table = self._function.table(self._components)

    def read(self, window: Window) -> npt.NDArray[np.float32]:
        """The function's result; any thread may ask, once all blocks have come."""
        # Mapped anew each time: pages of a mapping that stays would count as memory until the end.
        labels = np.memmap(self._file, np.int32, mode="r", shape=self._shape)
        return self._table[labels[window.slices]]


def _label(made: Mapping[str, _Labels], window: Window, masks: Mapping[str, Truth]) -> None:
    for text, labels in made.items():
        labels.add(window, masks[text])


def _stages(roots: Iterable[tree.Node]) -> list[dict[str, tuple[Whole, tree.Node]]]:
    """Canonical text, function and mask of each call of a whole-raster function; first those that others look into."""
    stages: defaultdict[int, dict[str, tuple[Whole, tree.Node]]] = defaultdict(dict)
    for root in roots:
        for node in tree.walk(root):
            if isinstance(node, tree.Call) and isinstance(node.function, Whole):
                stages[_nesting(node)][str(node)] = node.function, node.arguments[0]
    return [stages[level] for level in sorted(stages)]


def _nesting(node: tree.Node) -> int:
    if not isinstance(node, tree.Call):
        return 0
    return isinstance(node.function, Whole) + max(_nesting(argument) for argument in node.arguments)


def _checked(read: Read, name: str, window: Window) -> npt.NDArray[Any]:
    values = read(name, window)
    if values.shape != (window.height, window.width):
        raise ValueError(f"band {name} was read as {values.shape} pixels where {window} was asked for")
    return values


def _tiles(node: tree.Node, window: Window) -> Iterator[Window]:
    """Parts of a window, so small that all values of the node that wait at once keep within bounds."""
    parts = sum(1 for _ in tree.walk(node, streamed=True))
    edge = _edge(max(window.height, window.width), tree.halo(node, streamed=True), 8 * parts, _TILE_BYTES)
    for row in range(window.row, window.row + window.height, edge):
        for col in range(window.col, window.col + window.width, edge):
            height = min(edge, window.row + window.height - row)
            yield Window(row, col, height, min(edge, window.col + window.width - col))


def _edge(largest: int, margin: int, pixel_bytes: int, budget: int) -> int:
    """Edge of a square that keeps within a budget of bytes, its margin included; halves of the largest."""
    edge = largest
    while edge > _LEAST_EDGE and pixel_bytes * (edge + 2 * margin) ** 2 > budget:
        edge = (edge + 1) // 2
    return edge
