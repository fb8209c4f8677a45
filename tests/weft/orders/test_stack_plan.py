from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyproj
import pytest
import shapely

from tests.weft.orders.inputs import HOME, dataset, order
from weft.errors import RequestError
from weft.orders.datasets import Dataset
from weft.orders.stack import BandRef
from weft.orders.stack_plan import StackPlan, plan_stack
from weft.rasters.grid import Grid, transformer
from weft.scenes.scene import Layer

FAR = replace(HOME, left=900_000)
EAST = replace(HOME, left=HOME.left + 1500)


def wkt(left: float, bottom: float, right: float, top: float, crs: str = "EPSG:32631") -> str:
    """A rectangle of map coordinates as WKT in degrees."""
    outline = shapely.segmentize(shapely.box(left, bottom, right, top), 50)
    change = transformer(crs, "EPSG:4326")
    return shapely.transform(outline, change.transform, interleaved=False).wkt


def plan(*datasets: Dataset, **fields: Any) -> StackPlan:
    references = [f"d{one.index}" for one in datasets]
    return plan_stack(order(**{"input_reference": references} | fields), datasets)


def test_a_plan_says_everything():
    sets = dataset(1, "nir", "swir16"), dataset(2, "s0_db_c_vv", "s0_db_c_vh"), dataset(3, "nir", "swir16")
    found = plan(
        *sets,
        bands="1.nir,1.swir16,2.s0_db_c_vv,3.nir",
        reference_asset="1.swir16",
        s_expressions="average:(/ (+ 1.nir 1.swir16) 2)",
    )
    assert found.bands == (BandRef(1, "nir"), BandRef(1, "swir16"), BandRef(2, "s0_db_c_vv"), BandRef(3, "nir"))
    assert found.reference == BandRef(1, "swir16")
    assert found.pairing == {2: "s0_db_c_vv", 3: "swir16"}
    assert found.methods == {2: "multimodal", 3: "cross_corr"}
    assert found.datasets == sets
    assert found.dataset(2) is sets[1]
    assert found.layer(BandRef(3, "nir")) == sets[2].layers["nir"]
    assert found.grid == HOME
    assert list(found.expressions) == ["average"]


def test_the_reference_may_be_of_any_dataset():
    found = plan(dataset(1, "nir"), dataset(2, "nir", grid=EAST), reference_asset="2.nir")
    assert found.pairing == {1: "nir"}
    assert found.methods == {1: "cross_corr"}
    assert found.grid == replace(EAST, width=50)


@pytest.mark.parametrize("method", ["cross_corr", "multimodal"])
def test_a_stated_method_is_taken_for_every_dataset(method):
    sets = dataset(1, "nir"), dataset(2, "nir"), dataset(3, "s0_db_c_vv")
    found = plan(*sets, bands="1.nir,2.nir,3.s0_db_c_vv", coregistration={"method": method})
    assert found.methods == {2: method, 3: method}


def test_method_stack_matches_nothing():
    sets = dataset(1, "nir"), dataset(2, "classes", labels=("classes",))
    found = plan(*sets, bands="1.nir,2.classes", coregistration={"method": "stack"})
    assert (found.pairing, found.methods) == ({}, {2: "stack"})


def test_a_stated_pair_may_be_no_band_of_the_stack():
    sets = dataset(1, "nir"), dataset(2, "nir", "s0_db_c_vv")
    found = plan(*sets, coregistration={"pairing": {"2": "s0_db_c_vv"}})
    assert found.pairing == {2: "s0_db_c_vv"}
    assert found.methods == {2: "multimodal"}


def test_one_dataset_alone_is_a_stack():
    found = plan(dataset(1, "nir", "red"), bands="1.nir,1.red")
    assert (found.pairing, found.methods, found.grid) == ({}, {}, HOME)


def test_without_an_area_the_stack_is_what_all_have_in_common():
    south = replace(HOME, top=HOME.top - 305, left=HOME.left - 5)
    found = plan(
        dataset(1, "nir"), dataset(2, "nir", grid=EAST), dataset(3, "nir", grid=south), bands="1.nir,2.nir,3.nir"
    )
    # The lattice is that of the reference; a pixel that is shared in part belongs to the stack.
    assert found.grid == replace(HOME, left=HOME.left + 1500, top=HOME.top - 300, width=50, height=130)


