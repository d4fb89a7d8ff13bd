"""The environment of the bot's processes."""

import os
from collections.abc import Mapping
from pathlib import Path

from supervisor.config.schema import Config
from supervisor.process.table import ENVIRONMENT_MARK

CHANGES, NOTIFY = "SCANONCE_CHANGES", "NOTIFY_SOCKET"

_OUR_PREFIX = "SCANONCE"

#: What an init system has meant for us.
_OURS = frozenset({NOTIFY, "WATCHDOG_USEC", "WATCHDOG_PID"})


def bot_environment(config: Config, runtime: Path, *, mark: str, number: int) -> dict[str, str]:
    """Our own environment, without what was meant for us, with what the bot should know.

    `number` is the number of earlier starts; `runtime` is the folder of the files that the environment names.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _OURS} | config.bot.env
    environment |= {"SCANONCE": "1", ENVIRONMENT_MARK: mark, "SCANONCE_RESTARTS": str(number)}
    environment[CHANGES] = str(runtime / "changes")
    if watched(config):
        assert config.health.watchdog is not None
        environment["WATCHDOG_USEC"] = str(round(config.health.watchdog * 1e6))
    if may_notify(config):
        environment[NOTIFY] = str(runtime / "notify")
    return environment


def without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """A running bot's environment without what `bot_environment` has added."""
    return {
        name: value for name, value in environment.items() if name not in _OURS and not name.startswith(_OUR_PREFIX)
    }


def watched(config: Config) -> bool:
    """Whether the bot is to say again and again that it is alive."""
    return config.health.enabled and config.health.watchdog is not None


def may_notify(config: Config) -> bool:
    """Whether the bot is given a socket for what it has to say."""
    return config.ready.method in {"auto", "notify"} or watched(config)
