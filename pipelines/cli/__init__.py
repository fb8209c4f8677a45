"""The command line: `weft`.

Belongs here: the list of commands and what their ends mean as exit codes. Not here: what a command does (one module
each).

Exit codes: 0 done, 2 the request is wrong, 3 some inputs were rejected and the rest is done, 1 anything else.
"""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from pipelines.cli import catalog, composite, coregister, demo, region, simulate, stack
from pipelines.cli.console import errors
from weft.errors import RequestError, WeftError

app = typer.Typer(
    name="weft",
    help="From satellite scenes to seamless seasonal mosaics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("stack")(stack.stack)
app.command("composite")(composite.composite)
app.command("coregister")(coregister.coregister)
app.add_typer(region.app, name="region")
app.add_typer(catalog.app, name="catalog")


def main() -> None:
    """Run the command line; turns Weft's errors into one line on stderr and an exit code."""
    try:
        app()
    except RequestError as error:
        errors.print(f"[red]wrong request:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    except WeftError as error:
        errors.print(f"[red]failed:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
