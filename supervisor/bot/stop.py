"""One restart, step by step.

    freeze -> close -> stop -> prove -> check -> snapshot (or restore) -> spawn

The first half of that line is here, the second in `care.py` and `run.py`. Each step is timed under its own name, has
its own deadline and its own fallback, and none raises for a bot or a browser that does not do as it is asked: what came
of it is in the result. Who wanted the restart, and what follows, is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.bot.observer import Live
from supervisor.browser.close import CloseResult, close
from supervisor.browser.discovery import find_browsers, profile_of, without_browsers
from supervisor.config.sections.stop import StopConfig
from supervisor.log.logger import emit
from supervisor.process.activity import Activity
from supervisor.process.handle import Handle
from supervisor.process.suspend import Suspension
from supervisor.process.table import ProcessEntry, find_process
from supervisor.process.terminate import TerminationStep, Urgency, escalate, kill
from supervisor.process.wrappers import unwrap
from supervisor.session.profiles import singleton
from supervisor.timing.phases import PhaseClock

#: Seconds that a bot without any browser is given at least: it has nothing that could be lost by waiting, and a program
#: that does not handle SIGTERM exits on it at once.
_PLAIN_GRACE = 2.0

#: Seconds until the owner of a process that has just exited has reaped it.
_REAPING = 0.001

#: The share of its grace that a bot is given at least before it counts as one that does nothing.
_IDLE_SHARE = 0.125

#: Seconds between two looks at whether a bot still does something, and what its processes have become; and how many
#: looks there are at least before it counts as one that does nothing.
_LOOK, _LEAST_LOOKS = 0.05, 3

Look = Callable[[], Sequence[ProcessEntry]]


@dataclass(frozen=True, slots=True)
class Descent:
    """How a bot came down. `survivors` are processes that would not die: nothing may be started beside them."""

    closed: tuple[CloseResult, ...] = ()
    survivors: tuple[int, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether every browser wrote what it held."""
        return not self.survivors and all(closed.clean for closed in self.closed)


@dataclass(frozen=True, slots=True)
class _Closing:
    """A browser that is being closed."""

    profile: Path
    released: asyncio.Future[bool]
    """Settled once it can write nothing more, which is before it is gone: with whether it has left no lock."""
    task: asyncio.Task[CloseResult]


