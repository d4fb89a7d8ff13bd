"""Short programs that the supervisor runs for itself, beside the bot and no part of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from supervisor.process.handle import open_handle
from supervisor.process.reaper import Reaper

#: Bytes of output that are kept, from the beginning: where programs that check something name the first problem.
OUTPUT_LIMIT = 16384

#: Seconds that a process may take to vanish after SIGKILL. One that takes longer hangs in the kernel.
_DYING = 0.5


class HelperResult(NamedTuple):
    """The exit status of a helper, None if it ran out of time, and the beginning of its output."""

    code: int | None
    output: str


class HelperRunner:
    """Runs helpers. `running` holds the pids of those under way, for those who count the bot's processes.

    `umask` is theirs, -1 for our own.
    """

    def __init__(self, reaper: Reaper, running: set[int], umask: int = -1) -> None:
        self._reaper = reaper
        self._umask = umask
        self.running = running

    async def run(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        timeout: float,
        input: Path | None = None,  # noqa: A002  as in subprocess
    ) -> HelperResult:
        """Run a program, its input from a file if one is given; at the latest after `timeout` seconds it is killed.

        Cancelled, it kills the program as well. Raises OSError if the program cannot be run.
        """
        # A file and not a pipe: nobody has to read while it runs, and node prints the whole of a line in error.
        with tempfile.TemporaryFile() as output, (input or Path(os.devnull)).open("rb") as given:
            popen = _start(command, directory, environment, given, output, self._umask)
            # Reaping happens in this thread only, so the pid is entered before anyone could reap it.
            self._reaper.claim(popen.pid)
            self.running.add(popen.pid)
            handle = open_handle(popen.pid)
            assert handle is not None, "a child that nobody has reaped cannot be gone"
            try:
                in_time = await handle.wait(timeout)
            finally:
                end_family(popen)
                handle.close()
                self.running.discard(popen.pid)
                self._reaper.release(popen.pid)
            output.seek(0)
            said = output.read(OUTPUT_LIMIT).decode(errors="replace")
        return HelperResult(popen.returncode if in_time else None, said)


def _start(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    given: IO[bytes],
    output: IO[bytes],
    umask: int,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=directory,
        env=dict(environment),
        stdin=given,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=sys.platform != "win32",  # so that what it starts goes with it
        umask=umask,
    )


def end_family(popen: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a child and of what it has started, and take its status."""
    # Not yet reaped, so its number is nobody else's, and neither is its group's.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            popen.kill()
        else:
            os.killpg(popen.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(_DYING)
