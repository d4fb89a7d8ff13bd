"""The bot's leader: the one process that the supervisor starts itself."""

from __future__ import annotations

from collections.abc import Mapping

from supervisor.process.handle import open_handle
from supervisor.process.reaper import Reaper
from supervisor.process.spawn import PrestartedProcess, SpawnedProcess, SpawnSpec, spawn
from supervisor.process.stdio import NO_WAYS, OnOutput, Way


class Child:
    """The running leader: its handle, its streams and, once it has exited, its status.

    It leads a session of its own, so that a Ctrl+C in our terminal reaches us alone and a signal to its group cannot
    reach us. The terminal that it writes to is deliberately not its controlling one: the kernel would send SIGHUP to
    all of it the moment the supervisor died, and puppeteer answers SIGHUP by killing the browser.
    """

    def __init__(self, spawned: SpawnedProcess, reaper: Reaper) -> None:
        """Take over what has just been started; reaping happens in this thread only, so it cannot be gone."""
        self._popen = spawned.popen
        self._gate = spawned.gate
        self._reaper = reaper
        # Before anyone could reap it.
        reaper.claim(self._popen.pid)
        handle = open_handle(self._popen.pid)
        assert handle is not None, "a child that nobody has reaped cannot be gone"
        self.handle = handle
        self.stdio = spawned.stdio

    @classmethod
    def spawn(
        cls,
        what: SpawnSpec,
        *,
        reaper: Reaper,
        on_output: OnOutput | None = None,
        ways: Mapping[int, Way] = NO_WAYS,
        gated: bool = False,
        prestarted: PrestartedProcess | None = None,
    ) -> Child:
        """Start the leader with its streams wired to ours (see `ChildStdio`), or take the one that was started `ahead`.

        A `gated` one is a node that can be made to wait; it does not, but `reached_gate` tells whether others would.
        Raises CommandError if it cannot be run.
        """
        spawned = prestarted.take(what) if prestarted is not None else None
        if spawned is None:
            spawned = spawn(what, gated=gated)
            if spawned.gate is not None:
                spawned.gate.open()
        child = cls(spawned, reaper)
        child.stdio.start(on_output, ways)
        return child

    @property
    def reached_gate(self) -> bool:
        """Whether it is a node that has come to where it can be made to wait."""
        return self._gate is not None and self._gate.reached

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

    def release(self) -> None:
        """Let go of streams and handle, once the whole tree is gone."""
        self.stdio.close()
        self.handle.close()
        if self._gate is not None:
            self._gate.close()
