"""What a message is delivered to."""

from __future__ import annotations

from typing import Protocol

from supervisor.notify.message import Message


class DeliveryError(Exception):
    """A message has not arrived; the text says why, without any secret. `final`: another try would not help."""

    def __init__(self, problem: str, *, final: bool) -> None:
        super().__init__(problem)
        self.final = final


class NotificationTarget(Protocol):
    """Takes one message at a time."""

    @property
    def name(self) -> str:
        """What it is called in events: its address without the secrets."""

    async def deliver(self, message: Message) -> None:
        """Deliver a message, within a bounded time. Raises `DeliveryError`."""
