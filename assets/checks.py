"""Checks of what the lane has published.

Belongs here: is it readable, valid, plausible. Not here: proving a file before it is published, which publishing does.

A run of a range of partitions can keep only one result of a check, so each check looks at all partitions of its run and
lists the bad ones; started by itself, it looks at everything the region has published. Only what must stop the chain is
blocking: files that are not what was published, and items that are not valid STAC.
"""

import hashlib
import inspect
import posixpath
from collections.abc import Callable, Iterator, Mapping

import dagster as dg

from assets import composites, expressions, mosaics, orbit_mosaics, region_mosaics
from assets.lane import Lane
from assets.units import RETRY, Unit
from resources.catalogue import CatalogueResource, Search
from resources.object_store import ObjectStore, ObjectStoreResource
from weft.errors import IntegrityError, RequestError
from weft.mosaicking.layers import COUNT
from weft.mosaicking.virtual import references
from weft.stac import Item
from weft.stac.region_mosaics import VRT
from weft.stac.validation import validate

MIN_VALID_PERCENT = 5.0
MAX_GAP_PERCENT = 1.0
"""More leaves holes that users notice on a map; a season of clouds may do that, and they should hear of it."""
REFLECTANCE = (0.0, 1.6)
"""Range of plausible surface reflectance; bright snow and sun glint exceed 1."""
_CHUNK = 8 << 20

Test = Callable[[Item, ObjectStore], str | None]
"""What is wrong with an item, None if nothing is."""


def stored_bytes(item: Item, store: ObjectStore) -> str | None:
    """Every file in the store still has the size and the SHA-256 it was published with."""
    for key, asset in item["assets"].items():
        try:
            digest, size = _digest(store, store.key_of(asset["href"]))
        except RequestError as error:
            return str(error)
        if (f"1220{digest}", size) != (asset["file:checksum"], asset["file:size"]):
            return (
                f"{key}: {asset['href']} holds other bytes than were published; delete it and the item, and make the "
                "partition again"
            )
    return None


def valid_stac(item: Item, store: ObjectStore) -> str | None:
    """The item is valid STAC 1.1."""
    try:
        validate(item)
    except IntegrityError as error:
        return str(error)
    return None


def enough_valid_pixels(item: Item, store: ObjectStore) -> str | None:
    """At least one layer has values in more than a twentieth of the pixels."""
    shares = [statistics["valid_percent"] for _, statistics in _reflectances(item)]
    if shares and max(shares) < MIN_VALID_PERCENT:
        return f"only {max(shares):.1f} % of the pixels have a value, expected {MIN_VALID_PERCENT:g} %"
    return None


def plausible_values(item: Item, store: ObjectStore) -> str | None:
    """Reflectances lie in the range that surfaces have."""
    low, high = REFLECTANCE
    for key, statistics in _reflectances(item):
        least, most = statistics.get("minimum", low), statistics.get("maximum", high)
        if not low <= least <= most <= high:
            return f"{key} runs from {least:.3f} to {most:.3f}, expected {low:g} to {high:g}"
    return None


def few_gaps(item: Item, store: ObjectStore) -> str | None:
    """At most a hundredth of what the tracks of a sheet can see was never observed.

    What they can see is the part of the sheet inside the region's tiles and inside the swaths of their tracks. Open sea
    and land that no tile covers are not expected, so sheets at the coast and at the edge of the region are judged by
    the rest of them; cloud and passes that were never flown are no excuse.
    """
    if "weft:gaps" not in item["properties"]:
        return "its gaps were not counted yet when it was made; make it again"
    expected = item["properties"]["weft:expected"]
    missing = item["properties"]["weft:gaps"]["0"] - (100.0 - expected)
    if expected and 100.0 * missing / expected > MAX_GAP_PERCENT:
        return (
            f"{100.0 * missing / expected:.1f} % of what its tracks can see was never observed, expected at most "
            f"{MAX_GAP_PERCENT:g} %"
        )
    return None


