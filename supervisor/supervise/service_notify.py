"""Notification of the init system: systemd's `Type=notify`, or another that offers a NOTIFY_SOCKET.

Protocol: sd_notify(3), sd_watchdog_enabled(3). The other end of it, for the bot, is `readiness/notify.py`. What becomes
of a message never matters to the bot: without a socket, or if it takes nothing, everything goes on as it would.

- READY=1 when the bot is ready for the first time, or waits for a QR code to be scanned: the service does what it can.
- STATUS= one line, at every turn of events.
- STOPPING=1 when the stop begins.
- EXTEND_TIMEOUT_USEC= while the start or the stop goes on. Each of its steps has a deadline of its own, so the unit's
  need not know of a long restore or a crash loop; it counts from the last sign of life.
- WATCHDOG=1 at half the time that WATCHDOG_USEC grants, as long as our event loop turns and the bot is being watched.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from supervisor.bot.probes.sd_notify import MAX_STATUS
from supervisor.log import logger
from supervisor.log.events.registry import EVENTS
from supervisor.system.escape import one_line

_BEAT: Final = 5.0
"""Seconds between two signs of life while the start or the stop goes on."""

_PATIENCE: Final = 30.0
"""Seconds that the init system is asked to wait for the next one."""

_TOLD: Final = frozenset(
    {
        "supervisor.leftovers",
        "supervisor.stopping",
        "bot.starting",
        "bot.crashed",
        "bot.backoff",
        "bot.given_up",
        "bot.not_ready",
        "bot.unhealthy",
        "bot.waiting_for_browser",
        "bot.stuck",
        "browser.lost",
        "session.needs_link",
        "session.linked",
        "session.ready",
        "session.logged_out",
        "session.attention",
        "session.damaged",
        "session.restored",
        "session.restore_failed",
        "session.not_recovered",
        "restart.requested",
        "restart.done",
        "error",
    }
)
"""The events whose sentence is the STATUS until the next one."""


class NotifySender:
    """Sends to the socket that the init system offers; a datagram each, never waiting."""

    def __init__(self, address: str) -> None:
        """`address` as in NOTIFY_SOCKET: a path, or `@` and an abstract name (Linux)."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, assignments: Mapping[str, object]) -> bool:
        """Send some assignments; False if they were not taken: no process listens, or the socket is full."""
        message = "\n".join(f"{name}={value}" for name, value in assignments.items())
        try:
            self._socket.sendto(message.encode("utf-8", "backslashreplace"), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close our end."""
        self._socket.close()


class InitNotifier:
    """Turns events into notifications. `healthy`: whether the bot is being watched as it should be."""

    def __init__(
        self,
        send: Callable[[Mapping[str, object]], bool],
        *,
        watchdog: float | None,
        healthy: Callable[[], bool],
        beat: float = _BEAT,
    ) -> None:
        """`watchdog`: seconds within which WATCHDOG=1 is expected again and again; None if it is not."""
        self._send = send
        self._watchdog = watchdog
        self._healthy = healthy
        self._interval = beat if watchdog is None else min(beat, watchdog / 2)
        self._ready = False
        self._stopping = False
        self._stuck = False
        #: What has not been taken yet; a status only until there is a newer one.
        self._pending: dict[str, object] = {}

    def hear(self, name: str, fields: Mapping[str, Any]) -> None:
        """Take an event."""
        waits = name == "bot.waiting_for_browser" or (name == "restart.done" and fields["outcome"] == "needs_link")
        if name == "bot.ready" or waits:
            if not self._ready and not self._stopping:
                self._pending["READY"] = 1
            self._ready = True
        elif name == "supervisor.stopping" and not self._stopping:
            self._stopping = True
            self._pending["STOPPING"] = 1
        if name in {"bot.stuck", "bot.starting"}:
            self._stuck = name == "bot.stuck"
        if name in _TOLD:
            self._pending["STATUS"] = one_line(EVENTS[name].describe(fields))[:MAX_STATUS]
        self._deliver()

    async def run(self) -> None:
        """Give signs of life until cancelled."""
        while True:
            if self._healthy():
                if self._watchdog is not None:
                    self._pending["WATCHDOG"] = 1
                if (self._stopping or not self._ready) and not self._stuck:
                    self._pending["EXTEND_TIMEOUT_USEC"] = round(_PATIENCE * 1e6)
            self._deliver()
            await asyncio.sleep(self._interval)

    def _deliver(self) -> None:
        if self._pending and self._send(self._pending):
            self._pending.clear()
        # A sign of life is true at its moment only.
        self._pending.pop("WATCHDOG", None)
        self._pending.pop("EXTEND_TIMEOUT_USEC", None)


@contextlib.contextmanager
def notifying(healthy: Callable[[], bool], environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Notify the init system while this is open, if it listens; to be entered in the event loop."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not hasattr(socket, "AF_UNIX") or not address.startswith(("/", "@")):
        yield
        return
    with contextlib.closing(NotifySender(address)) as sender:
        herald = InitNotifier(sender.send, watchdog=watchdog_of(environment), healthy=healthy)
        leave = logger.subscribe(herald.hear)
        beating = asyncio.create_task(herald.run(), name="init-system")
        try:
            yield
        finally:
            leave()
            beating.cancel()


def watchdog_of(environment: Mapping[str, str]) -> float | None:
    """Within how many seconds WATCHDOG=1 is expected from this process; None if it is not."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() and int(text) > 0 else None
