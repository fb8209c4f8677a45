"""Checks of what was made for orders.

Belongs here: does the registration hold what the order demands, and which checks each product gets. Not here: checks
that the production lane has too (``assets.checks``), or proving a file before it is published, which publishing does.
Started by itself, a check looks at every order; in a run, at those of the run.
"""

import inspect
from collections.abc import Iterator, Mapping

import dagster as dg

from assets.checks import ADVISORY as OF_COMPOSITES
from assets.checks import BLOCKING, Test
from assets.orders import composite, expressions, stack
from assets.orders.lane import GROUP, key
from assets.units import RETRY
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStore, ObjectStoreResource
from weft.registration.settings import Registering
from weft.stac import Item
from weft.stac.order_products import COMPOSITES, EXPRESSIONS, STACKS


def registration_holds(item: Item, store: ObjectStore) -> str | None:
    """Every dataset that was to be registered is, with the points, coverage and CE90 that the order demands.

    A dataset whose registration was refused lies where its geolocation is, if the order allows that; it fails here, so
    that nobody takes it for registered.
    """
    facts = item["properties"]["weft:coregistration"]
    limits = Registering.model_validate(facts["settings"])
    problems = [problem for one in facts["datasets"] if (problem := _problem(one, limits))]
    return "; ".join(problems) or None


def _problem(facts: Mapping[str, object], limits: Registering) -> str | None:
    name = f"dataset {facts['dataset']} ({facts['id']})"
    if facts["status"] == "geometry":  # as ordered: nothing was measured
        return None
    if facts["status"] == "refused":
        return f"{name} was not registered: {facts['reason']}"
    found = {limit: _number(facts[limit]) for limit in ("inliers", "coverage", "ce90_before", "ce90_after")}
    if found["inliers"] < limits.min_points:
        return f"{name} rests on {found['inliers']:g} points, expected {limits.min_points}"
    if found["coverage"] < limits.min_coverage:
        return f"{name} has points in {found['coverage']:.0%} of its area, expected {limits.min_coverage:.0%}"
    if found["ce90_after"] > min(limits.max_ce90, found["ce90_before"]):
        return (
            f"{name} has a CE90 of {found['ce90_after']:.2f} px, before {found['ce90_before']:.2f} px, expected "
            f"no more than before and at most {limits.max_ce90:g} px"
        )
    return None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


OF_STACKS: dict[str, Test] = {"registration_holds": registration_holds}


def order_checks() -> list[dg.AssetChecksDefinition]:
    """Checks of every product of an order; files that are not what was published stop the chain."""
    return [
        _checks(stack.NAME, STACKS, BLOCKING | OF_STACKS, stop=True),
        _checks(expressions.NAME, EXPRESSIONS, BLOCKING, stop=False),
        _checks(composite.NAME, COMPOSITES, BLOCKING | OF_COMPOSITES, stop=False),
    ]


def _checks(name: str, collection: str, tests: Mapping[str, Test], *, stop: bool) -> dg.AssetChecksDefinition:
    specs = [
        dg.AssetCheckSpec(check, asset=key(name), description=inspect.getdoc(test), blocking=stop and check in BLOCKING)
        for check, test in tests.items()
    ]

    @dg.multi_asset_check(specs=specs, name=f"{GROUP}__{name}_checks", retry_policy=RETRY)
    def checks(
        context: dg.AssetCheckExecutionContext, catalogue: CatalogueResource, store: ObjectStoreResource
    ) -> Iterator[dg.AssetCheckResult]:
        found, objects = catalogue.open().search(_wanted(context, collection)), store.open()
        items = [item for item in found if "weft:order" in item["properties"]]
        for check, test in tests.items():
            bad = {item["id"]: problem for item in items if (problem := test(item, objects))}
            yield dg.AssetCheckResult(
                passed=not bad,
                check_name=check,
                asset_key=key(name),
                severity=dg.AssetCheckSeverity.ERROR if check in BLOCKING else dg.AssetCheckSeverity.WARN,
                description="; ".join(f"{item_id}: {problem}" for item_id, problem in list(bad.items())[:5]),
                metadata={"checked": len(items), "bad": dg.MetadataValue.json(bad)},
            )

    return checks


def _wanted(context: dg.AssetCheckExecutionContext, collection: str) -> Search:
    if not (context.has_partition_key or context.has_partition_key_range):
        return Search(collection)
    return Search(collection, ids=list(context.op_execution_context.partition_keys))
