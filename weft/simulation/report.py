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
from typing import Any

import jinja2
import numpy as np

from weft.periods import TimeWindow
from weft.rasters.product import SourceProduct
from weft.rasters.quicklook import DIFFERENCE, as_data_uri, quicklook, rgb, single
from weft.simulation import seam_pages
from weft.simulation.accuracy import accuracy, differences
from weft.simulation.canvas import canvas, joined
from weft.simulation.seam_pages import Picture, Seams
from weft.simulation.truth import Truth

_PICTURE = 300
_OVERVIEW = 700
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
        seams: what the methods of blending leave of swath edges.
        overview: PNG of all sheets of the mosaic together.
    """

    sections: tuple[Section, ...]
    seams: Seams
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
    by_track = defaultdict(list)
    for entry in entries:
        if entry.track is not None:
            by_track[entry.track].append(entry.product)
    mosaics = [entry.product for entry in entries if entry.collection == "mosaics"]
    return Findings(tuple(sections), seam_pages.examine(by_track), _overview(mosaics))


def write(directory: Path, findings: Findings, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``report.json``, ``report.html`` and ``mosaic.png``.

    Args:
        directory: where they go.
        findings: from :func:`examine`.
        facts: further numbers for the top of both files.

    Returns:
        The document in ``report.json``: the facts; by blending method ``seam_step_ratio`` (largest step at a swath edge
        as a share of the difference between the tracks) and ``seam_index`` (gradient across swath edges over gradient
        beside them, see :class:`weft.mosaicking.seams.SeamMeter`), of the simulated mosaic; ``seam_steps_by_latitude``
        (latitude -> method -> step) of fields of known offset; and under ``products`` for each product and band
        ``rmse`` and ``bias`` in reflectance, of the layer named as ``statistic`` and of every other under
        ``by_statistic``.
    """
    products = {f"{section.collection}/{section.id}": section.bands for section in findings.sections}
    seams = findings.seams
    document = {
        **facts,
        "seam_step_ratio": {method: report.step for method, report in seams.reports.items()},
        "seam_index": {method: report.index for method, report in seams.reports.items()},
        "seam_steps_by_latitude": seams.steps_by_latitude,
        "products": products,
    }
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


def _overview(mosaics: Sequence[SourceProduct]) -> bytes:
    grid = canvas(mosaics)
    statistic = "p50" if "red_p50" in mosaics[0].layers else "medoid"
    channels = np.stack([joined(mosaics, f"{band}_{statistic}", grid) for band in ("red", "green", "blue")])
    rows, columns = np.nonzero(np.isfinite(channels.sum(axis=0)))
    red, green, blue = channels[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return rgb(red, green, blue, max_size=_OVERVIEW)


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value
