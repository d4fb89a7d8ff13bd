"""A test message to every target, for `scanonce notify test`."""

import asyncio
import time
from typing import NamedTuple

from supervisor.notify.factory import Targets
from supervisor.notify.message import Message
from supervisor.notify.target import DeliveryError, NotificationTarget


class DeliveryResult(NamedTuple):
    """The result of one delivery; `problem` is None if the target accepted the message."""

    target: str
    problem: str | None
    took_ms: int

    @property
    def ok(self) -> bool:
        """Whether the target accepted the message."""
        return self.problem is None


async def deliver_test(targets: Targets, project: str, *, qr: bool) -> list[DeliveryResult]:
    """Send a test message to all targets at once; with `qr`, it holds a QR code. Returns the results by name."""
    message = Message(
        kind="test",
        event="notify.test",
        level="info",
        text="this is a test; nothing has happened",
        project=project,
        qr="scanonce: a test" if qr else None,
    )
    results = await asyncio.gather(*(_deliver(target, message) for target in targets.usable))
    unusable = [DeliveryResult(name, f"{error}; {error.remedy}", 0) for name, error in targets.unusable.items()]
    return sorted([*results, *unusable])


async def _deliver(target: NotificationTarget, message: Message) -> DeliveryResult:
    began, problem = time.monotonic(), None
    try:
        await target.deliver(message)
    except DeliveryError as error:
        problem = str(error)
    return DeliveryResult(target.name, problem, round((time.monotonic() - began) * 1000))