def test_every_used_layer_counts_and_no_other():
    near = dataset(2, "nir", "red")
    near = replace(near, layers={"nir": near.layers["nir"], "red": Layer("r.tif", 1, EAST)})
    assert plan(dataset(1, "nir"), near).grid == HOME
    assert plan(dataset(1, "nir"), near, bands="1.nir,2.nir,2.red").grid == replace(HOME, left=EAST.left, width=50)
    assert plan(dataset(1, "nir"), near, coregistration={"pairing": {"2": "red"}}).grid.width == 50


def test_the_area_cuts_on_the_pixels_of_the_reference():
    area = wkt(HOME.left + 108, HOME.top - 492, HOME.left + 292, HOME.top - 208)
    found = plan(dataset(1, "nir"), dataset(2, "nir", grid=replace(HOME, left=HOME.left + 150)), aoi=area)
    assert found.grid == replace(HOME, left=HOME.left + 100, top=HOME.top - 200, width=20, height=30)


def test_an_area_beyond_the_reference_is_cut_to_it():
    assert (
        plan(dataset(1, "nir"), dataset(2, "nir"), aoi="POLYGON((-60 -60, 60 -60, 60 80, -60 80, -60 -60))").grid
        == HOME
    )


def test_resolution_changes_the_pixel_and_keeps_the_corner():
    found = plan(dataset(1, "nir"), dataset(2, "nir", grid=EAST), coregistration={"resolution": 25})
    assert found.grid == Grid("EPSG:32631", HOME.left + 1500, HOME.top, 25, 25, 20, 64)


def test_secondaries_may_be_in_any_crs():
    change = transformer("EPSG:32631", "EPSG:4326")
    west, north = change.transform(HOME.left + 500, HOME.top + 500)
    degrees = Grid("EPSG:4326", west, north, 0.0001, 0.0001, 400, 400)
    left, top = transformer("EPSG:32631", "EPSG:32632").transform(HOME.left - 3000, HOME.top + 3000)
    other_zone = Grid("EPSG:32632", left, top, 20, 20, 600, 600)
    found = plan(
        dataset(1, "nir"),
        dataset(2, "nir", grid=degrees),
        dataset(3, "nir", grid=other_zone),
        bands="1.nir,2.nir,3.nir",
    )
    columns, row = (found.grid.left - HOME.left) / 10, (HOME.top - found.grid.top) / 10
    assert columns.is_integer()
    assert row == 0
    west_edge, _ = transformer("EPSG:4326", "EPSG:32631").transform(west, 50.52)
    assert abs(found.grid.left - west_edge) < 20


def test_a_stack_across_the_antimeridian():
    one = Grid("EPSG:32660", 600_000, 6_000_000, 100, 100, 2000, 400)
    other = Grid("EPSG:32601", 280_000, 6_000_000, 100, 100, 600, 400)
    assert one.footprint().bounds[0] < -170 < 170 < one.footprint().bounds[2]
    found = plan(dataset(1, "nir", grid=one), dataset(2, "nir", grid=other))
    assert 300 < found.grid.width < 1900
    area = "POLYGON((179.5 53.9, 179.9 53.9, 179.9 54, 179.5 54, 179.5 53.9))"
    assert plan(dataset(1, "nir", grid=one), aoi=area, bands="1.nir").grid.width < 300


def unplaced() -> Dataset:
    return replace(dataset(2, "nir"), unusable={"vv": "asset vv has no proj:code"})


