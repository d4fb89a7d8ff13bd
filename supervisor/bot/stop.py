"""The steps of a stop: freeze the bot, close its browsers, end it, prove that nothing is left.

Each step has its own deadline and its own fallback, and none raises for a bot or a browser that does not do as it is
asked: the outcome is in the result.
"""

import asyncio
import contextlib
import math
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.bot.observer import LiveBrowser
from supervisor.browser.close import CloseResult, close
from supervisor.browser.processes import find_browsers, is_reachable, profile_of, without_browsers
from supervisor.config.sections.stop import StopConfig
from supervisor.log.logger import emit
from supervisor.process.activity import Activity
from supervisor.process.handle import Handle
from supervisor.process.suspend import Suspension
from supervisor.process.table import ProcessEntry, find_process
from supervisor.process.terminate import TerminationStep, Urgency, escalate, kill
from supervisor.process.wrappers import unwrap
from supervisor.session.profiles import singleton

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

_NO_BROWSERS: Mapping[Path, LiveBrowser] = {}


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a bot was stopped."""

    closed: tuple[CloseResult, ...] = ()
    survivors: tuple[int, ...] = ()
    """The pids of processes that would not die: nothing may be started beside them."""

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


class Stop:
    """The steps of one stop of a bot. `supervise/restart.py` has their order, and times them."""

    def __init__(
        self,
        config: StopConfig,
        urgency: Urgency,
        suspension: Suspension,
        *,
        look: Look,
        proven: Callable[[], bool],
        leader: int | None = None,
        live: Mapping[Path, LiveBrowser] = _NO_BROWSERS,
        leaves_browsers: bool = False,
    ) -> None:
        """`look` returns the processes there are to stop, `proven` whether nothing lives that a look has missed.

        `suspension` holds what is suspended already; `urgency` may grow meanwhile. `leader` is the pid of the bot's
        first process, `live` its open browsers by profile, where they are known. `leaves_browsers`: it has some that
        are kept, and not looked at.
        """
        self._config = config
        self._urgency = urgency
        self._suspension = suspension
        self._look = look
        self._proven = proven
        self._leader = leader
        self._live = live
        self._leaves_browsers = leaves_browsers
        self._closed: list[CloseResult] = []
        self._closing: Sequence[_Closing] = ()
        #: The bot's processes when last looked at; while they are suspended none can be added to them.
        self._tree: Sequence[ProcessEntry] = ()

    def look(self) -> None:
        """Take the processes there are to stop as they are, running."""
        self._tree = self._look()

    def suspend(self) -> None:
        """Keep the bot from reacting to the loss of its browser: some relaunch it, some delete the profile."""

        def bot() -> Sequence[ProcessEntry]:
            self._tree = self._look()
            return without_browsers(self._tree)

        self._suspension.suspend_tree(bot)
        for pid in self._suspension.refused:
            emit("bot.not_frozen", pid=pid)

    @contextlib.asynccontextmanager
    async def closing_browsers(self) -> AsyncIterator[Mapping[Path, bool]]:
        """Close every browser of the frozen bot, all at once.

        The block is entered as soon as they can write nothing more, with whether each has left its profile in order:
        the end of the bot need not wait for theirs. It is left once they are gone.
        """
        async with asyncio.TaskGroup() as group:
            closing = self._closing = self._begin_to_close(group, self._tree)
            left_clean = {one.profile: await one.released for one in closing}
            yield {profile: clean for profile, clean in left_clean.items() if is_reachable(profile)}
        self._closed += [one.task.result() for one in closing]

    async def let_bot_close(self) -> None:
        """Ask the bot to close its browsers itself, and close those that are left when its time is over."""
        self._tree = self._look()
        before = find_browsers(self._tree)
        self._ask_bot(without_browsers(self._tree))
        self._suspension.release()
        patience = max(self._config.grace, self._config.close_timeout)
        await self._urgency.wait_all([entry.handle for browser in before for entry in browser.processes], patience)
        self._tree = self._look()
        await self._close_browsers(self._tree)
        seen = {closed.profile for closed in self._closed}
        for browser in before:
            if browser.profile not in seen:
                clean = not singleton.remaining(browser.profile)
                self._closed.append(CloseResult(browser.profile, browser.main.pid, clean, "bot", 0.0))

    async def end_bot(self) -> None:
        """Let the bot clean up for as long as its grace period lasts, then end what is left of it."""
        bot = without_browsers(self._tree)
        handles: Sequence[Handle] = [entry.handle for entry in bot]
        if not self._urgency.ruthless:
            # The signal is queued before the bot is resumed, so that it finds it before the news of its browser.
            if self._config.order == "browser-first":
                self._ask_bot(bot)
            self._suspension.release()
            had_browsers = self._leaves_browsers or bool(self._closing or self._closed)
            grace = self._config.grace if had_browsers else max(self._config.grace, _PLAIN_GRACE)
            idle = None if self._config.idle is None else min(self._config.idle, grace * _IDLE_SHARE)
            handles = await self._wait_for_bot(handles, grace, idle if had_browsers else None)
        await escalate(handles, [TerminationStep("SIGKILL", kill, self._config.prove_timeout)], self._urgency)

    async def prove(self) -> Stopped:
        """Prove that nothing is left, ending what has turned up since the look before."""
        deadline = asyncio.get_running_loop().time() + self._config.prove_timeout
        seen: Sequence[ProcessEntry] = ()
        while (left := self._look()) or not self._proven():
            seen = left or seen
            if asyncio.get_running_loop().time() >= deadline:
                return Stopped(tuple(self._closed), tuple(entry.pid for entry in seen))
            if not left:
                await asyncio.sleep(_REAPING)
                continue
            # A bot that was resumed for its cleanup may have opened its browser anew in that time.
            await self._close_browsers(left)
            rest = [entry.handle for entry in self._look()]
            await escalate(rest, [TerminationStep("SIGKILL", kill, self._config.prove_timeout)], self._urgency)
        return Stopped(tuple(self._closed))

    async def _close_browsers(self, tree: Sequence[ProcessEntry]) -> None:
        """Close every browser in the tree, all at once."""
        async with asyncio.TaskGroup() as group:
            closing = self._begin_to_close(group, tree)
        self._closed += [one.task.result() for one in closing]

    def _begin_to_close(self, group: asyncio.TaskGroup, tree: Sequence[ProcessEntry]) -> list[_Closing]:
        begun = []
        for browser in find_browsers(tree):
            released = asyncio.get_running_loop().create_future()
            live = self._live.get(browser.profile)
            work = close(
                browser,
                live.devtools if live else None,
                urgency=self._urgency,
                close_timeout=self._config.close_timeout,
                term_timeout=self._config.term_timeout,
                released=released,
            )
            begun.append(_Closing(browser.profile, released, group.create_task(work)))
        return begun

    def _ask_bot(self, bot: Sequence[ProcessEntry]) -> None:
        """Send the stop signal to the bot proper, past the wrappers between it and us."""
        pids = {entry.pid for entry in bot}
        # A leader that has gone ahead may have left the bot proper behind, and which of these it is cannot be known.
        asked = {unwrap(self._leader, bot)[0]} if self._leader in pids else pids
        number = signal.Signals[self._config.signal]
        for entry in bot:
            if entry.pid in asked:
                with contextlib.suppress(PermissionError):  # one that has changed its user; the rest is asked still
                    entry.handle.signal(number)

    async def _wait_for_bot(self, handles: Sequence[Handle], grace: float, idle: float | None) -> Sequence[Handle]:
        """Wait until the bot has ended, its grace is over or it has done nothing for `idle` seconds; what is left.

        puppeteer handles the signal without ending the bot, so one with a timer or a server of its own would live on
        for the whole grace; only its activity distinguishes it from a bot that cleans up. One that opens a browser
        again does not clean up: that browser is closed next, and writes down what it holds.
        """
        loop = asyncio.get_running_loop()
        over = loop.time() + grace
        before = {entry.pid for entry in self._tree}
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
            if self._urgency.hurried:
                return _still_bot(await self._urgency.wait_all(handles, over - now))
            handles = _still_bot(await self._urgency.wait_all(handles, min(look, over - now)))
            if find_browsers(entry for entry in self._look() if entry.pid not in before):
                break
            if activity is not None and activity.look():
                quiet = loop.time() + idle
        return handles


def _still_bot(handles: Sequence[Handle]) -> list[Handle]:
    """The processes that have not become a browser since they were suspended; one that has is closed later.

    A bot may be stopped while it launches its browser, which until it runs is a process as any of the bot's: a child
    that has not executed anything yet, or a shell script. It must not be taken for a bot that does not end.
    """
    entries = [(handle, find_process(handle.pid)) for handle in handles]
    return [handle for handle, entry in entries if entry is None or profile_of(entry) is None]
