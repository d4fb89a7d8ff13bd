"""Watching of the project's files, which triggers restarts in development.

A source (`inotify`, `watchfiles_source`) gives hints; `tracker` checks them against the disk and updates `file_tree`;
`debounce` checks files and finds where a burst of changes begins and ends; `rules` decides which files count and
`fingerprint` what is a change. Where no hints arrive, surveys at intervals take their place (polling).

Everything but surveys and reading ahead, which read much, runs in the event loop: so no lock is needed, and nothing can
happen between a check and its consequence.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from supervisor.watch.debounce import Burst
from supervisor.watch.file_tree import FileTree
from supervisor.watch.fingerprint import read_ahead
from supervisor.watch.git_lock import GitLocks
from supervisor.watch.probe import events_arrive, explain_limit, remote_type
from supervisor.watch.rules import WatchRules
from supervisor.watch.source import NoSource, Source, WatchLimitError
from supervisor.watch.tracker import Survey, SurveyStoppedError, Tracker

#: Seconds to wait for the event of a probe file, which takes well under one millisecond.
_PROBE_WAIT = 1.0

#: Seconds between two surveys when polling: at least the first, at most the second, and otherwise so many that surveys
#: take one part in `_POLL_SHARE` of the time.
_POLL_MIN, _POLL_MAX, _POLL_SHARE = 0.2, 2.0, 20

#: Seconds that git may pause between two files of a checkout. Bounded, since `git commit` holds its lock while the
#: message is being written, and a killed git leaves it behind.
_GIT_PAUSE = 2.0

#: Seconds for which handling hints may block the event loop at a time.
_SLICE = 0.01

#: Seconds to wait after hints of files that do not count: a bot that writes its log into a watched folder then causes
#: 100 wake-ups a second at most, and a change at that moment is reported so much later.
_LULL = 0.01

_READ_AHEAD_BATCH = 64  # files


@dataclass(frozen=True, slots=True)
class Change:
    """The first change of a burst; `first_seen`: when the burst began, in seconds of the monotonic clock."""

    paths: tuple[Path, ...]
    first_seen: float


def native_source(rules: WatchRules) -> Source:
    """The source of hints on this system."""
    if sys.platform == "linux":
        from supervisor.watch.inotify import InotifySource

        return InotifySource()
    else:  # noqa: RET505  (without it mypy reports unreachable code)
        from supervisor.watch.watchfiles_source import WatchfilesSource

        return WatchfilesSource(watched.path for watched in rules.watched_paths)


class FileWatcher:
    """Watches the files that count by the rules.

    `quiet`: seconds without a change that end a burst. `poll`: compare at intervals instead of waiting for events;
    "auto": where no events arrive, for the `reason`. All callbacks run in the event loop: `on_change` at once at the
    first change of a burst, and again only after a quiet time or a `drain`; `on_file`, before that, for each file with
    changed content; `on_notice` with sentences that the user should read.
    """

    def __init__(
        self,
        rules: WatchRules,
        *,
        quiet: float,
        poll: Literal["auto"] | bool,
        on_change: Callable[[Change], None],
        on_file: Callable[[Path], None],
        on_notice: Callable[[str], None],
        source: Callable[[WatchRules], Source] = native_source,
    ) -> None:
        self.mode: Literal["events", "polling"] = "events"
        self.reason = ""
        self._poll = poll
        self._quiet = quiet
        self._git = GitLocks(Path(watched.path) for watched in rules.watched_paths)
        self._on_change = on_change
        self._on_notice = on_notice
        self._new_source = source
        self._tree = FileTree()
        self._burst = Burst(self._tree, quiet, self._first_change, lambda path: on_file(Path(path)))
        self._tracker = Tracker(rules, NoSource(), self._tree, self._burst)
        self._armed = asyncio.Event()
        self._wake = asyncio.Event()
        self._surveyed = asyncio.Event()
        self._surveyed_at = float("-inf")
        self._surveying = False
        self._adopted = asyncio.Event()
        self._limit: WatchLimitError | None = None
        self._draining = False
        self._noticed: set[str] = set()

    async def run(self) -> None:
        """Watch until cancelled; leaves no thread, descriptor or file behind.

        Raises an exception group with what a callback raised.
        """
        try:
            await self._begin()
            self._armed.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read_ahead(), name="read-ahead")
                if self.mode == "events":
                    await self._follow()
                await self._poll_files()
        finally:
            self._tracker.source.close()

    async def armed(self) -> None:
        """Wait until changes are noticed: a bot started then cannot have read an older file than is known here."""
        await self._armed.wait()

    async def settled(self, *, early: bool = False) -> None:
        """Wait until no file that counts was touched for the quiet time. Blocks unless `run` runs.

        `early`: or for half of it after the save of one file, if the caller can handle more changes after that.
        """
        asked = time.monotonic()
        while True:
            self._pump_all()
            now = time.monotonic()
            quiet_at = self._burst.quiet_at(early=early)
            if now < quiet_at:
                await asyncio.sleep(quiet_at - now)
            elif (
                self._tracker.busy
                or self._surveying
                or (self.mode == "polling" and self._surveyed_at < max(quiet_at, asked))
            ):
                self._wake.set()
                await self._surveyed.wait()
            elif now < quiet_at + _GIT_PAUSE and self._git.held():
                await asyncio.sleep(self._quiet)
            else:
                return

    def changed(self) -> tuple[Path, ...]:
        """The files whose content differs from that at the last `drain`, for a check before the restart."""
        return tuple(Path(path) for path in self._tree.changed())

    def drain(self) -> tuple[Path, ...]:
        """The changed files, for the start that follows immediately.

        Includes events that the kernel has queued by now; later ones begin a new burst. Empty if the files are as they
        were at the last `drain`. Does not call `on_change`.
        """
        self._draining = True
        try:
            self._pump_all()
            self._burst.end()
        finally:
            self._draining = False
        changed = self.changed()
        self._tree.commit()
        return changed

    def dismiss(self) -> None:
        """End the burst without a restart. Its changes are kept; the next one, however soon, calls `on_change`."""
        self._burst.cut()

    def exclude(self, folder: Path) -> None:
        """Exclude a folder (such as a profile found just now) or a file from now on, with its changes so far."""
        self._tracker.exclude(self._tracker.rules.excluding(folder))

    @property
    def rules(self) -> WatchRules:
        """The present rules, with exclusions."""
        return self._tracker.rules

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of watched files and folders."""
        return len(self._tree.known), len(self._tree.folders)

    def watched(self, folder: Path) -> Iterator[Path]:
        """The watched files at any depth below a folder."""
        above = f"{folder}{os.sep}"
        return (Path(path) for path in self._tree.known if path.startswith(above))

    def census(self) -> Counter[str]:
        """The number of watched files by extension, such as ".js"; "" for names without one."""
        return Counter(os.path.splitext(path)[1] for path in self._tree.known)  # noqa: PTH122  ten times as fast

    async def _begin(self) -> None:
        try:
            await self._choose_source()
            self._tracker.apply(await self._survey(), first=True)
        except WatchLimitError as error:
            self._tracker.apply(await self._fall_back(error), first=True)
        self._adopted.set()
        for watched in self.rules.watched_paths:
            if watched.glob and not any(watched.selects(path) for path in self._tree.known):
                self._notice(f'no file matches "{watched.text}" yet; it is watched all the same')
            elif not watched.glob and not watched.exists():
                self._notice(f"{watched.path} does not exist; it is watched as soon as it does")

    async def _choose_source(self) -> None:
        folder = next((watched.path for watched in self.rules.watched_paths if watched.is_folder()), None)
        if self._poll is True:
            self._use_polling("asked for")
            return
        if self._poll == "auto" and folder is not None and (kind := remote_type(folder)) is not None:
            self._use_polling(f"{folder} is on {kind}, where edits made on another machine raise no events here")
            return
        try:
            self._tracker.use(self._new_source(self.rules))
        except OSError as error:
            self._use_polling(f"this system gives no file events ({error.strerror})")
            return
        if self._poll == "auto" and folder is not None:
            arrived = await events_arrive(self._tracker.source, folder, within=_PROBE_WAIT)
            if arrived is False:
                self._use_polling(f"a file written in {folder} raised no event within {_PROBE_WAIT:g} s")
                return

    def _use_polling(self, reason: str) -> None:
        self._tracker.use(NoSource())
        self.mode = "polling"
        self.reason = reason
        if self._poll is not True:
            self._notice(f"comparing files regularly instead of waiting for events: {reason}")

    async def _fall_back(self, error: WatchLimitError) -> Survey:
        """Poll after a limit was reached: slower, but complete."""
        self._tracker.use(NoSource())
        survey = await self._survey()
        folders = [listing.path for listing in survey.listings]
        self._use_polling(explain_limit(error, folders, str(self.rules.watched_paths[0].path)))
        return survey

    async def _follow(self) -> None:
        """Handle events, until a limit is reached."""
        done = True
        while self._limit is None:
            if done:
                await self._woken()
            hints = self._burst.hints
            done = self._pump(time.monotonic() + _SLICE)
            try:
                await self._catch_up()
            except WatchLimitError as error:
                self._limit = error
            await asyncio.sleep(_LULL if done and hints == self._burst.hints else 0)
        self._tracker.apply(await self._fall_back(self._limit))

    async def _woken(self) -> None:
        """Wait for hints, or for a file whose quiet time is over."""
        self._tracker.source.listen(self._wake.set)
        due = self._burst.next_due()
        if due is None:
            await self._wake.wait()
            return
        timer = asyncio.get_running_loop().call_later(due - time.monotonic(), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    def _pump(self, until: float) -> bool:
        """Handle the hints until the time `until`; False if some are left."""
        self._wake.clear()
        try:
            done = self._tracker.step(until)
        except WatchLimitError as error:
            self._limit = error
            done = False
        self._burst.expire(time.monotonic())
        for folder, refusal in self._tracker.take_refused():
            self._notice(f"{folder} cannot be watched ({refusal.strerror}): changes in it go unnoticed")
        return done

    def _pump_all(self) -> None:
        """Handle all hints outside of `run`, which is woken if it has to go on with them."""
        self._pump(float("inf"))
        if self._limit is not None or self._tracker.busy or self._burst.next_due() is not None:
            self._wake.set()

    async def _catch_up(self) -> None:
        """Survey after hints were lost or a `.gitignore` file has changed."""
        if self._tracker.take_lost():
            self._tracker.apply(await self._survey())
        if (before := self._tracker.take_changed_rules()) is not None:
            self._tracker.apply(await self._survey(), before=before)
            self._adopted.set()

    async def _poll_files(self) -> None:
        """Survey at intervals, until cancelled."""
        while True:
            began = time.monotonic()
            survey = await self._survey()
            self._tracker.apply(survey)
            self._burst.recheck()
            await self._catch_up()
            self._pump(float("inf"))
            pause = min(max(_POLL_MIN, (time.monotonic() - began) * _POLL_SHARE), _POLL_MAX)
            due = self._burst.next_due()
            if due is not None:
                pause = min(pause, max(0.0, due - time.monotonic()))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _survey(self) -> Survey:
        """Survey in a worker thread; when cancelled, wait for it, so that no thread outlives `run`."""
        began = time.monotonic()
        self._surveying = True
        worker = asyncio.ensure_future(asyncio.to_thread(self._tracker.survey))
        try:
            survey = await asyncio.shield(worker)
        except asyncio.CancelledError:
            self._tracker.stop_survey()
            with suppress(SurveyStoppedError, OSError, WatchLimitError):
                await worker
            raise
        finally:
            self._surveying = False
            self._surveyed_at = began
            # Waiters run in a later iteration of the event loop; the survey is applied in this one.
            surveyed, self._surveyed = self._surveyed, asyncio.Event()
            surveyed.set()
        return survey

    async def _read_ahead(self) -> None:
        """Read the files that have no digest, so that the first save that changes nothing is recognised."""
        while True:
            await self._adopted.wait()
            self._adopted.clear()
            unread = [(path, known.signature) for path, known in self._tree.known.items() if known.digest is None]
            for batch in (unread[i : i + _READ_AHEAD_BATCH] for i in range(0, len(unread), _READ_AHEAD_BATCH)):
                for path, found in await asyncio.to_thread(read_ahead, batch):
                    known = self._tree.known.get(path)
                    if known is not None and known.digest is None and known.signature == found.signature:
                        self._tree.set(path, found)

    def _first_change(self, path: str, since: float) -> None:
        if not self._draining:
            self._on_change(Change((Path(path),), since))

    def _notice(self, sentence: str) -> None:
        if sentence not in self._noticed:
            self._noticed.add(sentence)
            self._on_notice(sentence)
