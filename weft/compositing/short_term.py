"""S2GM's short-term compositing: the best observation where there are too few for a medoid.

Belongs here: the entry to both versions, and the checks of their inputs. Not here: the rules (``short_term_v1``,
``short_term_v2``), or when short-term compositing is due (``s2gm``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from weft.compositing import short_term_v1, short_term_v2
from weft.compositing.inputs import band_positions, check_reflectance
from weft.compositing.planes import planes
from weft.compositing.short_term_v2 import ShortTermThresholds
from weft.errors import RequestError

Version = Literal[1, 2]
Mode = Literal["literal", "intended"]

DEFAULT_THRESHOLDS = ShortTermThresholds()


def short_term(
    stack: NDArray[Any],
    valid: NDArray[np.bool_],
    bands: Sequence[str],
    classes: NDArray[np.uint8],
    cloud_confidence: NDArray[np.uint8] | None = None,
    *,
    version: Version = 1,
    mode: Mode = "intended",
    thresholds: ShortTermThresholds = DEFAULT_THRESHOLDS,
) -> NDArray[np.int16]:
    """Index of the best observation of every pixel by S2GM's short-term rules.

    Version 1 prefers by scene class (:mod:`weft.compositing.short_term_v1` has the rules of both modes), version 2 by
    reflectance alone (:mod:`weft.compositing.short_term_v2`). The order of time is the caller's: it decides everything
    in version 1 ``literal``, and between equals elsewhere. S2GM sorts by absolute orbit, **newest first**; for a stack
    kept oldest first give ``stack[::-1]`` and the like, which are read without a copy, and count the index from the
    end. Summing over time, version 2 also takes the last bits of its means from that order.

    Args:
        stack: uint16 reflectance x 10000, shape (time, band, y, x), at most 255 observations. Not modified; read
            without a copy if the pixels of each image are contiguous.
        valid: bool, shape (time, y, x); S2GM admits the classes 2, 4, 5, 6, 11 only, this function what is given.
        bands: Common Band Names of the stack. Version 1 reads blue, green, red, nir, swir16, swir22, version 2 also
            nir08.
        classes: Sentinel-2 scene classes 0 .. 11, uint8, shape (time, y, x); anything where nothing is valid. Version 2
            does not read them.
        cloud_confidence: percent, uint8, shape (time, y, x); None counts as equal everywhere. Version 2 does not read
            it.
        version: 1 or 2.
        mode: of version 1.
        thresholds: of version 2.

    Returns:
        The index along time, int16, shape (y, x); -1 where nothing is valid, and in version 2 where even the darkest
        observation is white cloud.

    Raises:
        RequestError: shapes or dtypes that do not belong together, more than 255 observations, unknown, repeated or
            missing bands, a class above 11, an unknown version or mode.
    """
    positions = check_short_term(stack, valid, bands, classes, cloud_confidence, version, mode)
    index = np.full(valid.shape[1:], -1, np.int16)
    if stack.size:
        source, mask = planes(stack), planes(valid.view(np.uint8))
        reflectance = source.flat, np.ascontiguousarray(source.offsets[:, positions]), mask.flat, mask.offsets
        if version == 2:
            short_term_v2.reduce_v2(*reflectance, thresholds.limits(), index.reshape(-1))
        else:
            _check_classes(classes, valid)
            if cloud_confidence is None:
                cloud_confidence = np.broadcast_to(np.zeros(valid.shape[1:], np.uint8), valid.shape)
            label, cloud = planes(classes), planes(cloud_confidence)
            short_term_v1.reduce_v1(
                *reflectance, label.flat, label.offsets, cloud.flat, cloud.offsets, mode == "literal", index.reshape(-1)
            )
    return index


def check_short_term(
    stack: NDArray[Any],
    valid: NDArray[np.bool_],
    bands: Sequence[str],
    classes: NDArray[np.uint8],
    cloud_confidence: NDArray[np.uint8] | None,
    version: Version,
    mode: Mode,
) -> list[int]:
    """Refuse what :func:`short_term` cannot reduce, except for classes above 11, which depend on what is valid.

    Returns:
        Where the bands of the version are in the stack.

    Raises:
        RequestError: see :func:`short_term`.
    """
    check_reflectance(stack, valid)
    if version not in (1, 2):
        raise RequestError(f"short-term compositing has the versions 1 and 2, got {version!r}; choose one of them")
    if mode not in ("literal", "intended"):
        raise RequestError(f"the short-term mode is 'literal' or 'intended', got {mode!r}; choose one of them")
    for name, layer in (("scene classes", classes), ("cloud confidence", cloud_confidence)):
        if layer is not None and (layer.dtype != np.uint8 or layer.shape != valid.shape):
            raise RequestError(f"{name} are uint8 of shape {valid.shape}, got {layer.dtype} of shape {layer.shape}")
    needed = short_term_v1.NEEDED if version == 1 else short_term_v2.NEEDED
    return band_positions(stack, bands, needed, f"short-term version {version}")


def _check_classes(classes: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
    for labels, counts in zip(classes, valid, strict=True):
        if (counts & (labels >= short_term_v1.CLASSES)).any():
            raise RequestError(
                f"scene classes are 0 .. {short_term_v1.CLASSES - 1}, a valid pixel has {labels[counts].max()}; "
                "give Sentinel-2 scene classes, or take short-term version 2"
            )
