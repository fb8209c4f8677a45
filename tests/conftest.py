"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import order_scenes
from tests.demonstration import Demo, run_demo
from weft.simulation import simulate

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real sample scenes that lies beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real sample scenes (../shared/data) are not on this machine")
    return folder


@pytest.fixture(scope="session")
def tiny_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated archive: a folder with ``archive`` and ``region.yaml``; copy it before changing it."""
    folder = tmp_path_factory.mktemp("tiny")
    simulate(folder, preset="tiny", seed=1)
    return folder


@pytest.fixture(scope="session")
def demo(tiny_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A finished `weft demo`; add nothing to its catalogue, for other tests count what is in it."""
    return run_demo(tiny_archive, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> order_scenes.Datasets:
    """Three simulated datasets with known displacements; do not change them."""
    return order_scenes.simulate(tmp_path_factory.mktemp("datasets"))
