"""The bounded queue of one target, whose messages are delivered one at a time and retried for a limited time."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from supervisor.log.logger import emit, report_error
from supervisor.notify.message import Message
from supervisor.notify.target import DeliveryError, NotificationTarget
from supervisor.system.backoff import backoff

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 300.0


def pause_after(attempts: int) -> float:
    """Seconds to wait after this number of failed attempts."""
    return backoff(attempts, initial=_FIRST_PAUSE, longest=_LONGEST_PAUSE)


class Outbox:
    """Delivers messages to one target, in order, until `close`. Must be constructed in the event loop."""

    def __init__(
        self,
        target: NotificationTarget,
        *,
        room: int,
        retry_for: float,
        pause: Callable[[int], float] = pause_after,
    ) -> None:
        self._target = target
        self._room = room
        self._retry_for = retry_for
        self._pause = pause
        self._waiting: deque[Message] = deque()
        self._under_way = False
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._work = asyncio.create_task(self._deliver_all(), name="notify")

    def put(self, message: Message) -> None:
        """Queue a message without waiting; if there is no room, the oldest is dropped."""
        if len(self._waiting) >= self._room:
            self._waiting.popleft()
            emit("notify.dropped", target=self._target.name, count=1, reason=f"more than {self._room} were waiting")
        self._waiting.append(message)
        self._idle.clear()
        self._news.set()

    async def close(self, patience: float, hurry: asyncio.Event | None = None) -> None:
        """Wait up to `patience` seconds, or until `hurry`, for the queue to be delivered; report what was not."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._idle, hurry) if event is not None]
        await asyncio.wait({*waiting, self._work}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        left = len(self._waiting) + self._under_way
        for task in (*waiting, self._work):
            task.cancel()
        await asyncio.gather(*waiting, self._work, return_exceptions=True)
        if left:
            emit("notify.dropped", target=self._target.name, count=left, reason="scanonce ends")

    async def _deliver_all(self) -> None:
        while True:
            if not self._waiting:
                self._idle.set()
                self._news.clear()
                await self._news.wait()
            message = self._waiting.popleft()
            self._under_way = True
            await self._deliver(message)
            self._under_way = False

    async def _deliver(self, message: Message) -> None:
        target, began, attempts = self._target.name, time.monotonic(), 0
        while True:
            attempts += 1
            error = await self._try(message)
            if error is None:
                emit("notify.sent", target=target, kind=message.kind, attempts=attempts)
                return
            pause = self._pause(attempts)
            if error.final or time.monotonic() + pause > began + self._retry_for:
                emit("notify.failed", target=target, kind=message.kind, problem=str(error), attempts=attempts)
                return
            if attempts == 1:
                emit("notify.delayed", target=target, kind=message.kind, problem=str(error))
            await asyncio.sleep(pause)

    async def _try(self, message: Message) -> DeliveryError | None:
        try:
            await self._target.deliver(message)
        except DeliveryError as error:
            return error
        except Exception as error:  # noqa: BLE001  a fault of ours costs this message only
            report_error(error)
            return DeliveryError("something went wrong in scanonce itself", final=True)
        return None
