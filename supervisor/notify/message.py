"""The message that is sent: an event in words, with its project and session."""

import base64
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from supervisor.log.events.registry import EVENTS
from supervisor.system import clock
from supervisor.system.escape import escape_surrogates

VERSION: Final = 1
"""The version of the JSON for webhooks: fields may be added, none changes its meaning or is removed."""

_TITLES: Final[Mapping[str, str]] = {
    "needs_link": "a session needs a link",
    "recovered": "a session was recovered from a snapshot",
    "crash_loop": "the bot failed too often and was given up",
    "logged_out": "a session was logged out",
    "over_target": "a restart took long",
    "test": "a test",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, the same for every target."""

    kind: str
    event: str
    level: str
    text: str
    project: str
    session: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The event's fields, without secrets."""
    qr: str | None = None
    """The text of the QR code to scan."""
    suppressed: int = 0
    """Similar messages that were not sent since the last one."""
    id: str = field(default_factory=lambda: f"msg_{uuid.uuid4().hex}")
    """The same for each attempt to deliver it."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    host: str = field(default_factory=socket.gethostname)

    @property
    def title(self) -> str:
        """The subject, for people."""
        name = self.project.replace("\\", "/").rstrip("/").rpartition("/")[2]
        return f"{name}: {_TITLES[self.kind]}"

    @property
    def body(self) -> str:
        """The text below the subject, for people."""
        more = f" (and {self.suppressed} more like this since the last message)" if self.suppressed else ""
        return str(escape_surrogates(f"{self.text[:1].upper()}{self.text[1:]}{more}.\n{self.project} on {self.host}"))

    def document(self, png: bytes | None) -> dict[str, Any]:
        """Return the JSON document for programs; `png` is an image of the QR code."""
        qr = None if self.qr is None else {"text": self.qr, "png": base64.b64encode(png or b"").decode()}
        document: dict[str, Any] = escape_surrogates(
            {
                "version": VERSION,
                "id": self.id,
                "kind": self.kind,
                "ts": clock.iso(self.at),
                "event": self.event,
                "level": self.level,
                "project": self.project,
                "host": self.host,
                "session": self.session,
                "text": self.text,
                "suppressed": self.suppressed,
                "fields": dict(self.fields),
                "qr": qr,
            }
        )
        return document


def of_event(kind: str, name: str, fields: Mapping[str, Any], project: str, qr: str | None = None) -> Message:
    """Make the message of an event."""
    event = EVENTS[name]
    return Message(
        kind=kind,
        event=name,
        level=event.level,
        text=event.describe(fields),
        project=project,
        session=fields.get("session"),
        fields=event.lasting(fields),
        qr=qr,
    )
