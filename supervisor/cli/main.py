"""The entry point of the command `scanonce`."""

import atexit
import os
import sys
from typing import NoReturn

from supervisor import __version__
from supervisor.cli import streams


def main() -> None:
    """Run the command, and exit with its status."""
    streams.prepare()
    if sys.argv[1:] in (["--version"], ["-V"]):  # before typer is imported, which takes longer than all the rest
        print(f"scanonce {__version__}")
        _leave(0)
    if sys.argv[1:2] == ["help"]:
        sys.argv[1:] = [*sys.argv[2:], "--help"]
    from supervisor.cli.app import run

    if "_SCANONCE_COMPLETE" in os.environ:  # a shell asks for completions (cli/completion.py)
        from typer._completion_classes import completion_init

        completion_init()
    try:
        _leave(run())
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else end.code is not None)


def _leave(code: int) -> NoReturn:
    """Exit at once: a command has closed in order what it has opened.

    The interpreter would first take apart every object that it holds, for up to half a second on a busy machine, while
    the service manager or terminal that asked for the stop waits.
    """
    atexit._run_exitfuncs()  # writes the last lines, and restores the terminal's mode after an error
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # closed by our caller
                stream.flush()
        except streams.OutputLostError as lost:
            code = code or lost.status
        except OSError:
            continue
    os._exit(code)
