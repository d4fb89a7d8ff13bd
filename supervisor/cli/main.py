"""`scanonce`: the commands and what they have in common."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import NoReturn

import typer

from supervisor import __version__
from supervisor.cli import (
    control,
    doctor,
    init,
    logs,
    notify,
    run,
    service,
    session,
    snapshot,
)
from supervisor.cli.timings import command

app = typer.Typer(
    name="scanonce",
    help="Scan the QR code once, restart as often as you like: a supervisor for bots that live in a browser.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
run.register(app)
init.register(app)
logs.register(app)
control.register(app)
session.register(app)
snapshot.register(app)
command.register(app)
notify.register(app)
doctor.register(app)
service.register(app)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit.")) -> None:
    if version:
        print(f"scanonce {__version__}")
        raise typer.Exit


def _hold_standard_streams() -> None:
    """Open what our caller has closed of the three streams.

    Whatever file was opened next, a snapshot's perhaps, would get the number, and with it what the bot writes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one


def main() -> None:
    """The entry point of the command `scanonce`."""
    _hold_standard_streams()
    try:
        app()
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else end.code is not None)


def _leave(code: int) -> NoReturn:
    """Exit at once: what a command has opened it has closed in order by now.

    The interpreter would first take apart every object that it holds, for up to half a second on a busy machine; and
    whoever has asked for the stop, a service manager or a terminal, waits for it.
    """
    atexit._run_exitfuncs()  # the last lines, and the terminal's mode after an end that was none
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by our caller
            with contextlib.suppress(OSError):  # the reader has gone
                stream.flush()
    os._exit(code)