def sheets_are_stored(item: Item, store: ObjectStore) -> str | None:
    """Every sheet that the virtual mosaics refer to is still in the store."""
    # One layer tells: the files of a sheet come and go together.
    index = store.key_of(item["assets"][f"{COUNT}_{VRT}"]["href"])
    for path in references(store.get(index)):
        if not store.exists(key := posixpath.normpath(posixpath.join(posixpath.dirname(index), path))):
            return f"{key} is gone; make {region_mosaics.NAME} of this period again"
    return None


BLOCKING: dict[str, Test] = {"stored_bytes": stored_bytes, "valid_stac": valid_stac}
ADVISORY: dict[str, Test] = {"enough_valid_pixels": enough_valid_pixels, "plausible_values": plausible_values}


def production_checks(lane: Lane) -> list[dg.AssetChecksDefinition]:
    """Checks of every raster product of a region; those of composites stop the chain."""
    sheets = lane.partitions.sheets_of_track
    region = lane.partitions.region

    def one(unit: Unit) -> list[str]:
        return [unit.item_id(region)]

    def one_per_sheet(unit: Unit) -> list[str]:
        return [unit.item_id(region, sheet) for sheet in sheets[unit.place]]

    return [
        _checks(lane, composites.NAME, composites.COLLECTION, one, stop=True),
        _checks(lane, orbit_mosaics.NAME, orbit_mosaics.COLLECTION, one_per_sheet, stop=False),
        _checks(lane, mosaics.NAME, mosaics.COLLECTION, one, stop=False, advisory=ADVISORY | {"few_gaps": few_gaps}),
        _checks(lane, expressions.NAME, expressions.COLLECTION, one, stop=False),
        _checks(
            lane,
            region_mosaics.NAME,
            region_mosaics.COLLECTION,
            one,
            stop=False,
            advisory=ADVISORY | {"few_gaps": few_gaps, "sheets_are_stored": sheets_are_stored},
        ),
    ]


def _checks(
    lane: Lane,
    name: str,
    collection: str,
    item_ids: Callable[[Unit], list[str]],
    *,
    stop: bool,
    advisory: Mapping[str, Test] = ADVISORY,
) -> dg.AssetChecksDefinition:
    tests = {**BLOCKING, **advisory}
    specs = [
        dg.AssetCheckSpec(
            check, asset=lane.key(name), description=inspect.getdoc(test), blocking=stop and check in BLOCKING
        )
        for check, test in tests.items()
    ]

    # One step for all: the items are fetched once, and a step costs more than most checks.
    @dg.multi_asset_check(specs=specs, name=f"{lane.group}__{name}_checks", retry_policy=RETRY)
    def checks(
        context: dg.AssetCheckExecutionContext, catalogue: CatalogueResource, store: ObjectStoreResource
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = _wanted(context, collection, item_ids, lane.partitions.region.region)
        items, objects = list(catalogue.open().search(wanted)), store.open()
        for check, test in tests.items():
            bad = {item["id"]: problem for item in items if (problem := test(item, objects))}
            yield dg.AssetCheckResult(
                passed=not bad,
                check_name=check,
                asset_key=lane.key(name),
                severity=dg.AssetCheckSeverity.ERROR if check in BLOCKING else dg.AssetCheckSeverity.WARN,
                description="; ".join(f"{item_id}: {problem}" for item_id, problem in list(bad.items())[:5]),
                metadata={"checked": len(items), "bad": dg.MetadataValue.json(bad)},
            )

    return checks


def _wanted(
    context: dg.AssetCheckExecutionContext, collection: str, item_ids: Callable[[Unit], list[str]], region: str
) -> Search:
    if not (context.has_partition_key or context.has_partition_key_range):
        return Search(collection, properties={"weft:region": region})
    keys = context.op_execution_context.partition_keys
    return Search(collection, ids=[item_id for key in keys for item_id in item_ids(Unit(key))])


def _reflectances(item: Item) -> Iterator[tuple[str, Mapping[str, float]]]:
    for key, asset in item["assets"].items():
        for band in asset.get("bands", ()):
            if "weft:cbn" in band:
                yield key, band["statistics"]


def _digest(store: ObjectStore, key: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := store.range(key, size, _CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size
