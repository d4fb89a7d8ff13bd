"""What an event is: a name, a level, typed fields, and a sentence for people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["debug", "info", "warning", "error"]
Tone = Literal["plain", "good"]

EventName = Literal[
    "supervisor.starting",
    "supervisor.stopping",
    "supervisor.stopped",
    "supervisor.leftovers",
    "supervisor.recovered",
    "bot.starting",
    "bot.started",
    "bot.exited",
    "bot.crashed",
    "bot.backoff",
    "bot.given_up",
    "bot.waiting",
    "bot.ready",
    "bot.not_ready",
    "bot.unhealthy",
    "bot.kept",
    "bot.not_frozen",
    "bot.stuck",
    "browser.up",
    "browser.blind",
    "browser.closed",
    "browser.unclean",
    "browser.lost",
    "session.found",
    "session.needs_link",
    "session.qr",
    "session.linked",
    "session.ready",
    "session.logged_out",
    "session.attention",
    "session.stuck",
    "session.state",
    "session.exposed",
    "session.lost",
    "session.unlocked",
    "session.trimmed",
    "session.not_locked",
    "session.damaged",
    "session.restored",
    "session.restore_failed",
    "session.not_recovered",
    "session.progress",
    "session.remark",
    "snapshot.taken",
    "snapshot.skipped",
    "snapshot.failed",
    "snapshot.progress",
    "restart.requested",
    "restart.done",
    "watch.started",
    "watch.notice",
    "watch.storm",
    "watch.change",
    "preflight.passed",
    "preflight.failed",
    "preflight.output",
    "preflight.skipped",
    "npm.between",
    "key.answer",
    "output.dropping",
    "output.dropped",
    "log.gap",
    "control.on",
    "control.off",
    "metrics.on",
    "metrics.off",
    "notify.sent",
    "notify.delayed",
    "notify.failed",
    "notify.dropped",
    "notify.unusable",
    "history.problem",
    "error",
]
"""Every name there is, so that a mistyped one is a type error. The registry's keys, held to it by a test."""

Sentence = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event. An optional one is left out when it is not known."""

    name: str
    type: str
    doc: str
    optional: bool = False
    secret: bool = False
    """It gives access as long as it is valid: said where it is needed, and kept nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What is known of one event.

    `sentence` is a template over the fields or a function of them. A `detail` is for the log: the console has it only
    when asked to be verbose. One that is `passing` holds until the next: on a terminal that replaces its line.
    """

    name: EventName
    level: Level
    doc: str
    fields: Sequence[Field]
    sentence: str | Sentence
    tone: Tone = "plain"
    detail: bool = False
    passing: bool = False

    def describe(self, fields: Mapping[str, Any]) -> str:
        """The sentence for these fields, which hold all the required ones."""
        return self.sentence.format_map(fields) if isinstance(self.sentence, str) else self.sentence(fields)

    def lasting(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields without the secret ones, for whoever keeps them."""
        secret = {field.name for field in self.fields if field.secret}
        return {name: value for name, value in fields.items() if name not in secret}

    def check(self, fields: Mapping[str, Any]) -> None:
        """Raise `TypeError` if a required field is missing or one is not in the registry."""
        unknown = fields.keys() - {field.name for field in self.fields}
        missing = {field.name for field in self.fields if not field.optional} - fields.keys()
        if unknown or missing:
            wrong = [f"{name} unknown" for name in sorted(unknown)] + [f"{name} missing" for name in sorted(missing)]
            raise TypeError(f"event {self.name}: {', '.join(wrong)}")
