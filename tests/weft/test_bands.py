from __future__ import annotations

import pytest

from weft.bands import BANDS, COMMON_NAMES, is_common_name, modality, polarisation, radar_name


def test_radar_names_are_those_of_the_charter_mapper():
    assert radar_name("C", "VV") == "s0_db_c_vv"
    assert radar_name("L", "HH") == "s0_db_l_hh"
    assert radar_name("Ku", "vh") == "s0_db_ku_vh"


@pytest.mark.parametrize(("frequency", "wave"), [("q", "vv"), ("c", "xx"), ("", "vv"), ("c_vv", "hh")])
def test_what_is_no_radar_band_has_no_name(frequency, wave):
    with pytest.raises(ValueError, match="there is no radar band"):
        radar_name(frequency, wave)


@pytest.mark.parametrize(
    ("name", "wave"),
    [
        *(("s0_db_c_vv", "vv"), ("s0_db_x_hh", "hh"), ("VH", "vh"), ("vv_mean", "vv"), ("gamma0_vv", "vv")),
        *(("nir", None), ("swir16", None), ("band1", None), ("hhh", None), ("ndvi", None), ("", None)),
    ],
)
def test_a_polarisation_makes_a_band_radar(name, wave):
    assert polarisation(name) == wave
    assert modality(name) == ("radar" if wave else "optical")


def test_common_names():
    assert BANDS.items() <= COMMON_NAMES.items()
    assert all(is_common_name(name) for name in (*COMMON_NAMES, "s0_db_c_vv", "s0_db_ka_hv"))
    assert not any(is_common_name(name) for name in ("vv", "band1", "s0_db_c", "s0_db_c_vv_1", "NIR", ""))
    assert all(polarisation(name) is None for name in COMMON_NAMES)
