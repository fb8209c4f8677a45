"""One picture of a whole stack or of its expression bands.

Belongs here: which layers are shown and thinning them to a picture's size. Not here: stretching and colours
(``pictures``), or writing files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from weft.orders.stack_plan import StackPlan
from weft.rasters.grid import Grid
from weft.rasters.picture import write_picture
from weft.rasters.product import Product, RasterFile
from weft.rasters.quicklook import painted, thinned
from weft.stacking.pictures import colours

MAX_SIDE = 2048
"""Pixels of the longer side of an overview."""
THUMBNAIL_SIDE = 160

_NATURAL = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """A picture of a stack.

    Attributes:
        grid: where it lies; coarser than the stack if that is large.
        pixels: (3, height, width) uint8, see :mod:`weft.rasters.picture`.
        shown: titles of the layers shown as red, green and blue, or fewer.
    """

    grid: Grid
    pixels: npt.NDArray[np.uint8]
    shown: tuple[str, ...]

    @property
    def thumbnail(self) -> bytes:
        """A small PNG of it."""
        return painted(self.pixels, max_size=THUMBNAIL_SIDE)

    def write(self, path: Path) -> str:
        """Write it as a COG; returns the digest of its pixels."""
        return write_picture(self.grid, self.pixels, path)


def overview(plan: StackPlan, product: Product) -> Overview:
    """True colour of the first dataset that has red, green and blue in the stack, that of the reference before all.

    Without one it shows the first bands of the stack, three at most.
    """
    natural = _true_colour(plan)
    return _painted(product, tuple(map(product.file, natural)) or product.files[:3], natural=bool(natural))


def expressions_overview(product: Product) -> Overview:
    """The first expression in grey, from black at its 2nd percentile to white at its 98th."""
    return _painted(product, product.files[:1], natural=False)


def _true_colour(plan: StackPlan) -> tuple[str, ...]:
    """Keys of the layers, empty if there are none."""
    keys: dict[tuple[int, str | None], str] = {}
    for band in plan.bands:
        cbn = plan.dataset(band.dataset).common_name(band.name)
        keys.setdefault((band.dataset, cbn), f"{band.dataset}_{band.name}".lower())
    datasets = sorted({band.dataset for band in plan.bands}, key=lambda index: (index != plan.reference.dataset, index))
    for index in datasets:
        trio = [(index, cbn) for cbn in _NATURAL]
        if all(one in keys for one in trio):
            return tuple(keys[one] for one in trio)
    return ()


def _painted(product: Product, files: tuple[RasterFile, ...], *, natural: bool) -> Overview:
    channels = [thinned(file.path, MAX_SIDE) for file in files]
    height, width = channels[0].shape
    whole = product.grid
    grid = Grid(
        whole.crs,
        whole.left,
        whole.top,
        whole.width * whole.x_size / width,
        whole.height * whole.y_size / height,
        width,
        height,
    )
    return Overview(grid, colours(channels, natural=natural), tuple(file.layer.title for file in files))
