"""Composite orders: what the document may say, and where its pixels lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft import orders
from weft.errors import RequestError
from weft.mosaicking import sheets_over
from weft.orders import CompositeOrder
from weft.orders.composite_plan import MAX_KM2, MAX_PIXELS, plan_composite
from weft.orders.document import check
from weft.rasters.grid import transformer

SQUARE = "POLYGON((4 50, 4.5 50, 4.5 50.3, 4 50.3, 4 50))"
ORDER: dict[str, Any] = {
    "area": SQUARE,
    "calendar": "month",
    "period": "2021-06",
    "bands": ["blue", "green", "red", "nir", "swir16", "swir22"],
    "crs": "EPSG:32631",
    "resolution": 10,
}


def order(**changes: Any) -> CompositeOrder:
    return check(CompositeOrder, {**ORDER, **changes})


def test_is_told_by_its_area_and_comes_back_as_it_is() -> None:
    made = orders.parse(json.dumps(ORDER).encode())
    assert made == order()
    assert orders.parse(made.canonical()) == made
    assert made.id == order(method="s2gm", preference="standard").id
    assert made.id != order(preference="soil").id
    geojson = {"type": "Polygon", "coordinates": [[[4, 50], [4.5, 50], [4.5, 50.3], [4, 50.3], [4, 50]]]}
    assert order(area=geojson).polygons.equals(made.polygons)
    assert order(name="spring-in-flanders").id == "spring-in-flanders"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"area": "POLYGON EMPTY"}, "area: "),
        ({"area": "POLYGON((4 50, 4.5 50.3, 4.5 50, 4 50.3, 4 50))"}, "area: "),
        ({"area": None}, "area"),
        ({"calendar": "fortnight"}, "calendar: "),
        ({"period": "2021-13"}, "period: "),
        ({"period": "2021-06-03"}, "period: "),
        ({"bands": ["red", "pink"]}, "bands: unknown"),
        ({"bands": []}, "bands: "),
        ({"bands": ["red", "red"]}, "bands: .*repeated"),
        ({"bands": ["red", "nir"]}, "bands: method s2gm needs blue"),
        ({"crs": "EPSG:999999"}, "crs, resolution: PROJ knows no"),
        ({"crs": "EPSG:999999", "resolution": 0.5}, "crs, resolution: PROJ knows no"),
        ({"crs": "urn:x"}, "crs, resolution: "),
        ({"crs": "EPSG:2193", "resolution": 0}, "resolution: "),
        ({"crs": "EPSG:4326", "resolution": 0.0003}, "crs, resolution: .*whole"),
        ({"resolution": float("nan")}, "resolution: "),
        ({"working_resolution": -1}, "working_resolution: "),
        ({"method": "average"}, r"method\[1\]: "),
        ({"method": []}, "method: "),
        ({"method": "mean", "layers": ["medoid_mos"]}, "method, preference, layers: layer medoid_mos"),
        ({"method": ["mean"], "preference": "soil"}, "method, preference, layers: preference soil"),
        ({"method": "percentiles", "percentiles": []}, "method, preference, layers: method percentiles"),
        ({"percentiles": [101]}, r"percentiles\[1\]: "),
        ({"layers": ["sun"]}, "layers"),
        ({"preference": "desert"}, "preference: "),
        ({"validity": {"classes": [300]}}, "validity.classes"),
        ({"validity": {"cloud": 1}}, "validity.cloud: "),
        ({"blend": "feather"}, "blend: "),
        ({"sheet_km": 10}, "sheet_km: is no key of a composite order"),
        ({"name": "../x"}, "name: "),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_orders_name_the_field(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        order(**changes)


@pytest.mark.parametrize(
    ("crs", "resolution", "working"), [("EPSG:32631", 20, 20), ("EPSG:3035", 60, 60), ("EPSG:4326", 0.0005, 50)]
)
def test_pixels_lie_on_the_lattice_of_the_sheets(crs: str, resolution: float, working: float) -> None:
    wanted = order(crs=crs, resolution=resolution)
    grid = plan_composite(wanted).grid
    assert wanted.working_metres == working
    for sheet in sheets_over([grid], wanted.mosaic):
        for one, other in ((grid.left, sheet.grid.left), (grid.top, sheet.grid.top)):
            assert abs((one - other) / resolution - round((one - other) / resolution)) < 1e-6
    corners = np.array([[4, 50], [4.5, 50], [4.5, 50.3], [4, 50.3]]).T
    x, y = transformer("EPSG:4326", crs).transform(*corners)
    edges = grid.bounds
    for inside, outside in (
        (x.min(), edges.left),
        (edges.right, x.max()),
        (y.min(), edges.bottom),
        (edges.top, y.max()),
    ):
        assert -1e-6 * resolution <= (inside - outside) < 1.5 * resolution or crs == "EPSG:32631"
        assert inside - outside >= -0.002 * resolution


def test_an_edge_on_the_lattice_gains_no_pixel() -> None:
    to_degrees = transformer("EPSG:32631", "EPSG:4326")
    # Edges of a rectangle in a CRS are curved in degrees, so a small one: its bow is less than the tolerance.
    corners = [
        to_degrees.transform(x, y)
        for x, y in ((500_000, 5_600_000), (500_040, 5_600_000), (500_040, 5_600_030), (500_000, 5_600_030))
    ]
    wkt = ", ".join(f"{x:.12f} {y:.12f}" for x, y in [*corners, corners[0]])
    grid = plan_composite(order(area=f"POLYGON(({wkt}))")).grid
    assert (grid.left, grid.top, grid.width, grid.height) == (500_000, 5_600_030, 4, 3)


def test_too_large_an_area_is_refused_with_the_number_and_advice() -> None:
    large = "POLYGON((0 45, 10 45, 10 50, 0 50, 0 45))"
    with pytest.raises(RequestError, match=rf"area: .* km2 .*{MAX_KM2:,} km2.*region"):
        plan_composite(order(area=large, crs="EPSG:3035", resolution=1000))
    with pytest.raises(RequestError, match=r"pixels.*region"):
        plan_composite(order(area="POLYGON((4 50, 6 50, 6 51, 4 51, 4 50))", resolution=1))


def box(west: float, south: float, east: float, north: float) -> str:
    return f"(({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))"


def test_places_that_a_crs_cannot_hold() -> None:
    both = order(
        area=f"MULTIPOLYGON({box(179.9, 10, 180, 10.1)}, {box(-180, 10, -179.9, 10.1)})",
        crs="EPSG:4326",
        resolution=0.001,
    )
    with pytest.raises(RequestError, match="antimeridian"):
        plan_composite(both)
    far = order(area=f"POLYGON{box(-90, 50, -89.9, 50.1)}", crs="EPSG:28992")
    with pytest.raises(RequestError, match="crs: "):
        plan_composite(far)


def test_the_page_lists_every_field_and_the_limits() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "orders.md").read_text()
    body = page.partition("| field | default | what it says |")[2].split("\n\n")[0].splitlines()[2:]
    listed = {line.split("`")[1] for line in body}
    assert listed == CompositeOrder.model_fields.keys() - {"order"}
    assert f"{MAX_KM2:,} km2 and {MAX_PIXELS:,} pixels" in page
