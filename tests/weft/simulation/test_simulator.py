from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from weft import regions
from weft.errors import RequestError
from weft.rasters.gdal import environment, open_raster
from weft.simulation import Simulation, simulate
from weft.simulation.plan import grids
from weft.simulation.presets import preset_of
from weft.simulation.truth import Truth


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_equal_seeds_give_equal_bytes_whatever_the_number_of_workers(folder: Path, tmp_path: Path) -> None:
    simulate(tmp_path, preset="tiny", seed=11, workers=1)
    assert _digests(tmp_path) == _digests(folder)


def test_a_complete_archive_is_left_alone(tiny: Simulation, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = simulate(folder, preset="tiny", seed=11)
    assert tiny.created
    assert not again.created
    assert again.granules == tiny.granules
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_another_archive_is_never_overwritten(folder: Path) -> None:
    with pytest.raises(RequestError, match="another archive"):
        simulate(folder, preset="tiny", seed=12)


def test_an_interrupted_run_is_begun_again(tiny: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, preset="tiny", seed=11, progress=stop)
    assert not (tmp_path / "archive").exists()
    (tmp_path / "archive.partial" / "leftover").write_text("x")
    monkeypatch.setattr("weft.simulation.simulator._take_all", lambda *_: [])
    monkeypatch.setattr("weft.simulation.simulator.write_catalogue", lambda *_, **__: None)
    simulate(tmp_path, preset="tiny", seed=11)
    assert (tmp_path / "archive").exists()
    assert not (tmp_path / "archive" / "leftover").exists()


def test_an_unknown_preset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="demo, bench, tiny"):
        simulate(tmp_path, preset="huge", seed=1)


def test_the_region_file_fits_the_archive(tiny: Simulation) -> None:
    region = regions.load(tiny.region)
    document = json.loads(tiny.truth.read_text())
    assert list(region.tiles) == document["tile_tracks"]
    assert {regions.tile_of(key) for key in region.tiles} == {"31UES", "31UFS", "31UGS", "32ULB"}
    assert region.tracks == ("R008", "R051")


def test_shifted_passes_show_the_ground_off_by_what_the_truth_tells(tmp_path: Path) -> None:
    """Seen through grids that are off by as much, the ground is the same: only noise differs."""
    made = simulate(tmp_path, preset="shifted", seed=3)
    document = json.loads(made.truth.read_text())
    assert regions.load(made.region).coregistration.method == "phase"
    truth, (grid,) = Truth.load(tmp_path), grids(preset_of("shifted")).values()
    for name, (dx, dy) in document["defects"]["shifted"].items():
        with environment(), open_raster(next((made.archive.parent / "sentinel-2-l2a" / name).glob("red.*"))) as dataset:
            seen = dataset.read(1).astype(float)
        where = replace(grid, left=grid.left - dx * grid.x_size, top=grid.top + dy * grid.y_size)
        ground, nearby = (truth.landscape.cover(one).forest for one in (where, grid))
        clear = (seen > 100) & (seen < 2500)
        likeness, without = (np.corrcoef(cover[clear], seen[clear])[0, 1] for cover in (ground, nearby))
        assert abs(likeness) > abs(without) if dx or dy else likeness == without


def test_presets_without_shifts_do_not_speak_of_them(tiny: Simulation) -> None:
    document = json.loads(tiny.truth.read_text())
    assert "shifts" not in document["preset"]
    assert "shifted" not in document["defects"]
    assert regions.load(tiny.region).coregistration.method == "none"
