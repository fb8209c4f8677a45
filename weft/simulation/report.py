"""The report on products of a simulated archive: numbers as JSON, numbers and pictures as one HTML page.

Belongs here: what is reported and how it looks. Not here: making products, or finding them in a catalogue.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import jinja2
import numpy as np
import numpy.typing as npt

from weft.mosaicking.blending import Method, share, weights
from weft.mosaicking.seams import largest_edge_step
from weft.mosaicking.tracks import distance_to_centre
from weft.periods import TimeWindow
from weft.rasters.grid import Bounds, Grid
from weft.rasters.product import SourceProduct
from weft.rasters.quicklook import DIFFERENCE, Ramp, as_data_uri, quicklook, rgb, single
from weft.simulation.accuracy import accuracy, differences, read
from weft.simulation.truth import Truth

_PICTURE = 300
_OVERVIEW = 700
_SHARE = Ramp(((0.0, "#2b3a67"), (0.5, "#f7f7f7"), (1.0, "#b5651d")))
_PREFERRED_BAND = "red"


@dataclass(frozen=True, slots=True)
class Entry:
    """One published product to report on.

    Attributes:
        collection: id of its collection.
        product: its layers.
        track: track it was made from, None for a mosaic.
    """

    collection: str
    product: SourceProduct
    track: str | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the page: title and PNG as data URI."""

    title: str
    source: str


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says about one product."""

    collection: str
    id: str
    bands: Mapping[str, Any]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was found out about the products.

    Attributes:
        sections: one for each product, by collection and id.
        seam_steps: blending method -> largest step at a swath edge, None where there is no such edge.
        shares: how much the first track gives, by method.
        overview: PNG of all sheets of the mosaic together.
    """

    sections: tuple[Section, ...]
    seam_steps: Mapping[str, float | None]
    shares: tuple[Picture, ...]
    overview: bytes


def examine(entries: Sequence[Entry], truth: Truth, window: TimeWindow) -> Findings:
    """Compare products with the truth.

    Args:
        entries: composites, orbit mosaics and mosaics.
        truth: what they are compared with.
        window: period they are made of.
    """
    sections = []
    # By place, so that the truth of one grid serves all products on it.
    for entry in sorted(entries, key=lambda one: (one.product.grid.left, one.product.grid.top, one.collection)):
        bands, picture = _compare(entry.product, truth, window)
        sections.append(Section(entry.collection, entry.product.id, bands, (*_quicklooks(entry.product), picture)))
    sections.sort(key=lambda section: (section.collection, section.id))
    steps, shares = _seams([entry for entry in entries if entry.collection == "orbit-mosaics"])
    mosaics = [entry.product for entry in entries if entry.collection == "mosaics"]
    return Findings(tuple(sections), steps, tuple(shares), _overview(mosaics))


def write(directory: Path, findings: Findings, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``report.json``, ``report.html`` and ``mosaic.png``.

    Args:
        directory: where they go.
        findings: from :func:`examine`.
        facts: further numbers for the top of both files.

    Returns:
        The document in ``report.json``: the facts, ``seam_step_ratio`` by blending method (largest step at a swath edge
        as a share of the difference between the tracks), and under ``products`` for each product and band ``rmse`` and
        ``bias`` in reflectance, of the layer named as ``statistic`` and of every other under ``by_statistic``.
    """
    products = {f"{section.collection}/{section.id}": section.bands for section in findings.sections}
    document = {**facts, "seam_step_ratio": findings.seam_steps, "products": products}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("weft.simulation", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("report.html.jinja").render(document=document, findings=findings)
    (directory / "mosaic.png").write_bytes(findings.overview)
    (directory / "report.html").write_text(page, encoding="utf-8")
    (directory / "report.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return document


def _compare(product: SourceProduct, truth: Truth, window: TimeWindow) -> tuple[dict[str, Any], Picture]:
    found: dict[str, dict[str, dict[str, float | None]]] = defaultdict(dict)
    picture = None
    for spec, errors in differences(product, truth, window):
        band, statistic = str(spec.band), str(spec.statistic)
        found[band][statistic] = {key: _finite(value) for key, value in asdict(accuracy(errors)).items()}
        if picture is None or (band, statistic) == (_PREFERRED_BAND, "p50"):
            picture = Picture(
                f"{band} {statistic} minus truth", as_data_uri(single(errors, DIFFERENCE, max_size=_PICTURE))
            )
    assert picture is not None, "products of the lane hold reflectances"  # noqa: S101
    bands = {}
    for band, statistics in found.items():
        main = "p50" if "p50" in statistics else next(iter(statistics))
        bands[band] = {"statistic": main, **statistics[main], "by_statistic": statistics}
    return bands, picture


def _quicklooks(product: SourceProduct) -> list[Picture]:
    pictures = quicklook(product, max_size=_PICTURE)
    wanted = [key for key in ("rgb_p50", "rgb_medoid") if key in pictures] + ["count"]
    titles = {"count": "valid observations", "rgb_p50": "median", "rgb_medoid": "medoid"}
    return [Picture(titles[key], as_data_uri(pictures[key])) for key in wanted]


def _seams(orbit_mosaics: Sequence[Entry]) -> tuple[dict[str, float | None], list[Picture]]:
    """Steps at swath edges for every method over all sheets together, and how the first track's share falls off."""
    canvas = _canvas([entry.product.grid for entry in orbit_mosaics])
    tracks = sorted({entry.track for entry in orbit_mosaics if entry.track})
    counted = [
        _joined([one.product for one in orbit_mosaics if one.track == track], "count", canvas) for track in tracks
    ]
    count = np.nan_to_num(np.stack(counted)).astype(np.uint16)
    distance = np.stack([distance_to_centre(track, canvas) for track in tracks])
    steps, pictures = {}, []
    for method in get_args(Method):
        steps[method] = _finite(largest_edge_step(method, distance, count))
        shares = share(np.stack([weights(method, *pair) for pair in zip(distance, count, strict=True)]))
        first: npt.NDArray[np.float64] = np.where((count > 0).any(axis=0), shares[0], np.nan)
        pictures.append(
            Picture(f"share of {tracks[0]}, {method}", as_data_uri(single(first, _SHARE, max_size=2 * _PICTURE)))
        )
    return steps, pictures


def _overview(mosaics: Sequence[SourceProduct]) -> bytes:
    canvas = _canvas([product.grid for product in mosaics])
    statistic = "p50" if "red_p50" in mosaics[0].layers else "medoid"
    channels = np.stack([_joined(mosaics, f"{band}_{statistic}", canvas) for band in ("red", "green", "blue")])
    rows, columns = np.nonzero(np.isfinite(channels.sum(axis=0)))
    red, green, blue = channels[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return rgb(red, green, blue, max_size=_OVERVIEW)


def _joined(products: Sequence[SourceProduct], key: str, canvas: Grid) -> npt.NDArray[np.float64]:
    """One layer of products that lie on the lattice of the canvas; NaN where there is none."""
    joined = np.full(canvas.shape, np.nan)
    for product in products:
        grid = product.grid
        row, col = round((canvas.top - grid.top) / grid.y_size), round((grid.left - canvas.left) / grid.x_size)
        joined[row : row + grid.height, col : col + grid.width] = read(product.layers[key])
    return joined


def _canvas(grids: Sequence[Grid]) -> Grid:
    first, edges = grids[0], [grid.bounds for grid in grids]
    bounds = Bounds(
        min(one.left for one in edges),
        min(one.bottom for one in edges),
        max(one.right for one in edges),
        max(one.top for one in edges),
    )
    return Grid.from_bounds(first.crs, bounds, first.x_size)


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value
