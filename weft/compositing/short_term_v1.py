"""S2GM's short-term compositing, version 1: prefer by scene class, then by a criterion of the class.

Belongs here: the kernel of version 1 in its two modes. Not here: the checks of its inputs (``short_term``), or
version 2.

Classes from best to worst: vegetation 4 = bare 5, snow 11, water 6, dark 2, shadow 3, low cloud 7, cirrus 10, medium
cloud 8, high cloud 9, saturated 1, no data 0 (Sentinel-2 SCL). ``literal`` is the left fold of the published script
(sentinel-hub/custom-scripts ``sentinel-2/s2gm``, service 1.0.9): in the order of the stack, observation A replaces the
best so far, B, when its class is better; or when both are of equal rank, A's cloud confidence is not higher, and

* A and B vegetation: their NDVI differ **in either direction**, so the last clear vegetation wins, not the greenest;
* vegetation or bare: the sum of blue, green and red is smaller;
* snow, dark, shadow: that sum is larger;
* water: NDWI of green and nir is larger **or** the mean of swir16 and swir22 is smaller;
* 7, 8, 9, 10, 1: the visible sum is smaller, whatever the cloud confidence; 0: never.

An index of two zeros is NaN there and decides nothing. Because two criteria are folded pair by pair, the winner depends
on the order. ``intended`` is what these rules evidently want, as an order of merit that no order of time can change:

1. only the best class rank present counts (as literal);
2. of classes 2 to 6 and 11, only the lowest cloud confidence present counts, where literal keeps a cloudier
   observation that came first and looks better;
3. vegetation: the **largest** NDVI; water: the largest NDWI, and of equal ones the smallest SWIR mean, where literal
   lets either suffice; an index of two zeros is below all others; the other classes as literal;
4. the greenest vegetation and the darkest bare observation meet once, at the end: the smaller visible sum wins, where
   literal can go round in circles among three;
5. of equals, the first.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from weft.compositing.inputs import normalised_difference

NEEDED = ("blue", "green", "red", "nir", "swir16", "swir22")
"""The bands the rules read, in the order of the kernel's planes."""
CLASSES = 12
"""SCL classes are 0 .. 11."""
BLOCK = 1024
"""Pixels of one unit of parallel work: their few dates stay in the second-level cache."""

_BLUE, _GREEN, _RED, _NIR, _SWIR16, _SWIR22 = range(6)
_NO_DATA, _VEGETATION, _BARE, _WATER = 0, 4, 5, 6
_RANK = np.argsort([_VEGETATION, 11, _WATER, 2, 3, 7, 10, 8, 9, 1, _NO_DATA, _BARE])
_RANK[_BARE] = _RANK[_VEGETATION]
_LOW_CLOUD = _RANK[7]


@nb.njit(nogil=True, cache=True)
def _visible(flat, images, p):  # type: ignore[no-untyped-def]
    return np.int64(flat[images[_BLUE] + p]) + np.int64(flat[images[_GREEN] + p]) + np.int64(flat[images[_RED] + p])


@nb.njit(nogil=True, cache=True)
def _swir(flat, images, p):  # type: ignore[no-untyped-def]
    return np.int64(flat[images[_SWIR16] + p]) + np.int64(flat[images[_SWIR22] + p])


@nb.njit(nogil=True, cache=True)
def _difference(flat, images, p, a, b, literal):  # type: ignore[no-untyped-def]
    return normalised_difference(flat[images[a] + p], flat[images[b] + p], np.nan if literal else -2.0)


@nb.njit(nogil=True, cache=True)
def _replaces(flat, a, b, p, class_a, class_b, cloud_a, cloud_b, literal):  # type: ignore[no-untyped-def]
    """Whether observation a, whose images begin at the offsets ``a``, is to be preferred to b."""
    rank = _RANK[class_a]
    if rank != _RANK[class_b]:
        return rank < _RANK[class_b]
    if rank >= _LOW_CLOUD:
        return class_a != _NO_DATA and _visible(flat, a, p) < _visible(flat, b, p)
    if cloud_a > cloud_b or (cloud_a < cloud_b and not literal):
        return cloud_a < cloud_b
    if class_a == _VEGETATION and class_b == _VEGETATION:
        green_a = _difference(flat, a, p, _NIR, _RED, literal)
        green_b = _difference(flat, b, p, _NIR, _RED, literal)
        return green_a > green_b or (literal and green_a < green_b)
    if rank == _RANK[_VEGETATION]:
        return _visible(flat, a, p) < _visible(flat, b, p)
    if class_a == _WATER:
        wet_a = _difference(flat, a, p, _GREEN, _NIR, literal)
        wet_b = _difference(flat, b, p, _GREEN, _NIR, literal)
        return wet_a > wet_b or ((literal or wet_a == wet_b) and _swir(flat, a, p) < _swir(flat, b, p))
    return _visible(flat, a, p) > _visible(flat, b, p)


@nb.njit(nogil=True, cache=True)
def _choose(flat, offsets, mask, mask_offsets, classes, class_offsets, cloud, cloud_offsets, p, literal):  # type: ignore[no-untyped-def]
    # Intended: vegetation runs in a heat of its own, against which the winner of all others is held at the end.
    best = -1
    greenest = -1
    for t in range(len(offsets)):
        if mask[mask_offsets[t] + p] == 0:
            continue
        label = classes[class_offsets[t] + p]
        own_heat = label == _VEGETATION and not literal
        b = greenest if own_heat else best
        if b < 0 or _replaces(
            flat, offsets[t], offsets[b], p, label, classes[class_offsets[b] + p],
            cloud[cloud_offsets[t] + p], cloud[cloud_offsets[b] + p], literal,
        ):  # fmt: skip
            if own_heat:
                greenest = t
            else:
                best = t
    if best < 0 or greenest < 0:
        return max(best, greenest)
    first = min(best, greenest)
    second = max(best, greenest)
    wins = _replaces(
        flat, offsets[second], offsets[first], p, classes[class_offsets[second] + p], classes[class_offsets[first] + p],
        cloud[cloud_offsets[second] + p], cloud[cloud_offsets[first] + p], literal,
    )  # fmt: skip
    return second if wins else first


@nb.njit(nogil=True, parallel=True, cache=True)
def reduce_v1(  # type: ignore[no-untyped-def]
    flat, offsets, mask, mask_offsets, classes, class_offsets, cloud, cloud_offsets, literal, index
):
    """Write the winner of every pixel to ``index`` (1-D), -1 where nothing is valid; images as planes, bands NEEDED."""
    for block in nb.prange((len(index) + BLOCK - 1) // BLOCK):
        for p in range(block * BLOCK, min(len(index), (block + 1) * BLOCK)):
            index[p] = _choose(
                flat, offsets, mask, mask_offsets, classes, class_offsets, cloud, cloud_offsets, p, literal
            )
