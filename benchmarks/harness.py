"""Timing side by side on a machine that others use too, and keeping the figures.

Belongs here: interleaved runs, ratios with their spread, the machine's description, the result files. Not here: what is
compared.

Contestants take turns, so that a busy minute hits all of them. CPU time counts beside wall time, since waiting for
others costs none. Ratios are taken within a round; the median is reported with the smallest and the largest.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds on the clock and seconds of processor, and the largest resident memory where it is known."""

    wall: float
    cpu: float
    peak_mib: float | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the smallest and the largest of its runs."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """As printed in tables."""
        digits = 2 if self.high < 10 else 1 if self.high < 100 else 0
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """Median, smallest and largest."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(ours: Sequence[Run], theirs: Sequence[Run], of: str = "cpu") -> Spread:
    """How many times longer the others take, round by round."""
    return spread([getattr(b, of) / getattr(a, of) for a, b in zip(ours, theirs, strict=True)])


def timed(work: Callable[[], object]) -> Run:
    """Run something once; CPU time is that of all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Run(time.perf_counter() - wall, time.process_time() - cpu)


def interleave(contestants: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Every contestant once a round, in turn, each round beginning with another one."""
    names = list(contestants)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            runs[name].append(contestants[name]())
    return runs


def in_process(module: str, *arguments: str, threads: int) -> Any:
    """Run a module of this folder in a process of its own; what it printed last, as JSON."""
    command, environment = _command(module, arguments, threads)
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


class Session:
    """A module of this folder in a process that stays, for contestants that take turns over the parts of one task.

    The module calls :func:`serve`. Use as a context manager.
    """

    def __init__(self, module: str, *arguments: str, threads: int) -> None:
        """Start the process."""
        command, environment = _command(module, arguments, threads)
        self._process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Session:
        """Already started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the process end."""
        self._process.communicate()

    def ask(self, part: Any) -> Any:
        """Have one part done; returns what the process answers."""
        if self._process.stdin is None or self._process.stdout is None:
            raise OSError("the process of a contestant has no pipes")
        self._process.stdin.write(json.dumps(part) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"a contestant ended at {part!r}; what it printed tells why")
        return json.loads(answer)


def serve(work: Callable[[Any], Any]) -> None:
    """Answer every part that a :class:`Session` asks for, until there are no more."""
    for line in sys.stdin:
        print(json.dumps(work(json.loads(line))), flush=True)  # noqa: T201


def peak_mib() -> float:
    """Largest resident memory of this program so far; getrusage would tell that of the process it was forked from."""
    held = _field("/proc/self/status", "VmHWM")
    if held is None:
        raise OSError("the kernel does not tell how much memory this process has held (no VmHWM in /proc/self/status)")
    return int(held.split()[0]) / 1024


def machine() -> dict[str, Any]:
    """What the figures depend on; names no host."""
    import rasterio

    packages = ("numpy", "numba", "rasterio", "numbagg", "odc-algo", "bottleneck", "geomad", "dask")
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "gdal": rasterio.__gdal_version__,
        **{package: version(package) for package in packages},
    }


def record(name: str, part: str, figures: Mapping[str, Any]) -> Path:
    """Put one part of a benchmark into ``results/{name}.json`` beside its other parts."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[part] = {
        "measured": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "machine": machine(),
        **figures,
    }
    path.write_text(json.dumps(known, indent=1, default=_plain) + "\n", encoding="utf-8")
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, Run | Spread):
        return {key: round(one, 4) for key, one in asdict(value).items() if one is not None}
    raise TypeError(f"{type(value)} does not belong in results")


def _command(module: str, arguments: Sequence[str], threads: int) -> tuple[list[str], dict[str, str]]:
    limits = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return [sys.executable, "-m", f"benchmarks.{module}", *arguments], {
        **os.environ,
        **dict.fromkeys(limits, str(threads)),
    }


def _field(path: str, name: str) -> str | None:
    file = Path(path)
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
