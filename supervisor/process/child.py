"""The bot's leader: the one process that the supervisor starts itself, at once or before it is needed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import psutil

from supervisor.process.handle import open_handle
from supervisor.process.helper import kill_family
from supervisor.process.reaper import Reaper
from supervisor.process.spawn import CommandError, SpawnSpec, spawn_error
from supervisor.process.start_gate import StartGate
from supervisor.process.stdio import NO_WRITERS, ChildStdio, OnOutput, OutputWriter
from supervisor.process.table import ENVIRONMENT_MARK
from supervisor.process.tty import take_as_controlling
from supervisor.system.inode import Inode, inode_of


class NodeLink(Protocol):
    """What a node inherits to report to us; made anew for each one."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What it must inherit, under the same numbers."""

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment of a node that reports; its program finds the one that was given."""

    def close_child_end(self) -> None:
        """Close our copy of what the node has inherited, so that each side notices the other's exit."""

    def listen(self, listener: Callable[[Mapping[str, Any]], None]) -> None:
        """Call `listener` on the event loop with each report."""

    def close(self) -> None:
        """Stop listening, and close our end."""


LinkFactory = Callable[[], NodeLink]


class Child:
    """The running leader, with `handle`, `stdio` and, for a node that can be made to wait or report, `gate` and `link`.

    It leads a session of its own: a Ctrl+C in our terminal reaches us alone, and a signal to its group cannot reach us.
    The terminal that it writes to is its controlling one, for programs that ask on /dev/tty. It inherits the master,
    too: else the kernel would send it SIGHUP the moment the supervisor died, and puppeteer answers SIGHUP by killing
    the browser.
    """

    def __init__(
        self, spec: SpawnSpec, reaper: Reaper, *, gated: bool = False, linked: LinkFactory | None = None
    ) -> None:
        """Start it; a `gated` node waits before its program until `gate.open`. Raises CommandError."""
        self._reaper = reaper
        self.gate: StartGate | None = None
        self.link: NodeLink | None = None
        self._suspended = False
        self.stdio = ChildStdio()
        try:
            environment = dict(spec.environment)
            inherited = [self.stdio.master]
            if gated:
                self.gate = StartGate()
                inherited.append(self.gate.descriptor)
                environment = self.gate.environment(environment)
            if linked is not None:
                self.link = linked()
                inherited += self.link.descriptors
                environment = self.link.environment(environment)  # node loads what is named first
            controlling = self.stdio.controlling
            self._popen = subprocess.Popen(
                spec.command,
                cwd=spec.directory,
                env=environment,
                stdin=self.stdio.child_stdin,
                stdout=self.stdio.child_stdout,
                stderr=self.stdio.child_stderr,
                start_new_session=sys.platform != "win32",
                umask=spec.umask,
                pass_fds=[fd for fd in inherited if fd is not None],
                # One system call, and no lock that another thread could hold.
                preexec_fn=None if controlling is None else partial(take_as_controlling, controlling),
            )
        except (OSError, ValueError) as error:
            self._close_streams()
            raise spawn_error(spec.command[0], error) from error
        self.stdio.close_child_ends()
        for end in (self.gate, self.link):
            if end is not None:
                end.close_child_end()
        # Closes a race with `Reaper.reap`, which the main thread calls: that is busy here, or waits for the thread that
        # is. So the child is claimed before it could be reaped, and has a handle.
        reaper.claim(self.pid)
        handle = open_handle(self.pid)
        assert handle is not None, "a child that has not been reaped has a handle"
        self.handle = handle

    @classmethod
    def spawn(
        cls,
        spec: SpawnSpec,
        *,
        reaper: Reaper,
        on_output: OnOutput | None = None,
        writers: Mapping[int, OutputWriter] = NO_WRITERS,
        gated: bool = False,
        linked: LinkFactory | None = None,
        prestarted: PrestartedProcess | None = None,
    ) -> Child:
        """Start the leader, or take the one that was `prestarted`, and pass its output on (see `ChildStdio.start`).

        A `gated` one does not wait, but `reached_gate` tells whether others that are started likewise would. Raises
        CommandError if it cannot be run.
        """
        child = prestarted.take(spec) if prestarted is not None else None
        if child is None:
            child = cls(spec, reaper, gated=gated, linked=linked)
        if child.gate is not None:
            child.gate.open()
        child.stdio.start(on_output, writers)
        return child

    @property
    def reached_gate(self) -> bool:
        """Whether it is a node that has come to where it can be made to wait."""
        return self.gate is not None and self.gate.reached

    @property
    def pid(self) -> int:
        """The leader's process id."""
        return self._popen.pid

    async def wait(self) -> int:
        """Wait for the leader's exit and take its status: an exit code, or minus the signal that ended it."""
        await self.handle.wait()
        code = self._popen.wait()
        self._reaper.release(self.pid)
        return code

    def suspend(self) -> None:
        """Stop it as Ctrl+Z stops a job, and leave our terminal to the shell."""
        assert sys.platform != "win32"
        with contextlib.suppress(OSError, psutil.Error):  # it has ended
            # One that stands still already does so for a check or a stop, and is thawed after that.
            if not self._suspended and psutil.Process(self.pid).status() != psutil.STATUS_STOPPED:
                # Not SIGTSTP: the kernel ignores that in a session of one job.
                os.killpg(self.pid, signal.SIGSTOP)
                self._suspended = True
        self.stdio.suspend()

    def resume(self) -> None:
        """Let it go on after `suspend`; also called when we come to the foreground."""
        assert sys.platform != "win32"
        if self._suspended:
            self._suspended = False
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGCONT)
        self.stdio.resume()

    def release(self) -> None:
        """Close streams and handle, once the whole tree is gone."""
        self._close_streams()
        self.handle.close()

    def discard(self) -> None:
        """Kill it and what it has started, and take its status."""
        kill_family(self._popen)
        self.release()
        self._reaper.release(self.pid)

    def _close_streams(self) -> None:
        self.stdio.close()
        for end in (self.gate, self.link):
            if end is not None:
                end.close()


