"""The whole of `scanonce.toml`: one frozen model for each section, one field per option, each with its default.

The descriptions (what it is; why one would change it) are all there is in `docs/configuration.md` and the example file.
"""

from supervisor.config.sections.base import Section
from supervisor.config.sections.bot import BotConfig, BrowserConfig, StopConfig
from supervisor.config.sections.health import HealthConfig
from supervisor.config.sections.log import LogConfig, TimingConfig
from supervisor.config.sections.metrics import MetricsConfig
from supervisor.config.sections.notify import NotifyConfig
from supervisor.config.sections.preflight import PreflightConfig
from supervisor.config.sections.ready import ReadyConfig
from supervisor.config.sections.restart import RestartConfig, WatchConfig
from supervisor.config.sections.session import SessionConfig, SnapshotConfig


class Config(Section):
    """Everything that can be configured. Durations are seconds, sizes are bytes, paths are as written."""

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
