"""Moments, all of the same grain, so that one that was written and read back compares like one that was not."""

from datetime import UTC, datetime

_FIRST_YEAR, _LAST_YEAR = 2, 9998  # datetime.MINYEAR and MAXYEAR, less one for a change of the zone


def now() -> datetime:
    """The time, aware, UTC, in whole milliseconds."""
    return trimmed(datetime.now(UTC))


def trimmed(moment: datetime) -> datetime:
    """An aware moment in UTC, cut to whole milliseconds."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def iso(moment: datetime) -> str:
    """An aware moment as ISO 8601 in UTC, to the millisecond, ending in ``Z``.

    >>> iso(datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC))
    '2026-01-02T03:04:05.678Z'
    """
    return trimmed(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """An ISO 8601 text, without a zone taken for UTC, as such a moment.

    Raises `ValueError`, also for a year in which a moment of another zone might have no date.
    """
    moment = datetime.fromisoformat(text)
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"the year {moment.year} is out of range")
    return trimmed(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def span(seconds: float) -> str:
    """A length of time in its largest unit, rounded down.

    >>> span(59), span(3600), span(200_000)
    ('59 s', '1 h', '2 d')
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
