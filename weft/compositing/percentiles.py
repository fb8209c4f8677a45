"""Percentiles of the valid observations of every pixel: one sort serves them all.

Belongs here: the percentile kernel, its sorting network and its rank table. Not here: which observations are valid,
rounding to the storage type, or reading and writing files.

Pixels are taken 256 at a time with time as the slow axis. The rows of such a block run through Batcher's odd-even
merge network (K. E. Batcher, Sorting networks and their applications, AFIPS 1968; D. E. Knuth, TAOCP vol. 3, 5.2.2):
every comparator is a minimum and a maximum of two rows, free of branches, which LLVM turns into vector instructions.
Missing observations carry the largest value of the type and so sort behind the valid ones; that a valid value may equal
it does no harm, since only the first ``count`` ranks are read. Removing the comparators that no wanted rank depends on
was measured and saves under 3 % for quartiles, so the whole network runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from weft.compositing.planes import check_stack, planes
from weft.errors import RequestError

Method = Literal["linear", "nearest"]

LANES = 256
"""Pixels sorted together: 24 dates of uint16 fill 12 KiB, less than the first-level cache."""
BLOCK = 32 * LANES
"""Pixels of one unit of parallel work."""


def percentiles(
    values: NDArray[Any], valid: NDArray[np.bool_], q: Sequence[float], *, method: Method = "linear"
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Percentiles over time of the valid observations of every pixel.

    ``linear`` is type 7 of Hyndman & Fan (Sample quantiles in statistical packages, The American Statistician 50,
    1996), the default of NumPy: with n valid values sorted upwards, rank (n - 1) q / 100, interpolated linearly in
    float64 and rounded once to float32. ``nearest`` takes the value at that rank rounded half to even, as NumPy does.
    The result does not depend on the order of the observations or the number of threads.

    Args:
        values: uint16 or float32, shape (time, y, x), at most 255 observations. Not modified; read without a copy if
            the pixels of each date are contiguous. NaN and infinity count as not valid.
        valid: bool, same shape.
        q: percentiles wanted, each within 0..100.
        method: ``linear`` or ``nearest``.

    Returns:
        The percentiles, float32, shape (len(q), y, x), in the units of ``values``, NaN where nothing is valid; and the
        number of valid observations, uint16, shape (y, x).

    Raises:
        RequestError: no percentile or one outside 0..100, an unknown method, shapes that differ, another dtype, or
            more than 255 observations.
    """
    check_stack(values, valid, ("time", "y", "x"))
    ranks = _ranks(len(values), _checked(q), method)
    result = np.empty((len(q), *values.shape[1:]), np.float32)
    count = np.empty(values.shape[1:], np.uint16)
    if len(values) == 0:
        result.fill(np.nan)
        count.fill(0)
    elif values.size:
        info: Any = np.iinfo(values.dtype) if values.dtype == np.uint16 else np.finfo(values.dtype)
        kind = values.dtype.type
        source, mask = planes(values), planes(valid.view(np.uint8))
        _reduce(
            source.flat, source.offsets, mask.flat, mask.offsets, kind(info.min), kind(info.max),
            _network(1 << (len(values) - 1).bit_length()), *ranks, result.reshape(len(q), -1), count.reshape(-1),
        )  # fmt: skip
    return result, count


def _checked(q: Sequence[float]) -> tuple[float, ...]:
    if len(q) == 0:
        raise RequestError("no percentile is asked for; name at least one within 0..100")
    for one in q:
        if not 0 <= one <= 100:
            raise RequestError(f"a percentile lies within 0..100, got {one}; correct the list {list(q)}")
    return tuple(float(one) for one in q)


class _Ranks(NamedTuple):
    """Which two sorted values to mix, for every percentile and every number of valid observations, shape (q, 0..T)."""

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    weight: NDArray[np.float64]


@lru_cache(maxsize=64)
def _ranks(observations: int, q: tuple[float, ...], method: Method) -> _Ranks:
    last = np.maximum(np.arange(observations + 1) - 1, 0)
    rank = last * np.asarray(q)[:, None] / 100
    if method == "nearest":
        rank = np.rint(rank)
    elif method != "linear":
        raise RequestError(f"the percentile method is 'linear' or 'nearest', got {method!r}; choose one of them")
    lower = np.floor(rank).astype(np.int64)
    weight = rank - lower
    weight[:, 0] = np.nan  # without a valid observation every percentile becomes NaN, with no branch in the kernel
    return _Ranks(lower, np.minimum(lower + 1, last), weight)


