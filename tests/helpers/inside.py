"""A supervisor in this process, with the scripted bot, for faults that cannot be caused from outside."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import Protocol

from supervisor.bootstrap import assemble
from supervisor.bot.ownership import Territory
from supervisor.bot.slot import Slot
from supervisor.bot.spec import BotSpec
from supervisor.bot.versions import Versions
from supervisor.config.identity import identify
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.config.sections.log import LogConfig
from supervisor.log import logger
from supervisor.log.sinks import OutputSinks
from supervisor.process.reaper import Reaper
from supervisor.session.open import open_store
from supervisor.supervise.file_worker import FileWorker
from supervisor.supervise.inbox import Inbox, Plans
from supervisor.supervise.session_registry import SessionRegistry
from supervisor.supervise.state_machine import Policy
from supervisor.supervise.state_writer import StateWriter
from supervisor.timing.history import History
from tests.helpers.command import Project


class Inside:
    """A supervisor in this process, and what it has said."""

    def __init__(self, project: Project, words: tuple[str, ...], *, policy: Policy) -> None:
        config = load(project.folder, mode=Mode.RUN)
        territory = Territory(project.folder, contained=False)
        self.history = History(project.home / "history.db", keep=60.0, warn=print)
        self.files = FileWorker()
        self.inbox = Inbox()
        self.slot = Slot()
        self.events: list[tuple[str, Mapping[str, object]]] = []
        store = open_store(project.folder, config)
        writer = StateWriter(store.state, self.files)
        spec = BotSpec(
            config=config,
            command=project.bot(*words),
            directory=project.folder,
            territory=territory,
            reaper=Reaper(),
            runtime=project.runtime,
            versions=Versions(identify(config, Mode.RUN, words)),
            outputs=OutputSinks(project.folder, territory.key, LogConfig(), Mode.DEV),
        )
        self.registry = SessionRegistry.load(store, (), writer)
        self.supervisor = assemble(
            spec,
            policy,
            self.inbox,
            self.slot,
            Plans(),
            store=store,
            files=self.files,
            writer=writer,
            registry=self.registry,
            history=self.history,
            opens_browser=False,
        )

    def interrupt(self) -> None:
        """What SIGINT does."""
        self.supervisor.quit("SIGINT", 128 + signal.SIGINT)

    async def run(self, deadline: float = 60.0) -> int:
        """Run it to its end."""
        forget = logger.subscribe(lambda name, fields: self.events.append((name, fields)))
        try:
            async with asyncio.timeout(deadline):
                return await self.supervisor.run()
        finally:
            forget()

    def told(self, name: str) -> list[Mapping[str, object]]:
        return [fields for told, fields in self.events if told == name]


class MakeInside(Protocol):
    """Makes a supervisor in this process, for a bot with this script."""

    def __call__(self, *words: str, policy: Policy | None = None) -> Inside: ...
