"""Starting the bot's leader: what with, and what may be wrong with that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.process.start_gate import Hold
from supervisor.process.stdio import Wiring

#: What a shell answers for a command that it cannot find or may not run (POSIX, "Exit Status for Commands").
NOT_FOUND, NOT_EXECUTABLE = 127, 126


class CommandError(Exception):
    """The bot's command cannot be run. `code` is the exit status that a shell would give."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def resolve_command(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> list[str]:
    """The command with its program's full path, as the bot's own PATH and folder find it.

    Raises CommandError when there is no such program or it may not be executed, before anything else is touched.
    """
    if not command or not command[0]:
        raise CommandError("no command to run: write it after --, e.g. scanonce dev -- node index.js", 2)
    program = command[0]
    looked_up = str(directory / program) if os.path.dirname(program) else program  # noqa: PTH120 - "./bot" must differ
    found = shutil.which(looked_up, path=environment.get("PATH", os.defpath))
    if found is not None:
        return [found, *command[1:]]
    if Path(looked_up).is_dir():
        raise CommandError(f"{program} is a folder, not a program", NOT_EXECUTABLE)
    if Path(looked_up).exists():
        raise CommandError(f"{program} may not be executed: try chmod +x, or name its interpreter", NOT_EXECUTABLE)
    raise CommandError(f"{program} was not found: is it installed, and on the PATH?", NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Launch:
    """What a leader is started with: two that are equal start the same. `umask` is the leader's, -1 for our own."""

    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    umask: int = -1


@dataclass(frozen=True, slots=True)
class Launched:
    """A leader that has been started, and what connects it with us. Nothing reads its output yet."""

    popen: subprocess.Popen[bytes]
    wiring: Wiring
    hold: Hold | None
    """Where it waits, or has waited, if it is a node that was told to."""

    def close(self) -> None:
        """Let go of its streams."""
        self.wiring.close()
        if self.hold is not None:
            self.hold.close()


def launch(what: Launch, *, held: bool = False) -> Launched:
    """Start a leader; `held` is for a node that is to wait before its program until its `hold` lets it go.

    Raises CommandError if it cannot be run.
    """
    wiring = Wiring()
    hold = None
    try:
        hold = Hold() if held else None
        popen = subprocess.Popen(
            what.command,
            cwd=what.directory,
            env=dict(what.environment) if hold is None else hold.environment(what.environment),
            stdin=wiring.child_stdin,
            stdout=wiring.child_stdout,
            stderr=wiring.child_stderr,
            start_new_session=sys.platform != "win32",
            umask=what.umask,
            pass_fds=() if hold is None else (hold.descriptor,),
        )
    except (OSError, ValueError) as error:
        wiring.close()
        if hold is not None:
            hold.close()
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        raise CommandError(_why_not(what.command[0], error), code) from error
    wiring.let_go()
    if hold is not None:
        hold.inherited()
    return Launched(popen, wiring, hold)


def _why_not(program: str, error: OSError | ValueError) -> str:
    """Why a program that was found could not be started, in a sentence that names what is at fault."""
    if not isinstance(error, OSError):  # a NUL byte, or an = in the name of a variable
        return f"{program} could not be started: {error}"
    if error.filename not in {None, program}:
        return f"{program} could not be started in {error.filename}: {error.strerror}"
    if isinstance(error, FileNotFoundError) and Path(program).exists():
        return f"{program} could not be started: the interpreter that its first line names was not found"
    return f"{program} could not be started: {error.strerror}"
