"""The next bot's node, which is started before its time.

A node needs 40 to 100 ms of the processor until it comes to its program's first line. That is spent while the bot just
runs; not while its browsers close, which would take that much longer. All that is done is node's own: no file of the
bot's is read, and not a line of it run before nothing of the last bot lives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from supervisor.bot.run import Setting
from supervisor.bot.slot import Bot
from supervisor.process.child import PrestartedProcess
from supervisor.process.spawn import SpawnSpec
from supervisor.system.runtime_dir import RuntimeFolderError

#: Seconds for which a node waits for its use, be it the next start or the next check. Each holds 6 to 7 MB, beside 35
#: of node itself that it shares with the bot's: while somebody works on the files, but not beside a bot that just runs.
STANDBY = 300.0


class HeadStart:
    """At most one start that is ahead of its time. `wanted()` tells whether a start is what will follow."""

    def __init__(self, setting: Setting, bot: Bot, *, wanted: Callable[[], bool]) -> None:
        self._setting = setting
        self._bot = bot
        self._wanted = wanted
        self._prestarted: PrestartedProcess | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start the next bot's leader, if this one's has shown that it would wait. Takes some milliseconds."""
        run = self._bot.run
        if self._prestarted is not None or run is None or not run.child.reached_gate or not self._wanted():
            return
        setting = self._setting
        # Without a thread, a descriptor or a folder for its files the start comes in its turn, and tells of it.
        with contextlib.suppress(OSError, RuntimeError, RuntimeFolderError):
            environment = setting.environment(setting.territory.new_mark(), self._bot.runs)
            spec = SpawnSpec(setting.command, setting.directory, environment, setting.umask)
            self._prestarted = PrestartedProcess(spec, setting.territory.apart, setting.reaper)
            self._timer = asyncio.get_running_loop().call_later(STANDBY, self.drop)

    def take(self) -> PrestartedProcess | None:
        """What was started, for the run that is to go on with it."""
        if self._timer is not None:
            self._timer.cancel()
        prestarted, self._prestarted = self._prestarted, None
        return prestarted

    def review(self) -> None:
        """End what was started, unless a start is still what will follow."""
        if not self._wanted():
            self.drop()

    def drop(self) -> None:
        """End what was started."""
        if (prestarted := self.take()) is not None:
            prestarted.drop()
