"""When a start is over: a pure judgement of what has been seen of the bot so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from supervisor.browser.presets import SessionStatus
from supervisor.config.sections.ready import ReadyConfig

Verdict = Literal["ready", "needs_link", "waiting_for_browser"]

_WAITS_FOR_A_PERSON = {
    SessionStatus.NEEDS_LINK,
    SessionStatus.LOGGED_OUT,
    SessionStatus.BLOCKED,
    SessionStatus.CONFLICT,
}


#: Only a person who scans a QR code can go on from these.
AWAITS_SCAN = {SessionStatus.NEEDS_LINK, SessionStatus.LOGGED_OUT}


@dataclass(frozen=True, slots=True)
class Observations:
    """The observations of one run of the bot so far.

    `pages`: the status of each browser's page, None for a browser whose page cannot be read; that of a page that we do
    not know is `open` once it has loaded.
    `missing`: how many browsers the last run had beyond those. `signalled`: the bot has said that it is ready, by
    notification, HTTP or output. `settled`: nothing has come or gone for as long as "up" must last. `awaited`: a
    session is linked whose browser the bot has not opened.
    """

    pages: tuple[SessionStatus | None, ...] = ()
    missing: int = 0
    signalled: bool = False
    settled: bool = False
    awaited: bool = False


def judge(seen: Observations, config: ReadyConfig) -> Verdict | None:
    """Whether the bot's start is over, and how; None while it is not."""
    if seen.missing:
        # Unless something else is asked for, a bot with two accounts is ready when both are; one that has given up an
        # account for good shows it by being quiet.
        return judge(replace(seen, missing=0), config) if seen.settled or seen.signalled else None
    if any(status in _WAITS_FOR_A_PERSON for status in seen.pages) and _all_done(seen.pages):
        return "needs_link"
    if seen.awaited and _method(seen, config) == "up":
        return "waiting_for_browser" if seen.settled else None
    readable = any(status is not None for status in seen.pages)
    loaded = bool(seen.pages) and all(status is SessionStatus.OPEN for status in seen.pages)
    over = {"signal": seen.signalled, "page": readable and _all_done(seen.pages), "up": seen.settled or loaded}
    return "ready" if over[_method(seen, config)] else None


def needs_no_signal(config: ReadyConfig) -> bool:
    """Whether a bot need not say that it is ready, by notification, HTTP or output."""
    return config.method in {"auto", "page", "up"} and config.http is None and config.output is None


def _method(seen: Observations, config: ReadyConfig) -> Literal["signal", "page", "up"]:
    """The criterion: the bot's own word if that is configured, else its pages if there are any, else that it is up."""
    match config.method:
        case "notify" | "http" | "output":
            return "signal"
        case "page" | "up":
            return config.method
        case "auto":
            if config.http is not None or config.output is not None or seen.signalled:
                return "signal"
            return "page" if any(status is not None for status in seen.pages) else "up"


def _all_done(pages: Sequence[SessionStatus | None]) -> bool:
    done = _WAITS_FOR_A_PERSON | {SessionStatus.READY, SessionStatus.OPEN}
    return bool(pages) and all(status is None or status in done for status in pages)
