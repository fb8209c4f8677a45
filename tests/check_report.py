"""The bars a demo report must meet; CI runs this after `make demo`. Not here: unit tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SEAM_STEP, SEAM_INDEX, PEAK_RSS_MIB = 0.01, 1.05, 2048
PUBLISHED_STEPS, WITHIN = {"35": 0.35, "45": 0.24, "55": 0.06, "65": 0.10}, 0.03
# Three minutes of two cores. Processor time, because a busy machine stretches the wall clock and says nothing of Weft.
CPU_S = 360
LARGEST_ERROR = 0.05


def faults(report: dict[str, Any]) -> list[str]:
    """What is wrong with a report, in words."""
    found = _seam_faults(report)
    found += [
        f"{key} is {report[key]}, must be above 0"
        for key in ("duplicates_collapsed", "granules_merged")
        if not report[key] > 0
    ]
    if report["cpu_s"] > CPU_S:
        found.append(f"the demo took {report['cpu_s']:.0f} s of processor time, at most {CPU_S} are allowed")
    if report["peak_rss_mib"] > PEAK_RSS_MIB:
        found.append(f"the demo held {report['peak_rss_mib']:.0f} MiB, at most {PEAK_RSS_MIB} are allowed")
    if report["rejected"]:
        found.append(f"scenes were set aside: {report['rejected']}")
    found += _product_faults(report["products"])
    return found


def _seam_faults(report: dict[str, Any]) -> list[str]:
    found = []
    steps, index = report["seam_step_ratio"], report["seam_index"]
    for what, value, bar in (
        ("step", steps["seamless"], SEAM_STEP),
        ("index", index["seamless"], SEAM_INDEX),
        ("step in a published sheet", report["largest_seam_step"], SEAM_STEP),
        ("index in a published sheet", report["largest_seam_index"], SEAM_INDEX),
    ):
        if value is None or not 0 <= value <= bar:
            found.append(f"seamless leaves a seam {what} of {value}, at most {bar} is allowed")
    if steps["idw"] is None or steps["idw"] <= SEAM_STEP:
        found.append(f"idw leaves a step of {steps['idw']}: without one the demo shows no seam to remove")
    if None in index.values() or not index["seamless"] < index["idw"] < index["mean"]:
        found.append(f"the seam index does not rise from seamless over idw to mean: {index}")
    for latitude, published in PUBLISHED_STEPS.items():
        left = report["seam_steps_by_latitude"][latitude]
        if not 0 <= left["seamless"] <= SEAM_STEP:
            found.append(
                f"seamless leaves a step of {left['seamless']} at {latitude} N, at most {SEAM_STEP} is allowed"
            )
        if not abs(left["idw"] - published) <= WITHIN:
            found.append(f"idw leaves a step of {left['idw']} at {latitude} N, published is {published}")
    return found


def _product_faults(products: dict[str, Any]) -> list[str]:
    found = []
    for family in ("composites", "orbit-mosaics", "mosaics"):
        if not any(name.startswith(f"{family}/") for name in products):
            found.append(f"there is no product in {family}")
    for name, bands in products.items():
        if not any(numbers["pixels"] for numbers in bands.values()):
            found.append(f"{name} has no band with data")
        for band, numbers in bands.items():
            if numbers["pixels"] and not (numbers["rmse"] <= LARGEST_ERROR and abs(numbers["bias"]) <= LARGEST_ERROR):
                found.append(f"{name} {band}: rmse {numbers['rmse']}, bias {numbers['bias']}")
    return found


def main() -> None:
    """Exit 1 and name what is wrong, or say that the report is fine."""
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    found = faults(report)
    times = f"{report['wall_s']:.0f} s, {report['cpu_s']:.0f} s of processor time"
    seams = f"seam steps {report['seam_step_ratio']}, index {report['seam_index']}"
    fine = f"the report meets its bars: {seams}, {times}, {report['peak_rss_mib']:.0f} MiB"
    print("\n".join(found) or fine)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
