from __future__ import annotations

from dataclasses import replace

import pytest

from tests.weft.orders.inputs import dataset
from weft.orders.pairing import default_pair


@pytest.mark.parametrize(
    ("reference", "others", "paired"),
    [
        ("red", ("nir", "red", "s0_db_c_vv"), "red"),
        ("band2", ("band1", "band2"), "band2"),
        ("swir16", ("blue", "nir", "swir22"), "swir22"),
        ("red", ("blue", "green", "nir", "s0_db_c_vv"), "green"),
        ("nir", ("red", "rededge075", "nir08"), "nir08"),
        ("pan", ("blue", "red"), "red"),
        ("swir16", ("s0_db_c_vh", "s0_db_c_vv"), "s0_db_c_vv"),
        ("swir16", ("s0_db_x_hv", "s0_db_x_hh"), "s0_db_x_hh"),
        ("red", ("vh", "vv"), "vv"),
        ("red", ("s0_db_x_vv", "s0_db_c_vv", "s0_db_c_hh"), "s0_db_c_vv"),
        ("s0_db_c_vv", ("s0_db_x_hh", "s0_db_x_vv", "nir"), "s0_db_x_vv"),
        ("s0_db_c_vh", ("s0_db_x_hh", "s0_db_x_vv", "s0_db_x_vh"), "s0_db_x_vh"),
        ("s0_db_c_vh", ("s0_db_x_hh", "s0_db_x_hv"), "s0_db_x_hh"),
        ("s0_db_c_vv", ("blue", "red", "nir08"), "nir08"),
        ("s0_db_c_vv", ("blue", "red"), "red"),
        ("s0_db_c_vv", ("swir16",), "swir16"),
        ("red", ("band1",), "band1"),
        ("band1", ("s0_db_c_vv", "band2"), "s0_db_c_vv"),
        ("red", ("band1", "band2"), None),
        ("band3", ("band1", "band2"), None),
        ("s0_db_c_vv", ("blue", "green"), None),
    ],
)
def test_the_rule(reference, others, paired):
    home = dataset(1, reference, "blue")
    for order in (others, others[::-1]):
        assert default_pair(home, reference, dataset(2, *order)) == paired


def test_labels_are_never_matched():
    home = dataset(1, "red")
    assert default_pair(home, "red", dataset(2, "classes", labels=("classes",))) is None
    assert default_pair(home, "red", dataset(2, "red", "band1", labels=("red",))) == "band1"


def test_a_layer_with_two_names_is_one_layer():
    other = dataset(2, "B04")
    other = replace(other, layers={**other.layers, "ortho": other.layers["B04"]}, common_names={})
    assert default_pair(dataset(1, "red"), "red", other) == "B04"


def test_the_common_name_counts_whatever_the_asset_is_called():
    home = dataset(1, "B04", common_names={"B04": "red"})
    assert default_pair(home, "B04", dataset(2, "B3", "B4", common_names={"B4": "red", "B3": "green"})) == "B4"
