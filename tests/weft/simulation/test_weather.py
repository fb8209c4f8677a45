from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from weft.rasters.grid import Bounds
from weft.simulation.passes import SunPosition
from weft.simulation.weather import CLOUD_COVER, Weather

AREA = Bounds(3_900_000, 3_050_000, 4_100_000, 3_160_000)


def _weather(name: str, sun: SunPosition) -> Weather:
    return Weather.of_pass(4, name, area=AREA, sun=sun, pixel=180)


def _places(size: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(AREA.left + size * np.arange(count), AREA.top - size * np.arange(count))
    return x, y


@pytest.mark.parametrize("name", ["R051_20210704", "R008_20210711", "R008_20210721"])
def test_cover_is_what_was_asked_for(name: str) -> None:
    weather = _weather(name, SunPosition(35, 150))
    x, y = np.meshgrid(np.linspace(AREA.left, AREA.right, 300), np.linspace(AREA.bottom, AREA.top, 300))
    assert CLOUD_COVER[0] <= weather.cover <= CLOUD_COVER[1]
    assert (weather.sky(x, y).cloud > 0).mean() == pytest.approx(weather.cover, abs=0.05)


@pytest.mark.parametrize("azimuth", [90.0, 150.0, 240.0])
def test_shadows_fall_away_from_the_sun_by_height_and_zenith(azimuth: float) -> None:
    weather = _weather("R051_20210704", SunPosition(40, azimuth))
    sky = weather.sky(*_places(100.0, 500))
    reach = weather.height * math.tan(math.radians(40)) / 100
    # At most three degrees lie between grid north of EPSG:3035 and true north here.
    east, north = reach * math.sin(math.radians(azimuth)), reach * math.cos(math.radians(azimuth))
    moved = ndimage.shift(sky.cloud, (north, -east), order=1, mode="nearest")
    inside = np.s_[60:-60, 60:-60]
    assert np.corrcoef(moved[inside].ravel(), sky.shadow[inside].ravel())[0, 1] > 0.98
    assert np.corrcoef(sky.cloud[inside].ravel(), sky.shadow[inside].ravel())[0, 1] < 0.95


def test_two_passes_have_different_weather_and_one_has_the_same_everywhere() -> None:
    sun = SunPosition(35, 150)
    x, y = _places(500.0, 100)
    one, other = (_weather(name, sun).sky(x, y).cloud for name in ("R051_20210704", "R051_20210714"))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.5
    np.testing.assert_array_equal(_weather("R051_20210704", sun).sky(x[30:40], y[30:40]).cloud, one[30:40])
