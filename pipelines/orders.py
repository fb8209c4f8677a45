"""Orders: taking them from the inbox, and carrying them out in this process.

Belongs here: what becomes of a document in the inbox, and which job an order runs. Not here: what an order may say
(``weft.orders``), its assets (``assets.orders``), or printing (``cli``).

Whoever wants something puts a document under ``orders/inbox/`` in the object store. The sensor makes it an order under
``orders/``, which never changes, and asks for its run; a document that is no order is kept under ``orders/refused/``
with the reason beside it. A document leaves the inbox only when the run that it asked for is known to Dagster, so that
a crash at any moment loses nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.orders.family import order_assets, order_checks
from assets.orders.lane import ORDER
from pipelines.jobs import COMPOSITE_ORDER, STACK_ORDER, order_jobs
from pipelines.runs import PartitionReport, Report, run_job
from pipelines.settings import Settings
from resources.catalogue import CatalogueResource
from resources.item_source import ItemSourceResource
from resources.object_store import ObjectStore, ObjectStoreResource, StoredObject
from resources.orders import put_order
from resources.scratch import ScratchResource
from weft import orders
from weft.errors import RequestError, WeftError
from weft.orders import CompositeOrder, Order, StackOrder
from weft.orders.document import MAX_BYTES

if TYPE_CHECKING:
    from pipelines.jobs import AssetJob

INBOX = "orders/inbox"
REFUSED = "orders/refused"
ORDERS_PER_TICK = 50

_JOBS = {StackOrder.kind(): STACK_ORDER, CompositeOrder.kind(): COMPOSITE_ORDER}


def order_resources(settings: Settings) -> dict[str, Any]:
    """Resources by name that the order lane needs."""
    return {
        "items": ItemSourceResource(allow=list(settings.allow)),
        "store": ObjectStoreResource(url=settings.store),
        "catalogue": CatalogueResource(url=settings.catalogue),
        "scratch": ScratchResource(directory=settings.scratch),
    }


def order_definitions(settings: Settings) -> dg.Definitions:
    """The order lane alone, as it is in :func:`pipelines.definitions.build_defs`: it needs no region."""
    return dg.Definitions(
        assets=order_assets(),
        asset_checks=order_checks(),
        jobs=list(order_jobs().values()),
        resources=order_resources(settings),
        executor=dg.in_process_executor,
    )


def carry_out(
    order: Order,
    settings: Settings,
    instance: dg.DagsterInstance,
    *,
    notify: Callable[[PartitionReport], None] = lambda report: None,
) -> Report:
    """Place an order and make everything it asks for; work already done is not done again.

    Args:
        order: the order.
        settings: where everything is.
        instance: where runs and events are kept.
        notify: called for each asset after the run.

    Raises:
        RequestError: another order has its name.
    """
    defs = order_definitions(settings)
    put_order(order, ObjectStoreResource(url=settings.store).open())
    instance.add_dynamic_partitions(str(ORDER.name), [order.id])
    report = Report()
    run_job(defs, _JOBS[order.kind()], {"dagster/partition": order.id}, instance, report, notify=notify)
    return report


def inbox_sensor(jobs: Sequence[AssetJob]) -> dg.SensorDefinition:
    """A sensor that takes orders from the inbox; ``jobs`` are those of :func:`pipelines.jobs.order_jobs`."""

    @dg.sensor(
        name="order_inbox",
        jobs=jobs,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Takes up to {ORDERS_PER_TICK} documents a tick from {INBOX}/ in the object store and runs them.",
    )
    def order_inbox(context: dg.SensorEvaluationContext, store: ObjectStoreResource) -> dg.SensorResult:
        objects = store.open()
        _clear(objects, context.cursor)
        requests: list[dg.RunRequest] = []
        handled: dict[str, str] = {}
        for entry in sorted(objects.list(INBOX), key=lambda one: (one.modified, one.key))[:ORDERS_PER_TICK]:
            try:
                order = _accept(entry, objects)
            except RequestError as error:
                context.log.warning(f"{entry.key} is refused: {error}")
                _refuse(entry, objects, str(error))
                continue
            except WeftError as error:  # it stays in the inbox for the next tick
                context.log.warning(f"{entry.key} cannot be taken now: {error}")
                continue
            handled[entry.key] = _stamp(entry)
            requests.append(
                dg.RunRequest(
                    # Dagster remembers a run key for ever, and an order may be placed again when its datasets changed.
                    run_key=f"{order.id}:{entry.key}:{_stamp(entry)}",
                    job_name=_JOBS[order.kind()],
                    partition_key=order.id,
                )
            )
        keys = list(dict.fromkeys(str(request.partition_key) for request in requests))
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[ORDER.build_add_request(keys)] if keys else [],
            cursor=json.dumps(handled, sort_keys=True),
            skip_reason=None if requests else f"no new order in {INBOX}/",
        )

    return order_inbox


def _accept(entry: StoredObject, store: ObjectStore) -> Order:
    if entry.size > MAX_BYTES:
        raise RequestError(f"the document has {entry.size} bytes; keep it to {MAX_BYTES}")
    order = orders.parse(store.get(entry.key))
    put_order(order, store)
    return order


def _refuse(entry: StoredObject, store: ObjectStore, reason: str) -> None:
    """Move a document out of the way; its name and its content decide where, so that none hides another."""
    content = store.range(entry.key, 0, MAX_BYTES + 1) if entry.size else b""
    mark = hashlib.sha256(f"{entry.key}:{reason}".encode() + content).hexdigest()[:16]
    if content:
        store.put_bytes(f"{REFUSED}/{mark}.json", content)
    told = {"document": entry.key, "bytes": entry.size, "reason": reason}
    store.put_bytes(f"{REFUSED}/{mark}.reason.json", json.dumps(told, indent=1, sort_keys=True).encode())
    store.delete(entry.key)


def _clear(store: ObjectStore, cursor: str | None) -> None:
    """Remove what the last tick took: its requests are known to Dagster, or this cursor would not be."""
    taken: dict[str, str] = json.loads(cursor) if cursor else {}
    for entry in list(store.list(INBOX)) if taken else ():
        if taken.get(entry.key) == _stamp(entry):
            store.delete(entry.key)


def _stamp(entry: StoredObject) -> str:
    return f"{entry.modified.isoformat()}:{entry.size}"
