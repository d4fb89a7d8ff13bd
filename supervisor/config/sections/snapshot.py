"""The section `[snapshot]`."""

from supervisor.config.types import Bool, Duration, DurationOrOff, Int, PositiveDuration, Section, Size, option


class SnapshotConfig(Section):
    """Copies of a linked session that can be restored."""

    enabled: Bool = option(
        True, "Take snapshots. Turn it off if another program backs the profile up while the bot is stopped."
    )
    max_age: PositiveDuration = option(
        "7d",
        "Snapshots and quarantined profiles older than this are removed, except the last good one of each session. "
        "Lengthen it to be able to restore an older state.",
    )
    max_count: Int = option(
        50, "How many snapshots of each session are kept at most. Lower it to keep the folder small.", ge=1
    )
    max_bytes: Size = option(
        "5GB",
        "How much disk space all snapshots together may use, shared files counted once. Lower it on a small disk.",
    )
    live_after: Duration = option(
        "60s",
        "A running bot gets its first snapshot this long after it was linked; its browser is suspended for some "
        'milliseconds. "0s" waits for the first stop instead.',
    )
    schedule: DurationOrOff = option(
        "off",
        'Also take a snapshot of the running bot this often, or "off". Set it for a bot that runs for weeks without '
        "a restart.",
        examples=["6h"],
    )
