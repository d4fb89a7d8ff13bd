"""The section `[session]`."""

from pathlib import Path

from supervisor.config.types import Bool, Duration, FilePath, Int, Section, SizeOrOff, option


class SessionConfig(Section):
    """Where sessions are kept, and the limits of recovery."""

    profiles: tuple[FilePath, ...] = option(
        (),
        "The browser profiles of the bot. They are normally found automatically; list them if they are in an unusual "
        "place and must be checked before the very first start.",
        examples=[["sessions/session-15551234567"]],
    )
    cache: FilePath = option(
        Path(".session-cache"),
        "The folder for snapshots, quarantine and history. Move it to keep snapshots on another disk (they are then "
        "full copies of a session: keep the folder private).",
    )
    state_file: FilePath = option(
        Path("session-state.json"),
        "The file that records the state of each session. Move it to keep the project's folder tidy.",
    )
    check: Bool = option(
        True,
        "Check each profile before a browser is started on it. Turn it off only to find out whether the check itself "
        "is the problem: a browser destroys what it cannot read.",
    )
    qr_patience: Duration = option(
        "5s",
        "How long a linked session must show a QR code before a snapshot is restored. Lengthen it if the page shows "
        "one for a moment while it starts.",
    )
    recovery_attempts: Int = option(
        3,
        "How many snapshots are tried in a row, each once, before you are asked to scan. 0 turns recovery off.",
        ge=0,
    )
    recovery_cooldown: Duration = option(
        "30min", "How long no further recovery is tried after that. Shorten it while testing."
    )
    trim_caches: SizeOrOff = option(
        "off",
        "Empty a profile's own caches while the bot is stopped, once they hold more than this. Set it for a bot that "
        "runs for months on a small disk; pages load more slowly until the browser has filled them again.",
        examples=["500MB"],
    )
