"""The geometric median with its three median absolute deviations, by the geomad package (an optional extra).

Belongs here: bringing a stack into geomad's form and back. Not here: the algorithm (Roberts, Mueller & McIntyre,
High-dimensional pixel composites from Earth observation time series, IEEE TGRS 55, 2017), which geomad codes.

geomad seeds only the first column of a row with the mean, and every further column with zero; results would then
depend, within the tolerance, on where a block begins. Every pixel is therefore handed over as a row of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from weft.compositing.inputs import check_reflectance
from weft.errors import RequestError

TOLERANCE = 0.1
"""The iteration ends with a step shorter than this, in units of the stack: 0.00001 reflectance."""
STRIP_BYTES = 1 << 24
"""Most that the transposed float32 copy which geomad needs may hold at once."""


@dataclass(frozen=True, slots=True)
class Geomedian:
    """The geometric median of every pixel and how far the observations lie from it; NaN where nothing is valid.

    Attributes:
        median: float32, shape (band, y, x), in the units of the stack.
        smad: median of the cosine distances, float32, shape (y, x), without unit; NaN where the median is zero.
        emad: median of the Euclidean distances, float32, shape (y, x), in the units of the stack.
        bcmad: median of the Bray-Curtis distances, float32, shape (y, x), without unit; NaN as ``smad``.
    """

    median: NDArray[np.float32]
    smad: NDArray[np.float32]
    emad: NDArray[np.float32]
    bcmad: NDArray[np.float32]


def require_geomad() -> Any:
    """The package; raises :class:`weft.errors.RequestError` with the command that installs it if it is missing."""
    try:
        import geomad
    except ImportError as error:
        raise RequestError("geomedian needs the package geomad; pip install 'weft[geomedian]'") from error
    return geomad


def geomedian(stack: NDArray[Any], valid: NDArray[np.bool_]) -> Geomedian:
    """Geometric median over time of the valid observations of every pixel: the point nearest to all of them in sum.

    The result does not depend on how the image is cut or on the number of threads.

    Args:
        stack: uint16, shape (time, band, y, x), at most 255 observations. Not modified; copied strip by strip.
        valid: bool, shape (time, y, x).

    Returns:
        The median and the three deviations.

    Raises:
        RequestError: geomad is not installed, shapes that do not belong together, another dtype, or more than 255
            observations.
    """
    check_reflectance(stack, valid)
    geomad = require_geomad()
    times, bands, height, width = stack.shape
    layers = np.full((bands + 3, height * width), np.nan, np.float32)
    rows = max(1, STRIP_BYTES // max(1, 4 * times * bands * width))
    for top in range(0, height, rows):
        part, mask = stack[:, :, top : top + rows], valid[:, top : top + rows]
        pixels = part.shape[2] * width
        usable = mask.reshape(times, pixels).T
        seen = usable.any(axis=1)
        if seen.any():
            vectors = part.reshape(times, bands, pixels).transpose(2, 1, 0)[seen].astype(np.float32)
            np.copyto(vectors, np.nan, where=~usable[seen][:, None])
            layers[:, top * width + np.flatnonzero(seen)] = _reduce(geomad, vectors[:, None])
    layers = layers.reshape(bands + 3, height, width)
    return Geomedian(layers[:bands], *layers[bands:])


def _reduce(geomad: Any, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    threads = numba.get_num_threads()
    median = geomad.nangeomedian_pcm(vectors, eps=TOLERANCE, num_threads=threads, nocheck=True)
    deviations = [
        deviation(vectors, median, num_threads=threads)[:, 0]
        for deviation in (geomad.smad_pcm, geomad.emad_pcm, geomad.bcmad_pcm)
    ]
    return np.vstack([median[:, 0].T, *deviations])
