"""Telling people, and programs of theirs, when something needs them: webhooks, chats, mail.

Each target has a short queue and one task of its own, so that one that hangs holds up nobody: not the others, not the
event loop, and not the bot. What this needs is loaded only if something is configured.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.supervise.supervisor import Supervisor


@contextlib.asynccontextmanager
async def notifying(supervisor: Supervisor) -> AsyncIterator[None]:
    """Tell those who are configured, for as long as this is open, and for a moment more if something waits."""
    config = supervisor.setting.config.notify
    if not config.webhooks and not config.apprise:
        yield
        return
    from supervisor.notify.service import sending

    async with sending(supervisor):
        yield
