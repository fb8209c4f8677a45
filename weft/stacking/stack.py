"""Carrying out a stack order: each dataset is registered once, then every wanted band is resampled once.

Belongs here: the order of these steps and what became of each dataset. Not here: judging the order
(``weft.orders.stack_plan``), registering (``weft.registration``), or showing the result (``proof``, ``report``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from weft.composite_settings import Validity
from weft.errors import RequestError
from weft.orders.datasets import Dataset
from weft.orders.stack import BandRef
from weft.orders.stack_plan import StackPlan
from weft.progress import Progress
from weft.rasters.cog import COG_BLOCK, LayerWriter
from weft.rasters.grid import Grid, Window
from weft.rasters.product import Product, RasterFile
from weft.rasters.reading import Place
from weft.rasters.streaming import in_order
from weft.rasters.warping import pixel_metres
from weft.registration.collocation import Labels, Source, collocate
from weft.registration.registration import Registration, register
from weft.registration.settings import Matching
from weft.scenes.scene import ClassLayer
from weft.stacking.layers import StackedBand

GEOMETRY = "geometry"
REGISTERED = "registered"
REFUSED = "refused"

_OPEN = 64
"""Bands written side by side: each keeps two files open, and a process may have a thousand."""
_CLEAR = {"sentinel-2-scl": Validity().classes}
"""Classes under which the ground is seen, by scheme: clouds do not lie where the ground does."""


@dataclass(frozen=True, slots=True)
class Matched:
    """One dataset after it was matched with the reference asset.

    Attributes:
        dataset: its 1-based index.
        id: of its item.
        pairing: its band that was matched.
        registration: what was found.
        grid: on which its pixels are counted.
    """

    dataset: int
    id: str
    pairing: str
    registration: Registration
    grid: Grid

    @property
    def status(self) -> str:
        """Whether it was moved, or left where its geolocation is because the registration was refused."""
        return REGISTERED if self.registration.accepted else REFUSED

    def properties(self) -> dict[str, Any]:
        """Entry of ``weft:coregistration``; errors in pixels of ``pixel`` metres."""
        return {
            "dataset": self.dataset,
            "id": self.id,
            "pairing": self.pairing,
            "method": self.registration.method,
            "status": self.status,
            "reason": self.registration.reason,
            "pixel": pixel_metres(self.grid),
            **self.registration.quality.properties(),
        }


@dataclass(frozen=True, slots=True)
class Stacked:
    """A finished stack.

    Attributes:
        product: one file for each band of the order, on the grid of the plan.
        matched: datasets that were matched with the reference asset, by their index.
    """

    product: Product
    matched: Mapping[int, Matched]

    @property
    def registrations(self) -> Mapping[int, Registration]:
        """What was found of each dataset that was matched."""
        return {index: one.registration for index, one in self.matched.items()}


def coregistered_stack(
    plan: StackPlan,
    place: Place,
    scratch: Path,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> Stacked:
    """Register every dataset with the reference asset and write all bands on its grid.

    Each dataset is matched by one band; the displacement found moves all its bands, so that they stay as their provider
    registered them with each other. Reprojection and displacement are one resampling. Bands that already lie on the
    pixels of the stack and are not displaced are copied.

    Args:
        plan: what to do.
        place: turns hrefs of its layers into places that may be opened.
        scratch: folder for the files.
        workers: threads.
        progress: called with the number of finished steps and of all.

    Raises:
        RequestError: a registration cannot prove that it improves anything and ``on_failure`` is ``fail``; or a file
            cannot be used. The message names the dataset.
        Unavailable: a remote file does not answer.
    """
    blocks = list(plan.grid.blocks(COG_BLOCK, COG_BLOCK))
    groups = [plan.bands[first : first + _OPEN] for first in range(0, len(plan.bands), _OPEN)]
    matching = {index: method for index, method in sorted(plan.methods.items()) if method != "stack"}
    steps = len(matching) + len(groups) * len(blocks)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, steps)

    matched: dict[int, Matched] = {}
    for index, method in matching.items():
        matched[index] = _match(plan, index, method, place, workers)
        advance()
    files: list[RasterFile] = []
    for group in groups:
        with ExitStack() as stack:
            bands = [stack.enter_context(closing(_open(plan, band, matched, place))) for band in group]
            files += _write(plan.grid, bands, blocks, scratch, advance, workers)
    return Stacked(Product(plan.grid, tuple(files)), matched)


def _write(
    grid: Grid,
    bands: Sequence[StackedBand],
    blocks: Sequence[Window],
    scratch: Path,
    advance: Callable[[], None],
    workers: int,
) -> tuple[RasterFile, ...]:
    def read(window: Window) -> tuple[Window, dict[str, Any]]:
        return window, {band.spec.key: band.read(window) for band in bands}

    with (
        LayerWriter(grid, [band.spec for band in bands], scratch) as writer,
        closing(in_order(read, blocks, workers=workers)) as results,
    ):
        for window, values in results:
            writer.write(window, values)
            advance()
        return writer.finish(workers=workers)


def _match(plan: StackPlan, index: int, method: Matching, place: Place, workers: int) -> Matched:
    home, dataset, settings = plan.dataset(plan.reference.dataset), plan.dataset(index), plan.order.coregistration
    band = plan.pairing[index]
    sources = [_source(home, plan.reference.name, place), _source(dataset, band, place)]
    pair = collocate(sources, plan.grid, workers=workers)
    reference, secondary = pair.images
    found = register(
        reference,
        secondary,
        settings,
        mask_reference=~np.isnan(reference),
        mask_secondary=~np.isnan(secondary),
        method=method,
        workers=workers,
    )
    if not found.accepted and settings.on_failure == "fail":
        raise RequestError(
            f"coregistration: {dataset.title} cannot be registered by {band} with {plan.reference} ({method}): "
            f'{found.reason}. Order another pairing, a larger search, an area with stable ground, or "on_failure": '
            '"geometry" to leave the dataset where its geolocation is'
        )
    return Matched(index, dataset.id, band, found, pair.grid)


def _source(dataset: Dataset, name: str, place: Place) -> Source:
    layer = dataset.layer(name)
    return Source(place(layer.href), layer, _labels(dataset.classes, place))


def _labels(classes: ClassLayer | None, place: Place) -> Labels | None:
    if classes is None or classes.scheme not in _CLEAR:
        return None
    return Labels(place(classes.layer.href), classes.layer, tuple(_CLEAR[classes.scheme]))


def _open(plan: StackPlan, band: BandRef, matched: Mapping[int, Matched], place: Place) -> StackedBand:
    moved = matched.get(band.dataset)
    registration = moved.registration if moved and moved.registration.accepted else None
    return StackedBand(
        band,
        plan.dataset(band.dataset),
        place(plan.layer(band).href),
        plan.grid,
        kernel=plan.order.coregistration.resampling,
        displacement=registration.displacement if registration else None,
        displacement_grid=moved.grid if moved else None,
    )
