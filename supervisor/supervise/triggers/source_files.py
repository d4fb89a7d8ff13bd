"""Restarting the bot when its source files change."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from supervisor.bot.slot import Slot
from supervisor.bot.spec import BotSpec
from supervisor.config.schema import Config
from supervisor.log.logger import emit, report_fault
from supervisor.preflight.checker import PreflightResult
from supervisor.session.profiles import auth_files
from supervisor.session.profiles.profile import Profile
from supervisor.supervise.inbox import Inbox
from supervisor.supervise.triggers.preflight_setup import preflight
from supervisor.watch import learned_ignores
from supervisor.watch.restart_loop import StormDetector, is_source
from supervisor.watch.rules import CONFIG_NAME, WatchRules
from supervisor.watch.watcher import Change, FileWatcher


class WatchedFiles:
    """The source files of one project; a change in them requests a restart."""

    def __init__(self, project: Path, rules: WatchRules, spec: BotSpec, slot: Slot, inbox: Inbox) -> None:
        config = spec.config
        self._project = project
        self._cache = project / config.session.cache
        self._slot = slot
        self._inbox = inbox
        #: What has been left out since it belongs to an account without a browser.
        self._accounts: set[Path] = set()
        self._storms = StormDetector(project, holds_sources=self._holds_sources)
        #: Whether what has changed is checked.
        self.checks = config.preflight.enabled
        self._preflight = preflight(spec, slot, self._name)
        #: What the count of `_preflight` was when all was found well.
        self._passed = 0
        #: The same for what was last found not to be started; None once changes are heard of again.
        self._refused: int | None = None
        watch = config.watch
        self._watcher = FileWatcher(
            rules,
            quiet=watch.quiet,
            poll=watch.poll,
            on_change=self._changed,
            on_file=self._preflight.note,
            on_notice=lambda notice: emit("watch.notice", notice=notice),
        )
        self._watching = asyncio.create_task(self._watcher.run(), name="watcher")
        self._watching.add_done_callback(report_fault)

    async def armed(self) -> None:
        """Return once changes are noticed."""
        await self._unless_over(self._watcher.armed())

    async def settled(self) -> None:
        """Return once the files have been quiet for a moment."""
        await self._unless_over(self._watcher.settled())

    def drain(self) -> tuple[Path, ...]:
        """The files that have changed since this was last called."""
        changed = self._watcher.drain()
        self._preflight.forget()
        self._passed = self._preflight.count
        return changed

    def exclude(self, folder: Path) -> None:
        """Leave out a profile that has come to light."""
        self._watcher.exclude(folder)

    def stand_by(self) -> None:
        """The bot is up: get ready to check what changes next."""
        if self.checks:
            self._preflight.stand_by()

    def begin_checks(self) -> None:
        """From now on check each file that has changed at once, if it is to be checked."""
        self._preflight.arm(self._watcher.changed())

    async def end_checks(self) -> None:
        """Return once none of our programs runs for a check."""
        await self._preflight.halt()

    async def examined(self, *, running: bool) -> bool:
        """Whether a bot is to be started on the files as they are, as in `preflight_gate.SourceWatch`."""
        if not running and self._preflight.count == self._passed:
            return True
        began = time.monotonic()
        self.begin_checks()
        # What comes after an early end is checked while the bot is down, and the start waits until all is quiet.
        changed, verdict = await self._judged(early=running)
        for doubt in verdict.doubts:
            emit("preflight.skipped", what=doubt)
        if not verdict.problems:
            self._passed = self._preflight.count
            if running and not changed:
                self._refuse()
                emit("bot.kept", reason="unchanged")
                return False
            took = round((time.monotonic() - began) * 1000)
            emit("preflight.passed", checked=verdict.checked, took_ms=took)
            return True
        self._tell_problems(verdict)
        self._refuse()
        if running:
            emit("bot.kept", reason="failed")
        return False

    def _refuse(self) -> None:
        # The burst may not be over, and a fix of the file in the rest of it would be missed.
        self._watcher.dismiss()
        self._refused = self._preflight.count

    def hear_again(self) -> None:
        """Report a change that came between the end of the check and its handling by the supervisor (a race)."""
        refused, self._refused = self._refused, None
        changed = self._watcher.changed()
        if refused is not None and refused != self._preflight.count and changed:
            self._inbox.changed(self._name(changed[0]))

    async def _judged(self, *, early: bool) -> tuple[Sequence[Path], PreflightResult]:
        """The changed files and the verdict on them, once the files are quiet or time is up."""
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._preflight.deadline):
                    await self._unless_over(self._watcher.settled(early=early))
            count, changed = self._preflight.count, self._watcher.changed()
            verdict = await self._preflight.verdict(changed)
            # A file that has changed meanwhile may have made it worse or mended it.
            if count == self._preflight.count or loop.time() >= self._preflight.deadline:
                return changed, verdict

    def _tell_problems(self, verdict: PreflightResult) -> None:
        for problem in verdict.problems:
            emit(
                "preflight.failed",
                path=None if problem.path is None else self._name(problem.path),
                line_number=problem.line,
                problem=problem.message,
                source=problem.source,
            )
            for line in problem.output:
                emit("preflight.output", text=line)

    def report(self) -> None:
        """Report what is watched, and how."""
        census = self._watcher.census()
        emit(
            "watch.started",
            paths=[self._name(Path(base.path)) for base in self._watcher.rules.watched_paths],
            poll=self._watcher.mode == "polling",
            files=census.total(),
            extensions=[extension.removeprefix(".") for extension, _ in census.most_common() if extension],
        )

    async def close(self) -> None:
        """End the watching."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self._preflight.halt()

    def _changed(self, change: Change) -> None:
        accounts = {
            path: auth_files.place_of(path, self._project)
            for path in change.paths
            if auth_files.is_written_by_library(path)
        }
        for place in set(accounts.values()) - self._accounts:
            self._accounts.add(place)
            self._watcher.exclude(place)
            if place not in accounts:
                emit("watch.notice", notice=f"{self._name(place)}/ is a session's folder: it is not watched")
        change = replace(change, paths=tuple(path for path in change.paths if path not in accounts))
        if not change.paths:
            return
        storm = self._storms.observe(change.first_seen, change.paths, self._slot.spawned_at)
        if storm is not None:
            self._watcher.exclude(storm.path)
            emit("watch.storm", path=str(storm.path), line=storm.config_line, notice=str(storm))
            learned_ignores.remember(self._cache, storm.pattern)
        paths = [path for path in change.paths if storm is None or not path.is_relative_to(storm.path)]
        if paths:
            names = [self._name(path) for path in paths]
            emit("watch.change", paths=names)
            if self._project / CONFIG_NAME in paths:
                emit("watch.notice", notice=_CONFIG_CHANGED)
            if self.checks:
                self._inbox.changed(names[0])
            else:
                self._inbox.restart("change", names[0])

    def _holds_sources(self, folder: Path) -> bool:
        return any(is_source(path) for path in self._watcher.watched(folder))

    def _name(self, path: Path) -> str:
        """A path as the user would write it in the project's folder."""
        return str(path.relative_to(self._project) if path.is_relative_to(self._project) else path)

    async def _unless_over(self, waiting: object) -> None:
        """Wait for the watcher, unless it has failed and would never answer."""
        assert asyncio.iscoroutine(waiting)
        task: asyncio.Task[None] = asyncio.create_task(waiting)
        try:
            await asyncio.wait({task, self._watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()


_CONFIG_CHANGED = (
    f"{CONFIG_NAME} is read when scanonce starts: this restart goes by the old one. To use it, press q + Enter and "
    "start scanonce again"
)


def _own_logs(project: Path, config: Config) -> list[Path]:
    """The folder of the log files, if it has been given and is not the project itself, or around it."""
    if not config.log.files or config.log.folder is None:
        return []
    folder = project / config.log.folder
    return [] if project.is_relative_to(folder) else [folder]


def _left_out(patterns: tuple[str, ...]) -> str:
    shown = ", ".join(patterns[:3]) + (f" and {len(patterns) - 3} more" if len(patterns) > 3 else "")
    example = json.dumps(f"!{patterns[0]}", ensure_ascii=False)
    return (
        f"not watched, since the bot was seen writing there: {shown}. To watch it all the same, put ignore = "
        f"[{example}] under [watch]"
    )


def watch_rules(project: Path, config: Config, profiles: Iterable[Profile]) -> WatchRules:
    """Which files restart the bot, as configured; the profiles that are known and what we write ourselves never do."""
    watch = config.watch
    return WatchRules(
        root=project,
        paths=watch.paths,
        ext=frozenset(watch.ext),
        # The user's own come last, so that theirs win.
        ignore=(*learned_ignores.seen(project / config.session.cache), *watch.ignore),
        gitignore=watch.gitignore,
        excluded=(
            project / config.session.cache,
            project / config.session.state_file,
            *_own_logs(project, config),
            *(profile.path for profile in profiles),
        ),
    )


@contextlib.asynccontextmanager
async def watching(
    project: Path, rules: WatchRules, spec: BotSpec, slot: Slot, inbox: Inbox
) -> AsyncIterator[WatchedFiles]:
    """Watch the source files for as long as this is open."""
    config = spec.config
    files = WatchedFiles(project, rules, spec, slot, inbox)
    try:
        await files.armed()
        files.report()
        known = learned_ignores.seen(project / config.session.cache)
        if left_out := tuple(one for one in known if f"!{one}" not in config.watch.ignore):
            emit("watch.notice", notice=_left_out(left_out))
        yield files
    finally:
        await files.close()
