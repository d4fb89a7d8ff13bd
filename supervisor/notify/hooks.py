"""Commands of the user's that run when something happens (`[hooks]`)."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

from supervisor.bot.spec import BotSpec
from supervisor.log import logger
from supervisor.log.logger import emit, report_fault

_LAST = 0.5  # seconds at the end for commands that run


class Hooks:
    """Runs the commands of one supervisor, each one at a time; what happens meanwhile runs it once more."""

    def __init__(self, spec: BotSpec) -> None:
        config = spec.config.hooks
        self._spec = spec
        self._timeout = config.timeout
        self._commands = {
            "on_ready": config.on_ready,
            "on_needs_link": config.on_needs_link,
            "on_crash": config.on_crash,
        }
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, Mapping[str, str]] = {}

    def handle_event(self, event: str, fields: Mapping[str, Any]) -> None:
        """Run the command for an event, if there is one. Called by the logger."""
        if event == "restart.done" and fields["outcome"] == "ready":
            self._run("on_ready", {"SCANONCE_SECONDS": f"{fields['total_ms'] / 1000:.2f}"})
        elif event == "session.needs_link":
            self._run("on_needs_link", {"SCANONCE_SESSION": fields["session"]})
        elif event == "bot.crashed":
            self._run("on_crash", {"SCANONCE_EXIT_CODE": str(fields.get("code", ""))})

    async def close(self) -> None:
        """Wait a moment for commands that run, then kill them."""
        self._again.clear()
        tasks = list(self._running.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, hook: str, variables: Mapping[str, str]) -> None:
        if not self._commands[hook]:
            return
        if hook in self._running:
            self._again[hook] = variables
            return
        task = self._running[hook] = asyncio.create_task(self._execute(hook, variables), name=f"hook-{hook}")
        task.add_done_callback(lambda done: self._ended(hook, done))

    def _ended(self, hook: str, task: asyncio.Task[None]) -> None:
        report_fault(task)
        del self._running[hook]
        if (variables := self._again.pop(hook, None)) is not None:
            self._run(hook, variables)

    async def _execute(self, hook: str, variables: Mapping[str, str]) -> None:
        spec = self._spec
        command = self._commands[hook]
        environment = {
            **os.environ,
            **spec.config.bot.env,
            "SCANONCE_HOOK": hook,
            "SCANONCE_PROJECT": str(spec.territory.project),
            **variables,
        }
        try:
            done = await spec.helpers.run(
                command, directory=spec.directory, environment=environment, timeout=self._timeout
            )
        except OSError as error:
            emit("hook.failed", hook=hook, command=logger.redacted(command), problem=error.strerror or str(error))
            return
        for line in done.output.splitlines():
            emit("hook.output", hook=hook, text=line)
        if done.code != 0:
            problem = f"exit code {done.code}" if done.code is not None else f"killed after {self._timeout:g} s"
            emit("hook.failed", hook=hook, command=logger.redacted(command), problem=problem)


@contextlib.asynccontextmanager
async def running_hooks(spec: BotSpec) -> AsyncIterator[None]:
    """Run the configured commands while this is open."""
    hooks = Hooks(spec)
    unsubscribe = logger.subscribe(hooks.handle_event)
    try:
        yield
    finally:
        unsubscribe()
        await hooks.close()
