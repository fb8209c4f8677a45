"""Decoded file blocks that wait in a scratch file until the rest of their pixels is asked for.

Belongs here: where a parked block lies and when its place is free again. Not here: decoding, or who asks for what
(``reading``).

Memory decides how large a window a job reads; the archive decided how large the blocks of its files are. Where a window
ends within a file block, the block would have to be decoded once more for the next window, or held in memory for every
date. Written to disk and read back it costs a twentieth of decoding it again, and next to no memory.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CAPACITY = 4 << 30
"""Bytes of disk: enough for 100 dates of 6 bands. Beyond it the block that waits longest is forgotten."""


@dataclass(slots=True)
class _Parked:
    start: int
    rows: int
    cols: int
    dtype: np.dtype[Any]
    unread: int

    @property
    def size(self) -> int:
        return self.rows * self.cols * self.dtype.itemsize


class Parking:
    """Blocks of pixels by key, each kept until all of its pixels were taken; safe to use from any thread."""

    def __init__(self, folder: Path, capacity: int = CAPACITY) -> None:
        """Keep at most ``capacity`` bytes in an unnamed file in ``folder``, which must exist."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by close)
        self._capacity = capacity
        self._end = 0
        self._held = 0
        self._parked: OrderedDict[Hashable, _Parked] = OrderedDict()
        self._free: defaultdict[int, list[int]] = defaultdict(list)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()

    def put(self, key: Hashable, block: npt.NDArray[Any], taken: int) -> None:
        """Park a block (y, x), ``taken`` pixels of which already are where they are needed."""
        block = np.ascontiguousarray(block)
        with self._lock:
            if key in self._parked or block.nbytes > self._capacity:
                return
            while self._held + block.nbytes > self._capacity:
                self._release(next(iter(self._parked)))
            places = self._free[block.nbytes]
            start = places.pop() if places else self._end
            self._end = max(self._end, start + block.nbytes)
            self._held += block.nbytes
            rows, cols = block.shape
            self._parked[key] = _Parked(start, rows, cols, block.dtype, block.size - taken)
            written = 0
            view = memoryview(block.data).cast("B")
            while written < block.nbytes:
                written += os.pwrite(self._file.fileno(), view[written:], start + written)

    def take(self, key: Hashable, part: tuple[slice, slice], out: npt.NDArray[Any]) -> bool:
        """Copy rows and columns of a parked block to ``out``; False if it is not here. Taken wholly, it is gone."""
        rows, cols = part
        with self._lock:
            parked = self._parked.get(key)
            if parked is None:
                return False
            band = np.empty((rows.stop - rows.start, parked.cols), parked.dtype)
            start = parked.start + rows.start * parked.cols * parked.dtype.itemsize
            view = memoryview(band.data).cast("B")
            read = 0
            while read < band.nbytes:
                read += os.preadv(self._file.fileno(), [view[read:]], start + read)
            parked.unread -= out.size
            if parked.unread <= 0:
                self._release(key)
        out[...] = band[:, cols]
        return True

    def _release(self, key: Hashable) -> None:
        parked = self._parked.pop(key)
        self._free[parked.size].append(parked.start)
        self._held -= parked.size
