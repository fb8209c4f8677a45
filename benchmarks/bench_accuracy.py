"""Accuracy of the compositing methods against the truth of the simulator: `make bench-accuracy`.

Prints RMSE and bias of every method for 1 to 20 valid observations, of which 0 to 30 % hold overlooked cloud edges,
shadow or haze, and writes the whole to `benchmarks/results/accuracy.json` and `docs/accuracy.png`. Everything follows
from the seeds. Exits 0 if the documented default is within 2 % of the best method for every number of observations,
else 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks import accuracy_model as model
from benchmarks import accuracy_report as report
from benchmarks.accuracy_methods import default_method, regret_of_nearest
from benchmarks.accuracy_scores import COUNTS, Figure, Scores, score
from weft.simulation.spectra import BANDS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "accuracy.json"
PICTURE = ROOT / "docs" / "accuracy.png"

SEEDS = (1, 2, 3, 4, 5)
SIDE = 80
SHARES = (0.0, 0.1, 0.2, 0.3)
ONE_SIDED = 0.2
"""Share that is spoiled when the leakage is bright or dark only."""
WITHIN = 0.02
"""How far the default may be above the best method."""
NEAREST_COUNTS = (3, 5, 10, 15, 20)

Sites = Sequence[Sequence[model.Site]]


def main() -> int:
    """Measure, print, write; the exit code."""
    console = Console(width=170)
    sites = [[model.site(seed, season, SIDE) for season in model.SEASONS] for seed in SEEDS]
    levels = {share: score([model.sample(places, share) for places in sites]) for share in SHARES}
    one_sided = {
        leak: score([model.sample(places, ONE_SIDED, leak) for places in sites]) for leak in ("bright", "dark")
    }
    pooled = Scores.pooled(list(levels.values()))
    report.show(console, pooled)
    document = {
        "about": _about(sites),
        "pooled": report.level(pooled),
        "mixed": {f"{share:.0%}": report.level(scores) for share, scores in levels.items()},
        "mixed_by_band": {f"{share:.0%}": report.bands(scores) for share, scores in levels.items()},
        "one_sided": {leak: report.level(scores) for leak, scores in one_sided.items()},
        "default": _default(pooled, levels, one_sided),
        "nearest_to_median": _nearest(sites),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(_dense(document), encoding="utf-8")
    report.draw(PICTURE, levels)
    worst = max(float(pooled.regret(count, default_method(count)).mean) for count in COUNTS)
    console.print(f"the default is at most {100 * worst:.1f} % above the best method; {100 * WITHIN:.0f} % are allowed")
    return 0 if worst <= WITHIN else 1


def _about(sites: Sites) -> dict[str, Any]:
    settled = [sum(int(place.settled.sum()) for place in places) for places in sites]
    return {
        "unit": "reflectance x 10000; excess and regret in percent",
        "seeds": SEEDS,
        "se": "standard error over the seeds; each has its own country, weather and noise",
        "pixels": settled,
        "left_out_for_snow": round(1 - sum(settled) / (len(sites) * len(model.SEASONS) * SIDE**2), 3),
        "counts": COUNTS,
        "seasons": model.SEASONS,
        "bands": BANDS,
        "shares": SHARES,
        "one_sided_share": ONE_SIDED,
        "cloud_edge_opacity": model.CLOUD_EDGE,
        "shadow_depth": model.SHADOW,
        "haze_opacity": model.HAZE,
    }


def _default(pooled: Scores, levels: dict[float, Scores], one_sided: dict[model.Leak, Scores]) -> list[dict[str, Any]]:
    rows = []
    for count in COUNTS:
        method = default_method(count)
        each = {f"{share:.0%}": scores for share, scores in levels.items()} | dict(one_sided)
        rows.append(
            {
                "count": count,
                "method": method,
                "best": pooled.best(count),
                "regret": report.percent(pooled.regret(count, method)),
                "regret_of_worst_seed": round(100 * pooled.worst_regret(count, method), 2),
                "regret_by_leakage": {
                    name: {"best": scores.best(count)} | report.percent(scores.regret(count, method))
                    for name, scores in each.items()
                },
                "excess_over_default": {
                    other: report.percent(pooled.excess(count, other, method))
                    for other in ("p25", "p50", "medoid", "s2gm", "s2gm_v1", "short_term_v1", "short_term_v2")
                },
            }
        )
    return rows


def _nearest(sites: Sites) -> list[dict[str, Any]]:
    rows = []
    for share in SHARES:
        samples = [model.sample(places, share) for places in sites]
        for count in NEAREST_COUNTS:
            found = np.array([regret_of_nearest(sample, sample.draw < count) for sample in samples])
            names = ("other_observation", "mean_regret", "regret_p99")
            figures = (Figure.over_seeds(column) for column in found.T)
            rows.append(
                {"spoiled": share, "count": count}
                | {name: report.percent(figure) for name, figure in zip(names, figures, strict=True)}
            )
    return rows


def _dense(document: dict[str, Any]) -> str:
    # One line for each entry of the second rank: small, and a change shows where it is.
    def line(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"))

    parts = []
    for key, value in document.items():
        if isinstance(value, dict):
            inner = [f"{line(name)}: {line(entry)}" for name, entry in value.items()]
        else:
            inner = [line(entry) for entry in value]
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        parts.append(f"{line(key)}: {opening}\n  " + ",\n  ".join(inner) + f"\n {closing}")
    return "{\n " + ",\n ".join(parts) + "\n}\n"


if __name__ == "__main__":
    raise SystemExit(main())
