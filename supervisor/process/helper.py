"""Programs that the supervisor runs for itself, beside the bot and no part of it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from supervisor.process.handle import open_handle
from supervisor.process.reaper import Reaper

#: Bytes of output that are kept, from the beginning: where programs that check something name the first problem.
OUTPUT_LIMIT = 16384

#: Seconds that a process may take to vanish after SIGKILL. One that takes longer hangs in the kernel.
_KILL_TIMEOUT = 0.5


class HelperResult(NamedTuple):
    """The exit status of a helper, None if it ran out of time, and the beginning of its output."""

    code: int | None
    output: str


class HelperRunner:
    """Starts helpers. `running` holds their pids, which are none of the bot's; a `umask` of -1 stands for our own.

    `reaper` is that of this process, None if it adopts no orphans.
    """

    def __init__(self, reaper: Reaper | None, running: set[int], umask: int = -1) -> None:
        self._reaper = reaper
        self._umask = umask
        self.running = running

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a helper in a session of its own; `options` are those of Popen. `end` is due. Raises OSError."""
        # A session of its own: a Ctrl+C is for us alone, and what it starts can be killed together with it.
        popen = subprocess.Popen(command, start_new_session=sys.platform != "win32", umask=self._umask, **options)
        # Reaping happens in this thread only, so the pid is claimed before it could be reaped.
        if self._reaper is not None:
            self._reaper.claim(popen.pid)
        self.running.add(popen.pid)
        return popen

    def end(self, popen: subprocess.Popen[bytes]) -> None:
        """Kill what is left of a helper and of what it has started, and take its status."""
        kill_family(popen)
        self.running.discard(popen.pid)
        if self._reaper is not None:
            self._reaper.release(popen.pid)

    async def run(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        timeout: float,
        input: Path | None = None,  # noqa: A002  as in subprocess
    ) -> HelperResult:
        """Run a helper, its input from a file if one is given; kill it after `timeout` seconds, or when cancelled.

        Raises OSError if it cannot be run.
        """
        # A file and not a pipe: it need not be read while the helper runs, and node prints the whole of a wrong line.
        with tempfile.TemporaryFile() as output, (input or Path(os.devnull)).open("rb") as stdin:
            popen = self.start(
                command, cwd=directory, env=dict(environment), stdin=stdin, stdout=output, stderr=subprocess.STDOUT
            )
            handle = open_handle(popen.pid)
            assert handle is not None, "a child that has not been reaped has a handle"
            try:
                in_time = await handle.wait(timeout)
            finally:
                self.end(popen)
                handle.close()
            output.seek(0)
            text = output.read(OUTPUT_LIMIT).decode(errors="replace")
        return HelperResult(popen.returncode if in_time else None, text)


class PersistentHelper:
    """A helper that is started before it is needed, so that no answer has to wait for a start.

    It answers each line on its input with a line, in order, ends with its input, and is ended after `idle` seconds
    without a request. Any failure means no answer; so does Windows, where the event loop cannot wait for a pipe.
    """

    def __init__(
        self,
        runner: HelperRunner,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        idle: float,
    ) -> None:
        self._runner = runner
        self._command = command
        self._directory = directory
        self._environment = dict(environment)
        self._idle = idle
        self._popen: subprocess.Popen[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unfinished_line = b""
        #: One for each request without an answer, also where the caller has given up.
        self._requests: deque[asyncio.Future[str | None]] = deque()

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._popen is not None or sys.platform == "win32":
            return
        try:
            self._popen = self._runner.start(
                self._command,
                bufsize=0,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            return
        for descriptor in self._pipes():
            os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(self._pipes()[1], self._read)
        self._restart_timer()

    async def ask(self, question: str, timeout: float) -> str | None:
        """Return its answer; None if it does not run, or has not answered within `timeout` seconds."""
        if self._popen is None:
            return None
        line = f"{question}\n".encode()
        try:
            written = os.write(self._pipes()[0], line)
        except OSError:  # it has ended, or has not read for a long time
            written = 0
        if written < len(line):
            self.end()
            return None
        self._restart_timer()
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._requests.append(answer)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                return await answer
        return None

    def end(self) -> None:
        """End it, if it runs; requests under way get no answer."""
        if self._popen is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        asyncio.get_running_loop().remove_reader(self._pipes()[1])
        popen, self._popen = self._popen, None
        self._runner.end(popen)
        for pipe in (popen.stdin, popen.stdout):
            assert pipe is not None
            pipe.close()
        self._unfinished_line = b""
        while self._requests:
            self._answer(None)

    def _pipes(self) -> tuple[int, int]:
        """The descriptors of its input and its output."""
        assert self._popen is not None
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        return self._popen.stdin.fileno(), self._popen.stdout.fileno()

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._idle, self.end)

    def _read(self) -> None:
        try:
            chunk = os.read(self._pipes()[1], 65536)
        except BlockingIOError:
            return
        if not chunk:
            self.end()
            return
        *lines, self._unfinished_line = (self._unfinished_line + chunk).split(b"\n")
        for line in lines:
            if self._requests:
                self._answer(line.decode(errors="replace"))

    def _answer(self, answer: str | None) -> None:
        request = self._requests.popleft()
        if not request.done():  # cancelled, or out of time
            request.set_result(answer)


def kill_family(popen: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a child that leads a session and of what it has started, and take the child's status."""
    # It has not been reaped, so no other process can have its pid, nor its group's number.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            popen.kill()
        else:
            os.killpg(popen.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(_KILL_TIMEOUT)
