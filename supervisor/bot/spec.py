"""The settings that stay the same from one run of the bot to the next."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.bot.environment import bot_environment
from supervisor.bot.ownership import Territory
from supervisor.bot.versions import Versions
from supervisor.config.modes import Mode
from supervisor.config.schema import Config
from supervisor.log.sinks import OutputSinks
from supervisor.preflight import javascript
from supervisor.process.child import LinkFactory
from supervisor.process.helper import HelperRunner
from supervisor.process.reaper import Reaper, tells_threads_apart
from supervisor.process.start_gate import can_gate_start
from supervisor.session.locks import ProfileLocks
from supervisor.system.qr import QrDisplay
from supervisor.system.runtime_dir import runtime_folder
from supervisor.warm.board import Board
from supervisor.warm.channel import Channel, can_attach


@dataclass(frozen=True, slots=True)
class BotSpec:
    """The command, its configuration and surroundings."""

    config: Config
    command: Sequence[str]
    directory: Path
    territory: Territory
    reaper: Reaper
    runtime: Path
    """A folder that is closed to other users, for sockets and lists."""
    versions: Versions
    outputs: OutputSinks
    """Where the bot's output goes."""
    mode: Mode = Mode.DEV
    umask: int = -1
    """The umask of the bot's processes; -1 for our own."""
    screen: QrDisplay | None = None
    """Where QR codes are drawn, if anywhere."""
    locks: ProfileLocks = field(default_factory=ProfileLocks)
    """The profiles that no other supervisor may use meanwhile."""
    board: Board | None = None
    """Shared with each node, where the bot may be replaced while its browsers are kept."""

    @property
    def helpers(self) -> HelperRunner:
        """Starts programs that the supervisor runs for itself, which are none of the bot's."""
        return HelperRunner(self.reaper, self.territory.helper_pids)

    def environment(self, mark: str, number: int) -> dict[str, str]:
        """The environment of the run with this mark, after `number` earlier ones."""
        runtime = self.runtime
        if not runtime.is_dir():
            # systemd removes a user's runtime folder at logout; a bot under nohup or tmux goes on.
            runtime = runtime_folder(self.territory.key)
        return bot_environment(self.config, runtime, mark=mark, number=number)

    def link(self, environment: Mapping[str, str], ahead: str | None = None) -> LinkFactory | None:
        """What the bot's leader is to inherit in this environment to report on its browsers; None if it cannot.

        `ahead` is the file of a library that it is to load while it waits for its start.
        """
        board = self.board
        options = environment.get("NODE_OPTIONS", "")
        wanted = self.config.restart.mode == "auto" or self.starts_ahead(environment)
        if board is None or not wanted or not can_attach() or not javascript.starts_plainly(self.command, options):
            return None
        cache = self.territory.project / self.config.session.cache / "node"

        def link() -> Channel:
            with contextlib.suppress(OSError):
                cache.mkdir(mode=0o700, parents=True, exist_ok=True)  # closed to others: it holds code
            return Channel(board, cache, ahead)

        return link

    def starts_ahead(self, environment: Mapping[str, str]) -> bool:
        """Whether the bot's leader may be started ahead of its time, in this environment."""
        return (
            self.mode is Mode.DEV
            and self.config.bot.start_ahead
            and (tells_threads_apart() or not self.territory.contained)
            and can_gate_start()
            and javascript.starts_plainly(self.command, environment.get("NODE_OPTIONS", ""))
        )
