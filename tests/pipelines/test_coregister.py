"""``weft coregister`` on small files whose displacement is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from scipy import ndimage

from pipelines import cli
from weft.orders import parse
from weft.stac.validation import validate

SIDE = 200
SHIFT_ROWS, SHIFT_COLS = 1.4, -2.3
STACK = {"item.json", "order.json", "overview.tif", "registration.json", "report.html", "thumbnail.png"}
PROOF = {"flicker_2.gif", "magnitude_2.png", "quiver_2.png", "tie_points_2.parquet"}


@dataclass(frozen=True)
class Ended:
    """How a command ended that ran in this process."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Files:
    """A primary, the same ground displaced in two bands, and other ground."""

    folder: Path
    primary: Path
    moved: Path
    other: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("coregister")
    ground, other = _ground(1), _ground(2)
    moved = ndimage.shift(ground, (SHIFT_ROWS, SHIFT_COLS), order=3, mode="reflect")
    return Files(
        folder,
        _write(folder / "primary.tif", ground[None], ("red",), ACQUISITION_START_UTC="2021-04-27T21:51:24.5"),
        _write(folder / "moved.tif", np.stack([moved, moved / 2]), ("red", "nir")),
        _write(folder / "other.tif", other[None], ()),
    )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["weft", "coregister", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *capfd.readouterr())

    return run


def test_a_file_is_registered_with_the_flags_of_iceye(files: Files, run: Callable[..., Ended], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            {
                "Cross-Correlation": {"nb_gcp": 400, "coarseRegistrationWindowWidth": 64, "rowInterpFactor": 4},
                "Warp": {"interpolationMethod": "Cubic convolution (6 points)", "demRefinement": False},
                "surprise": 1,
            }
        )
    )
    out = tmp_path / "out"
    ended = run("-pp", files.primary, "-sp", files.moved, "-op", out, "-ct", "cross_corr", "-cp", config, "--json")
    assert ended.code == 0, ended.err
    assert {path.name for path in out.iterdir()} == STACK | PROOF | {"1_red.tif", "2_red.tif", "2_nir.tif"}
    document = json.loads(ended.out)
    item = json.loads((out / "item.json").read_text())
    validate(item)
    assert document["item"] == item
    assert all((out / asset["href"]).is_file() for asset in item["assets"].values())
    (became,) = item["properties"]["weft:coregistration"]["datasets"]
    assert (became["status"], became["method"], became["pairing"]) == ("registered", "cross_corr", "red")
    table = pyarrow.parquet.read_table(out / "tie_points_2.parquet")
    inlier = table["inlier"].to_numpy()
    assert table["dx"].to_numpy()[inlier].mean() == pytest.approx(SHIFT_COLS, abs=0.01)
    assert table["dy"].to_numpy()[inlier].mean() == pytest.approx(SHIFT_ROWS, abs=0.01)
    primary, red, nir = (_read(out / f"{name}.tif") for name in ("1_red", "2_red", "2_nir"))
    inside = (slice(12, -12), slice(12, -12))
    np.testing.assert_array_equal(primary, _read(files.primary))
    assert np.abs(red - primary)[inside].mean() < 20
    assert np.abs(nir - primary / 2)[inside].mean() < 10
    assert np.abs(_read(files.moved) - primary)[inside].mean() > 500
    named = ("rowInterpFactor = 4", "demRefinement = False", "surprise = 1", f"{files.moved} does not tell when")
    assert [next(name for name in named if one.startswith(name)) for one in document["warnings"]] == list(named)
    assert all(name in ended.err for name in named)
    settings = item["properties"]["weft:coregistration"]["settings"]
    assert (settings["spacing"], settings["template"], settings["resampling"]) == (10, 64, "cubic")
    assert parse((out / "order.json").read_bytes()).id == item["id"]
    # The secondary has no time of its own; the primary's is in its tags.
    assert item["properties"]["start_datetime"] == "2021-04-27T21:51:24Z"


