"""The interface of notification targets."""

from typing import Protocol

from supervisor.notify.message import Message


class DeliveryError(Exception):
    """A message was not delivered; the text says why, without secrets. `final`: another try would not help."""

    def __init__(self, problem: str, *, final: bool) -> None:
        super().__init__(problem)
        self.final = final


class NotificationTarget(Protocol):
    """A destination that takes one message at a time."""

    @property
    def name(self) -> str:
        """The name in events: the address without secrets."""

    async def deliver(self, message: Message) -> None:
        """Deliver a message, within a bounded time. Raises `DeliveryError`."""
