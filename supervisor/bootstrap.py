"""Putting the rooms together: everything that one running supervisor consists of, opened and closed in order."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from supervisor import __version__
from supervisor.bot.ownership import Territory
from supervisor.bot.slot import Slot
from supervisor.bot.spec import BotSpec
from supervisor.bot.versions import Versions
from supervisor.browser.libraries import opens_a_browser
from supervisor.config.identity import identify
from supervisor.config.modes import Mode
from supervisor.config.schema import Config
from supervisor.control.service import serving
from supervisor.log import logger
from supervisor.log.events.registry import EVENTS
from supervisor.log.logger import emit
from supervisor.log.redact import Redactor
from supervisor.log.sinks import OutputSinks
from supervisor.process.reaper import Reaper, become_subreaper
from supervisor.process.script import require_script
from supervisor.process.spawn import resolve_command
from supervisor.session.locks import ProfileLocks, ProjectLock, project_lock
from supervisor.session.open import open_store
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from supervisor.supervise import service_notify
from supervisor.supervise.browser_events import BrowserEvents
from supervisor.supervise.file_worker import FileWorker
from supervisor.supervise.inbox import Inbox, Plans
from supervisor.supervise.leftovers import Leftovers
from supervisor.supervise.lock_keeper import keeping
from supervisor.supervise.maintenance import Maintenance, report_findings
from supervisor.supervise.profile_changes import ProfileChanges
from supervisor.supervise.session_registry import SessionRegistry
from supervisor.supervise.session_tracker import SessionTracker
from supervisor.supervise.snapshot_queue import SnapshotQueue
from supervisor.supervise.state_keeper import state_kept
from supervisor.supervise.state_machine import Policy
from supervisor.supervise.state_writer import StateWriter
from supervisor.supervise.supervisor import Supervisor
from supervisor.supervise.triggers.keyboard import Keyboard, Keys
from supervisor.supervise.triggers.schedule import plan
from supervisor.system import malloc
from supervisor.system.qr import QrDisplay
from supervisor.system.runtime_dir import project_key, runtime_folder
from supervisor.timing.history import History
from supervisor.timing.record import Target
from supervisor.warm.board import Board

_EXIT_OF_SIGNAL = 128

#: Seconds that a thread at work, on a check or a checksum, may keep the event loop waiting. A stop waits for a handful
#: of things, one after the other, while such work is done, and to each of them Python's own 5 ms would be added.
_SWITCH_INTERVAL = 0.0005


def supervise(project: Path, config: Config, mode: Mode, command: Sequence[str], *, rest_first: bool = False) -> int:
    """Run the bot until the end; returns the exit status. `rest_first`: start it at the first change.

    Raises CommandError for a command that cannot be run, ProjectBusyError, RuntimeFolderError, and OSError for a
    project that cannot be written to; nothing has been started then.
    """
    malloc.restrain()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    logger.set_redactor(Redactor(os.environ, config.bot.env))
    directory = project / (config.bot.cwd or ".")
    resolved = resolve_command(command, directory, os.environ | config.bot.env)
    if not rest_first:  # later on a file that is gone is waited for: an editor or a build may be replacing it
        require_script(command, directory)
    key = project_key(project)
    # Our own files are for their owner alone; the bot keeps its umask.
    umask = os.umask(0o077) if sys.platform != "win32" else -1
    runtime = runtime_folder(key)
    with (
        project_lock(project / config.session.cache, partial(runtime_folder, key)) as lock,
        contextlib.closing(ProfileLocks()) as locks,
        _board(runtime) as board,
    ):
        # Before anything is looked at or mended: what another supervisor is at work on is not ours to touch.
        for profile in open_store(project, config).profiles(config.session.profiles):
            locks.take(profile.folder, project)
        return asyncio.run(
            _supervise(
                BotSpec(
                    config=config,
                    command=resolved,
                    directory=directory,
                    territory=Territory(project, contained=become_subreaper()),
                    reaper=Reaper(),
                    runtime=runtime,
                    mode=mode,
                    versions=Versions(identify(config, mode, logger.redacted(command))),
                    outputs=OutputSinks(project, key, config.log, mode),
                    screen=QrDisplay(logger.write_picture, _columns) if logger.for_people() else None,
                    locks=locks,
                    board=board,
                    umask=umask,
                ),
                lock,
                rest_first=rest_first,
            )
        )


@contextlib.contextmanager
def _board(runtime: Path) -> Iterator[Board | None]:
    """The memory that is shared with the bot, where its browsers could be kept."""
    if sys.platform != "linux":
        yield None
        return
    with contextlib.closing(Board(runtime)) as board:
        yield board


async def _supervise(spec: BotSpec, lock: ProjectLock, *, rest_first: bool) -> int:
    """Build everything that one running supervisor consists of, from the bottom up, and run it."""
    config, project = spec.config, spec.territory.project
    inbox, slot, plans = Inbox(), Slot(), Plans()
    with contextlib.ExitStack() as stack:
        stack.enter_context(spec.outputs.opened())
        stack.enter_context(service_notify.notifying(lambda: slot.run is None or not slot.run.faulted))
        history = stack.enter_context(contextlib.closing(open_history(project, config)))
        files = stack.enter_context(contextlib.closing(FileWorker()))
        stack.enter_context(_signals(inbox, slot, spec.reaper))
        stack.callback(logger.subscribe(lambda name, fields: history.event(name, EVENTS[name].lasting(fields))))
        # From here on a signal is a request. Nothing is reported before, so that no signal is sent too early.
        emit(
            "supervisor.starting",
            version=__version__,
            mode=str(spec.mode),
            project=str(project),
            pid=os.getpid(),
            run_id=spec.territory.key,
        )
        if spec.screen is not None:
            stack.callback(spec.screen.close)

        store = open_store(project, config)
        for sentence in await files.do(store.recover):
            emit("supervisor.recovered", what=sentence)
        writer = StateWriter(store.state, files)
        registry = await files.do(SessionRegistry.load, store, config.session.profiles, writer)
        profiles = await registry.profiles()
        linked = {profile.id: registry.state(profile.id).is_linked is True for profile in profiles}
        for profile in profiles:
            is_linked = registry.state(profile.id).is_linked
            emit("session.found", session=profile.id, profile=str(profile.path), linked=is_linked)

        await report_findings(store, files, profiles)
        supervisor = assemble(
            spec,
            _policy(config, spec.mode, rest_first=rest_first),
            inbox,
            slot,
            plans,
            store=store,
            files=files,
            writer=writer,
            registry=registry,
            history=history,
            opens_browser=await files.do(_opens_a_browser, store, profiles, spec.directory),
            of_browsers=await files.do(lambda: [one.id for one in profiles if store.is_of_browser(one)]),
        )
        if spec.mode is Mode.RUN and config.restart.schedule is not None:
            stack.callback(plan(config.restart.schedule, inbox, supervisor, slot, plans).cancel)
        _listen(supervisor, slot, Target(config.timing.target_low, config.timing.target_high))
        async with (
            keeping(lock, spec.locks, project),
            state_kept(store.state, files),
            _services(supervisor, spec, linked),
        ):
            if spec.mode is Mode.RUN:
                return await supervisor.run()
            # Only here: production does not pay for the watcher's libraries.
            from supervisor.supervise.triggers.source_files import watch_rules, watching

            async with watching(project, watch_rules(project, config, profiles), spec, slot, inbox) as watched:
                supervisor.follow(watched)
                return await supervisor.run()


def _opens_a_browser(store: SessionStore, profiles: Sequence[Profile], directory: Path) -> bool:
    """Whether the bot is known to open a browser: by the sessions that there are, else by its libraries and source."""
    if profiles:
        return any(map(store.is_of_browser, profiles))
    return opens_a_browser(directory)


def assemble(
    spec: BotSpec,
    policy: Policy,
    inbox: Inbox,
    slot: Slot,
    plans: Plans,
    *,
    store: SessionStore,
    files: FileWorker,
    writer: StateWriter,
    registry: SessionRegistry,
    history: History,
    opens_browser: bool,
    of_browsers: Iterable[str] = (),
) -> Supervisor:
    """A supervisor and its parts, complete; `opens_browser` and `of_browsers` as known from earlier runs."""
    queue = SnapshotQueue(spec, store, files, registry)
    maintenance = Maintenance(spec.config, store, files, registry, queue)
    tracker = SessionTracker(
        spec.config,
        store,
        registry,
        writer,
        files,
        queue,
        slot,
        inbox.post,
        screen=spec.screen,
        opens_browser=opens_browser,
        of_browsers=of_browsers,
    )
    changes = ProfileChanges(store, files, registry)
    browsers = BrowserEvents(spec, maintenance, registry, tracker, changes, inbox.post)
    leftovers = Leftovers(spec, registry)
    return Supervisor(
        spec, policy, inbox, slot, plans, maintenance, queue, tracker, browsers, changes, leftovers, history
    )


def open_history(project: Path, config: Config) -> History:
    """The project's history of restarts and events, as configured."""
    return History(
        project / config.session.cache / "history.db",
        keep=config.timing.keep,
        warn=lambda problem: emit("history.problem", problem=problem),
    )


