"""The sections of `scanonce.toml`: one frozen model each, one field per option, each with its default and its reason.

The descriptions (what it is; why one would change it) are all there is in `docs/configuration.md` and the example file.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import model_validator

from supervisor.config.health import HealthConfig
from supervisor.config.metrics import MetricsConfig
from supervisor.config.notify import NotifyConfig
from supervisor.config.preflight import PreflightConfig
from supervisor.config.section import Section, option
from supervisor.config.units import (
    Bool,
    Command,
    Duration,
    DurationOrOff,
    FilePath,
    FilePaths,
    HttpUrl,
    Int,
    Poll,
    PositiveDuration,
    Regex,
    Schedule,
    Size,
    SizeOrOff,
    Str,
)


class Mode(StrEnum):
    """Which of the two long-running commands reads the configuration."""

    DEV = "dev"
    RUN = "run"


BY_MODE: Final[Mapping[str, Mapping[Mode, str | bool]]] = {
    "stop.grace": {Mode.DEV: "50ms", Mode.RUN: "10s"},
    "ready.timeout": {Mode.DEV: "60s", Mode.RUN: "120s"},
    "health.enabled": {Mode.DEV: False, Mode.RUN: True},
    "log.format": {Mode.DEV: "console", Mode.RUN: "json"},
    "log.files": {Mode.DEV: False, Mode.RUN: True},
}
"""The defaults that differ between `scanonce dev` and `scanonce run`. A model built by hand has those of dev."""


def _by_mode(key: str) -> str | bool:
    return BY_MODE[key][Mode.DEV]


class BotConfig(Section):
    """The program to supervise."""

    command: Command = option(
        (),
        "The bot's command, as a list or as a string that is split as a shell does. Set it to leave "
        "it off the command line; a command after `--` wins.",
        examples=[["node", "index.js"]],
    )
    cwd: FilePath | None = option(
        None,
        "The folder the bot runs in; the project's own when not set. Set it when the bot lives in a "
        "subfolder of the project.",
        examples=["bot"],
    )
    env: dict[Str, Str] = option(
        {},
        "Variables added to the bot's environment. Use it for settings that belong to the project; "
        "keep secrets elsewhere.",
        examples=[{"NODE_ENV": "development"}],
    )


class StopConfig(Section):
    """How the bot and its browsers are stopped."""

    order: Literal["browser-first", "bot-first"] = option(
        "browser-first",
        'Who goes first. Use "bot-first" for a bot that closes its own browser on the stop signal '
        "(puppeteer with handleSIGTERM: false).",
    )
    signal: Literal["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] = option(
        "SIGTERM",
        "The signal that asks the bot to stop. Change it if the bot cleans up on another one.",
    )
    grace: Duration = option(
        _by_mode("stop.grace"),
        "How long the bot may take after the signal before it is killed, as long as it is at work (idle). Lengthen it "
        "for a bot that finishes work first.",
    )
    idle: DurationOrOff = option(
        "300ms",
        "A bot that has done nothing for this long after the signal, its browsers being closed, has nothing to clean "
        "up, and its grace ends early: no processor time, nothing read or written, no TCP connection open. Lengthen "
        'it, or set "off" to wait out the grace, for a bot whose cleanup waits for a timer.',
    )
    close_timeout: PositiveDuration = option(
        "10s",
        "How long a browser may take to write everything down and exit. Lengthen it on slow disks.",
    )
    term_timeout: Duration = option(
        "2s",
        "How long a browser that did not close may take after SIGTERM before it is killed. Lengthen it on slow disks.",
    )
    prove_timeout: PositiveDuration = option(
        "5s",
        "How long killed processes may take to vanish before the bot counts as stuck and is not "
        "started again. Lengthen it where processes hang in the kernel (network file systems).",
    )


class ReadyPageConfig(Section):
    """What to ask the bot's page."""

    preset: Literal["whatsapp"] = option(
        "whatsapp",
        "A set of known expressions for one web application; the options below replace its parts. "
        "WhatsApp Web is the only one so far.",
    )
    url: Str | None = option(
        None,
        "Which page to ask: part of its URL, or a pattern with `*`. Set it for another application than the preset's.",
        examples=["https://chat.example.com/*"],
    )
    ready: Str | None = option(
        None,
        "A JavaScript expression that is true once the page is ready. Set it for another application "
        "than the preset's.",
        examples=["!!document.querySelector('#chats')"],
    )
    needs_login: Str | None = option(
        None,
        "A JavaScript expression that is true while the page wants a login. Set it for another "
        "application than the preset's.",
        examples=["!!document.querySelector('canvas')"],
    )
    poll: PositiveDuration = option(
        "50ms",
        "How often the page is asked until it is ready. Lengthen it to spare a slow machine.",
    )

    @model_validator(mode="after")
    def _both_expressions(self) -> Self:
        if self.needs_login is not None and self.ready is None:
            raise ValueError("needs_login is set without ready; expected both, or ready alone")
        return self


