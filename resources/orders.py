"""Order documents in the object store: kept under their ids, for ever the same.

Belongs here: keys, and putting an order in its place. Not here: what an order may say (``weft.orders``), or the inbox
(``pipelines.orders``).
"""

from __future__ import annotations

from resources.object_stores.port import ObjectStore
from weft import orders
from weft.errors import IntegrityError, RequestError
from weft.orders import Order

FOLDER = "orders"


def key_of(order_id: str) -> str:
    """Key of an order's document."""
    return f"{FOLDER}/{order_id}.json"


def put_order(order: Order, store: ObjectStore) -> bool:
    """Keep an order; False if it was there already.

    Raises:
        RequestError: another order has its name.
    """
    if "..." in order.id:
        raise RequestError(f"name: {order.id} has '...' in it, which means a range to Dagster; choose another name")
    try:
        return store.put_bytes(key_of(order.id), order.canonical())
    except IntegrityError as error:
        if get_order(order.id, store) == order:  # written before a setting was added that has its default here
            return False
        raise RequestError(
            f"name: there is another order {order.id}, and orders never change; choose another name or none"
        ) from error


def get_order(order_id: str, store: ObjectStore) -> Order:
    """The order of an id.

    Raises:
        RequestError: there is none, or it is not one that this version of Weft understands.
    """
    if not store.exists(key_of(order_id)):
        raise RequestError(f"there is no order {order_id}; place it with `weft stack` or put it into orders/inbox")
    return orders.parse(store.get(key_of(order_id)))
