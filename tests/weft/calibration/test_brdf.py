"""The c-factor against its scalar oracle, and what must hold whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import brdf as oracle
from weft.bands import BANDS, SENTINEL2
from weft.calibration.brdf import COEFFICIENTS, MAX_ZENITH, bands_without, kernels, to_nadir

zeniths = st.floats(0, MAX_ZENITH)
azimuths = st.floats(-360, 720)


def plane(value: float) -> np.ndarray:
    return np.full((1, 1), value)


def at(sun: float, view: float, azimuth: float) -> np.ndarray:
    """The four kernels of one pixel."""
    return kernels(plane(sun), plane(view), plane(azimuth), plane(0.0))[:, 0, 0]


def factors(sun: float, view: float, azimuth: float) -> dict[str, float]:
    """The c-factor of every band that has coefficients."""
    volumetric, geometric, nadir_volumetric, nadir_geometric = at(sun, view, azimuth)
    return {
        band: (f.isotropic + f.volumetric * nadir_volumetric + f.geometric * nadir_geometric)
        / (f.isotropic + f.volumetric * volumetric + f.geometric * geometric)
        for band, f in COEFFICIENTS.items()
    }


def test_the_coefficients_are_those_of_the_paper() -> None:
    assert {SENTINEL2[label]: (iso, vol, geo) for label, (iso, geo, vol) in oracle.TABLE.items()} == {
        band: (one.isotropic, one.volumetric, one.geometric) for band, one in COEFFICIENTS.items()
    }
    assert bands_without(BANDS) == ("coastal", "nir09")


@settings(deadline=None)
@given(zeniths, zeniths, azimuths)
def test_the_kernels_are_those_of_the_oracle(sun: float, view: float, azimuth: float) -> None:
    volumetric, geometric, nadir_volumetric, nadir_geometric = at(sun, view, azimuth)
    assert volumetric == pytest.approx(oracle.ross_thick(sun, view, azimuth), abs=1e-9)
    assert nadir_volumetric == pytest.approx(oracle.ross_thick(sun, 0, 0), abs=1e-9)
    # Where the crowns' shadows just hide each other, the slope of acos is infinite.
    assert geometric == pytest.approx(oracle.li_sparse_reciprocal(sun, view, azimuth), abs=1e-6)
    assert nadir_geometric == pytest.approx(oracle.li_sparse_reciprocal(sun, 0, 0), abs=1e-6)


@settings(deadline=None)
@given(zeniths, zeniths, azimuths)
def test_kernels_are_reciprocal_and_symmetric_about_the_plane_of_the_sun(
    sun: float, view: float, azimuth: float
) -> None:
    here = at(sun, view, azimuth)[:2]
    np.testing.assert_allclose(at(view, sun, azimuth)[:2], here, atol=1e-6)
    np.testing.assert_allclose(at(sun, view, -azimuth)[:2], here, atol=1e-6)
    np.testing.assert_allclose(at(sun, view, azimuth + 360)[:2], here, atol=1e-6)


def test_kernels_vanish_with_sun_and_view_overhead() -> None:
    np.testing.assert_allclose(at(0, 0, 77), 0, atol=1e-15)


@settings(deadline=None)
@given(zeniths, azimuths)
def test_nothing_changes_at_nadir(sun: float, azimuth: float) -> None:
    assert set(factors(sun, 0.0, azimuth).values()) == {1.0}


def test_the_model_is_positive_for_every_band_up_to_the_largest_zenith() -> None:
    for sun in np.linspace(0, MAX_ZENITH, 16):
        for view in np.linspace(0, MAX_ZENITH, 16):
            for azimuth in np.linspace(0, 180, 13):
                volumetric, geometric, *_ = at(sun, view, azimuth)
                for f in COEFFICIENTS.values():
                    assert f.isotropic + f.volumetric * volumetric + f.geometric * geometric > 0.02


def test_the_side_lit_by_the_sun_is_darkened_and_the_other_brightened() -> None:
    """Across a Sentinel-2 swath under a sun at 45 degrees: backscatter looks brighter than nadir, by 5 to 20 %."""
    lit, shaded = factors(45, 11, 0), factors(45, 11, 180)
    for band in COEFFICIENTS:
        assert 0.83 < lit[band] < 0.95
        assert 1.03 < shaded[band] < 1.15


def normalised(
    numbers: np.ndarray, nodes: np.ndarray, rows: np.ndarray, cols: np.ndarray, bands: tuple[str, ...]
) -> np.ndarray:
    done = numbers.copy()
    to_nadir(done, np.ones(numbers.shape[1:], bool), nodes, rows, cols, bands)
    return done


def test_a_block_with_angles_of_its_own_is_that_of_the_oracle() -> None:
    rng = np.random.default_rng(1)
    labels = ("B01", *oracle.TABLE)
    sun, view = rng.uniform(0, 70, (7, 5)), rng.uniform(0, 15, (7, 5))
    sun_azimuth, view_azimuth = rng.uniform(0, 360, (2, 7, 5))
    view[3, 2] = np.nan
    numbers = rng.integers(0, 12000, (len(labels), 7, 5)).astype(np.uint16)
    nodes = kernels(sun, view, sun_azimuth, view_azimuth)
    assert np.isnan(nodes[:, 3, 2]).all()
    bands = tuple(SENTINEL2[label] for label in labels)
    found = normalised(numbers, nodes, np.arange(7.0), np.arange(5.0), bands)
    for b, y, x in np.ndindex(*numbers.shape):
        angles = sun[y, x], view[y, x], sun_azimuth[y, x] - view_azimuth[y, x]
        assert found[b, y, x] == oracle.normalised(int(numbers[b, y, x]), labels[b], *angles)
    assert (found[0] == numbers[0]).all(), "no coefficients are published for the coastal band"
    assert (found != numbers).any()


def test_pixels_that_are_not_asked_for_and_bright_ones_stay_in_range() -> None:
    nodes = kernels(plane(60.0), plane(10.0), plane(180.0), plane(0.0))
    numbers = np.full((1, 1, 2), 65535, np.uint16)
    to_nadir(numbers, np.array([[True, False]]), nodes, np.zeros(1), np.zeros(2), ("red",))
    assert numbers.tolist() == [[[65535, 65535]]]
    dark = np.zeros((1, 1, 1), np.uint16)
    to_nadir(dark, np.ones((1, 1), bool), nodes, np.zeros(1), np.zeros(1), ("red",))
    assert dark[0, 0, 0] == 0


def test_between_nodes_the_known_ones_count_and_beyond_them_the_outermost() -> None:
    sun = np.full((2, 2), 50.0)
    view = np.array([[2.0, 10.0], [4.0, np.nan]])
    zero = np.zeros((2, 2))
    nodes = kernels(sun, view, zero, zero)
    numbers = np.full((1, 1, 1), 10_000, np.uint16)

    def at_place(row: float, col: float) -> int:
        return int(normalised(numbers, nodes, np.array([row]), np.array([col]), ("nir",))[0, 0, 0])

    def with_mean(*places: tuple[int, int]) -> int:
        mean = np.mean([nodes[:, y, x] for y, x in places], axis=0)[:, None, None]
        return int(normalised(numbers, mean, np.zeros(1), np.zeros(1), ("nir",))[0, 0, 0])

    assert at_place(0, 0.5) == with_mean((0, 0), (0, 1))
    assert at_place(0.5, 0.5) == with_mean((0, 0), (0, 1), (1, 0))
    assert at_place(-3, -1) == with_mean((0, 0))
    assert at_place(1, 1) == 10_000, "without any value around it a pixel stays as it is"
    assert at_place(9, 0) == with_mean((1, 0))


def test_interpolated_kernels_pass_smoothly_over_the_ground_track_where_azimuth_jumps() -> None:
    """Nodes 5 km apart, as in Sentinel-2's metadata: the view azimuth turns round between two of them."""
    km = np.arange(-50.0, 51.0, 5.0) + 2.0
    view = np.degrees(np.arctan(np.abs(km) / 786))[None]
    azimuth = np.where(km < 0, 104.0, 284.0)[None]
    nodes = kernels(np.full(view.shape, 40.0), view, np.full(view.shape, 160.0), azimuth)
    fine = np.linspace(-45, 45, 901)
    exact_view = np.degrees(np.arctan(np.abs(fine) / 786))[None]
    exact = kernels(
        np.full(exact_view.shape, 40.0),
        exact_view,
        np.full(exact_view.shape, 160.0),
        np.where(fine < 0, 104.0, 284.0)[None],
    )
    numbers = np.full((1, 1, fine.size), 20_000, np.uint16)
    smooth = normalised(numbers, nodes, np.zeros(1), (fine - km[0]) / 5.0, ("red",))[0, 0].astype(int)
    true = normalised(numbers, exact, np.zeros(1), np.arange(fine.size, dtype=float), ("red",))[0, 0].astype(int)
    assert np.abs(smooth - true).max() <= 4  # 0.02 %
    assert np.abs(np.diff(smooth)).max() <= 4
    assert np.ptp(smooth) > 400
