"""Orders from their documents to their products: the Charter's use cases, the inbox, and what wrong ones are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import rasterio

from pipelines import cli
from pipelines.instance import open_instance
from pipelines.jobs import order_jobs
from pipelines.orders import _JOBS, INBOX, REFUSED, carry_out, inbox_sensor
from pipelines.settings import Settings
from resources.catalogue import Catalogue, CatalogueResource
from resources.object_store import ObjectStore, ObjectStoreResource
from resources.orders import get_order, put_order
from tests.order_scenes import CHARTER, Datasets
from tests.pipelines.conftest import check_results, told
from weft import orders
from weft.errors import RequestError
from weft.stac import Item
from weft.stac.order_products import ORDERS
from weft.stac.products import COG_TYPE
from weft.stac.validation import validate


@dataclass(frozen=True)
class Site:
    """A home whose catalogue has the simulated datasets."""

    settings: Settings
    instance: dg.DagsterInstance

    @property
    def catalogue(self) -> Catalogue:
        return CatalogueResource(url=self.settings.catalogue).open()

    @property
    def store(self) -> ObjectStore:
        return ObjectStoreResource(url=self.settings.store).open()

    def item(self, collection: str, order_id: str) -> Item:
        item = self.catalogue.get(collection, order_id)
        assert item is not None
        return item

    def pixels(self, item: Item, key: str) -> np.ndarray:
        store = self.store
        path = store.fetch(store.key_of(item["assets"][key]["href"]), Path(self.settings.store))
        with rasterio.open(path) as dataset:
            return dataset.read(1)


@pytest.fixture(scope="module")
def site(datasets: Datasets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = Settings.of_home(tmp_path_factory.mktemp("orders"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(settings.dagster))
        with open_instance(settings.dagster) as instance:
            made = Site(settings, instance)
            made.catalogue.upsert([scene.item for scene in datasets.all.values()])
            yield made


@pytest.fixture
def weft(site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        for name in ("WEFT_STORE", "WEFT_CATALOG", "WEFT_REGION", "WEFT_SCRATCH", "WEFT_ALLOW"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("WEFT_HOME", str(Path(site.settings.store).parent))
        monkeypatch.setattr("sys.argv", ["weft", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (int(ended.value.code or 0), *capfd.readouterr())

    return run


def rasters(item: Item) -> dict[str, str]:
    """Asset keys and titles of bands and expressions."""
    return {
        key: asset["title"]
        for key, asset in item["assets"].items()
        if asset["type"] == COG_TYPE and "data" in asset["roles"]
    }


def test_the_first_use_case_of_the_charter_comes_out_as_files(
    site: Site, weft: Callable[..., Any], tmp_path: Path
) -> None:
    order_file, out = CHARTER / "use_case_1.json", tmp_path / "out"
    order = orders.parse(order_file.read_bytes())
    code, printed, _ = weft("stack", order_file, "--out", out)
    assert code == 0
    for part in ("newsat-20220322", "registered", "1.red", "2.red", "report.html"):
        assert part in printed
    item = json.loads((out / "coregistered-stacks" / "item.json").read_text())
    assert rasters(item) == {"1_red": "1.red", "2_red": "2.red"}
    for asset in item["assets"].values():
        assert (out / "coregistered-stacks" / asset["href"]).is_file()
    assert not (out / "expression-bands").exists()
    again = orders.parse((out / "order.json").read_bytes())
    assert again == order
    assert again.id == order.id == item["id"]
    (two,) = item["properties"]["weft:coregistration"]["datasets"]
    assert two["status"] == "registered"
    assert two["method"] == "cross_corr"
    assert two["ce90_after"] < two["ce90_before"] / 3

    code, printed, _ = weft("stack", order_file, "--json")
    assert code == 0
    said = json.loads(printed)
    assert said["unchanged"] is True
    assert [one["collection"] for one in said["items"]] == ["coregistered-stacks"]


def test_the_second_use_case_of_the_charter_registers_radar_and_evaluates(site: Site) -> None:
    order = orders.parse((CHARTER / "use_case_2.json").read_bytes())
    report = carry_out(order, site.settings, site.instance)
    assert not report.failures
    assert {one.asset: one.status for one in report.partitions} == {
        "order_inputs": "done",
        "coregistered_stack": "done",
        "expression_bands": "done",
    }
    stack, bands = site.item("coregistered-stacks", order.id), site.item("expression-bands", order.id)
    for item in (site.item(ORDERS, order.id), stack, bands):
        validate(item)
        assert item["properties"]["weft:order"] == order.id
        assert site.store.get(site.store.key_of(item["assets"]["order"]["href"])) == order.canonical()
    assert rasters(stack) == {"1_nir": "1.nir", "1_swir16": "1.swir16", "2_s0_db_c_vv": "2.s0_db_c_vv"}
    assert rasters(bands) == {"average": "average"}
    (two,) = stack["properties"]["weft:coregistration"]["datasets"]
    assert (two["pairing"], two["method"], two["status"]) == ("s0_db_c_vv", "multimodal", "registered")
    assert two["ce90_after"] < two["ce90_before"]
    nir, swir16 = (site.pixels(stack, key) * 1e-4 for key in ("1_nir", "1_swir16"))
    average = site.pixels(bands, "average")
    there = ~np.isnan(average)
    assert there.mean() > 0.9
    np.testing.assert_allclose(average[there], (nir + swir16)[there] / 2, rtol=1e-5)
    links = [link["href"] for link in bands["links"] if link["rel"] == "derived_from"]
    assert links == [f"../../coregistered-stacks/items/{order.id}"]
    shown = metadata(site, "coregistered_stack", order.id)
    assert "data:image/gif;base64," in shown["flicker"].value
    assert "data:image/png;base64," in shown["quiver"].value
    assert sum(len(str(shown[name].value)) for name in ("picture", "flicker", "quiver")) < 200_000
    (row,) = shown["registration"].value.records
    assert row.data["ce90_after"] == two["ce90_after"]
    assert all(checks(site, order.id).values())
    assert told(site.instance, order.id)
    assert carry_out(order, site.settings, site.instance).unchanged
    assert metadata(site, "coregistered_stack", order.id)["flicker"] == shown["flicker"]


def metadata(site: Site, asset: str, order_id: str) -> dict[str, dg.MetadataValue]:
    records = site.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(["orders", asset]), asset_partitions=[order_id]), limit=1
    ).records
    assert records[0].asset_materialization is not None
    return dict(records[0].asset_materialization.metadata)


def checks(site: Site, order_id: str) -> dict[str, bool]:
    return check_results(site.instance, order_id, "coregistered_stack")


def changed(tmp_path: Path, **fields: Any) -> Path:
    """The first use case with other fields; None leaves one out."""
    document = json.loads((CHARTER / "use_case_1.json").read_text()) | fields
    path = tmp_path / "order.json"
    path.write_text(json.dumps({name: value for name, value in document.items() if value is not None}))
    return path


def test_a_dataset_that_cannot_be_registered_is_left_where_it_is_and_everybody_says_so(
    site: Site, weft: Callable[..., Any], tmp_path: Path
) -> None:
    strict = {"max_ce90": 0.01, "method": "cross_corr", "coarse_search": 0, "spacing": 32}
    code, _, told = weft("stack", changed(tmp_path, coregistration=strict))
    assert code == 2
    assert "coregistration: input_reference[2] (newsat-20220322) cannot be registered by red with 1.red" in told
    lenient = changed(tmp_path, name="lenient", coregistration=strict | {"on_failure": "geometry"})
    code, printed, told = weft("stack", lenient)
    assert code == 3
    assert "refused" in printed
    assert "not registered newsat-20220322" in told
    item = site.item("coregistered-stacks", "lenient")
    (two,) = item["properties"]["weft:coregistration"]["datasets"]
    assert two["status"] == "refused"
    assert "max_ce90 is 0.01 px" in two["reason"]
    found = checks(site, "lenient")
    assert not found.pop("registration_holds")
    assert all(found.values())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"bands": "1.red,2.swir16"}, "bands: 2.swir16"),
        ({"bands": "1.red, 2.red"}, "bands: ' 2.red'"),
        ({"reference_asset": "1.nir"}, "reference_asset: 1.nir"),
        ({"aoi": "POLYGON((3 50, 3.1 50, 3.1 50.1, 3 50.1, 3 50))"}, "aoi"),
        ({"input_reference": ["calibrated-datasets/sentinel-2-20220321", "nowhere"]}, "input_reference[2]: nowhere"),
        ({"input_reference": ["calibrated-datasets/sentinel-2-20220321", "file:///x/y.json"]}, "WEFT_ALLOW"),
        ({"coregistration": {"method": "dem_assisted"}}, "dem_assisted needs orbits"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_order_is_told_which_field_is_wrong(
    weft: Callable[..., Any], tmp_path: Path, fields: dict[str, Any], told: str
) -> None:
    code, _, said = weft("stack", changed(tmp_path, **fields))
    assert code == 2
    assert told in said
    assert "Traceback" not in said


def test_an_order_never_changes(site: Site, weft: Callable[..., Any], tmp_path: Path) -> None:
    first = orders.parse(changed(tmp_path, name="named").read_bytes())
    assert put_order(first, site.store)
    assert not put_order(first, site.store)
    assert get_order("named", site.store) == first
    older = json.loads(first.canonical())
    del older["coregistration"]["search"]  # as an earlier version of Weft would have kept it
    site.store.put_bytes("orders/older.json", json.dumps(older | {"name": "older"}).encode())
    assert not put_order(orders.parse(changed(tmp_path, name="older").read_bytes()), site.store)
    code, _, told = weft("stack", changed(tmp_path, name="named", bands="1.red,1.nir,2.red"))
    assert code == 2
    assert "name: there is another order named, and orders never change" in told
    with pytest.raises(RequestError, match=r"'\.\.\.' in it"):
        put_order(orders.parse(changed(tmp_path, name="a...b").read_bytes()), site.store)
    with pytest.raises(RequestError, match="there is no order unheard-of"):
        get_order("unheard-of", site.store)


def tick(site: Site, cursor: str | None) -> dg.SensorResult:
    resources = {"store": ObjectStoreResource(url=site.settings.store)}
    with dg.build_sensor_context(site.instance, cursor=cursor, resources=resources) as context:
        result = inbox_sensor(list(order_jobs().values()))(context)
    assert isinstance(result, dg.SensorResult)
    return result


def listed(site: Site, prefix: str) -> list[str]:
    return [entry.key.rpartition("/")[2] for entry in site.store.list(prefix)]


def test_the_inbox_is_emptied_once_dagster_knows_what_to_run_and_bad_documents_block_nobody(
    site: Site, tmp_path: Path
) -> None:
    good = orders.parse(changed(tmp_path, name="from-the-inbox").read_bytes())
    store = site.store
    store.put_bytes(f"{INBOX}/a.json", b'{"input_reference": [')
    store.put_bytes(f"{INBOX}/b.json", b"x" * 2_000_001)
    store.put_bytes(f"{INBOX}/c.json", changed(tmp_path, bands="1.red,9.nir").read_bytes())
    store.put_bytes(f"{INBOX}/d.json", (tmp_path / "order.json").read_bytes().replace(b"9.nir", b"1.nir"))
    store.put_bytes(f"{INBOX}/e.json", good.canonical())
    store.put_bytes(f"{INBOX}/f.json", b"")

    first = tick(site, None)
    assert first.run_requests is not None
    assert "from-the-inbox" in [request.partition_key for request in first.run_requests]
    assert len(first.run_requests) == 2
    assert {request.job_name for request in first.run_requests} == {"stack_order"}
    (added,) = first.dynamic_partitions_requests or ()
    assert set(added.partition_keys) == {request.partition_key for request in first.run_requests}
    assert get_order("from-the-inbox", store) == good
    assert listed(site, INBOX) == ["d.json", "e.json"], "they stay until their runs are known"
    reasons = [json.loads(store.get(f"{REFUSED}/{name}")) for name in listed(site, REFUSED) if ".reason." in name]
    assert {
        one["document"]: one["reason"].partition(":")[0].removeprefix("the order ").removeprefix("it ")
        for one in reasons
    } == {
        f"{INBOX}/a.json": "is not JSON in UTF-8",
        f"{INBOX}/b.json": "the document has 2000001 bytes; keep it to 2000000",
        f"{INBOX}/c.json": "bands",
        f"{INBOX}/f.json": "is not JSON in UTF-8",
    }
    lost = tick(site, None)  # a daemon that died before it kept the cursor: the same keys, so nothing runs twice
    assert [one.run_key for one in lost.run_requests or ()] == [one.run_key for one in first.run_requests]
    second = tick(site, first.cursor)
    assert not second.run_requests
    assert "no new order" in str(second.skip_reason)
    assert listed(site, INBOX) == []

    store.put_bytes(f"{INBOX}/e.json", good.canonical())  # placed again, for its datasets may have changed
    (again,) = tick(site, second.cursor).run_requests or ()
    assert again.partition_key == "from-the-inbox"
    assert again.run_key not in {request.run_key for request in first.run_requests}


def test_every_kind_of_order_has_a_job() -> None:
    assert _JOBS.keys() == {kind.kind() for kind in orders.KINDS}