@dataclass(slots=True)
class Stop:
    """One stop of a bot: what there is to stop, and how much of a hurry there is."""

    look: Look
    proven: Callable[[], bool]
    """Whether nothing lives that a look has missed."""
    config: StopConfig
    urgency: Urgency
    clock: PhaseClock
    leader: int | None = None
    live: Mapping[Path, Live] = field(default_factory=dict)
    on_let_go: Callable[[Mapping[Path, bool]], None] = lambda _profiles: None
    """Told of the profiles that nobody writes to any more, and whether each was left in order, while the bot still
    stands still; it may open others, or the same again, in its grace."""
    closed: list[CloseResult] = field(default_factory=list)
    tree: Sequence[ProcessEntry] = ()
    """The bot's processes when last looked at; while they are frozen none can be added to them."""
    suspension: Suspension = field(default_factory=Suspension)
    """What was frozen before, for a check of what has changed."""

    async def bring_down(self) -> Descent:
        """Freeze the bot, close its browsers, stop it, and prove that nothing is left."""
        with self.suspension as suspension:
            if self.config.order == "bot-first":
                self.clock.enter("close")
                await self._let_bot_close(suspension)
                await self._stop_bot(suspension)
            else:
                self.clock.enter("freeze")
                self._freeze(suspension)
                self.clock.enter("close")
                await self._close_and_stop(suspension)
        self.clock.enter("prove")
        survivors = await self._prove()
        return Descent(tuple(self.closed), tuple(survivors))

    def _freeze(self, suspension: Suspension) -> None:
        """Keep the bot from reacting to the loss of its browser: some relaunch it, some delete the profile."""

        def bot() -> Sequence[ProcessEntry]:
            self.tree = self.look()
            return without_browsers(self.tree)

        suspension.suspend_tree(bot)
        for pid in suspension.refused:
            emit("bot.not_frozen", pid=pid)

    async def _close_and_stop(self, suspension: Suspension) -> None:
        """Close every browser, and stop the bot as soon as they can write nothing more: both then end side by side."""
        async with asyncio.TaskGroup() as group:
            closing = self._begin_to_close(group, self.tree)
            self.on_let_go({one.profile: await one.released for one in closing})
            await self._stop_bot(suspension, closing)
        self.closed += [one.task.result() for one in closing]

    async def _close_browsers(self, tree: Sequence[ProcessEntry]) -> None:
        """Close every browser in the tree, all at once."""
        async with asyncio.TaskGroup() as group:
            closing = self._begin_to_close(group, tree)
        self.closed += [one.task.result() for one in closing]

    def _begin_to_close(self, group: asyncio.TaskGroup, tree: Sequence[ProcessEntry]) -> list[_Closing]:
        begun = []
        for browser in find_browsers(tree):
            released = asyncio.get_running_loop().create_future()
            live = self.live.get(browser.profile)
            work = close(
                browser,
                live.devtools if live else None,
                urgency=self.urgency,
                close_timeout=self.config.close_timeout,
                term_timeout=self.config.term_timeout,
                released=released,
            )
            begun.append(_Closing(browser.profile, released, group.create_task(work)))
        return begun

    async def _let_bot_close(self, suspension: Suspension) -> None:
        """Ask the bot to close its browsers itself, and close those that are left when its time is over."""
        self.tree = self.look()
        before = find_browsers(self.tree)
        self._ask_bot(without_browsers(self.tree))
        suspension.release()
        patience = max(self.config.grace, self.config.close_timeout)
        await self.urgency.wait_all([entry.handle for browser in before for entry in browser.processes], patience)
        self.tree = self.look()
        await self._close_browsers(self.tree)
        seen = {closed.profile for closed in self.closed}
        for browser in before:
            if browser.profile not in seen:
                clean = not singleton.remaining(browser.profile)
                self.closed.append(CloseResult(browser.profile, browser.main.pid, clean, "bot", 0.0))

    def _ask_bot(self, bot: Sequence[ProcessEntry]) -> None:
        """Send the stop signal to the bot proper, past whatever stands between it and us."""
        pids = {entry.pid for entry in bot}
        # A leader that has gone ahead may have left the bot proper behind, and nobody knows which of these it is.
        asked = {unwrap(self.leader, bot)[0]} if self.leader in pids else pids
        number = signal.Signals[self.config.signal]
        for entry in bot:
            if entry.pid in asked:
                with contextlib.suppress(PermissionError):  # one that has changed its user; the rest is asked still
                    entry.handle.signal(number)

    async def _stop_bot(self, suspension: Suspension, closing: Sequence[_Closing] = ()) -> None:
        """Let the bot clean up for as long as its grace lasts, then end what is left of it; browsers may yet close."""
        self.clock.enter("stop")
        bot = without_browsers(self.tree)
        handles: Sequence[Handle] = [entry.handle for entry in bot]
        if not self.urgency.ruthless:
            # The signal is queued before the thaw, so that the bot finds it before the news of its browser.
            if self.config.order == "browser-first":
                self._ask_bot(bot)
            suspension.release()
            had_browsers = bool(closing or self.closed)
            grace = self.config.grace if had_browsers else max(self.config.grace, _PLAIN_GRACE)
            idle = None if self.config.idle is None else min(self.config.idle, grace * _IDLE_SHARE)
            handles = await self._wait_for_bot(handles, grace, idle if had_browsers else None)
        await escalate(handles, [TerminationStep("SIGKILL", kill, self.config.prove_timeout)], self.urgency)

    async def _wait_for_bot(self, handles: Sequence[Handle], grace: float, idle: float | None) -> Sequence[Handle]:
        """Wait until the bot has ended, its grace is over or it has done nothing for `idle` seconds; what is left.

        puppeteer handles the signal without ending the bot, so one with a timer or a server of its own would live on
        for the whole grace; nobody can tell its handlers from those of a bot that cleans up, but by what it does.
        """
        loop = asyncio.get_running_loop()
        over = loop.time() + grace
        if idle is None:
            idle, activity = math.inf, None
        else:
            activity = Activity(handle.pid for handle in handles)
        look = min(_LOOK, idle / _LEAST_LOOKS)
        quiet = loop.time() + idle
        while handles and (now := loop.time()) < over:
            if activity is not None and now >= quiet:
                if not activity.awaits_answer():
                    break
                quiet = now + idle
            if self.urgency.hurried:
                return _still_bot(await self.urgency.wait_all(handles, over - now))
            handles = _still_bot(await self.urgency.wait_all(handles, min(look, over - now)))
            if activity is not None and activity.look():
                quiet = loop.time() + idle
        return handles

    async def _prove(self) -> list[int]:
        """End whatever has turned up since, until there is nothing left; the pids of what would not die."""
        deadline = asyncio.get_running_loop().time() + self.config.prove_timeout
        seen: Sequence[ProcessEntry] = ()
        while (left := self.look()) or not self.proven():
            seen = left or seen
            if asyncio.get_running_loop().time() >= deadline:
                return [entry.pid for entry in seen]
            if not left:
                await asyncio.sleep(_REAPING)
                continue
            # A bot that was thawed for its cleanup may have opened its browser anew in that time.
            await self._close_browsers(left)
            rest = [entry.handle for entry in self.look()]
            await escalate(rest, [TerminationStep("SIGKILL", kill, self.config.prove_timeout)], self.urgency)
        return []


def _still_bot(handles: Sequence[Handle]) -> list[Handle]:
    """Those that have not become a browser since they were frozen: such a one is closed, like any other, later.

    A bot may be stopped while it launches its browser, which until it runs is a process as any of the bot's: a child
    that has not executed anything yet, or a shell script. It must not be taken for a bot that does not end.
    """
    entries = [(handle, find_process(handle.pid)) for handle in handles]
    return [handle for handle, entry in entries if entry is None or profile_of(entry) is None]
