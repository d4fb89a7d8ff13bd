"""One process, held such that a signal can never reach another process that was given the same pid later.

| system | how the process is held | how its exit is awaited |
|---|---|---|
| Linux | a pidfd (`pidfd_open(2)`): it names the process, not the number | the pidfd becomes readable |
| others | pid and start time, compared by psutil before each signal | polling |
"""

import contextlib
import math
import os
import select
import signal
import struct
import sys
from abc import ABC, abstractmethod

import psutil

from supervisor.process.procfs import thread_stats, zombie_status

#: Seconds between two polls of a process that has no pidfd: at first, and at most.
_FIRST_POLL, _LONGEST_POLL = 0.002, 0.05

#: The kernel's flag of a thread that has begun to exit and executes nothing any more (linux/sched.h).
_PF_EXITING = 0x4

#: The position of a thread's flags among the fields of `thread_stats`.
_FLAGS = 6

#: `PIDFD_GET_INFO` of linux/pidfd.h: the request, its flag for the exit status (Linux 6.15), and of its answer the size
#: and where the status stands.
_GET_INFO, _INFO_EXIT, _INFO_SIZE, _INFO_STATUS = 0xC040FF0B, 1 << 3, 64, 60

#: Descriptors that are left for files, sockets and pipes however many processes there are; 1,024 is a usual limit.
_DESCRIPTORS_KEPT = 128


class Handle(ABC):
    """One process. Signals to a process that is gone do nothing and return False.

    Each method that sends one raises PermissionError if this user may not signal the process.
    """

    pid: int

    @property
    @abstractmethod
    def alive(self) -> bool:
        """False once the process has exited, whether or not its parent has reaped it."""

    @property
    def leaving(self) -> bool:
        """True once it executes no code of its own any more: it has exited, or the kernel is taking it apart.

        The latter is known on Linux only.
        """
        return not self.alive

    @property
    def wait_status(self) -> int | None:
        """The wait status (wait(2)) with which it has exited; None if it has not, or if that is not known.

        It is known of another's child on Linux only: for as long as its parent has not reaped it, and from 6.15 on also
        after that.
        """
        return None

    @abstractmethod
    def signal(self, number: int) -> bool:
        """Send a signal."""

    @abstractmethod
    def _send(self, name: str, verb: str) -> bool:
        """Send the POSIX signal `name`, which psutil's method `verb` sends, or does the like of on Windows."""

    def suspend(self) -> bool:
        """Stop the process from running until `resume`: SIGSTOP, on Windows NtSuspendProcess."""
        return self._send("SIGSTOP", "suspend")

    def resume(self) -> bool:
        """Continue a suspended process: SIGCONT, on Windows NtResumeProcess."""
        return self._send("SIGCONT", "resume")

    def terminate(self) -> bool:
        """Ask it to exit: SIGTERM, on Windows TerminateProcess."""
        return self._send("SIGTERM", "terminate")

    def kill(self) -> bool:
        """End it without asking: SIGKILL, on Windows TerminateProcess."""
        return self._send("SIGKILL", "kill")

    @abstractmethod
    async def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the exit; True if it has exited."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Release what the handle holds. May be called twice."""