class ReadyConfig(Section):
    """When the bot counts as ready."""

    method: Literal["auto", "page", "notify", "http", "output", "up"] = option(
        "auto",
        'How readiness is found out: "page" asks the bot\'s page, "notify" waits for READY=1 on '
        'NOTIFY_SOCKET, "http" asks a URL, "output" looks for a pattern, "up" only needs a browser that stays. '
        '"auto" takes whichever the bot offers; fix one when "auto" picks the wrong one.',
    )
    timeout: PositiveDuration = option(
        _by_mode("ready.timeout"),
        "After this long without being ready, the bot counts as never ready. Lengthen it for an "
        "account with very many chats.",
    )
    http: HttpUrl | None = option(
        None,
        "A URL that answers with a 2xx status once the bot is ready. Set it if the bot serves a health page.",
        examples=["http://127.0.0.1:3000/health"],
    )
    output: Regex | None = option(
        None,
        "A regular expression; a line of the bot's output that it finds a match in means ready. Set "
        "it if the bot says so itself.",
        examples=["Client is ready"],
    )
    settle: Duration = option(
        "2s",
        'How long the browser (or, without one, the bot) must stay up for "up". Lengthen it if the '
        "bot often dies a little later.",
    )
    page: ReadyPageConfig = option(ReadyPageConfig(), "What to ask the bot's page.")

    @model_validator(mode="after")
    def _method_has_itsoption(self) -> Self:
        if self.method == "http" and self.http is None:
            raise ValueError('method is "http" but http, the URL to ask, is not set')
        if self.method == "output" and self.output is None:
            raise ValueError('method is "output" but output, the pattern to look for, is not set')
        return self


class SessionConfig(Section):
    """Where sessions live and how far recovery may go."""

    profiles: tuple[FilePath, ...] = option(
        (),
        "The browser profiles of the bot. Normally found by themselves; list them if they lie in an "
        "unusual place and must be checked before the very first start.",
        examples=[["sessions/session-15551234567"]],
    )
    cache: FilePath = option(
        Path(".session-cache"),
        "The folder for snapshots, quarantine and history. Move it to keep snapshots on another disk "
        "(they are then full copies of a session: keep it private).",
    )
    state_file: FilePath = option(
        Path("session-state.json"),
        "The file that records what is known of each session. Move it to keep the project's folder clean.",
    )
    check: Bool = option(
        True,
        "Check each profile before the browser is started on it. Turn it off only to find out whether "
        "the check is what is in the way: a browser destroys what it cannot read.",
    )
    qr_patience: Duration = option(
        "5s",
        "How long a QR code must stand on a linked session before a snapshot is restored. Lengthen it "
        "if the page shows one for a moment while it starts.",
    )
    recovery_attempts: Int = option(
        3,
        "How many snapshots are tried in a row, each once, before you are asked to scan. 0 turns the recovery off.",
        ge=0,
    )
    recovery_cooldown: Duration = option(
        "30min",
        "How long no further recovery is tried after that. Shorten it while testing.",
    )
    trim_caches: SizeOrOff = option(
        "off",
        "Empty a profile's own caches while the bot is stopped, once they hold more than this. Set it for a bot that "
        "runs for months on a small disk; pages load more slowly until the browser has filled them again.",
        examples=["500MB"],
    )


class SnapshotConfig(Section):
    """Copies of a linked session, to go back to."""

    enabled: Bool = option(
        True,
        "Take snapshots. Turn it off if something else backs the profile up while the bot is stopped.",
    )
    max_age: PositiveDuration = option(
        "7d",
        "Snapshots and quarantined profiles older than this are removed; the last good one of each "
        "session never is. Lengthen it to be able to go further back.",
    )
    max_count: Int = option(
        50,
        "At most this many snapshots of each session are kept. Lower it if the folder gets crowded.",
        ge=1,
    )
    max_bytes: Size = option(
        "5GB",
        "At most this much disk for all snapshots together, files shared between them counted once. "
        "Lower it on a small disk.",
    )
    live_after: Duration = option(
        "60s",
        "A bot that keeps running gets its first snapshot this long after it was linked; its browser "
        'stands still for some milliseconds. "0s" waits for the first stop instead.',
    )
    schedule: DurationOrOff = option(
        "off",
        'Also take a snapshot of the running bot this often, or "off". Set it for a bot that runs for '
        "weeks without a restart.",
        examples=["6h"],
    )


