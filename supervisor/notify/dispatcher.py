"""The decision which events become messages, and how often."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from supervisor.config.sections.notify import NotifyConfig
from supervisor.notify.message import Message, of_event
from supervisor.notify.rate_limit import RateLimiter

CODE_PATIENCE: Final = 5.0
"""Seconds that the message of a session that needs a link waits for the QR code."""

_KINDS: Final = {
    "session.restored": "recovered",
    "bot.given_up": "crash_loop",
    "session.logged_out": "logged_out",
}


class Dispatcher:
    """Makes messages of events and passes them to `send`. For use in the event loop; `clock` is in seconds."""

    def __init__(
        self,
        config: NotifyConfig,
        project: str,
        send: Callable[[Message], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        code_patience: float = CODE_PATIENCE,
    ) -> None:
        self._config = config
        self._project = project
        self._send = send
        self._clock = clock
        self._code_patience = code_patience
        self._limiter = RateLimiter(config.every, clock)
        self._summaries: asyncio.TimerHandle | None = None
        #: The sessions that need a link and have shown no QR code yet.
        self._held: dict[str, tuple[asyncio.TimerHandle, Mapping[str, Any]]] = {}
        #: When each session that waits for its link was last reported.
        self._reported: dict[str, float] = {}
        #: Whether a message was sent after which the supervisor ends.
        self.urgent = False

    def handle_event(self, name: str, fields: Mapping[str, Any]) -> None:
        """Send a message of an event, if it is configured and due."""
        if name == "session.needs_link":
            self._needs_link(fields)
        elif name == "session.qr":
            self._new_code(fields)
        elif name == "session.linked":
            self._linked(fields["session"])
        elif name == "restart.done" and fields.get("target") == "over":
            self._report("over_target", name, fields)
        elif (kind := _KINDS.get(name)) is not None:
            self.urgent |= kind == "crash_loop"
            self._report(kind, name, fields)

    def close(self) -> None:
        """Send no more messages."""
        if self._summaries is not None:
            self._summaries.cancel()
        for timer, _ in self._held.values():
            timer.cancel()

    # -- a session that needs a link ---------------------------------------------------------------------------------

    def _needs_link(self, fields: Mapping[str, Any]) -> None:
        session = fields["session"]
        self._release(session)
        if not self._config.qr or fields.get("qr") is not None:
            self._report_link(fields)
            return
        # The page is about to show its QR code, which the message should include.
        timer = asyncio.get_running_loop().call_later(self._code_patience, self._without_code, session)
        self._held[session] = timer, fields

    def _without_code(self, session: str) -> None:
        _, fields = self._held.pop(session)
        self._report_link(fields)

    def _new_code(self, fields: Mapping[str, Any]) -> None:
        session = fields["session"]
        if (held := self._release(session)) is not None:
            self._report_link({**held, "qr": fields["qr"]})
            return
        reported = self._reported.get(session)
        remind = self._config.remind
        if remind is not None and reported is not None and self._clock() - reported >= remind:
            self._reported[session] = self._clock()
            self._send_link({"session": session, "qr": fields["qr"]}, self._send)

    def _linked(self, session: str) -> None:
        self._release(session)
        self._reported.pop(session, None)
        self._limiter.forget("needs_link", session)
        self._limiter.forget("logged_out", session)

    def _release(self, session: str) -> Mapping[str, Any] | None:
        held = self._held.pop(session, None)
        if held is None:
            return None
        held[0].cancel()
        return held[1]

    def _report_link(self, fields: Mapping[str, Any]) -> None:
        self._reported[fields["session"]] = self._clock()
        self._send_link(fields, self._offer)

    def _send_link(self, fields: Mapping[str, Any], send: Callable[[Message], None]) -> None:
        if "needs_link" in self._config.kinds:
            qr = fields.get("qr") if self._config.qr else None
            send(of_event("needs_link", "session.needs_link", fields, self._project, qr))

    # -- how often ---------------------------------------------------------------------------------------------------

    def _report(self, kind: str, name: str, fields: Mapping[str, Any]) -> None:
        if kind in self._config.kinds:
            self._offer(of_event(kind, name, fields, self._project))

    def _offer(self, message: Message) -> None:
        if self._limiter.admit(message):
            self._send(message)
        self._schedule_summary()

    def _schedule_summary(self) -> None:
        """Schedule the next summary."""
        if self._summaries is not None:
            self._summaries.cancel()
            self._summaries = None
        if (due := self._limiter.next_due) is not None:
            wait = max(0.0, due - self._clock())
            self._summaries = asyncio.get_running_loop().call_later(wait, self.summarize)

    def summarize(self) -> None:
        """Send the summaries that are due."""
        self._summaries = None
        for summary in self._limiter.due():
            self._send(summary)
        self._schedule_summary()
