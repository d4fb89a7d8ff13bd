"""`scanonce.toml` as typed, validated, frozen models; every default lives here and nowhere else.

`load` reads the project's file, lays the command line over it and returns a `Config`, or raises one `ConfigError`
that lists everything that is wrong, each with its place.
"""

from supervisor.config.bot import BotConfig, BrowserConfig, StopConfig
from supervisor.config.errors import ConfigError, ConfigIssue
from supervisor.config.health import HealthConfig
from supervisor.config.identity import Configuration, fingerprint
from supervisor.config.load import CONFIG_NAME, load, schema
from supervisor.config.metrics import MetricsConfig
from supervisor.config.mode import BY_MODE, Mode
from supervisor.config.models import Config
from supervisor.config.notify import NotifyConfig, WebhookConfig
from supervisor.config.ready import ReadyConfig, ReadyPageConfig
from supervisor.config.record import LogConfig, TimingConfig
from supervisor.config.restart import RestartConfig, WatchConfig
from supervisor.config.session import SessionConfig, SnapshotConfig
from supervisor.config.units import parse_duration, parse_size

__all__ = [
    "BY_MODE",
    "CONFIG_NAME",
    "BotConfig",
    "BrowserConfig",
    "Config",
    "ConfigError",
    "ConfigIssue",
    "Configuration",
    "HealthConfig",
    "LogConfig",
    "MetricsConfig",
    "Mode",
    "NotifyConfig",
    "ReadyConfig",
    "ReadyPageConfig",
    "RestartConfig",
    "SessionConfig",
    "SnapshotConfig",
    "StopConfig",
    "TimingConfig",
    "WatchConfig",
    "WebhookConfig",
    "fingerprint",
    "load",
    "parse_duration",
    "parse_size",
    "schema",
]