class PrestartedProcess:
    """A node that is started now, and waits before the first line of its program until it is taken or dropped.

    Its pid is in `apart` for that long. It is a child of a thread of its own: the kernel can be asked for one thread's
    children only (`reaper.childless`), so the proof that nothing of the last bot lives does not fail because of it.
    When that thread ends, its child becomes one of the main thread's.
    """

    def __init__(self, spec: SpawnSpec, apart: set[int], reaper: Reaper, *, linked: LinkFactory | None = None) -> None:
        self._spec = spec
        self._linked = linked
        self._apart = apart
        self._reaper = reaper
        self._child: Child | None = None
        self._inodes: list[Inode | None] = []
        self._started, self._over = threading.Event(), threading.Event()
        self._parent = threading.Thread(target=self._be_parent, name="prestart", daemon=True)
        self._parent.start()
        # Closes a race: the next look at our descendants must find its pid in `apart`.
        self._started.wait()

    @property
    def mark(self) -> str:
        """The mark (`ENVIRONMENT_MARK`) of the run that it is for."""
        return self._spec.environment[ENVIRONMENT_MARK]

    def take(self, spec: SpawnSpec) -> Child | None:
        """Return the leader, which still waits; None if another one is wanted by now, or it has ended."""
        usable = self._child is not None and self._child.handle.alive
        if not usable or spec != self._spec or self._inodes != _inodes(spec):
            self.drop()
            return None
        return self._end_parent()

    def drop(self) -> None:
        """End it, unless it was taken. May be called twice."""
        if (child := self._end_parent()) is not None:
            child.discard()

    def _be_parent(self) -> None:
        try:
            self._inodes = _inodes(self._spec)  # before the start, so that a replacement during it is noticed
            self._child = Child(self._spec, self._reaper, gated=True, linked=self._linked)
            self._apart.add(self._child.pid)
        except (CommandError, OSError):
            return  # the start proper fails likewise, and reports it
        finally:
            self._started.set()
        self._over.wait()

    def _end_parent(self) -> Child | None:
        child, self._child = self._child, None
        if child is not None:
            self._apart.discard(child.pid)
        self._over.set()
        self._parent.join()
        return child


def _inodes(spec: SpawnSpec) -> list[Inode | None]:
    """The inodes of folder and program: one that was removed and made again is another, although its path is the same.

    A process keeps both from being freed, so as long as it lives no other file can get their numbers.
    """
    return [inode_of(spec.directory), inode_of(spec.command[0])]
