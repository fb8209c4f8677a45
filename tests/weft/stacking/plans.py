"""Plans over the simulated datasets, without a catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.order_scenes import Datasets
from weft.orders import StackOrder
from weft.orders.datasets import dataset_from_item
from weft.orders.document import check
from weft.orders.stack_plan import StackPlan, plan_stack
from weft.simulation.order_scenes import OrderScene
from weft.stac.order_products import Input

AOI = "POLYGON((37.35 -17.65, 37.372 -17.65, 37.372 -17.63, 37.35 -17.63, 37.35 -17.65))"


def inputs(*scenes: OrderScene) -> tuple[Input, ...]:
    return tuple(Input.of_catalogue(scene.take.id, scene.item) for scene in scenes)


def plan(datasets: Datasets, *scenes: OrderScene, **fields: Any) -> StackPlan:
    """An order for some of the datasets, on a small area."""
    document = {"input_reference": [scene.take.id for scene in scenes], "aoi": AOI} | fields
    order = check(StackOrder, document)
    return plan_stack(order, [dataset_from_item(scene.item, index) for index, scene in enumerate(scenes, start=1)])


def place(href: str) -> str:
    return str(Path(unquote(urlsplit(href).path)))
