"""Fixtures of the tests on real data; all of them skip where ../shared/data is not on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real import stacks
from tests.real.stacks import Stack


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what was converted once."""
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="session", params=stacks.NAMES)
def stack(request: pytest.FixtureRequest, shared_data: Path, scratch: Path) -> Stack:
    """Each of the four multi-date stacks."""
    return stacks.load(request.param, shared_data, scratch)
