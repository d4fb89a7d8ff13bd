"""The section `[snapshot]`: copies of a linked session."""

from supervisor.config.types import Bool, Duration, DurationOrOff, Int, PositiveDuration, Section, Size, option


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
