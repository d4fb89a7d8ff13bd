"""Everything that sends, beside a running supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final

from supervisor.log import logger
from supervisor.log.logger import emit
from supervisor.notify.apprise_target import clear_leftovers
from supervisor.notify.dispatcher import Teller
from supervisor.notify.factory import targets_of
from supervisor.notify.message import Message
from supervisor.notify.outbox import Outbox
from supervisor.process.helper import HelperRunner
from supervisor.system.runtime_dir import runtime_folder

if TYPE_CHECKING:
    from supervisor.bot.spec import BotSpec

#: Seconds in the end for what waits: one that was asked for is not held up, and one that is news to all has to be told.
LAST: Final = 0.5
LAST_OF_GIVEN_UP: Final = 10.0


@contextlib.asynccontextmanager
async def sending(spec: BotSpec) -> AsyncIterator[None]:
    """Tell the targets of the configuration for as long as this is open, and for a moment more."""
    config, territory = spec.config.notify, spec.territory
    helpers = HelperRunner(spec.reaper, territory.helper_pids)
    targets = targets_of(config, territory.project, helpers, lambda: runtime_folder(territory.key))
    for one in targets.unusable:
        emit("notify.unusable", target=one.target, problem=one.problem, remedy=one.remedy)
    clear_leftovers(spec.runtime)
    boxes = [Outbox(target, room=config.queue, retry_for=config.retry_for) for target in targets.usable]

    def send(message: Message) -> None:
        for box in boxes:
            box.put(message)

    teller = Teller(config, str(territory.project), send)
    unsubscribe = logger.subscribe(teller.hear)
    try:
        yield
    finally:
        unsubscribe()
        teller.close()
        patience = LAST_OF_GIVEN_UP if teller.urgent else LAST
        with _hurried() as hurry:
            await asyncio.gather(*(box.close(patience, hurry) for box in boxes))


@contextlib.contextmanager
def _hurried() -> Iterator[asyncio.Event]:
    """Set by whoever asks for the end once more: the supervisor that would hear it has ended already."""
    hurry, loop = asyncio.Event(), asyncio.get_running_loop()
    numbers = () if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, hurry.set)
    try:
        yield hurry
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # nothing is left to be asked for, and no traceback is wanted
