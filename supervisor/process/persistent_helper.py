"""A program that is started ahead of its questions, so that no answer has to wait for a start."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from supervisor.process.helper import end_family
from supervisor.process.reaper import Reaper


class PersistentHelper:
    """Runs `command`, which answers each line on its input with a line, in their order, and ends with its input.

    It is ended after `idle` seconds without a question. `running` and `umask` are as for `HelperRunner`. Whatever
    fails, only means that there is no answer; so does Windows, where the event loop cannot wait for a pipe.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        reaper: Reaper,
        running: set[int],
        idle: float,
        umask: int = -1,
    ) -> None:
        self._command = command
        self._directory = directory
        self._environment = dict(environment)
        self._reaper = reaper
        self._running = running
        self._idle = idle
        self._umask = umask
        self._popen: subprocess.Popen[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._said = b""
        #: One for each question that has no answer yet, also where nobody waits for it any more.
        self._asked: deque[asyncio.Future[str | None]] = deque()

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._popen is not None or sys.platform == "win32":
            return
        try:
            popen = subprocess.Popen(
                self._command,
                bufsize=0,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl+C is for us alone
                umask=self._umask,
            )
        except OSError:
            return
        self._reaper.claim(popen.pid)
        self._running.add(popen.pid)
        self._popen = popen
        for descriptor in self._pipes():
            os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(self._pipes()[1], self._read)
        self._wait_on()

    async def ask(self, question: str, timeout: float) -> str | None:
        """Its answer; None if it does not run, or has said nothing after `timeout` seconds."""
        if self._popen is None:
            return None
        line = f"{question}\n".encode()
        try:
            written = os.write(self._pipes()[0], line)
        except OSError:  # it has ended, or it has not read for a long time
            written = 0
        if written < len(line):
            self.end()
            return None
        self._wait_on()
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                return await answer
        return None

    def end(self) -> None:
        """End it, if it runs; who waits for an answer gets none."""
        if self._popen is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        asyncio.get_running_loop().remove_reader(self._pipes()[1])
        popen, self._popen = self._popen, None
        end_family(popen)
        for pipe in (popen.stdin, popen.stdout):
            assert pipe is not None
            pipe.close()
        self._running.discard(popen.pid)
        self._reaper.release(popen.pid)
        self._said = b""
        while self._asked:
            self._answer(None)

    def _pipes(self) -> tuple[int, int]:
        """The descriptors of its input and its output."""
        assert self._popen is not None
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        return self._popen.stdin.fileno(), self._popen.stdout.fileno()

    def _wait_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._idle, self.end)

    def _read(self) -> None:
        try:
            said = os.read(self._pipes()[1], 65536)
        except BlockingIOError:
            return
        if not said:
            self.end()
            return
        *lines, self._said = (self._said + said).split(b"\n")
        for line in lines:
            if self._asked:
                self._answer(line.decode(errors="replace"))

    def _answer(self, answer: str | None) -> None:
        waiting = self._asked.popleft()
        if not waiting.done():  # cancelled, or out of time
            waiting.set_result(answer)