class BrowserConfig(Section):
    """The bot's browsers."""

    start_timeout: PositiveDuration = option(
        "30s",
        "How long the bot may take to open its browser before you are told that none came. Lengthen "
        "it for a bot that does much before.",
    )
    lost_patience: Duration = option(
        "5s",
        "How long a browser that went away may take to come back (some bots reopen it themselves) "
        "before the bot is restarted. Lengthen it for a bot that takes its time.",
    )


class WatchConfig(Section):
    """Which files restart the bot (`scanonce dev`)."""

    paths: FilePaths = option(
        (Path(),),
        "The files and folders that are watched. Narrow it if the project holds much that is no code.",
    )
    ext: tuple[Str, ...] = option(
        ("js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "json", "py", "env"),
        "The file name extensions that count; an empty list means every file. Add the bot's own kinds, "
        "templates for instance.",
    )
    ignore: tuple[Str, ...] = option(
        (),
        "Patterns, as in .gitignore, of files that never restart the bot. List the files that the bot itself writes.",
        examples=[["data/", "*.log.json"]],
    )
    gitignore: Bool = option(
        True,
        "Leave out what .gitignore leaves out. Turn it off if a file that git ignores, a local "
        "configuration for instance, should restart the bot.",
    )
    quiet: Duration = option(
        "50ms",
        "The bot starts again once no file has changed for this long. Lengthen it for a build that "
        "writes its files slowly.",
    )
    poll: Poll = option(
        "auto",
        'Compare files regularly instead of waiting for the system\'s notices; "auto" does so where '
        "none arrive (network drives, some containers). Set true if changes go unnoticed.",
    )


class RestartConfig(Section):
    """What follows a failure, and restarts that are planned (`scanonce run`)."""

    backoff_initial: PositiveDuration = option(
        "1s",
        "The pause before the first restart after a crash; each further one doubles it. Lengthen it "
        "if the bot's database needs time to come back.",
    )
    backoff_max: PositiveDuration = option(
        "5min",
        "The longest pause between two restarts. Shorten it if being offline costs more than trying.",
    )
    limit: Int = option(
        10,
        "Give up after this many failures within the window: exits, hangs and starts that never end. Raise it if "
        "something outside, a container platform for instance, should never take over.",
        ge=1,
    )
    window: PositiveDuration = option(
        "10min",
        "The time within which failures are counted: time during which the bot was ready, so that pauses and hangs do "
        "not make a failure older. Lengthen it together with the limit.",
    )
    reset_after: PositiveDuration = option(
        "10min",
        "A bot that was ready for this long is healthy: its end is not counted, and the pauses start over. Lengthen it "
        "for a bot that fails late.",
    )
    no_restart_codes: tuple[Int, ...] = option(
        (),
        "Exit codes that mean: do not start me again. Set it if the bot ends on purpose with one.",
        examples=[[0, 78]],
    )
    schedule: Schedule = option(
        "off",
        'Also restart a bot that is well: a cron expression in local time ("0 4 * * *": every night at four), or a '
        'time that it may have run ("24h"). Set it for a bot that grows slower over the days.',
        examples=["0 4 * * *"],
    )

    @model_validator(mode="after")
    def _initial_below_max(self) -> Self:
        if self.backoff_initial > self.backoff_max:
            raise ValueError("backoff_initial is longer than backoff_max; expected it to be at most as long")
        return self


class TimingConfig(Section):
    """What a restart may take, and how long the record is kept."""

    target_low: PositiveDuration = option(
        "5s",
        "A restart faster than this is ahead of the target. Set it to what your bot usually takes.",
    )
    target_high: PositiveDuration = option(
        "10s",
        "A restart slower than this is over the target, and its slowest phase is named. Set it to what you can accept.",
    )
    keep: PositiveDuration = option(
        "90d",
        "How long restarts and events stay in the history. Shorten it on a small disk.",
    )

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        if self.target_low > self.target_high:
            raise ValueError("target_low is longer than target_high; expected it to be at most as long")
        return self


class LogConfig(Section):
    """scanonce's own lines, and the files that keep them together with the bot's output."""

    format: Literal["console", "json"] = option(
        _by_mode("log.format"),
        '"console" writes short sentences for people, "json" one object a line for machines. Set it to '
        "have the same in both modes.",
    )
    files: Bool = option(
        _by_mode("log.files"),
        "Keep the bot's output and all events in files, for `scanonce logs`. Turn it off where something else keeps "
        "the output and the disk is small.",
    )
    folder: FilePath | None = option(
        None,
        "The folder for these files; the user's own for logs when not set. Set it to have them on another disk. "
        "They hold whatever the bot prints: keep it private.",
        examples=["/var/log/scanonce"],
    )
    max_size: Size = option(
        "10MB",
        "A file that has reached this size is followed by a new one. Raise it together with max_files to look "
        "further back.",
    )
    max_files: Int = option(
        5,
        "At most this many files are kept; the oldest goes first. Lower it on a small disk.",
        ge=1,
    )


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