@contextlib.asynccontextmanager
async def _services(supervisor: Supervisor, spec: BotSpec, linked: Mapping[str, bool]) -> AsyncIterator[None]:
    """Serve the control API, and beside it what is configured; the rest is not even imported."""
    async with contextlib.AsyncExitStack() as services:
        await services.enter_async_context(serving(supervisor, supervisor, spec.territory.key))
        if spec.config.metrics.listen is not None:
            from supervisor.metrics import service as metrics

            await services.enter_async_context(metrics.serving(supervisor, spec, linked))
        if spec.config.notify.webhooks or spec.config.notify.apprise:
            from supervisor.notify import service as notify

            await services.enter_async_context(notify.sending(spec))
        hooks = spec.config.hooks
        if hooks.on_ready or hooks.on_needs_link or hooks.on_crash:
            from supervisor.notify.hooks import running_hooks

            await services.enter_async_context(running_hooks(spec))
        yield


def _policy(config: Config, mode: Mode, *, rest_first: bool) -> Policy:
    restart = config.restart
    return Policy(
        rest_after_exit=mode is Mode.DEV,
        limit=restart.limit,
        window=restart.window,
        reset_after=restart.reset_after,
        final_codes=frozenset(restart.no_restart_codes),
        rest_first=rest_first,
    )


