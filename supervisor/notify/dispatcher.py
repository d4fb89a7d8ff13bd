"""From events to messages: what is worth one, and how often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from supervisor.config.sections.notify import NotifyConfig
from supervisor.notify.message import Message, of_event
from supervisor.notify.rate_limit import Limiter

#: Seconds that a message of a session that needs a link waits for the code.
CODE_PATIENCE: Final = 5.0

_KINDS: Final = {
    "session.restored": "recovered",
    "bot.given_up": "crash_loop",
    "session.logged_out": "logged_out",
}


class Teller:
    """Hears every event, and has `send` take the messages. To be used in the event loop; `clock` in seconds."""

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
        self._limiter = Limiter(config.every, clock)
        self._summaries: asyncio.TimerHandle | None = None
        #: The sessions that need a link and have shown no code yet.
        self._held: dict[str, tuple[asyncio.TimerHandle, Mapping[str, Any]]] = {}
        #: When it was last told of each session that waits for its link.
        self._waiting: dict[str, float] = {}
        #: Set once something was told after which the supervisor ends.
        self.urgent = False

    def hear(self, name: str, fields: Mapping[str, Any]) -> None:
        """Make a message of an event that is worth one."""
        if name == "session.needs_link":
            self._needs_link(fields)
        elif name == "session.qr":
            self._new_code(fields)
        elif name == "session.linked":
            self._linked(fields["session"])
        elif name == "restart.done" and fields.get("target") == "over":
            self._tell("over_target", name, fields)
        elif (kind := _KINDS.get(name)) is not None:
            self.urgent |= kind == "crash_loop"
            self._tell(kind, name, fields)

    def close(self) -> None:
        """Make no more messages."""
        if self._summaries is not None:
            self._summaries.cancel()
        for timer, _ in self._held.values():
            timer.cancel()

    # -- a session that needs a link ---------------------------------------------------------------------------------

    def _needs_link(self, fields: Mapping[str, Any]) -> None:
        session = fields["session"]
        self._let_go(session)
        if not self._config.qr or fields.get("qr") is not None:
            self._tell_link(fields)
            return
        # The page is about to show its code: a message with it is worth the wait.
        timer = asyncio.get_running_loop().call_later(self._code_patience, self._without_code, session)
        self._held[session] = timer, fields

    def _without_code(self, session: str) -> None:
        _, fields = self._held.pop(session)
        self._tell_link(fields)

    def _new_code(self, fields: Mapping[str, Any]) -> None:
        session = fields["session"]
        if (held := self._let_go(session)) is not None:
            self._tell_link({**held, "qr": fields["qr"]})
            return
        told = self._waiting.get(session)
        remind = self._config.remind
        if remind is not None and told is not None and self._clock() - told >= remind:
            self._waiting[session] = self._clock()
            self._send_link({"session": session, "qr": fields["qr"]}, self._send)

    def _linked(self, session: str) -> None:
        self._let_go(session)
        self._waiting.pop(session, None)
        self._limiter.forget("needs_link", session)
        self._limiter.forget("logged_out", session)

    def _let_go(self, session: str) -> Mapping[str, Any] | None:
        held = self._held.pop(session, None)
        if held is None:
            return None
        held[0].cancel()
        return held[1]

    def _tell_link(self, fields: Mapping[str, Any]) -> None:
        self._waiting[fields["session"]] = self._clock()
        self._send_link(fields, self._offer)

    def _send_link(self, fields: Mapping[str, Any], send: Callable[[Message], None]) -> None:
        if "needs_link" in self._config.kinds:
            qr = fields.get("qr") if self._config.qr else None
            send(of_event("needs_link", "session.needs_link", fields, self._project, qr))

    # -- how often ---------------------------------------------------------------------------------------------------

    def _tell(self, kind: str, name: str, fields: Mapping[str, Any]) -> None:
        if kind in self._config.kinds:
            self._offer(of_event(kind, name, fields, self._project))

    def _offer(self, message: Message) -> None:
        if self._limiter.admit(message):
            self._send(message)
        self._plan()

    def _plan(self) -> None:
        """Have the next summary sent when it is due."""
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
        self._plan()
