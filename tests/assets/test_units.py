"""Range runs: what is recorded, what is tried again."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest

from assets.partitions import TRACK, Box
from assets.units import Unit, resumable
from weft.errors import IntegrityError, RequestError, Unavailable
from weft.regions import Archive, Region

PLACES = ("R001", "R002", "R003")
PARTITIONS = dg.MultiPartitionsDefinition(
    {
        "period": dg.TimeWindowPartitionsDefinition(start="2018-03", cron_schedule="0 0 1 * *", fmt="%Y-%m"),
        TRACK: dg.StaticPartitionsDefinition(list(PLACES)),
    }
)
BOX = Box("2018-03", TRACK, PLACES)
KEY = dg.AssetKey("thing")


def run(work: Callable[[Unit], None], instance: dg.DagsterInstance, box: Box = BOX) -> dg.ExecuteInProcessResult:
    @dg.asset(
        key=KEY,
        partitions_def=PARTITIONS,
        backfill_policy=dg.BackfillPolicy.multi_run(50),
        retry_policy=dg.RetryPolicy(max_retries=2),
    )
    def thing(context) -> dg.MaterializeResult:
        with resumable(context) as units:
            for unit in units:
                work(unit)
                unit.finish(f"{unit.place:0>64}", {"note": unit.place})
        return units.result()

    job = dg.Definitions(assets=[thing], jobs=[dg.define_asset_job("job", [thing])]).resolve_job_def("job")
    return job.execute_in_process(instance=instance, tags=dict(box.tags), raise_on_error=False)


def recorded(instance: dg.DagsterInstance) -> dict[str, dg.AssetMaterialization]:
    records = instance.fetch_materializations(KEY, limit=100).records
    found = [record.asset_materialization for record in reversed(records)]
    return {made.partition.split("|")[1]: made for made in found if made is not None and made.partition}


def test_each_key_of_a_range_keeps_its_own_metadata() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(lambda unit: None, instance).success
        made = recorded(instance)
    assert {place: event.metadata["note"].value for place, event in made.items()} == {place: place for place in PLACES}
    assert {event.metadata["status"].value for event in made.values()} == {"empty"}


def test_the_data_version_is_the_fingerprint_of_a_single_key_and_changes_with_any_of_a_range() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run(lambda unit: None, instance, Box("2018-03", TRACK, PLACES[:1]))
        single = recorded(instance)["R001"].tags["dagster/data_version"]
        run(lambda unit: None, instance)
        whole = recorded(instance)["R001"].tags["dagster/data_version"]
        run(lambda unit: None, instance, Box("2018-03", TRACK, PLACES[:2]))
        part = recorded(instance)["R001"].tags["dagster/data_version"]
    assert single == f"{'R001':0>64}"
    assert len({single, whole, part}) == 3


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (Unavailable("gone fishing"), 3),
        (OSError("disk full"), 3),
        (RequestError("no such band"), 1),
        (IntegrityError("other bytes"), 1),
        (ZeroDivisionError("a bug"), 1),
    ],
)
def test_only_what_may_pass_by_itself_is_tried_again(error: Exception, attempts: int) -> None:
    tried = []

    def work(unit: Unit) -> None:
        if unit.place == "R002":
            tried.append(unit)
            raise error

    with dg.DagsterInstance.ephemeral() as instance:
        result = run(work, instance)
        made = recorded(instance)
    assert not result.success
    assert len(tried) == attempts
    assert made.keys() == {"R001"}, "what was finished before the failure is recorded, and nothing else"
    assert made["R001"].tags["dagster/data_version"] == f"{'R001':0>64}"
    failed = [event for event in result.all_events if event.is_step_failure]
    assert str(error) in str(failed[-1].step_failure_data)


def test_a_unit_names_itself_in_ids_and_properties() -> None:
    region = Region(
        region="low-lands",
        archive=Archive(stac="file:catalog.json", collection="s2"),
        calendar="month",
        start="2018-03",
        bands=("red",),
        tiles=("R051_31UES",),
    )
    unit = Unit(dg.MultiPartitionKey({"period": "2018-03", "tile_track": "R051_31UES"}))
    assert unit.item_id(region) == "low-lands_2018-03_R051_31UES"
    assert unit.item_id(region, "X1Y2") == "low-lands_2018-03_R051_31UES_X1Y2"
    assert unit.identity(region) == {
        "weft:region": "low-lands",
        "weft:period": "2018-03",
        "weft:tile_track": "R051_31UES",
        "weft:track": "R051",
        "weft:tile": "31UES",
    }