TWO = (dataset(1, "nir"), dataset(2, "nir"))
BAD: list[tuple[tuple[Dataset, ...], dict[str, Any], str]] = [
    (TWO[:1], {"input_reference": ["a", "b"]}, r"input_reference: names 2 datasets, but 1 were found"),
    (TWO, {"bands": "1.nir,2.red"}, r"bands: 2.red: input_reference\[2\] \(set2\) has no band red; it has nir"),
    (TWO, {"bands": "1.nir,2.NIR"}, r"bands: 2.NIR: input_reference\[2\] \(set2\) has no band NIR"),
    (TWO, {"bands": "1.red,2.nir", "reference_asset": "1.red"}, r"bands: 1.red: .*has no band red"),
    ((TWO[0], unplaced()), {"bands": "1.nir,2.vv"}, r"bands: 2.vv: input_reference\[2\] \(set2\): .*proj:code"),
    (TWO, {"bands": "1.nir"}, r"input_reference\[2\] \(set2\): no band is of this dataset"),
    (
        (TWO[0], dataset(2, "nir", grid=FAR)),
        {},
        r"input_reference\[2\] \(set2\): it does not overlap the reference input_reference\[1\]",
    ),
    ((dataset(1, "nir", grid=FAR), TWO[1]), {"reference_asset": "2.nir"}, r"input_reference\[1\] .* does not overlap"),
    ((TWO[0], dataset(2, "nir", grid=replace(HOME, crs="EPSG:32656"))), {}, r"input_reference\[2\] .* not overlap"),
    ((TWO[0], dataset(2, "nir", grid=replace(HOME, left=HOME.left + 2000))), {}, "does not overlap"),
    (
        (
            TWO[0],
            dataset(2, "nir", grid=replace(HOME, left=HOME.left - 1900)),
            dataset(3, "nir", grid=replace(HOME, left=HOME.left + 1900)),
        ),
        {"bands": "1.nir,2.nir,3.nir"},
        r"input_reference: the datasets overlap in pairs, but have no area in common; give an aoi",
    ),
    (TWO, {"aoi": "POLYGON((10 10, 11 10, 11 11, 10 10))"}, r"aoi: it lies outside input_reference\[1\] \(set1\)"),
    (
        (TWO[0], dataset(2, "nir", grid=EAST)),
        {"aoi": wkt(HOME.left, HOME.top - 500, HOME.left + 500, HOME.top)},
        r"aoi: it lies outside input_reference\[2\] \(set2\)",
    ),
    (
        (TWO[0], dataset(2, "nir", grid=replace(HOME, crs="EPSG:99999"))),
        {},
        r"input_reference\[2\] .* PROJ cannot place",
    ),
    ((TWO[0], dataset(2, "nir", grid=replace(HOME, left=1e300))), {}, r"input_reference\[2\] .* PROJ cannot place"),
    ((dataset(1, "nir", grid=replace(HOME, crs="EPSG:1")), TWO[1]), {}, r"input_reference\[1\] .* PROJ cannot place"),
    ((TWO[0], dataset(2, "band1", "band2")), {"bands": "1.nir,2.band1"}, r'coregistration.pairing: .*\{"2": "..."\}'),
    (TWO, {"coregistration": {"pairing": {"2": "red"}}}, r"coregistration.pairing: input_reference\[2\] .*no band red"),
    (
        (TWO[0], dataset(2, "nir", "scl", labels=("scl",))),
        {"coregistration": {"pairing": {"2": "scl"}}},
        "coregistration.pairing: scl of .* holds labels",
    ),
    (
        (dataset(1, "nir", "scl", labels=("scl",)), TWO[1]),
        {"bands": "1.scl,2.nir", "reference_asset": "1.scl"},
        "reference_asset: 1.scl holds labels",
    ),
    (TWO, {"coregistration": {"resolution": 5000}}, "coregistration.resolution: 5000 .* makes 0.4 x 0.32 pixels"),
    (TWO, {"coregistration": {"resolution": 0.001}}, "coregistration.resolution: 0.001"),
]


@pytest.mark.parametrize(("datasets", "fields", "message"), BAD, ids=[message[:50] for _, _, message in BAD])
def test_a_wrong_order_fails_before_any_pixel_and_names_the_field(datasets, fields, message):
    with pytest.raises(RequestError, match=message if message.startswith("does") else f"^{message}"):
        plan(*datasets, **fields)


def test_the_lattice_is_kept_for_odd_corners():
    odd = replace(HOME, left=500_003.7, top=5_600_001.3)
    found = plan(dataset(1, "nir", grid=odd), dataset(2, "nir"))
    assert ((found.grid.left - odd.left) / 10).is_integer()
    assert found.grid.left <= odd.left + 1e-6
    assert pyproj.CRS(found.grid.crs) == pyproj.CRS(odd.crs)
