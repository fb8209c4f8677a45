"""S2GM: the method of every pixel by its number of valid observations.

Belongs here: the choice between fill, the only observation, short-term compositing and medoid. Not here: those methods,
or which observations are valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.compositing.inputs import band_positions
from weft.compositing.medoid import medoid
from weft.compositing.planes import MAX_OBSERVATIONS
from weft.compositing.short_term import DEFAULT_THRESHOLDS, Mode, Version, check_short_term, short_term
from weft.compositing.short_term_v2 import ShortTermThresholds
from weft.compositing.simple import first_valid
from weft.errors import RequestError

MEDOID_BANDS = ("blue", "green", "red", "rededge075", "nir", "swir16", "swir22")
"""The bands S2GM takes distances over."""
STRIP_BYTES = 1 << 25
"""Most that the selected bands, which are copied on the way, may hold at once."""


class Method(IntEnum):
    """How a pixel got its observation."""

    NONE = 0
    SINGLE = 1
    SHORT_TERM = 2
    MEDOID = 3


def s2gm(
    stack: NDArray[Any],
    valid: NDArray[np.bool_],
    bands: Sequence[str],
    classes: NDArray[np.uint8],
    cloud_confidence: NDArray[np.uint8] | None = None,
    *,
    medoid_min: int = 5,
    medoid_bands: Sequence[str] = MEDOID_BANDS,
    version: Version = 1,
    mode: Mode = "intended",
    thresholds: ShortTermThresholds = DEFAULT_THRESHOLDS,
) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.float32]]:
    """Index of the representative observation of every pixel as the Sentinel-2 Global Mosaic service chooses it.

    No valid observation: none. One: that one. Fewer than ``medoid_min``: :func:`weft.compositing.short_term`. Else
    :func:`weft.compositing.medoid`. The published script has a medoid from 4 on, its project's text from 5 on. The
    order of time decides as in those two; S2GM's is newest first.

    Args:
        stack: uint16 reflectance x 10000, shape (time, band, y, x), at most 255 observations. Not modified.
        valid: bool, shape (time, y, x).
        bands: Common Band Names of the stack; the short-term rules need theirs (see :func:`short_term`).
        classes: Sentinel-2 scene classes, uint8, shape (time, y, x).
        cloud_confidence: percent, uint8, shape (time, y, x); None counts as equal everywhere.
        medoid_min: fewest valid observations of a medoid, 1 .. 255; one alone is always taken as it is.
        medoid_bands: bands to take distances over; those of them that the stack has.
        version: of the short-term rules.
        mode: of the short-term rules, version 1.
        thresholds: of the short-term rules, version 2.

    Returns:
        The index along time, int16, shape (y, x), -1 for none; the :class:`Method`, uint8, shape (y, x), 0 exactly
        where the index is -1; and the medoid's spread, float32, shape (y, x), in the units of ``stack``, NaN where the
        method is another.

    Raises:
        RequestError: as :func:`short_term`; none of ``medoid_bands`` in the stack; ``medoid_min`` out of range.
    """
    check_short_term(stack, valid, bands, classes, cloud_confidence, version, mode)
    if not 1 <= medoid_min <= MAX_OBSERVATIONS:
        raise RequestError(f"medoid_min lies within 1 .. {MAX_OBSERVATIONS}, got {medoid_min}; S2GM has 4 or 5")
    compared = band_positions(stack, bands, _present(bands, medoid_bands), "medoid")
    index = np.full(valid.shape[1:], -1, np.int16)
    method = np.zeros(valid.shape[1:], np.uint8)
    spread = np.full(valid.shape[1:], np.nan, np.float32)
    for rows in _strips(valid.shape, len(compared)):
        part, usable = stack[:, :, rows], valid[:, rows]
        count = usable.sum(axis=0, dtype=np.uint16)
        single, many = count == 1, (count > 1) & (count >= medoid_min)
        few = (count > 1) & ~many
        confidence = None if cloud_confidence is None else cloud_confidence[:, rows]
        central, spread[rows] = medoid(_bands(part, compared), usable & many)
        best = short_term(
            part, usable & few, bands, classes[:, rows], confidence, version=version, mode=mode, thresholds=thresholds
        )
        only = first_valid(part, usable & single)
        for chosen, kind in ((only, Method.SINGLE), (best, Method.SHORT_TERM), (central, Method.MEDOID)):
            np.copyto(index[rows], chosen, where=chosen >= 0)
            np.copyto(method[rows], np.uint8(kind), where=chosen >= 0)
    return index, method, spread


def _present(bands: Sequence[str], wanted: Sequence[str]) -> list[str]:
    present = [band for band in wanted if band in bands]
    if not present:
        raise RequestError(f"a medoid compares some of the bands {list(wanted)}, the stack has only {list(bands)}")
    return present


def _strips(shape: tuple[int, ...], bands: int) -> list[slice]:
    times, height, width = shape
    rows = max(1, STRIP_BYTES // max(1, 2 * times * bands * width))
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _bands(stack: NDArray[Any], positions: list[int]) -> NDArray[Any]:
    return stack if positions == list(range(stack.shape[1])) else stack[:, positions]
