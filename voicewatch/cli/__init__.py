"""The command line: `voicewatch --help`. A user's mistake is one clear line and exit status 2, no trace."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from voicewatch import __version__
from voicewatch.cli import calls, models, serving, understanding
from voicewatch.cli.options import MISTAKES

app = typer.Typer(
    name="voicewatch",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Hears every AI phone call while it happens, knows when it goes wrong and why, "
    "and puts a human into the same call.",
    epilog="Begin with `voicewatch doctor`, then `voicewatch demo`.",
)
for commands in (serving, understanding, calls):
    app.add_typer(commands.app)
app.add_typer(models.app, name="models")


def main(arguments: list[str] | None = None) -> None:
    """Runs the command in `arguments` (default: those of the process) and exits with its status."""
    try:
        try:
            app(arguments)
        finally:
            sys.stdout.flush()
    except MISTAKES as mistake:
        print(f"voicewatch: {mistake}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _write_no_more()
        sys.exit(0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _write_no_more()
        where = error.filename or "where the output goes"
        print(f"voicewatch: {where}: {error.strerror}; free some space there", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _write_no_more() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"voicewatch {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
