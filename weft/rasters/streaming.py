"""Streaming blocks: work on several at once, in bounded memory and with few open files.

Belongs here: handing blocks to threads and taking the results back in order, and files that stay open between blocks.
Not here: what is done with a block, or reading a scene's layers (``reading``).
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy.typing as npt
import rasterio
from rasterio.windows import Window as RasterioWindow

from weft.rasters.gdal import decoding, environment, open_raster
from weft.rasters.grid import Window

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], *, workers: int) -> Generator[R]:
    """Results of ``work`` on each item, in the order of the items, made by ``workers`` threads.

    At most ``workers + 1`` items are worked on or finished and waiting, so memory does not depend on how many there
    are. An error in one item ends the work, as closing the generator does; items that have begun are waited for.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class OpenRasters:
    """Single-band files that many threads read by windows; each thread keeps its own handles, the latest used ones.

    Use as a context manager and leave it only when no thread reads any more.
    """

    def __init__(self, limit: int) -> None:
        """Keep at most ``limit`` files open for each thread."""
        self._limit = limit
        self._own = threading.local()
        self._all: list[OrderedDict[Path, rasterio.DatasetReader]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> OpenRasters:
        """Files are opened when they are first read."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files."""
        for handles in self._all:
            for dataset in handles.values():
                dataset.close()
        self._all.clear()

    def read(self, path: Path, window: Window, out: npt.NDArray[Any]) -> None:
        """Read a window into ``out`` (height, width).

        Raises:
            UnreadableRaster: the file cannot be opened or decoded.
        """
        with environment(), decoding(path):
            self._handle(path).read(
                1, window=RasterioWindow(window.col, window.row, window.width, window.height), out=out
            )

    def _handle(self, path: Path) -> rasterio.DatasetReader:
        handles: OrderedDict[Path, rasterio.DatasetReader] | None = getattr(self._own, "handles", None)
        if handles is None:
            handles = self._own.handles = OrderedDict()
            with self._lock:
                self._all.append(handles)
        if path not in handles:
            if len(handles) >= self._limit:
                handles.popitem(last=False)[1].close()
            handles[path] = open_raster(path)
        handles.move_to_end(path)
        return handles[path]
