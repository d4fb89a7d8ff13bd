"""The specification of a leader, and the errors of a command that cannot be run."""

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Exit statuses of a shell for a command that it cannot find or may not run (POSIX, "Exit Status for Commands").
NOT_FOUND, NOT_EXECUTABLE = 127, 126

#: Characters that mean something to a shell and nothing to a program.
_SHELL = frozenset("|&;<>()$`*?~\n")


class CommandError(Exception):
    """The bot's command cannot be run. `code` is the exit status that a shell would give."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class SpawnSpec:
    """All that a leader is started with: equal ones start the same process. `umask` is the leader's, -1 for our own."""

    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    umask: int = -1


def resolve_command(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the command with its program's full path, as the bot's own PATH and folder find it.

    Raises CommandError if there is no such program or it may not be executed.
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
    raise CommandError(f"{program} was not found: {_remedy(command)}", NOT_FOUND)


def _remedy(command: Sequence[str]) -> str:
    """The reason, most likely, why a program was not found, and what to write instead."""
    program, *rest = command
    first, *others = program.split() or [program]
    whole = " ".join(command)
    if any(character in _SHELL for character in program) or (others and "=" in first):
        return f"it is written for a shell; write sh -c {shlex.quote(whole)}"
    if others:
        return f"it is a whole command in one word, because of the quotes; write each word by itself: {whole}"
    if "=" in program:
        return f"it sets a variable, as a shell would take it; write env {shlex.join([program, *rest])}"
    return "is it installed, and on the PATH?"


def spawn_error(program: str, error: OSError | ValueError) -> CommandError:
    """Return the error for a program that was found and could not be started; its message names the cause."""
    code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    place, cause = "", str(error)  # of a ValueError: a NUL byte, or an = in the name of a variable
    if isinstance(error, OSError):
        cause = error.strerror or cause
        if error.filename not in {None, program}:
            place = f" in {error.filename}"
        elif code == NOT_FOUND and Path(program).exists():
            cause = "the interpreter that its first line names was not found"
    return CommandError(f"{program} could not be started{place}: {cause}", code)
