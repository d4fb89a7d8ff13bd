"""The next bot's node, which is started before its time.

A node needs 40 to 100 ms of the processor until it comes to its program's first line. That is spent while the bot just
runs; not while its browsers close, which would take that much longer. All that is done is node's own, except that a
library which is known to do nothing at its load may be loaded (`warm/attach.cjs`): no file of the bot's own is read,
and not a line of it run before nothing of the last bot lives.
"""

import asyncio
import contextlib

from supervisor.bot.slot import Slot
from supervisor.bot.spec import BotSpec
from supervisor.process.child import PrestartedProcess
from supervisor.process.spawn import SpawnSpec
from supervisor.system.runtime_dir import RuntimeFolderError

#: Seconds for which a node waits for its use, be it the next start or the next check. Each holds 6 to 7 MB, and 36 with
#: a library that it has loaded ahead, beside 35 of node itself that it shares with the bot's: worth it while files are
#: being edited, not beside a bot that just runs.
STANDBY = 300.0


class Prestart:
    """At most one start ahead of its time."""

    def __init__(self, spec: BotSpec, slot: Slot) -> None:
        self._spec = spec
        self._slot = slot
        self._prestarted: PrestartedProcess | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start the next bot's leader, if this one's has shown that it would wait. Takes some milliseconds."""
        run, spec = self._slot.run, self._spec
        if self._prestarted is not None or run is None or not run.child.reached_gate:
            return
        # Without a thread, a descriptor or a folder for its files the start comes in its turn, and reports that.
        with contextlib.suppress(OSError, RuntimeError, RuntimeFolderError):
            environment = spec.environment(spec.territory.new_mark(), self._slot.runs)
            launch = SpawnSpec(spec.command, spec.directory, environment, spec.umask)
            linked = spec.link(environment, run.attachment.library)
            self._prestarted = PrestartedProcess(launch, spec.territory.apart, spec.reaper, linked=linked)
            self._timer = asyncio.get_running_loop().call_later(STANDBY, self.drop)

    def take(self) -> PrestartedProcess | None:
        """Hand over the prestarted process, if there is one, to the run that goes on with it."""
        if self._timer is not None:
            self._timer.cancel()
        prestarted, self._prestarted = self._prestarted, None
        return prestarted

    def drop(self) -> None:
        """End what was started."""
        if (prestarted := self.take()) is not None:
            prestarted.drop()
