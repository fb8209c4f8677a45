"""How the command line speaks: tables and a progress line on a terminal, plain lines elsewhere.

Belongs here: consoles and the printing of what a materialisation did. Not here: what is said by one command only.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipelines.runs import PartitionReport, Report
from weft.errors import RequestError, WeftError
from weft.progress import Progress, in_tenths

_PIPE_WIDTH = 160
"""Columns of a table that no terminal shows; the 80 that rich assumes would cut item ids in two."""

output = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
errors = Console(stderr=True)


def print_json(document: Any) -> None:
    """One JSON document on stdout, nothing else."""
    output.print_json(json.dumps(document)) if output.is_terminal else print(json.dumps(document))  # noqa: T201


@contextmanager
def steps(title: str) -> Iterator[Progress]:
    """Shows (done, total) calls as a bar on a terminal; elsewhere one line at each tenth."""
    if errors.is_terminal:
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with rich.progress.Progress(*columns, console=errors, transient=True) as progress:
            task = progress.add_task(title, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        return
    yield in_tenths(errors.print, title)


def partition_line(report: PartitionReport) -> None:
    """One line on stderr for a partition that is through."""
    colour = {"done": "green", "unchanged": "cyan"}.get(report.status, "yellow")
    rejected = f", {len(report.rejected)} scenes set aside" if report.rejected else ""
    line = f"[{colour}]{report.status:9}[/] {report.asset} {report.partition}{rejected} {report.message}"
    errors.print(line.rstrip(), soft_wrap=True, highlight=False)


def summary(report: Report) -> Table:
    """Assets by what became of their partitions."""
    table = Table("asset", "done", "unchanged", "empty", title="materialised")
    for asset in dict.fromkeys(partition.asset for partition in report.partitions):
        counts = Counter(partition.status for partition in report.partitions if partition.asset == asset)
        table.add_row(asset, *(str(counts[status]) for status in ("done", "unchanged", "empty")))
    return table


def check(report: Report) -> None:
    """Print what was set aside, and turn failed steps into an error.

    Raises:
        RequestError: every step that failed did so because the request is wrong.
        WeftError: a step failed for another reason.
    """
    for scene in report.rejected:
        errors.print(f"[yellow]set aside[/] {scene['id']}: {scene['reason']}", soft_wrap=True, highlight=False)
    if report.failures:
        message = "; ".join(f"{failure.step}: {failure.message}" for failure in report.failures)
        if all(failure.kind == RequestError.__name__ for failure in report.failures):
            raise RequestError(message)
        raise WeftError(f"{message} (the run in the Dagster UI has the traceback)")