@lru_cache(maxsize=16)
def _network(size: int) -> NDArray[np.int64]:
    """Comparators (i < j) that sort ``size`` rows, a power of two; those with j < k sort the first k rows alone."""
    pairs = []
    merged = 1
    while merged < size:
        reach = merged
        while reach:
            for start in range(reach % merged, size - reach, 2 * reach):
                for i in range(start, start + reach):
                    if i // (2 * merged) == (i + reach) // (2 * merged):
                        pairs.append((i, i + reach))
            reach //= 2
        merged *= 2
    return np.array(pairs, np.int64).reshape(-1, 2)


# In the kernels below every element is read into a local before it is compared: LLVM vectorises a select between two
# values, but not one that guards a read.


@nb.njit(nogil=True, cache=True)
def _load(flat, offsets, mask, mask_offsets, start, width, low, top, rows, count):  # type: ignore[no-untyped-def]
    kept = 0
    count[:] = 0
    for t in range(len(offsets)):
        value = flat[offsets[t] + start : offsets[t] + start + width]
        usable = mask[mask_offsets[t] + start : mask_offsets[t] + start + width]
        some = np.uint8(0)
        for i in range(width):
            some = some | usable[i]
        if some == 0:  # outside the swath or fully clouded: a shorter stack is a shorter network
            continue
        for i in range(width):
            v = value[i]
            u = usable[i]
            seen = count[i]
            ok = (u != 0) & (v >= low) & (v <= top)
            rows[kept, i] = v if ok else top
            count[i] = np.uint16(seen + 1) if ok else seen
        kept += 1
    return kept


@nb.njit(nogil=True, cache=True)
def _sort(rows, kept, network):  # type: ignore[no-untyped-def]
    for c in range(len(network)):
        first = network[c, 0]
        second = network[c, 1]
        if second < kept:
            for i in range(LANES):
                a = rows[first, i]
                b = rows[second, i]
                rows[first, i] = a if a < b else b
                rows[second, i] = b if a < b else a


@nb.njit(nogil=True, cache=True)
def _select(rows, count, fewest, most, rank, chosen):  # type: ignore[no-untyped-def]
    # One pass for each count present instead of an indexed read per pixel, which does not vectorise: 10 times faster.
    for n in range(fewest, most + 1):
        wanted = np.uint16(n)
        row = rank[n]
        for i in range(LANES):
            value = rows[row, i]
            former = chosen[i]
            chosen[i] = value if count[i] == wanted else former


@nb.njit(nogil=True, cache=True)
def _extremes(count, width):  # type: ignore[no-untyped-def]
    fewest = count[0]
    most = count[0]
    for i in range(width):
        n = count[i]
        fewest = n if n < fewest else fewest
        most = n if n > most else most
    return fewest, most


@nb.njit(nogil=True, parallel=True, cache=True)
def _reduce(  # type: ignore[no-untyped-def]
    flat, offsets, mask, mask_offsets, low, top, network, lower, upper, weight, result, counts
):
    pixels = len(counts)
    for block in nb.prange((pixels + BLOCK - 1) // BLOCK):
        rows = np.empty((len(offsets), LANES), flat.dtype)
        below = np.zeros(LANES, flat.dtype)
        above = np.zeros(LANES, flat.dtype)
        count = np.empty(LANES, np.uint16)
        for start in range(block * BLOCK, min(pixels, (block + 1) * BLOCK), LANES):
            width = min(LANES, pixels - start)
            kept = _load(flat, offsets, mask, mask_offsets, start, width, low, top, rows, count)
            _sort(rows, kept, network)
            fewest, most = _extremes(count, width)
            for i in range(width):
                counts[start + i] = count[i]
            for k in range(len(result)):
                _select(rows, count, fewest, most, lower[k], below)
                _select(rows, count, fewest, most, upper[k], above)
                target = result[k, start : start + width]
                for i in range(width):
                    a = np.float64(below[i])
                    target[i] = a + weight[k, count[i]] * (np.float64(above[i]) - a)
