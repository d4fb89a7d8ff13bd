"""Moments as users write them."""

import contextlib
import re
from datetime import datetime, time, timedelta

from supervisor.config.types import parse_duration

_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


def parse_moment(text: str, now: datetime) -> datetime:
    """Parse how long ago (`10min`), a time of the last 24 hours, or a date; local time unless it names a zone.

    Raises `ValueError`.
    """
    text = text.strip()
    with contextlib.suppress(ValueError):
        return now - timedelta(seconds=parse_duration(text.removesuffix("ago").strip()))
    try:
        if not _TIME_OF_DAY.fullmatch(text):
            return datetime.fromisoformat(text).astimezone()
        today = datetime.combine(now.date(), time.fromisoformat(text.zfill(5 if text.count(":") == 1 else 8)))
        return min(today.astimezone(), today.astimezone() - timedelta(days=today.astimezone() > now))
    except OverflowError:
        raise ValueError(text) from None
