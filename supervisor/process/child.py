"""The bot's leader: the one process that the supervisor starts itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from supervisor.process.handle import Handle, open_handle
from supervisor.process.reap import Reaper
from supervisor.process.streams import NO_WAYS, OnOutput, Way, Wiring

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


def _why_not(program: str, error: OSError | ValueError) -> str:
    """Why a program that was found could not be started, in a sentence that names what is at fault."""
    if not isinstance(error, OSError):  # a NUL byte, or an = in the name of a variable
        return f"{program} could not be started: {error}"
    if error.filename not in {None, program}:
        return f"{program} could not be started in {error.filename}: {error.strerror}"
    if isinstance(error, FileNotFoundError) and Path(program).exists():
        return f"{program} could not be started: the interpreter that its first line names was not found"
    return f"{program} could not be started: {error.strerror}"


class Child:
    """The running leader: its handle, its streams and, once it has exited, its status.

    It leads a session of its own, so that a Ctrl+C in our terminal reaches us alone and a signal to its group cannot
    reach us. The terminal that it writes to is deliberately not its controlling one: the kernel would send SIGHUP to
    all of it the moment the supervisor died, and puppeteer answers SIGHUP by killing the browser.
    """

    def __init__(self, popen: subprocess.Popen[bytes], handle: Handle, wiring: Wiring, reaper: Reaper) -> None:
        self._popen = popen
        self._reaper = reaper
        self.handle = handle
        self.wiring = wiring

    @classmethod
    def spawn(
        cls,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        reaper: Reaper,
        on_output: OnOutput | None = None,
        ways: Mapping[int, Way] = NO_WAYS,
        umask: int = -1,
    ) -> Child:
        """Start the leader with its streams wired to ours (see `Wiring`). Raises CommandError if it cannot be run.

        `umask` is the leader's, -1 for our own.
        """
        wiring = Wiring(on_output, ways)
        try:
            popen = subprocess.Popen(
                command,
                cwd=directory,
                env=dict(environment),
                stdin=wiring.child_stdin,
                stdout=wiring.child_stdout,
                stderr=wiring.child_stderr,
                start_new_session=sys.platform != "win32",
                umask=umask,
            )
        except (OSError, ValueError) as error:
            wiring.close()
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            raise CommandError(_why_not(command[0], error), code) from error
        # Reaping happens in this thread only, so the pid is entered before anyone could reap it.
        reaper.own.add(popen.pid)
        handle = open_handle(popen.pid)
        assert handle is not None, "a child that nobody has reaped cannot be gone"
        wiring.start()
        return cls(popen, handle, wiring, reaper)

    @property
    def pid(self) -> int:
        """The leader's process id."""
        return self._popen.pid

    async def wait(self) -> int:
        """Wait for the leader's exit and take its status: an exit code, or minus the signal that ended it."""
        await self.handle.wait()
        code = self._popen.wait()
        self._reaper.let_go(self.pid)
        return code

    def release(self) -> None:
        """Let go of streams and handle, once the whole tree is gone."""
        self.wiring.close()
        self.handle.close()
