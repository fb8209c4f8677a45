"""`weft region plan` as users meet it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import cli
from weft import regions

ROOT = Path(__file__).resolve().parents[2]
FLANDERS = ROOT / "deploy/regions/flanders.geojson"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["weft", "region", "plan", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capfd.readouterr()

    return run


@pytest.fixture
def small_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a region could have no more than ten tile_tracks."""
    monkeypatch.setattr("pipelines.cli.region.MAX_TILE_TRACKS", 10)


def test_an_area_becomes_a_region_file(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "flanders.yaml"
    code, said, progress = run(FLANDERS, "--out", out)
    assert code == 0
    assert "flanders" in said
    assert "planning: " in progress
    region = regions.load(out)
    assert region.region == "flanders"
    assert {"R008_31UFS", "R051_31UDS", "R051_31UES", "R051_31UFS", "R094_31UDS", "R094_31UES"} <= set(region.tiles)
    assert out.read_text().startswith("# Planned from flanders.geojson.\n")
    before = out.read_bytes()
    assert run(FLANDERS, "--out", out)[0] == 0
    assert out.read_bytes() == before


def test_counts_as_json_and_other_keys_from_a_region_file(run: Run, tmp_path: Path) -> None:
    out, like = tmp_path / "r.yaml", ROOT / "deploy/regions/earth-search-flanders.yaml"
    code, said, _ = run(
        FLANDERS,
        "--out",
        out,
        "--name",
        "polders",
        "--like",
        like,
        "--crs",
        "EPSG:4326",
        "--resolution",
        0.00025,
        "--json",
    )
    assert code == 0
    counts = json.loads(said)
    (written,) = counts.pop("regions")
    assert written == {"file": str(out)} | counts
    region = regions.load(out)
    assert region.archive == regions.load(like).archive
    assert (region.region, region.mosaic.crs, region.mosaic.sheet_edge) == ("polders", "EPSG:4326", 1)
    assert region.sheets is not None
    assert (counts["tile_tracks"], counts["sheets"]) == (len(region.tiles), len(region.sheets))
    assert counts["tracks"] == len(region.tracks)


@pytest.mark.usefixtures("small_regions")
def test_an_area_too_large_for_one_region_is_split_on_request(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "low.yaml"
    code, said, progress = run(FLANDERS, "--out", out)
    assert (code, said) == (2, "")
    assert "tile_tracks, more than the 10 of one region; add --split to write several regions" in progress
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("small_regions")
def test_a_split_writes_regions_with_disjoint_sheets(run: Run, tmp_path: Path) -> None:
    code, said, _ = run(FLANDERS, "--out", tmp_path / "low.yaml", "--split", "--json")
    assert code == 0
    written = json.loads(said)["regions"]
    loaded = [regions.load(Path(one["file"])) for one in written]
    assert len(loaded) > 1
    assert [region.region for region in loaded] == [f"low-{n}" for n in range(1, len(loaded) + 1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"low-{n}.yaml" for n in range(1, len(loaded) + 1)]
    sheets = [name for region in loaded for name in region.sheets or ()]
    assert len(sheets) == len(set(sheets)) == json.loads(said)["sheets"]
    assert all(len(region.tiles) <= 10 for region in loaded)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.geojson"], "absent.geojson cannot be read"),
        ([FLANDERS, "--like", "absent.yaml"], "absent.yaml cannot be read"),
        ([FLANDERS, "--crs", "EPSG:9999"], "PROJ knows no EPSG:9999"),
        ([FLANDERS, "--crs", "EPSG:2263"], "neither a projected CRS in metres"),
        ([FLANDERS, "--crs", "EPSG:32735"], "outside the domain of EPSG:32735"),
        ([FLANDERS, "--crs", "EPSG:4326"], "a sheet of 1 degrees at 30 degrees"),
        ([FLANDERS, "--name", "Low Lands"], "region Low Lands is wrong"),
    ],
)
def test_a_wrong_request_is_told_what_to_do(run: Run, tmp_path: Path, arguments: list[object], message: str) -> None:
    code, said, error = run(*arguments, "--out", tmp_path / "r.yaml")
    assert (code, said) == (2, "")
    assert message in error
    assert not list(tmp_path.iterdir())
