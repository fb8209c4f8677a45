"""The order lane: all its assets and checks, in the order in which they feed each other.

Belongs here: the list. Not here: any one asset, or what starts work (``pipelines``).
"""

from __future__ import annotations

import dagster as dg

from assets.orders.checks import order_checks
from assets.orders.composite import composite_inputs, composite_order
from assets.orders.expressions import expression_bands
from assets.orders.inputs import Finder, order_inputs, stack_inputs
from assets.orders.stack import coregistered_stack
from weft.orders import CompositeOrder, StackOrder

__all__ = ["order_assets", "order_checks"]


def order_assets() -> list[dg.AssetsDefinition]:
    """Assets of all kinds of order."""
    finders: dict[str, Finder] = {StackOrder.kind(): stack_inputs, CompositeOrder.kind(): composite_inputs}
    return [order_inputs(finders), coregistered_stack, expression_bands, composite_order]
