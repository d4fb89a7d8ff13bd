"""Health and figures over HTTP for monitoring: `/livez`, `/readyz`, and `/metrics` for Prometheus. Off by default.

What has happened is counted as the events tell of it; how things stand is looked up when somebody asks. Nothing is
polled, and what all this needs is loaded only if it is wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.supervise.supervisor import Supervisor


@contextlib.asynccontextmanager
async def measured(supervisor: Supervisor) -> AsyncIterator[None]:
    """Count, and answer those who ask, for as long as this is open; nothing at all if it is not configured."""
    if supervisor.setting.config.metrics.listen is None:
        yield
        return
    from supervisor.metrics.service import serving

    async with serving(supervisor):
        yield