def test_several_secondaries_and_the_long_flags(files: Files, run: Callable[..., Ended], tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run(
        *("--primary_path", files.primary, "--secondary_path", files.moved, files.other),
        *("--output_path", out, "--coregistration_type", "stack"),
    )
    assert ended.code == 0, ended.err
    bands = {"1_red.tif", "2_red.tif", "2_nir.tif", "3_band1.tif"}
    assert {path.name for path in out.iterdir()} == STACK | bands
    np.testing.assert_array_equal(_read(out / "2_nir.tif"), _read(files.moved, band=2))
    again = tmp_path / "again"
    repeated = run("-pp", files.primary, "-sp", files.moved, "-sp", files.other, "-op", again, "-ct", "stack")
    assert repeated.code == 0, repeated.err
    assert "geometry" in repeated.out
    for name in (*bands, "item.json", "order.json"):
        assert (again / name).read_bytes() == (out / name).read_bytes()


def test_other_ground_is_refused_and_nothing_is_left(files: Files, run: Callable[..., Ended], tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run("-pp", files.primary, "-sp", files.other, "-op", out)
    assert ended.code == 2
    assert "input_reference[2] (other) cannot be registered by band1 with 1.red (cross_corr)" in ended.err
    assert list(out.iterdir()) == []


def test_what_is_refused_may_stay_where_it_is(files: Files, run: Callable[..., Ended], tmp_path: Path) -> None:
    config, out = tmp_path / "config.txt", tmp_path / "out"
    config.write_text("on_failure = geometry\n")
    ended = run("-pp", files.primary, "-sp", files.other, "-op", out, "-cp", config)
    assert ended.code == 3
    assert "refused" in ended.out
    np.testing.assert_array_equal(_read(out / "2_band1.tif"), _read(files.other))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_wrong_requests_end_with_2_and_say_what_to_do(files: Files, run: Callable[..., Ended], tmp_path: Path) -> None:
    points = [GroundControlPoint(row, col, 4 + col, 50 - row) for row in (0, 1) for col in (0, 1)]
    swath = tmp_path / "swath.tif"
    with rasterio.open(
        swath, "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint16", gcps=points, crs="EPSG:4326"
    ) as dataset:
        dataset.write(np.ones((1, SIDE, SIDE), "uint16"))
    far = _write(tmp_path / "far.tif", _ground(1)[None], (), left=700_000)
    graph = tmp_path / "graph.xml"
    graph.write_text("<graph/>")
    other_method = tmp_path / "method.json"
    other_method.write_text('{"method": "multimodal"}')
    cases = [
        (("-pp", files.primary, "-sp", swath), "ground control points only"),
        (("-pp", files.primary, "-sp", far), "input_reference[2] (far): it does not overlap"),
        (("-pp", files.primary, "-sp", tmp_path / "none.tif"), "none.tif"),
        (("-pp", files.primary, "-sp", files.primary), "repeats"),
        (("-pp", files.primary, "-sp", files.moved, "-ct", "dem_assisted"), "comes with radar geometry"),
        (("-pp", files.primary, "-sp", files.moved, "-ct", "magic"), "coregistration.method"),
        (("-pp", files.primary, "-sp", files.moved, "-cp", tmp_path / "none.json"), "none.json cannot be read"),
        (("-pp", files.primary, "-sp", files.moved, "-cp", graph), "is not key = value"),
        (("-pp", files.primary, "-sp", files.moved, "-cp", other_method), "-ct is auto; keep one"),
        (("-pp", files.primary), "-sp"),
    ]
    for arguments, message in cases:
        ended = run(*arguments, "-op", tmp_path / "out")
        assert ended.code == 2, arguments
        assert message in " ".join(ended.err.split()), arguments
    assert not (tmp_path / "out").exists()


def _ground(seed: int) -> np.ndarray:
    rough = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE, SIDE)), 1.5, mode="reflect")
    return (rough - rough.min()) / np.ptp(rough) * 8000 + 500


def _write(path: Path, values: np.ndarray, names: tuple[str, ...], *, left: float = 500_000, **tags: str) -> Path:
    transform = Affine(10, 0, left, 0, -10, 5_600_000)
    profile = {"width": SIDE, "height": SIDE, "count": len(values), "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32631", transform=transform, **profile) as dataset:
        dataset.write(np.round(values).astype("uint16"))
        dataset.update_tags(**tags)
        for number, name in enumerate(names, start=1):
            dataset.set_band_description(number, name)
    return path


def _read(path: Path, band: int = 1) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(band).astype(np.float64)
