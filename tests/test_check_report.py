"""The bars of the demo report: each kind of fault is found, and a good report has none."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.check_report import faults
from tests.conftest import ROOT

BAND = {"statistic": "p50", "rmse": 0.01, "bias": -0.002, "pixels": 1000}
GOOD: dict[str, Any] = {
    "seam_step_ratio": {"mean": 0.5, "idw": 0.2, "seamless": 0.001},
    "seam_index": {"mean": 1.4, "idw": 1.1, "seamless": 1.0},
    "seam_steps_by_latitude": {
        "35": {"mean": 0.5, "idw": 0.35, "seamless": 0.0},
        "45": {"mean": 0.5, "idw": 0.25, "seamless": 0.0},
        "55": {"mean": 0.5, "idw": 0.06, "seamless": 0.0},
        "65": {"mean": 0.17, "idw": 0.1, "seamless": 0.001},
    },
    "largest_seam_step": 0.001,
    "largest_seam_index": 1.01,
    "duplicates_collapsed": 1,
    "granules_merged": 1,
    "wall_s": 100.0,
    "cpu_s": 100.0,
    "peak_rss_mib": 900.0,
    "rejected": [],
    "products": {f"{family}/one": {"red": BAND} for family in ("composites", "orbit-mosaics", "mosaics")},
}
NO_DATA = {"statistic": "p50", "rmse": None, "bias": None, "pixels": 0}


def changed(path: str, value: object) -> dict[str, Any]:
    report = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = report
    for name in parents:
        place = place[name]
    place[last] = value
    return report


def test_a_good_report_has_no_faults_and_a_band_without_data_is_none() -> None:
    assert faults(GOOD) == []
    assert faults(changed("products.mosaics/one.nir", NO_DATA)) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("seam_step_ratio.seamless", 0.011, "seamless leaves a seam step of 0.011"),
        ("seam_step_ratio.seamless", None, "seamless leaves a seam step of None"),
        ("seam_step_ratio.seamless", float("nan"), "seamless leaves a seam step of nan"),
        ("seam_index.seamless", 1.06, "seamless leaves a seam index of 1.06"),
        ("seam_index.seamless", None, "seamless leaves a seam index of None"),
        ("seam_index.seamless", float("nan"), "seamless leaves a seam index of nan"),
        ("seam_index.idw", 1.0, "does not rise from seamless over idw to mean"),
        ("seam_index.mean", None, "does not rise from seamless over idw to mean"),
        ("largest_seam_step", 0.011, "step in a published sheet of 0.011"),
        ("largest_seam_step", None, "step in a published sheet of None"),
        ("largest_seam_index", 1.06, "index in a published sheet of 1.06"),
        ("seam_steps_by_latitude.45.seamless", 0.011, "step of 0.011 at 45 N"),
        ("seam_steps_by_latitude.65.idw", 0.14, "idw leaves a step of 0.14 at 65 N, published is 0.1"),
        ("seam_step_ratio.idw", 0.0, "idw leaves a step of 0.0"),
        ("seam_step_ratio.idw", None, "idw leaves a step of None"),
        ("duplicates_collapsed", 0, "duplicates_collapsed is 0"),
        ("granules_merged", 0, "granules_merged is 0"),
        ("cpu_s", 361.0, "took 361 s of processor time"),
        ("peak_rss_mib", 2049.0, "held 2049 MiB"),
        ("rejected", [{"id": "x", "reason": "y"}], "scenes were set aside"),
        ("products.mosaics/one.red", {**BAND, "rmse": 0.06}, "mosaics/one red: rmse 0.06"),
        ("products.mosaics/one.red", {**BAND, "bias": -0.06}, "bias -0.06"),
        ("products.mosaics/one.red", {**BAND, "rmse": float("nan")}, "rmse nan"),
        ("products.mosaics/one", {}, "mosaics/one has no band with data"),
        ("products.mosaics/one", {"red": NO_DATA}, "mosaics/one has no band with data"),
        ("products", {}, "there is no product in mosaics"),
    ],
)
def test_each_fault_is_named(path: str, value: object, words: str) -> None:
    assert any(words in fault for fault in faults(changed(path, value)))


def test_the_command_ends_with_1_and_the_faults_or_with_0(tmp_path: Path) -> None:
    def ended(report: dict[str, Any]) -> tuple[int, str]:
        path = tmp_path / "report.json"
        path.write_text(json.dumps(report))
        command = [sys.executable, "-m", "tests.check_report", str(path)]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return process.returncode, process.stdout

    assert ended(GOOD) == (
        0,
        f"the report meets its bars: seam steps {GOOD['seam_step_ratio']}, index {GOOD['seam_index']}, 100 s, "
        "100 s of processor time, 900 MiB\n",
    )
    code, said = ended(changed("granules_merged", 0))
    assert code == 1
    assert "granules_merged is 0" in said
