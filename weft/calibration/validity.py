"""Which pixels of a scene count: the region's rule of validity, applied to what the archive says about each pixel.

Belongs here: scene classes and how far they are grown, and the limits on view angle and confidences. Not here: what the
stored numbers of the bands give away (``sentinel2``), reading layers (``weft.compositing``), or decisions about whole
scenes (``weft.compositing.observations``).

A pixel counts when all of these hold:

1. its class is one of the valid classes, and not the class of what was not observed;
2. it lies farther than ``dilate_m`` from every cloud: any invalid class but shadow and no-data; and farther than
   ``shadow_dilate_m`` from every cloud shadow;
3. its view zenith angle, cloud confidence and snow confidence exceed no limit, each where the scene has that layer. A
   pixel at which the layer holds no value does not keep within its limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from weft.calibration.dilation import grow
from weft.composite_settings import Validity
from weft.rasters.grid import Grid
from weft.scenes.scene import Layer, Scene

SHADOW_CLASS = 3
"""Cloud shadow in Sentinel-2 SCL."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on a layer of physical values.

    Attributes:
        name: the key of the region file.
        maximum: largest value that counts.
        layer: the layer of a scene, None if it has none.
    """

    name: str
    maximum: float
    layer: Layer | None


def limits_of(scene: Scene, validity: Validity) -> tuple[Limit, ...]:
    """The limits a rule sets, with the layers of one scene."""
    limits = (
        ("view_zenith_max", validity.view_zenith_max, scene.angles.get("view_zenith")),
        ("cloud_confidence_max", validity.cloud_confidence_max, scene.quality.get("cloud_confidence")),
        ("snow_confidence_max", validity.snow_confidence_max, scene.quality.get("snow_confidence")),
    )
    return tuple(Limit(name, maximum, layer) for name, maximum, layer in limits if maximum is not None)


def limits_not_applied(scenes: Iterable[Scene], validity: Validity) -> tuple[str, ...]:
    """Names of the limits whose layer not a single scene has, in the order of the rule."""
    limits = [limit for scene in scenes for limit in limits_of(scene, validity)]
    applied = {limit.name for limit in limits if limit.layer is not None}
    return tuple(dict.fromkeys(limit.name for limit in limits if limit.name not in applied))


def halo(validity: Validity, grid: Grid) -> int:
    """Pixels of classes needed around a block, so that what lies outside of it can grow into it."""
    return math.ceil(max(validity.dilate_m, validity.shadow_dilate_m) / min(grid.x_size, grid.y_size))


def clear(
    classes: npt.NDArray[np.uint8], validity: Validity, *, nodata_class: int, grid: Grid
) -> npt.NDArray[np.bool_]:
    """Pixels that rules 1 and 2 let pass.

    Args:
        classes: class labels (y, x), with a margin of :func:`halo` pixels on every side.
        validity: the rule.
        nodata_class: label of unobserved pixels; always invalid, never grown.
        grid: whose pixels are meant, CRS units metres.

    Returns:
        Boolean (y - 2 halo, x - 2 halo): the margin is cut off.
    """
    good = set(validity.classes) - {nodata_class}
    shadow = {SHADOW_CLASS} - good - {nodata_class}
    cloud = set(range(256)) - good - shadow - {nodata_class}
    valid = labelled(classes, good)
    for grown, metres in ((cloud, validity.dilate_m), (shadow, validity.shadow_dilate_m)):
        if metres:
            valid &= ~grow(labelled(classes, grown), metres, x_size=grid.x_size, y_size=grid.y_size)
    margin = halo(validity, grid)
    return valid[margin:-margin, margin:-margin] if margin else valid


def labelled(labels: npt.NDArray[np.uint8], wanted: Iterable[int]) -> npt.NDArray[np.bool_]:
    """Where labels (y, x) are among the wanted ones, bool (y, x)."""
    table = np.zeros(256, bool)
    table[list(wanted)] = True
    found = np.empty(labels.shape, bool)
    _look_up(table, labels, found)
    return found


@numba.njit(nogil=True, cache=True)
def _look_up(table: npt.NDArray[np.bool_], labels: npt.NDArray[np.uint8], found: npt.NDArray[np.bool_]) -> None:
    # Five times faster than NumPy's indexing, and every scene passes here.
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            found[y, x] = table[labels[y, x]]
