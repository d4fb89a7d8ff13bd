"""The bot's leader: the one process that the supervisor starts itself."""

from __future__ import annotations

from collections.abc import Mapping

from supervisor.process.handle import open_handle
from supervisor.process.prestart import Ahead
from supervisor.process.reaper import Reaper
from supervisor.process.spawn import Launch, Launched, launch
from supervisor.process.stdio import NO_WAYS, OnOutput, Way


class Child:
    """The running leader: its handle, its streams and, once it has exited, its status.

    It leads a session of its own, so that a Ctrl+C in our terminal reaches us alone and a signal to its group cannot
    reach us. The terminal that it writes to is deliberately not its controlling one: the kernel would send SIGHUP to
    all of it the moment the supervisor died, and puppeteer answers SIGHUP by killing the browser.
    """

    def __init__(self, launched: Launched, reaper: Reaper) -> None:
        """Take over what has just been started; reaping happens in this thread only, so it cannot be gone."""
        self._popen = launched.popen
        self._hold = launched.hold
        self._reaper = reaper
        # Before anyone could reap it.
        reaper.own.add(self._popen.pid)
        handle = open_handle(self._popen.pid)
        assert handle is not None, "a child that nobody has reaped cannot be gone"
        self.handle = handle
        self.wiring = launched.wiring

    @classmethod
    def spawn(
        cls,
        what: Launch,
        *,
        reaper: Reaper,
        on_output: OnOutput | None = None,
        ways: Mapping[int, Way] = NO_WAYS,
        holdable: bool = False,
        ahead: Ahead | None = None,
    ) -> Child:
        """Start the leader with its streams wired to ours (see `Wiring`), or take the one that was started `ahead`.

        A `holdable` one is a node that can be made to wait; it does not, but `was_held` tells whether others would.
        Raises CommandError if it cannot be run.
        """
        launched = ahead.take(what) if ahead is not None else None
        if launched is None:
            launched = launch(what, held=holdable)
            if launched.hold is not None:
                launched.hold.let_go()
        child = cls(launched, reaper)
        child.wiring.start(on_output, ways)
        return child

    @property
    def was_held(self) -> bool:
        """Whether it is a node that has come to where it can be made to wait."""
        return self._hold is not None and self._hold.reached

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
        if self._hold is not None:
            self._hold.close()
