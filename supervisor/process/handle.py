"""One process, held so that a signal can never reach a stranger that inherited its pid.

| system | how the process is held | how its exit is awaited |
|---|---|---|
| Linux | a pidfd (`pidfd_open(2)`): it names the process, not the number | the pidfd becomes readable |
| others | pid and start time, compared by psutil before each signal | by looking again and again |
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import signal
import sys
from typing import Protocol

import psutil

from supervisor.process.procfs import thread_stats

#: Seconds between two looks at a process that has no pidfd: when the waiting begins, and in the end.
_LOOK_FIRST, _LOOK_LATER = 0.002, 0.05

#: The kernel's mark of a thread that has begun to exit, and executes nothing any more (linux/sched.h).
_PF_EXITING = 0x4

#: Where a thread's flags are among what `thread_stats` tells.
_FLAGS = 6

#: Descriptors that are left for files, sockets and pipes however many processes there are; 1,024 is a usual limit.
_DESCRIPTORS_KEPT = 128


class Handle(Protocol):
    """The face of one process. Signals to a process that is gone do nothing and return False."""

    pid: int

    @property
    def alive(self) -> bool:
        """False once the process has exited, whether or not its parent has reaped it."""

    @property
    def leaving(self) -> bool:
        """True once it runs no code of its own any more: it has exited, or the system is only taking it apart.

        Told apart on Linux; elsewhere the same as not `alive`.
        """

    def signal(self, number: int) -> bool:
        """Send a signal; False if the process is gone. PermissionError if it may not be signalled."""

    def suspend(self) -> bool:
        """Stop the process from running until `resume`."""

    def resume(self) -> bool:
        """Let a suspended process go on."""

    def terminate(self) -> bool:
        """Ask it to end: SIGTERM, on Windows TerminateProcess."""

    def kill(self) -> bool:
        """End it without asking: SIGKILL, on Windows TerminateProcess."""

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the exit; True if it has exited."""

    def close(self) -> None:
        """Let go of what the handle holds. Safe to call twice."""


class PidfdHandle:
    """A process held by its pidfd (Linux 5.3 and later)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = -1
        self._fd = os.pidfd_open(pid)

    @property
    def alive(self) -> bool:
        """False once the process has exited: its pidfd is readable from then on."""
        if self._fd < 0:
            return False
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return not poll.poll(0)

    @property
    def leaving(self) -> bool:
        """Whether all of its threads are on their way out: the memory of a large process takes a while to give back."""
        exiting = _all_threads_exit(self.pid)
        return exiting or not self.alive  # asked last: had another process been given the number, this one is gone

    @property
    def is_one_too_many(self) -> bool:
        """Whether the descriptors that everything else needs are being used up."""
        import resource

        return self._fd >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _DESCRIPTORS_KEPT

    def signal(self, number: int) -> bool:
        """Send a signal through the pidfd, which cannot reach a later process with the same pid."""
        if self._fd < 0:
            return False
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            return False
        return True

    def suspend(self) -> bool:
        """SIGSTOP."""
        return self.signal(signal.SIGSTOP)

    def resume(self) -> bool:
        """SIGCONT."""
        return self.signal(signal.SIGCONT)

    def terminate(self) -> bool:
        """SIGTERM."""
        return self.signal(signal.SIGTERM)

    def kill(self) -> bool:
        """SIGKILL."""
        return self.signal(signal.SIGKILL)

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for the pidfd to become readable; no polling."""
        if not self.alive:
            return True
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        # Two tasks may wait for one process: each watches a duplicate, since a loop knows one reader per descriptor.
        watched = os.dup(self._fd)
        loop.add_reader(watched, gone.set)
        try:
            async with asyncio.timeout(timeout):
                await gone.wait()
        except TimeoutError:
            return not self.alive
        finally:
            loop.remove_reader(watched)
            os.close(watched)
        return True

    def close(self) -> None:
        """Close the pidfd."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


class PsutilHandle:
    """A process held by pid and start time, wherever there is no pidfd."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            raise ProcessLookupError(pid) from None

    @property
    def alive(self) -> bool:
        """False once the process has exited; a zombie counts as exited."""
        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    @property
    def leaving(self) -> bool:
        """The same as not `alive`: nothing tells more."""
        return not self.alive

    def _do(self, verb: str, *args: int) -> bool:
        try:
            getattr(self._process, verb)(*args)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied as denied:
            raise PermissionError(f"process {self.pid} may not be signalled by this user") from denied
        return True

    def signal(self, number: int) -> bool:
        """Send a signal once psutil has seen that pid and start time still agree."""
        return self._do("send_signal", number)

    def suspend(self) -> bool:
        """SIGSTOP, on Windows NtSuspendProcess."""
        return self._do("suspend")

    def resume(self) -> bool:
        """SIGCONT, on Windows NtResumeProcess."""
        return self._do("resume")

    def terminate(self) -> bool:
        """SIGTERM, on Windows TerminateProcess."""
        return self._do("terminate")

    def kill(self) -> bool:
        """SIGKILL, on Windows TerminateProcess."""
        return self._do("kill")

    async def wait(self, timeout: float | None = None) -> bool:
        """Look again and again.

        psutil's own wait would need a thread that nobody can cancel, and it reaps: whoever has started the process
        would never learn its exit status.
        """
        loop = asyncio.get_running_loop()
        deadline = math.inf if timeout is None else loop.time() + timeout
        pause = _LOOK_FIRST
        while self.alive:
            left = deadline - loop.time()
            if left <= 0:
                return False
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, _LOOK_LATER)
        return True

    def close(self) -> None:
        """Hold nothing, so let go of nothing."""


def _all_threads_exit(pid: int) -> bool:
    """Whether every thread of a process is on its way out, as the kernel says; False if it does not say."""
    try:
        # A leader may go before its threads do. It is listed first, and mostly answers for them.
        exits = (bool(int(stat[_FLAGS]) & _PF_EXITING) for stat in thread_stats(pid))
        return next(exits, False) and all(exits)
    except OSError:
        return False


def _pidfd_works() -> bool:
    """Whether this kernel, and the sandbox that it may run in, lets us open pidfds."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


_HANDLE: type[PidfdHandle | PsutilHandle] = PidfdHandle if _pidfd_works() else PsutilHandle


def open_handle(pid: int) -> Handle | None:
    """Hold the process that has this pid now, or None if there is none."""
    try:
        one = _HANDLE(pid)
        # A tree may have more processes than we may have descriptors, and must be ended all the same.
        return PsutilHandle(pid) if isinstance(one, PidfdHandle) and one.is_one_too_many else one
    except ProcessLookupError:
        return None
