"""One tiny archive for all tests of the simulation."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.simulation import Simulation, simulate


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("tiny"), preset="tiny", seed=11)


@pytest.fixture(scope="session")
def folder(tiny: Simulation) -> Path:
    return tiny.truth.parent