@contextlib.contextmanager
def _signals(inbox: Inbox, slot: Slot, reaper: Reaper) -> Iterator[None]:
    """Signal handlers only put a note into the loop."""
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(_on_signal, inbox, signal.SIGINT))
        yield
        return
    requests = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers: dict[signal.Signals, Callable[[], object]] = {
        number: partial(_on_signal, inbox, number)
        for number in requests
        # Under nohup SIGHUP is ignored from the start, and that is what was asked for.
        if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN)
    }
    handlers |= {signal.SIGCHLD: reaper.reap, signal.SIGWINCH: slot.resize, signal.SIGCONT: slot.resume}
    if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:  # as a shell without job control leaves it
        handlers[signal.SIGTSTP] = partial(_suspend, loop, slot)
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
            # The bot is gone and the end is near: one more Ctrl+C must not turn it into a traceback.
            signal.signal(number, signal.SIG_IGN if number in requests else signal.SIG_DFL)


def _suspend(loop: asyncio.AbstractEventLoop, slot: Slot) -> None:
    """Ctrl+Z: stop with the bot as one job, the terminal as it was found; SIGCONT is what comes next."""
    assert sys.platform != "win32"
    slot.suspend()
    loop.remove_signal_handler(signal.SIGTSTP)
    signal.raise_signal(signal.SIGTSTP)
    loop.add_signal_handler(signal.SIGTSTP, partial(_suspend, loop, slot))
    slot.resume()  # also where the kernel has not stopped us: no shell is there to continue us


def _columns() -> int | None:
    return shutil.get_terminal_size().columns if os.isatty(sys.stderr.fileno()) else None


def _on_signal(inbox: Inbox, number: signal.Signals) -> None:
    """SIGINT, SIGTERM and SIGHUP request the same clean stop, told apart by the exit status only."""
    inbox.quit(number.name, _EXIT_OF_SIGNAL + number)


def _listen(supervisor: Supervisor, slot: Slot, target: Target) -> None:
    """Read what is typed, on a thread."""
    typed = os.isatty(sys.stdin.fileno()) if sys.stdin else False
    if typed:
        emit("keys.on")

    def pass_on(data: bytes) -> None:
        # What comes through a pipe waits for the next bot; what is typed while there is none is dropped.
        run = slot.run if typed else slot.wait_for_run()
        if run is not None:
            run.child.stdio.write(data)

    end = partial(slot.end_input, for_good=not typed)
    Keys(Keyboard(supervisor, supervisor, target).commands, pass_on, end).start()
