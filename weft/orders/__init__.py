"""Orders: what somebody wants made on demand, as one checked and immutable document.

Belongs here: the kinds of order there are and reading one. Not here: their fields (``stack``, ``composite``), what is
common to them (``document``), or making anything.
"""

from weft.orders.composite import CompositeOrder
from weft.orders.document import Order, read_order
from weft.orders.stack import StackOrder

KINDS: tuple[type[Order], ...] = (StackOrder, CompositeOrder)
"""Every kind of order; a document without ``order`` is of the first kind whose mark it has."""

__all__ = ["KINDS", "CompositeOrder", "Order", "StackOrder", "parse"]


def parse(content: bytes) -> Order:
    """Check an order document of any kind; raises :class:`weft.errors.RequestError` as :func:`read_order`."""
    return read_order(content, KINDS)
