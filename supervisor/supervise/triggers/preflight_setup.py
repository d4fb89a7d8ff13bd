"""The checks before a restart, put together as configured."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from supervisor.bot.prestart import STANDBY
from supervisor.bot.slot import Slot
from supervisor.bot.spec import BotSpec
from supervisor.preflight import javascript
from supervisor.preflight.checker import Preflight
from supervisor.process.helper import HelperResult, HelperRunner, PersistentHelper
from supervisor.process.spawn import CommandError, resolve_command
from supervisor.process.table import ENVIRONMENT_MARK


def preflight(spec: BotSpec, slot: Slot, name: Callable[[Path], str]) -> Preflight:
    """The checks, run in the bot's folder and environment; `name` is a file as its user knows it.

    Raises CommandError if the configured command cannot be run.
    """
    config = spec.config.preflight
    environment = os.environ | spec.config.bot.env
    # Options meant for the bot, to open a debugger for instance, are not meant for a check.
    node_options = environment.pop("NODE_OPTIONS", "")
    # Should we be killed meanwhile, the next supervisor knows what runs for a check as ours, and ends it.
    environment[ENVIRONMENT_MARK] = spec.territory.new_mark()
    helpers = HelperRunner(spec.reaper, spec.territory.helper_pids, spec.umask)
    command: Sequence[str] = ()
    if config.enabled and config.command:
        try:
            command = resolve_command(config.command, spec.directory, environment)
        except CommandError as error:
            raise CommandError(f"preflight.command: {error}", error.code) from None

    async def run(words: Sequence[str], *, timeout: float, given: Path | None = None) -> HelperResult:
        return await helpers.run(words, directory=spec.directory, environment=environment, timeout=timeout, input=given)

    node = _node(spec, environment)
    checker = (
        None
        if node is None
        else PersistentHelper(
            helpers,
            (node, *javascript.CHECKER),
            directory=spec.directory,
            environment=environment,
            idle=STANDBY,
        )
    )

    judged: tuple[float, bool] | None = None

    def asks_node() -> bool:
        nonlocal judged
        if config.javascript != "auto":
            return config.javascript
        if slot.run is not None and (judged is None or judged[0] != slot.spawned_at):
            tree = [entry.argv for entry in spec.territory.living()]
            judged = slot.spawned_at, javascript.is_plain_node(tree, node_options)
        return judged[1] if judged else javascript.is_plain_node([spec.command], node_options)

    return Preflight(
        run,
        node=node,
        asks_node=asks_node,
        checker=checker,
        command=command,
        timeout=config.timeout,
        name=name,
    )


def _node(spec: BotSpec, environment: Mapping[str, str]) -> str | None:
    """The node that runs the bot, as far as that can be told: that of its command, else that of its PATH."""
    if javascript.is_node(spec.command[0]):
        return spec.command[0]
    return shutil.which("node", path=environment.get("PATH", os.defpath))