class PidfdHandle(Handle):
    """A process held by its pidfd (Linux 5.3 and later). Raises ProcessLookupError if there is none with this pid."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = -1  # for `__del__`, should the next line fail
        self._fd = os.pidfd_open(pid)

    @property
    def alive(self) -> bool:
        """False once the pidfd has become readable."""
        if self._fd < 0:
            return False
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return not poll.poll(0)

    @property
    def leaving(self) -> bool:
        """True also while the kernel takes the process apart."""
        # The kernel takes a while to free the memory of a large process; its threads are marked as exiting by then.
        exiting = _all_threads_exit(self.pid)
        return exiting or not self.alive  # checked last: if the pid was reused before the look, the process has exited

    @property
    def wait_status(self) -> int | None:
        """The status from the pidfd once the process has been reaped, from /proc before that."""
        if self.alive:
            return None
        status = None
        with contextlib.suppress(OSError):  # it has been reaped
            status = zombie_status(self.pid)
        reaped = self._reaped_status()  # asked last: if it was reaped before the look, the pid may be another's
        return status if reaped is None else reaped

    def _reaped_status(self) -> int | None:
        import fcntl

        answer = bytearray(_INFO_SIZE)
        struct.pack_into("Q", answer, 0, _INFO_EXIT)
        try:
            fcntl.ioctl(self._fd, _GET_INFO, answer)
        except (OSError, ValueError):  # an older kernel; a closed handle
            return None
        (known,) = struct.unpack_from("Q", answer)
        return struct.unpack_from("i", answer, _INFO_STATUS)[0] if known & _INFO_EXIT else None

    @property
    def exhausts_descriptors(self) -> bool:
        """Whether so many descriptors are open that other parts of this process would run out of them."""
        from resource import RLIMIT_NOFILE, getrlimit

        return self._fd >= getrlimit(RLIMIT_NOFILE)[0] - _DESCRIPTORS_KEPT

    def signal(self, number: int) -> bool:
        """Send a signal through the pidfd."""
        if self._fd < 0:
            return False
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            return False
        return True

    def _send(self, name: str, verb: str) -> bool:
        return self.signal(signal.Signals[name])

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for the pidfd to become readable."""
        if not self.alive:
            return True
        import asyncio  # not at the top: commands that only look at processes do without it

        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        # Two tasks may wait for one process: each watches a duplicate, since a loop has one reader per descriptor.
        watched = os.dup(self._fd)
        loop.add_reader(watched, gone.set)
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the exit (gh-86296).
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


class PsutilHandle(Handle):
    """A process held by pid and start time, where there is no pidfd. Raises ProcessLookupError if there is none."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            raise ProcessLookupError(pid) from None

    @property
    def alive(self) -> bool:
        """False once psutil finds no such process, or a zombie."""
        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def signal(self, number: int) -> bool:
        """Send a signal once psutil has compared the start time."""
        return self._call("send_signal", number)

    def _send(self, name: str, verb: str) -> bool:
        return self._call(verb)

    def _call(self, verb: str, *args: int) -> bool:
        try:
            getattr(self._process, verb)(*args)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied as denied:
            raise PermissionError(f"process {self.pid} may not be signalled by this user") from denied
        return True

    async def wait(self, timeout: float | None = None) -> bool:
        """Poll for the exit."""
        # psutil's own wait needs a thread that cannot be cancelled, and reaps: the parent would lose the exit status.
        import asyncio

        loop = asyncio.get_running_loop()
        deadline = math.inf if timeout is None else loop.time() + timeout
        pause = _FIRST_POLL
        while self.alive:
            left = deadline - loop.time()
            if left <= 0:
                return False
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_POLL)
        return True


def _all_threads_exit(pid: int) -> bool:
    """Whether the kernel has every thread of a process marked as exiting; False if that cannot be read."""
    try:
        # A leader may exit before its other threads do. It is listed first, and mostly suffices for a no.
        exits = (bool(int(stat[_FLAGS]) & _PF_EXITING) for stat in thread_stats(pid))
        return next(exits, False) and all(exits)
    except OSError:
        return False


def _pidfd_works() -> bool:
    """Whether this kernel, and the sandbox that it may run in, allow pidfds."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


_HANDLE: type[PidfdHandle | PsutilHandle] = PidfdHandle if _pidfd_works() else PsutilHandle


def open_handle(pid: int) -> Handle | None:
    """Return a handle of the process that has this pid now, None if there is none."""
    try:
        handle = _HANDLE(pid)
        # A tree may have more processes than this process may have descriptors, and must be ended all the same.
        return PsutilHandle(pid) if isinstance(handle, PidfdHandle) and handle.exhausts_descriptors else handle
    except ProcessLookupError:
        return None
