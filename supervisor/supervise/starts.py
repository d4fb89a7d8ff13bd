"""How each start of the bot ends: what is said of it, and the record of it in the history."""

from __future__ import annotations

import time
from collections.abc import Callable

from supervisor.bot.probes.readiness import Verdict
from supervisor.bot.run import Run, Setting
from supervisor.log.logger import emit
from supervisor.process.wrappers import runner_name, unwrap
from supervisor.supervise.turn import Turn
from supervisor.timing.history import History
from supervisor.timing.record import Outcome, Restart


class Starts:
    """Tells and records one start after another. `turn()` is the restart under way."""

    def __init__(self, setting: Setting, history: History, turn: Callable[[], Turn]) -> None:
        self._setting = setting
        self._history = history
        self._turn = turn
        self._told_about_npm = False
        #: The last start or restart that is over.
        self.last: Restart | None = None

    def over(self, run: Run, verdict: Verdict, *, since: float) -> None:
        """The bot is ready, or waits for a scan; it was started at `since`, in seconds of the monotonic clock."""
        self._tell_about_npm(run)
        if verdict == "ready":
            emit("bot.ready", method=run.method, after_ms=round((time.monotonic() - since) * 1000))
        # One that was waited for in vain, or for a scan, has been recorded as that already.
        if self._turn().clock.current is not None:
            self._record(run, verdict)

    def in_vain(self, run: Run) -> None:
        """The bot has not become ready in the time that it had."""
        states = {live.state.detail or live.state.status for live in run.observer.live.values()}
        waited = self._setting.config.ready.timeout
        emit("bot.not_ready", waited_s=waited, state=", ".join(sorted(states)) or "no browser")
        self._record(run, "failed")

    def without_browser(self) -> None:
        """A bot that is known to open a browser has not done so in the time that it had."""
        emit(
            "error",
            problem=f"the bot has not opened its browser in {self._setting.config.browser.start_timeout:g} s",
            remedy="look at its output; a bot that takes longer needs browser.start_timeout",
        )

    def _record(self, run: Run, outcome: Outcome) -> None:
        turn, provenance = self._turn(), self._setting.provenance
        turn.clock.finish()  # what follows takes time that is none of the restart's
        setup = provenance.setup(live.version for live in run.observer.live.values())
        self.last = turn.end(outcome, run.mark, self._setting.config.timing, setup)
        self._history.record(self.last, provenance.configuration.settings)

    def _tell_about_npm(self, run: Run) -> None:
        if self._told_about_npm:
            return
        tree = self._setting.territory.living()
        pid, between = unwrap(run.child.pid, tree)
        bot = next((entry for entry in tree if entry.pid == pid), None)
        if bot is None or runner_name(bot) is not None:
            return  # it has ended, or is not there yet behind a slow npm: the next start may show it
        self._told_about_npm = True
        self._setting.provenance.note_bot(pid)
        if between:
            emit("npm.between", command=list(bot.argv))
