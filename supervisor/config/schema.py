"""The whole of `scanonce.toml`: one immutable model for each section, one field per option, each with its default.

`docs/configuration.md` and `config.example.toml` are generated from these models and the fields' descriptions.
"""

from supervisor.config.sections.bot import BotConfig
from supervisor.config.sections.browser import BrowserConfig
from supervisor.config.sections.health import HealthConfig
from supervisor.config.sections.hooks import HooksConfig
from supervisor.config.sections.log import LogConfig
from supervisor.config.sections.metrics import MetricsConfig
from supervisor.config.sections.notify import NotifyConfig
from supervisor.config.sections.preflight import PreflightConfig
from supervisor.config.sections.ready import ReadyConfig
from supervisor.config.sections.restart import RestartConfig
from supervisor.config.sections.session import SessionConfig
from supervisor.config.sections.snapshot import SnapshotConfig
from supervisor.config.sections.stop import StopConfig
from supervisor.config.sections.timing import TimingConfig
from supervisor.config.sections.watch import WatchConfig
from supervisor.config.types import Section


class Config(Section):
    """All options. Durations are seconds, sizes are bytes, paths are as written."""

    bot: BotConfig = BotConfig()
    stop: StopConfig = StopConfig()
    ready: ReadyConfig = ReadyConfig()
    session: SessionConfig = SessionConfig()
    snapshot: SnapshotConfig = SnapshotConfig()
    browser: BrowserConfig = BrowserConfig()
    watch: WatchConfig = WatchConfig()
    preflight: PreflightConfig = PreflightConfig()
    restart: RestartConfig = RestartConfig()
    health: HealthConfig = HealthConfig()
    timing: TimingConfig = TimingConfig()
    log: LogConfig = LogConfig()
    metrics: MetricsConfig = MetricsConfig()
    notify: NotifyConfig = NotifyConfig()
    hooks: HooksConfig = HooksConfig()
