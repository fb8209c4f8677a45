"""Functions of a pixel's near neighbourhood: ``median_filter``, ``gaussian``, ``sobel``.

Belongs here: the filters, the limits of their parameters and how far each one looks. Not here: cutting a raster into
blocks with margins (``streaming``) or functions that need the whole raster (``components``).

The rules: a pixel without data stays without; a missing neighbour has no part in ``median_filter`` and ``gaussian``,
and leaves ``sobel`` without a value. Beyond the edge of the raster its outermost pixels are mirrored
(d c b a | a b c d), which is SciPy's ``reflect``. Each output pixel is computed from its neighbourhood alone, always in
the same order, so that blocks give the same bits as the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numba import njit
from scipy import ndimage

from weft.expressions.functions import Signature, Values, finite

GAUSSIAN_TRUNCATION = 4.0
"""Radius of the Gaussian in standard deviations, SciPy's default; pixels = int(4 sigma + 1/2)."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """The constant number that sets a filter's size.

    Attributes:
        name: for messages.
        least: smallest value.
        most: largest value.
        odd: only odd whole numbers.
    """

    name: str
    least: float
    most: float
    odd: bool = False

    def accepts(self, value: float) -> bool:
        """Whether the value is one the filter can work with."""
        return self.least <= value <= self.most and (not self.odd or value % 2 == 1)

    def __str__(self) -> str:
        """What is accepted, in words."""
        return f"{self.name}, {'an odd whole' if self.odd else 'a'} number from {self.least:g} to {self.most:g}"


@dataclass(frozen=True, slots=True)
class Filter(Signature):
    """A function of the pixels around one.

    Attributes:
        parameter: its second argument; None if it has none.
        reach: pixels it looks at on each side, from the parameter's value.
        apply: takes a float64 array (height, width), NaN where there is no data, and the parameter's value.
    """

    parameter: Parameter | None
    reach: Callable[..., int]
    apply: Callable[..., Values]

    def __call__(self, values: Values, *parameters: float) -> Values:
        """Apply; results that are not finite become NaN. Meant to run where NumPy's warnings are off."""
        return finite(self.apply(values, *parameters))


def _median_filter(values: Values, size: float) -> Values:
    edge = int(size)
    medians = np.empty(values.shape)
    _medians(np.pad(values, edge // 2, mode="symmetric"), edge, medians)
    return medians


def _gaussian(values: Values, sigma: float) -> Values:
    # Normalised convolution: Knutsson and Westin, CVPR 1993.
    valid = ~np.isnan(values)
    total, weight = (
        ndimage.gaussian_filter(image, sigma, mode="reflect", truncate=GAUSSIAN_TRUNCATION)
        for image in (np.where(valid, values, 0.0), valid.astype(np.float64))
    )
    return np.where(valid, total / weight, np.nan)


def _sobel(values: Values) -> Values:
    down, across = (ndimage.sobel(values, axis=axis, mode="reflect") for axis in (0, 1))
    slope: Values = np.hypot(down, across)
    return slope


@njit(nogil=True, cache=True)
def _medians(padded, size, medians):  # type: ignore[no-untyped-def]
    middle = size // 2
    found = np.empty(size * size)
    for row in range(medians.shape[0]):
        for col in range(medians.shape[1]):
            if np.isnan(padded[row + middle, col + middle]):
                medians[row, col] = np.nan
                continue
            count = 0
            for y in range(row, row + size):
                for x in range(col, col + size):
                    if not np.isnan(padded[y, x]):
                        found[count] = padded[y, x]
                        count += 1
            medians[row, col] = _median(found, count)


@njit(nogil=True, cache=True)
def _median(found, count):  # type: ignore[no-untyped-def]
    # Hoare's selection: afterwards nothing before the middle is larger, nothing behind it is smaller.
    middle = count // 2
    low, high = 0, count - 1
    while low < high:
        pivot = found[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while found[i] < pivot:
                i += 1
            while found[j] > pivot:
                j -= 1
            if i <= j:
                found[i], found[j] = found[j], found[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            break
    if count % 2:
        return found[middle]
    return (found[:middle].max() + found[middle]) / 2


FILTERS: MappingProxyType[str, Filter] = MappingProxyType(
    {
        function.name: function
        for function in (
            Filter(
                "median_filter",
                "(median_filter a 3)",
                2,
                2,
                Parameter("the edge of the window in pixels", 3, 31, odd=True),
                lambda size: int(size) // 2,
                _median_filter,
            ),
            Filter(
                "gaussian",
                "(gaussian a 1.5)",
                2,
                2,
                Parameter("the standard deviation in pixels", 0.1, 16),
                lambda sigma: int(GAUSSIAN_TRUNCATION * sigma + 0.5),
                _gaussian,
            ),
            Filter("sobel", "(sobel a)", 1, 1, None, lambda: 1, _sobel),
        )
    }
)
"""Name to filter. ``median_filter`` is the median of a square window, the mean of the middle two where their number is
even; ``gaussian`` the mean with Gaussian weights; ``sobel`` the length of the gradient as SciPy's kernels (1 2 1) x
(-1 0 1) give it, which is 8 times the slope per pixel."""
