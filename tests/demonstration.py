"""A finished run of `weft demo` on a small archive, for tests of what users type.

Belongs here: running it, and any other command in a process of its own. Not here: the fixture that keeps it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

WEFT = Path(sys.executable).with_name("weft")
PERIOD = "2021-06"
_OURS = ("WEFT_", "DAGSTER_HOME")


@dataclass(frozen=True)
class Demo:
    """What a run left.

    Attributes:
        folder: working directory of the run; the demo lies in ``.weft/demo`` below it.
        elsewhere: where the environment of the run wanted its state.
        ended: exit code and output.
    """

    folder: Path
    elsewhere: Path
    ended: subprocess.CompletedProcess[str]

    @property
    def home(self) -> Path:
        return self.folder / ".weft" / "demo"


def weft(*arguments: object, cwd: Path, settings: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
    """Run the real command in its own process, with no other settings than these."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    environment |= {name: str(value) for name, value in settings.items()}
    return subprocess.run(
        [WEFT, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def run_demo(archive: Path, folder: Path) -> Demo:
    """`weft demo` over a copy of an archive, on three tile_tracks, with settings in the environment that lead away."""
    home, elsewhere = folder / ".weft" / "demo", folder / "elsewhere"
    shutil.copytree(archive, home)
    region = yaml.safe_load((home / "region.yaml").read_text())
    region |= {"region": "demo", "tiles": ["R008_31UFS", "R051_31UES", "R051_31UFS"]}
    region["composite"] = {"methods": ["percentiles"], "percentiles": [50]}
    region["mosaic"] |= {"resolution": 3000, "sheet_km": 600}
    (home / "region.yaml").write_text(yaml.safe_dump(region))
    settings = {
        "WEFT_HOME": elsewhere,
        "WEFT_STORE": elsewhere / "store",
        "WEFT_CATALOG": elsewhere / "catalog.sqlite",
        "WEFT_REGION": elsewhere / "region.yaml",
        "DAGSTER_HOME": elsewhere / "dagster",
    }
    return Demo(folder, elsewhere, weft("demo", ".weft/demo", "--preset", "tiny", cwd=folder, settings=settings))
