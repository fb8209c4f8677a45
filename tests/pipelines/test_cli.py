"""The command line as users meet it: exit codes, what goes where, and what wrong input is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import cli
from resources.catalogue import Search, SqliteCatalogue
from tests.check_report import faults
from tests.demonstration import PERIOD, Demo, weft

NOISE = ("Warning", "Traceback", "dagster - ")


@dataclass(frozen=True)
class Ended:
    """How a command ended that ran in this process."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Site:
    """A copy of the demo that a test may change."""

    folder: Path

    @property
    def region_file(self) -> Path:
        return self.folder / "region.yaml"

    @property
    def settings(self) -> dict[str, Path]:
        return {"WEFT_HOME": self.folder}

    def edit(self, **changes: Any) -> Path:
        """Write another region file beside the first."""
        path = self.folder / "other.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(self.region_file.read_text()) | changes))
        return path

    def items_of(self, track: str, tile: str) -> list[Path]:
        """Item files of a tile_track in the archive."""
        return [
            path
            for path in sorted(self.folder.glob("archive/sentinel-2-l2a/*/*.json"))
            if f"_{track}_T{tile}_" in path.read_text()
        ]


@pytest.fixture
def site(demo: Demo, tmp_path: Path) -> Site:
    """The demo's archive and region file, nothing made yet."""
    folder = tmp_path / "site"
    shutil.copytree(demo.home / "archive", folder / "archive")
    shutil.copy(demo.home / "region.yaml", folder)
    return Site(folder)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs a command in this process, which spares the seconds that a new one needs to start."""

    def run(*arguments: object, home: Path) -> Ended:
        for name in ("WEFT_STORE", "WEFT_CATALOG", "WEFT_REGION", "WEFT_SCRATCH"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("WEFT_HOME", str(home))
        monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
        monkeypatch.setattr("sys.argv", ["weft", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *capfd.readouterr())

    return run


def statuses(document: dict[str, Any], asset: str) -> dict[str, str]:
    return {one["partition"].split("|")[1]: one["status"] for one in document["partitions"] if one["asset"] == asset}


def test_the_demo_stays_in_its_folder_and_reports_every_figure(demo: Demo) -> None:
    assert demo.ended.returncode == 0, demo.ended.stderr
    assert not any(noise in demo.ended.stdout + demo.ended.stderr for noise in NOISE)
    assert not demo.elsewhere.exists()
    assert (demo.home / "report.html").stat().st_size > 10_000
    assert {"store", "catalog.sqlite", "dagster"} <= {path.name for path in demo.home.iterdir()}
    report = json.loads((demo.home / "report.json").read_text())
    assert report["partitions"]["tile_composite"] == {"done": 3}
    # A coarse archive of three passes meets no bars; that they are asked of the report without a KeyError is the point.
    assert all("there is no product" not in fault for fault in faults(report))
    assert f"{report['duplicates_collapsed']} duplicates collapsed" in demo.ended.stdout


def test_a_second_demo_recomputes_nothing_and_says_so(demo: Demo, run: Callable[..., Ended], tmp_path: Path) -> None:
    before = (demo.home / "report.json").read_bytes()
    ended = run("demo", demo.home, "--preset", "tiny", home=tmp_path)
    assert ended.code == 0
    assert "nothing was recomputed: all 14 partitions are unchanged" in " ".join(ended.out.split())
    assert (demo.home / "report.json").read_bytes() == before
    refused = run("demo", demo.home, "--preset", "tiny", "--seed", 2, home=tmp_path)
    assert refused.code == 2
    assert "holds another archive" in refused.err


def test_a_part_of_a_region_is_made_first_and_the_whole_without_doing_it_twice(
    site: Site, run: Callable[..., Ended]
) -> None:
    arguments = ("region", "materialize", site.region_file, "--period", PERIOD)
    part = run(*arguments, "--tile-track", "R051_31UES", home=site.folder)
    assert part.code == 0, part.err
    assert "tile_composite" in part.out
    assert f"done      tile_composite {PERIOD}|R051_31UES" in part.err
    assert "31UFS" not in part.err
    whole = run(*arguments, "--json", home=site.folder)
    assert (whole.code, whole.err) == (0, "")
    document = json.loads(whole.out)
    assert document["failures"] == []
    expected = {"R008_31UFS": "done", "R051_31UES": "unchanged", "R051_31UFS": "done"}
    assert statuses(document, "tile_composite") == expected


def test_a_second_call_finds_everything_unchanged(demo: Demo, run: Callable[..., Ended]) -> None:
    ended = run("region", "materialize", demo.home / "region.yaml", "--period", PERIOD, "--json", home=demo.home)
    assert (ended.code, ended.err) == (0, "")
    document = json.loads(ended.out)
    assert {one["status"] for one in document["partitions"]} == {"unchanged"}


@pytest.mark.parametrize(
    ("changes", "period", "words"),
    [
        ({"colour": "red", "mosaic": {"blnd": "idw"}}, PERIOD, ("colour", "mosaic.blnd", "other.yaml")),
        ({}, "2021-07", ("'2021-07'", "closed so far: 2021-06 to")),
        ({}, "2999-03", ("'2999-03'", "closed so far: 2021-06 to")),
        (
            {"bands": ["coastal", "red"], "expressions": {}},
            PERIOD,
            ("band coastal is in none of the 3 scenes", "take it out of the region's bands"),
        ),
        (
            {},
            "2021-09",
            (
                "2021-09 of",
                "collection sentinel-2-l2a of file:./archive/catalog.json",
                "from 2021-09-13 to before 2021-12-02",
                "holds scenes from 2021-06-26 to 2021-09-12",
                "choose a period within",
            ),
        ),
        ({"archive": {"stac": "file:./none.json", "collection": "x"}}, PERIOD, ("none.json does not exist", "correct")),
    ],
    ids=["unknown keys", "no period", "not closed", "missing band", "empty period", "no archive"],
)
def test_a_wrong_request_is_refused_and_told_what_to_do(
    changes: dict[str, Any], period: str, words: tuple[str, ...], site: Site, run: Callable[..., Ended]
) -> None:
    ended = run("region", "materialize", site.edit(**changes), "--period", period, home=site.folder)
    assert ended.code == 2, ended.err
    last = ended.err.strip().splitlines()[-1]
    assert last.startswith("wrong request: ")
    for word in words:
        assert word in last
    assert not any(noise in ended.err for noise in NOISE)


def test_arguments_that_name_nothing_are_refused(site: Site, run: Callable[..., Ended]) -> None:
    unknown = run(
        *("region", "materialize", site.region_file, "--period", PERIOD, "--tile-track", "R051_99ZZZ"), home=site.folder
    )
    assert unknown.code == 2
    assert "R051_99ZZZ not in region demo; it has R008_31UFS" in unknown.err
    missing = run("region", "materialize", site.folder / "none.yaml", "--period", PERIOD, home=site.folder)
    assert missing.code == 2
    assert "none.yaml cannot be read" in missing.err
    assert run("simulate", site.folder / "new", "--preset", "huge", home=site.folder).code == 2


def test_bad_scenes_are_set_aside_and_named_and_the_rest_is_done(site: Site) -> None:
    truncated, foreign, *_ = site.items_of("R051", "31UES")
    # Without its size in the item, only reading the file can tell that it is cut short.
    document = json.loads(truncated.read_text())
    del document["assets"]["red"]["file:size"], document["assets"]["red"]["file:checksum"]
    truncated.write_text(json.dumps(document))
    file = truncated.parent / "red.tif"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    document = json.loads(foreign.read_text())
    document["properties"]["proj:code"] = "EPSG:32633"
    foreign.write_text(json.dumps(document))

    arguments = ("region", "materialize", site.region_file, "--period", PERIOD)
    ended = weft(*arguments, cwd=site.folder, settings=site.settings)
    assert ended.returncode == 3, ended.stderr
    told = {line.split(": ")[0]: line for line in ended.stderr.splitlines() if line.startswith("set aside ")}
    assert told.keys() == {f"set aside {path.stem}" for path in (truncated, foreign)}
    assert "red.tif" in told[f"set aside {truncated.stem}"]
    assert "EPSG:32633" in told[f"set aside {foreign.stem}"]
    assert not any(noise in ended.stderr for noise in NOISE)
    assert f"done      tile_composite {PERIOD}|R008_31UFS" in ended.stderr
    catalogue = SqliteCatalogue(site.folder / "catalog.sqlite")
    composite = catalogue.get("composites", f"demo_{PERIOD}_R051_31UES")
    assert composite is not None
    properties = composite["properties"]
    assert {one["id"] for one in properties["weft:rejected"]} == {truncated.stem, foreign.stem}
    used = {scene_id for scene_ids in properties["weft:observations"] for scene_id in scene_ids}
    assert used
    assert not used & {truncated.stem, foreign.stem}


def test_the_catalogue_is_searched_by_place_and_time(demo: Demo, run: Callable[..., Ended]) -> None:
    def found(*arguments: str) -> set[str]:
        ended = run("catalog", "search", *arguments, "--json", home=demo.home)
        assert (ended.code, ended.err) == (0, "")
        return {item["id"] for item in json.loads(ended.out)["features"]}

    everything = {f"demo_{PERIOD}_{key}" for key in ("R008_31UFS", "R051_31UES", "R051_31UFS")}
    assert found("composites") == everything
    assert found("composites", "--bbox", "3.1,50.5,3.2,50.6") == {f"demo_{PERIOD}_R051_31UES"}
    assert found("composites", "--bbox", "-10,10,-9,11") == set()
    assert found("composites", "--start", "2021-09-13") == set()
    assert found("composites", "--start", "2021-09-01T00:00:00Z", "--end", "2022-01-01") == everything
    assert len(found("composites", "--limit", "2")) == 2
    assert everything < found()
    table = run("catalog", "search", "mosaics", home=demo.home)
    assert table.code == 0
    assert f"demo_{PERIOD}_600kmE6N5" in table.out
    assert "1 items" in table.out


def test_one_item_is_shown_as_json(demo: Demo, run: Callable[..., Ended]) -> None:
    shown = run("catalog", "show", "composites", f"demo_{PERIOD}_R051_31UFS", home=demo.home)
    assert shown.code == 0
    assert json.loads(shown.out)["properties"]["weft:tile_track"] == "R051_31UFS"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "composites", "nothing"), "composites/nothing is not in the catalogue"),
        (("search", "composites", "--bbox", "1,2,3"), "'1,2,3' is not west,south,east,north"),
        (("search", "composites", "--start", "spring"), "'spring' is not an ISO 8601 time"),
        (("search", "composites", "--start", "2021-07-01", "--end", "2021-06-01"), "end after it starts"),
        (("search", "../etc"), "'../etc' is not valid"),
    ],
)
def test_questions_the_catalogue_cannot_answer_are_refused(
    arguments: tuple[str, ...], words: str, demo: Demo, run: Callable[..., Ended]
) -> None:
    ended = run("catalog", *arguments, home=demo.home)
    assert ended.code == 2
    assert words in ended.err


def test_a_home_without_catalogue_is_refused_and_not_founded(tmp_path: Path, run: Callable[..., Ended]) -> None:
    ended = run("catalog", "search", home=tmp_path / "none")
    assert ended.code == 2
    assert "set WEFT_HOME or WEFT_CATALOG" in ended.err
    assert not (tmp_path / "none").exists()


def test_validation_finds_the_item_that_is_no_stac(demo: Demo, tmp_path: Path, run: Callable[..., Ended]) -> None:
    source, catalogue = SqliteCatalogue(demo.home / "catalog.sqlite"), SqliteCatalogue(tmp_path / "catalog.sqlite")
    catalogue.upsert([item for one in source.collections() for item in source.search(Search(one.collection))])
    assert run("catalog", "validate", home=tmp_path).code == 0
    item = catalogue.get("composites", f"demo_{PERIOD}_R051_31UFS")
    assert item is not None
    item["properties"]["proj:code"] = 32631
    catalogue.upsert([item])
    ended = run("catalog", "validate", home=tmp_path)
    assert ended.code == 1
    assert f"composites/demo_{PERIOD}_R051_31UFS" in ended.err
    assert "1 invalid" in ended.out
    listed = run("catalog", "validate", "composites", "--json", home=tmp_path)
    assert listed.code == 1
    assert json.loads(listed.out)["faults"].keys() == {f"composites/demo_{PERIOD}_R051_31UFS"}
