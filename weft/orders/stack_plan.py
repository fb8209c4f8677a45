"""What a stack order comes to: which pixels of which files are matched, moved and combined, on which grid.

Belongs here: every judgement that needs the datasets but no pixel; a wrong order fails here. Not here: the order
itself (``stack``), which band matches which by default (``pairing``), where the stack lies (``stack_grid``), or doing
the work (``weft.stacking``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from weft.errors import RequestError
from weft.expressions import Expression
from weft.orders.datasets import Dataset
from weft.orders.pairing import default_pair
from weft.orders.stack import BandRef, StackOrder
from weft.orders.stack_grid import Place, stack_grid
from weft.rasters.grid import Grid
from weft.scenes.scene import Layer

Planned = Literal["stack", "cross_corr", "multimodal"]
"""How a dataset is brought onto the reference."""


@dataclass(frozen=True, slots=True)
class StackPlan:
    """An order that can be carried out.

    Attributes:
        order: the order.
        datasets: in the order of ``input_reference``; dataset 1 is ``datasets[0]``.
        bands: the bands of the stack.
        reference: the reference asset; its dataset is never moved.
        pairing: index of each other dataset -> its band that is matched with the reference asset; a dataset whose
            method is ``stack`` is not among them.
        methods: index of each other dataset -> ``stack``, ``cross_corr`` or ``multimodal``.
        grid: grid of the stack.
        expressions: output name -> expression over the bands, named as in ``1.nir``.
    """

    order: StackOrder
    datasets: tuple[Dataset, ...]
    bands: tuple[BandRef, ...]
    reference: BandRef
    pairing: Mapping[int, str]
    methods: Mapping[int, Planned]
    grid: Grid
    expressions: Mapping[str, Expression]

    def dataset(self, index: int) -> Dataset:
        """Dataset of a 1-based index."""
        return self.datasets[index - 1]

    def layer(self, band: BandRef) -> Layer:
        """Layer of a band."""
        return self.dataset(band.dataset).layer(band.name)


def plan_stack(order: StackOrder, datasets: Sequence[Dataset]) -> StackPlan:
    """Judge an order against its datasets.

    Args:
        order: the order.
        datasets: one for each entry of ``input_reference``, in that order.

    Raises:
        RequestError: a band is unknown or lies on no map, a dataset is used by no band, has nothing to match with the
            reference or does not overlap it, or the area lies outside a dataset. The message begins with the field.
    """
    if [dataset.index for dataset in datasets] != list(range(1, len(order.input_reference) + 1)):
        raise RequestError(
            f"input_reference: names {len(order.input_reference)} datasets, but {len(datasets)} were found"
        )
    places = [_place(band, datasets) for band in order.band_refs]
    used = {band.dataset for band in order.band_refs}
    for dataset in datasets:
        if dataset.index not in used:
            raise RequestError(f"{dataset.title}: no band is of this dataset; remove it, or add one to bands")
    reference = order.reference
    home = datasets[reference.dataset - 1]
    secondaries = [dataset for dataset in datasets if dataset is not home]
    pairing: dict[int, str] = {}
    if order.coregistration.method != "stack":
        if reference.name in home.labels and secondaries:
            raise RequestError(f"reference_asset: {reference} holds labels; choose a measurement, or method stack")
        pairing = {dataset.index: _pair(order, home, dataset) for dataset in secondaries}
    places += [
        Place("coregistration.pairing", datasets[index - 1], datasets[index - 1].layer(name).geolocation)
        for index, name in pairing.items()
    ]
    return StackPlan(
        order=order,
        datasets=tuple(datasets),
        bands=order.band_refs,
        reference=reference,
        pairing=pairing,
        methods={dataset.index: _method(order, home, dataset, pairing) for dataset in secondaries},
        grid=stack_grid(
            Place("reference_asset", home, home.layer(reference.name).geolocation),
            places,
            order.area,
            order.coregistration.resolution,
        ),
        expressions=order.expressions,
    )


def _place(band: BandRef, datasets: Sequence[Dataset]) -> Place:
    dataset = datasets[band.dataset - 1]
    try:
        return Place("bands", dataset, dataset.layer(band.name).geolocation)
    except RequestError as error:
        raise RequestError(f"bands: {band}: {error}") from error


def _pair(order: StackOrder, home: Dataset, dataset: Dataset) -> str:
    stated = order.coregistration.pairing.get(str(dataset.index))
    if stated is None:
        found = default_pair(home, order.reference.name, dataset)
        if found is None:
            choice = ", ".join(sorted(dataset.layers.keys() - dataset.labels))[:400]
            raise RequestError(
                f"coregistration.pairing: no rule tells which band of {dataset.title} matches {order.reference}; write "
                f'{{"{dataset.index}": "..."}} with one of {choice}'
            )
        return found
    try:
        dataset.layer(stated)
    except RequestError as error:
        raise RequestError(f"coregistration.pairing: {error}") from error
    if stated in dataset.labels:
        raise RequestError(f"coregistration.pairing: {stated} of {dataset.title} holds labels; choose a measurement")
    return stated


def _method(order: StackOrder, home: Dataset, dataset: Dataset, pairing: Mapping[int, str]) -> Planned:
    method = order.coregistration.method
    if method != "auto":
        return method
    same = home.modality(order.reference.name) == dataset.modality(pairing[dataset.index])
    return "cross_corr" if same else "multimodal"
