"""The bot that runs in the examined project, and the environment that it was started with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.bot.environment import without_ours
from supervisor.browser.processes import without_browsers
from supervisor.process.start_gate import without_gate
from supervisor.process.table import descendants, environment_of, find_by_mark
from supervisor.process.wrappers import unwrap
from supervisor.system.runtime_dir import project_key


@dataclass(frozen=True, slots=True)
class RunningBot:
    """A running bot: its own process, not that of a package manager or shell before it."""

    pid: int
    environment: Mapping[str, str]
    """As it was started with, without what scanonce has added."""


def running_bot(root: Path, supervisor: int) -> RunningBot | None:
    """The bot that a supervisor runs in a project; `None` if it runs none, or its environment may not be read."""
    marked = [one for one in find_by_mark(f"{project_key(root)}-{supervisor}-") if one.parent == supervisor]
    # A node that waits for its use as the next bot is marked, too, and is younger than the bot.
    leader = min(marked, key=lambda one: one.started, default=None)
    if leader is None:
        return None
    pid, _ = unwrap(leader.pid, without_browsers([leader, *descendants(leader.pid)]))
    environment = environment_of(pid)
    return None if environment is None else RunningBot(pid, without_ours(without_gate(environment)))
