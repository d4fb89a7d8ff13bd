"""The place of the one bot there may be, from run to run; threads with input for it wait here for the next one."""

import threading
import time
from pathlib import Path

from supervisor.bot.run import Run
from supervisor.log.logger import emit


class Slot:
    """Holds the run there is, if there is one. For the event loop, except where threads are named."""

    def __init__(self) -> None:
        #: The bot that runs now, if one does.
        self.run: Run | None = None
        #: How often it was started.
        self.runs = 0
        #: When the one that runs now, or did last, was started, in seconds of the monotonic clock.
        self.spawned_at = float("-inf")
        #: Set while there is one, for those who wait in threads.
        self._running = threading.Event()
        self._input_ended = False

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(0, self.runs - 1)

    def take_in(self, run: Run) -> None:
        """It has been spawned."""
        self.run = run
        self._running.set()
        # After the line above: the end of input may come in between (a race), and the later of the two passes it on.
        if self._input_ended:
            run.child.stdio.end_input()
        self.runs += 1
        self.spawned_at = time.monotonic()
        emit("bot.started", pid=run.child.pid)

    def note_stop(self) -> None:
        """Note that it is going to be stopped: what it still shows belongs to no start."""
        if self.run is not None:
            self.run.note_stop()

    def report_exit(self, code: int, *, wanted: bool, profile: Path | None = None) -> None:
        """Say how the one that runs has exited; `profile` is that of the browser whose crash it has not survived."""
        assert self.run is not None
        fields: dict[str, object] = {"signal": -code} if code < 0 else {"code": code}
        if profile is not None:
            fields["profile"] = str(profile)
        ran = round(time.monotonic() - self.spawned_at, 3)
        emit("bot.exited" if wanted else "bot.crashed", pid=self.run.child.pid, ran_s=ran, **fields)

    async def release(self) -> None:
        """Let go of it, once its tree is proven gone."""
        self._running.clear()
        run, self.run = self.run, None
        if run is not None:
            await run.release()

    def wait_for_run(self) -> Run:
        """The bot that runs now, or the next one. Blocks until there is one: for a thread that has input for it."""
        while (run := self.run) is None:
            self._running.wait()
        return run

    def end_input(self, *, for_good: bool = True) -> None:
        """No more input will come for this bot, nor, if `for_good`, for any later one. For the thread that reads it."""
        self._input_ended = for_good
        if (run := self.run) is not None:
            run.child.stdio.end_input()

    def resize(self) -> None:
        """Our terminal has another size: so has the bot's."""
        if self.run is not None:
            self.run.child.stdio.resize()

    def suspend(self) -> None:
        """Ctrl+Z: stop the bot as well, and leave the terminal to the shell."""
        if self.run is not None:
            self.run.child.suspend()

    def resume(self) -> None:
        """We go on, or have come to the foreground: so has the bot."""
        if self.run is not None:
            self.run.child.resume()
