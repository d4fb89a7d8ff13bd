"""The notification service of a running supervisor."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Final

from supervisor.bot.spec import BotSpec
from supervisor.log import logger
from supervisor.log.logger import emit
from supervisor.notify.apprise_target import clear_leftovers
from supervisor.notify.dispatcher import Dispatcher
from supervisor.notify.factory import make_targets
from supervisor.notify.message import Message
from supervisor.notify.outbox import Outbox
from supervisor.system.runtime_dir import runtime_folder

LAST: Final = 0.5
"""Seconds at the end for messages that wait, so that a stop on request is not delayed."""
LAST_OF_GIVEN_UP: Final = 10.0
"""The same after the bot was given up, which users must learn."""


@contextlib.asynccontextmanager
async def sending(spec: BotSpec) -> AsyncIterator[None]:
    """Send messages to the configured targets; at the end, wait a moment for those that are queued."""
    config, territory = spec.config.notify, spec.territory
    targets = make_targets(config, territory.project, spec.helpers, lambda: runtime_folder(territory.key))
    for name, error in targets.unusable.items():
        emit("notify.unusable", target=name, problem=str(error), remedy=error.remedy)
    clear_leftovers(spec.runtime)
    boxes = [Outbox(target, room=config.queue, retry_for=config.retry_for) for target in targets.usable]

    def send(message: Message) -> None:
        for box in boxes:
            box.put(message)

    dispatcher = Dispatcher(config, str(territory.project), send)
    unsubscribe = logger.subscribe(dispatcher.handle_event)
    try:
        yield
    finally:
        unsubscribe()
        dispatcher.close()
        patience = LAST_OF_GIVEN_UP if dispatcher.urgent else LAST
        with _hurried() as hurry:
            await asyncio.gather(*(box.close(patience, hurry) for box in boxes))


@contextlib.contextmanager
def _hurried() -> Iterator[asyncio.Event]:
    """Yield an event that a further request to end sets: the supervisor, which handled them, has ended already."""
    hurry, loop = asyncio.Event(), asyncio.get_running_loop()
    numbers = () if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, hurry.set)
    try:
        yield hurry
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # a late Ctrl+C must not become a traceback
