"""The outcome of the accuracy benchmark as a JSON document, as tables for people and as a picture.

Belongs here: what is shown and how. Not here: how it was found (``accuracy_scores``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy_methods import default_method
from benchmarks.accuracy_scores import COUNTS, Figure, Scores
from weft.simulation.spectra import BANDS

DRAWN = {
    "p25": ("tab:orange", "first quartile (CDSE)"),
    "p45": ("tab:olive", "45th percentile"),
    "p50": ("tab:blue", "median"),
    "geomedian": ("tab:cyan", "geometric median"),
    "s2gm": ("tab:red", "S2GM: short-term below 5"),
    "medoid": ("tab:green", "medoid"),
    "short_term_v2": ("tab:pink", "short-term version 2"),
    "mean": ("tab:gray", "mean"),
    "max_ndvi": ("tab:brown", "largest NDVI"),
}
"""Methods of the picture: colour and label."""


def numbers(figure: Figure, digits: int = 1) -> dict[str, Any]:
    """Mean and standard error as rounded numbers or lists of them."""
    mean, error = (np.round(values, digits).tolist() for values in figure)
    return {"mean": mean, "se": error}


def level(scores: Scores) -> dict[str, Any]:
    """Every method under one leakage: lists over the counts, averaged over bands."""
    out = {}
    for index, method in enumerate(scores.methods):
        out[method] = _errors(scores.rmse[:, :, index].mean(axis=-1), scores.bias[:, :, index].mean(axis=-1))
        missing = scores.missing[:, :, index]
        if missing.any():
            out[method]["missing"] = numbers(Figure.over_seeds(missing), 5)
    return out


def bands(scores: Scores) -> dict[str, Any]:
    """The same of each band."""
    return {
        method: {
            band: _errors(scores.rmse[:, :, index, position], scores.bias[:, :, index, position])
            for position, band in enumerate(BANDS)
        }
        for index, method in enumerate(scores.methods)
    }


def _errors(rmse: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
    return {"rmse": numbers(Figure.over_seeds(rmse)), "bias": numbers(Figure.over_seeds(bias))}


def percent(figure: Figure) -> dict[str, Any]:
    """A share and its standard error as rounded percentages."""
    return numbers(Figure(100 * figure.mean, 100 * figure.error), 2)


def table(title: str, values: np.ndarray, methods: tuple[str, ...]) -> Table:
    """Methods down, numbers of observations across; ``values`` is (seed, count, method, band)."""
    shown = Table(title=title)
    shown.add_column("method", no_wrap=True)
    for count in COUNTS:
        shown.add_column(str(count), justify="right", no_wrap=True)
    for method, row in zip(methods, values.mean(axis=(0, 3)).T, strict=True):
        shown.add_row(method, *(f"{value:.0f}" for value in row))
    return shown


def show(console: Console, pooled: Scores) -> None:
    """RMSE and bias of every method and count, and the default beside the best."""
    for title, values in (("RMSE", pooled.rmse), ("bias", pooled.bias)):
        console.print(table(f"{title}, reflectance x 10000, mean of bands and leakages", values, pooled.methods))
    figure = Figure.over_seeds(pooled.rmse.mean(axis=-1))
    console.print(f"largest standard error of an RMSE: {100 * float((figure.error / figure.mean).max()):.1f} %")
    shown = Table("n", "default", "best", "default above best, %", "S2GM above best, %", title="the documented default")
    for count in COUNTS:
        default, service = pooled.regret(count, default_method(count)), pooled.regret(count, "s2gm")
        shown.add_row(str(count), default_method(count), pooled.best(count), _with_error(default), _with_error(service))
    console.print(shown)


def draw(path: Path, levels: Mapping[float, Scores]) -> None:
    """RMSE over the number of observations without and with leakage, and the bias with it, two standard errors wide."""
    canvas = Canvas(figsize=(12, 4.2), layout="constrained")
    leaky = 0.2
    panels = canvas.subplots(1, 3)
    titles = (
        "RMSE, nothing overlooked",
        f"RMSE, {leaky:.0%} spoiled and overlooked",
        f"bias, {leaky:.0%} spoiled and overlooked",
    )
    chosen = (levels[0.0].rmse, levels[leaky].rmse, levels[leaky].bias)
    for panel, title, values in zip(panels, titles, chosen, strict=True):
        for method, (colour, label) in DRAWN.items():
            figure = Figure.over_seeds(values[:, :, levels[leaky].methods.index(method)].mean(axis=-1) / 10_000)
            panel.plot(COUNTS, figure.mean, color=colour, label=label, linewidth=1.6)
            panel.fill_between(
                COUNTS, figure.mean - 2 * figure.error, figure.mean + 2 * figure.error, color=colour, alpha=0.25
            )
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("valid observations")
        panel.set_xticks([1, 5, 10, 15, 20])
        panel.grid(visible=True, alpha=0.3)
    for panel in panels[:2]:
        panel.set_ylim(0, 0.045)
    panels[0].set_ylabel("reflectance, mean of six bands")
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=len(DRAWN), fontsize=7.5)
    canvas.savefig(path, dpi=100, metadata={"Software": None})


def _with_error(figure: Figure) -> str:
    return f"{100 * float(figure.mean):.1f} ± {100 * float(figure.error):.1f}"
