"""The browsers that are kept while their bot is replaced, and the decision whether they can be.

A cold restart is always right. So whatever is not known to be as it should be makes a restart cold, and says so: there
is no repair here.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.bot.observer import LiveBrowser
from supervisor.bot.run import Run
from supervisor.bot.spec import BotSpec
from supervisor.browser.presets import SessionStatus
from supervisor.browser.processes import find_browsers
from supervisor.config.modes import Mode
from supervisor.log.logger import emit
from supervisor.supervise.ongoing import OngoingRestart
from supervisor.warm.gate import GateError, PageGate
from supervisor.warm.kept import KeptBrowser, Signature, changed, drain, finish_begun, signature

#: Reasons of restarts that are for the bot's program; after others the browser is the better for a new start.
_FOR_THE_PROGRAM = frozenset({"change", "key", "control", "crash"})

#: Seconds for which events wait in a page at most.
_LONGEST_WAIT = 600.0


@dataclass(frozen=True, slots=True)
class ColdReason:
    """Why a restart is cold. `lasting`: the same holds for each restart of this bot, and is said once."""

    text: str
    lasting: bool = False


class KeptBrowsers:
    """Keeps the browsers of one bot at a time. For the event loop."""

    def __init__(self, spec: BotSpec) -> None:
        self._spec = spec
        #: Those that are kept now: no bot runs that they belong to, or it has not taken them over yet.
        self.browsers: tuple[KeptBrowser, ...] = ()
        self._since = 0.0
        #: How many restarts in a row were warm.
        self._in_a_row = 0
        #: What makes the next restart a cold one.
        self._spoiled: str | None = None
        self._said: str | None = None
        self._signatures: Mapping[Path, Signature] = {}

    @property
    def profiles(self) -> frozenset[Path]:
        """The profiles that they hold."""
        found = {browser.launched.profile or browser.launched.real for browser in self.browsers}
        return frozenset(found | {browser.launched.real for browser in self.browsers})

    # -- the decision ------------------------------------------------------------------------------------------------

    async def note_start(self, run: Run) -> None:
        """Note what the files are like that the bot's libraries were loaded from, once its start is over."""
        folder = self._spec.directory
        signatures = {}
        # A copy: the bot may launch or close a browser meanwhile.
        for real, browser in list(run.attachment.launched.items()):
            signatures[real] = await asyncio.to_thread(signature, folder, browser.files)
        self._signatures = signatures

    def prevented(
        self, restart: OngoingRestart, run: Run | None, *, restores: bool, renewed: Path | None
    ) -> ColdReason | None:
        """Why this restart cannot be warm, as far as that is known without a look at a page.

        `restores`: a snapshot is to be put back on the way. `renewed` as `renewed_file` has it.
        """
        config, board = self._spec.config.restart, self._spec.board
        if restart.wanted == "cold":
            return ColdReason("it was asked for", lasting=True)
        if config.mode == "cold":
            return ColdReason("restart.mode is cold", lasting=True)
        if self._spec.mode is not Mode.DEV and restart.wanted != "warm":
            return ColdReason("restarts in production are cold unless a warm one is asked for", lasting=True)
        if restart.reason not in _FOR_THE_PROGRAM:
            return ColdReason(f"it is because of: {restart.reason}", lasting=True)
        if restores:
            return ColdReason("a snapshot is restored")
        if board is None or not self._spec.territory.contained:
            return ColdReason("this system cannot keep a browser whose bot has ended", lasting=True)
        if self._spoiled is not None:
            return ColdReason(self._spoiled)
        if config.warm_limit and self._in_a_row >= config.warm_limit:
            return ColdReason(f"there were {self._in_a_row} warm restarts in a row")
        if run is None and not self.browsers:
            return ColdReason("no bot runs", lasting=True)
        if self.browsers and time.monotonic() - self._since > _LONGEST_WAIT:
            return ColdReason(f"the page has waited for more than {_LONGEST_WAIT / 60:.0f} min")
        if renewed is not None:
            return ColdReason(f"{renewed} has changed")
        return self._of_bot(run) if run is not None else None

    def _of_bot(self, run: Run) -> ColdReason | None:
        if run.child.link is None:
            return ColdReason("the bot is not a program that node runs by itself", lasting=True)
        attachment, live = run.attachment, run.observer.live
        if attachment.pending:
            return None  # the browsers that were kept for it are still as they were
        if not live:
            return ColdReason("the bot has no browser open", lasting=True)
        launched = attachment.launched
        for browser in live.values():
            known = launched.get(browser.real)
            if known is None:
                return ColdReason("the bot's browser was not opened by a library that is known", lasting=True)
            if known.never is not None:
                return ColdReason(known.never, lasting=True)
            if not self._serves(browser, run):
                return ColdReason("the page was not ready")
        if missing := launched.keys() - {browser.real for browser in live.values()}:
            return ColdReason(f"the browser on {min(missing)} is gone")
        return None

    def _serves(self, browser: LiveBrowser, run: Run) -> bool:
        ready = browser.state.status is SessionStatus.READY and browser.endpoint is not None
        return ready and browser.real in run.attachment.marked

    async def renewed_file(self) -> Path | None:
        """A file of the bot's libraries, or one that names them, that has changed since its start."""
        folder = self._spec.directory
        for before in list(self._signatures.values()):
            now = await asyncio.to_thread(signature, folder, before)
            if (path := changed(before, now)) is not None:
                place = Path(path)
                return place.relative_to(folder) if place.is_relative_to(folder) else place
        return None

    def likely(self, run: Run) -> bool:
        """Whether a restart of this bot is probably warm; `prevented` and the page may have an objection."""
        attachment = run.attachment
        known = bool(attachment.launched) and all(one.never is None for one in attachment.launched.values())
        asked = self._spec.mode is Mode.DEV and self._spec.config.restart.mode == "auto"
        return asked and known and (attachment.pending or attachment.marked >= attachment.launched.keys())

    # -- keeping -----------------------------------------------------------------------------------------------------

    async def shut(self, run: Run | None) -> ColdReason | None:
        """Close the gate of each page; a reason, and all gates open again, if one of them cannot be kept."""
        if run is None:
            return None  # closed since their bot has ended
        shut: list[KeptBrowser] = []
        try:
            if run.attachment.pending:
                for browser in run.attachment.kept:
                    closed = await browser.gate.shut()
                    shut.append(KeptBrowser(browser.launched, browser.endpoint, browser.gate, closed))
            else:
                # A copy: the bot may open or close a browser meanwhile.
                for live in list(run.observer.live.values()):
                    kept = await self._shut(live, run)
                    shut.append(kept)  # one by one: what was closed before a failure is opened again
        except GateError as error:
            await self._open(shut)
            return ColdReason(str(error))
        self.browsers = tuple(shut)
        self._since = time.monotonic()
        return None

    async def _shut(self, live: LiveBrowser, run: Run) -> KeptBrowser:
        launched = run.attachment.launched.get(live.real)
        if launched is None or live.endpoint is None:
            raise GateError("the bot has closed a browser just now")
        gate = await PageGate.attach(live.endpoint)
        kept = None
        try:
            kept = KeptBrowser(launched, live.endpoint, gate, await gate.shut())
            if not kept.closed.marked:
                raise GateError("the page was loaded anew")
            if run.attachment.touched and kept.closed.globals:
                raise GateError(f"the bot has defined {kept.closed.globals[0]} in its page")
        except GateError:
            await self._open([kept] if kept is not None else [])
            await gate.end()
            raise
        return kept

    async def _open(self, browsers: Sequence[KeptBrowser]) -> None:
        """Open gates for the bot that goes on, or is stopped with its browsers: what has waited is delivered."""
        assert self._spec.board is not None
        for browser in browsers:
            try:
                await browser.gate.reopen(browser.highest(self._spec.board))
            except GateError:
                continue  # the page is gone, or will be
            finally:
                await browser.gate.end()

    async def drain(self) -> None:
        """Give the bot up to 100 ms to finish what came before; what it has not begun by then is the next one's."""
        assert self._spec.board is not None
        drained = await drain(self._spec.board, self.browsers)
        self._spec.board.leave_browsers(True)
        if not drained:
            await finish_begun(self._spec.board)

    def keep(self) -> None:
        """From now on the browsers belong to no bot: its end is not theirs."""
        assert self._spec.board is not None
        self._spec.board.leave_browsers(True)
        territory, kept = self._spec.territory, {browser.launched.real for browser in self.browsers}
        for browser in find_browsers(territory.living()):
            if browser.profile in kept or browser.profile.resolve() in kept:
                territory.keep(browser.processes)

    def report_unfinished(self) -> None:
        """Report what the bot that has ended had begun and not finished."""
        if self._spec.board is not None and (kinds := self._spec.board.unfinished()):
            emit("event.unfinished", kinds=dict(kinds))

    def hand_over(self) -> Sequence[KeptBrowser]:
        """Give the browsers to the bot that is about to be started, and prepare the board for it."""
        self._spec.territory.give_back()
        if self._spec.board is not None:
            self._spec.board.begin([browser.described() for browser in self.browsers])
        if not self.browsers:
            self._in_a_row, self._spoiled = 0, None
        return self.browsers

    async def taken_over(self, run: Run) -> None:
        """The bot has taken over all browsers."""
        browsers, self.browsers = self.browsers, ()
        self._in_a_row += 1
        for browser in browsers:
            await browser.gate.end()
        self._report_dropped(run.attachment.dropped)

    async def let_go(self) -> None:
        """Give them up: they are closed with everything else that is left."""
        browsers, self.browsers = self.browsers, ()
        self._spec.territory.give_back()
        if self._spec.board is not None:
            self._spec.board.leave_browsers(False)
        for browser in browsers:
            try:
                self._report_dropped(await browser.gate.waiting())
            except GateError:
                continue
            finally:
                await browser.gate.end()

    def _report_dropped(self, count: int) -> None:
        if count:
            self._spoiled = f"{count} events did not find room in the page"
            emit("event.dropped", count=count)

    def report_cold(self, reason: ColdReason, run: Run | None) -> None:
        """Say why a restart is cold, unless that is clear, or was said."""
        if run is None or not run.observer.live or reason.text == self._said:
            return
        if self._spec.mode is not Mode.DEV or self._spec.config.restart.mode == "cold":
            return
        self._said = reason.text if reason.lasting else self._said
        emit("restart.cold", why=reason.text)
