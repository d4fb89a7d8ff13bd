"""What background work of ours ended with: never silent, and never the end of the bot."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

from supervisor.log.log import emit
from supervisor.system.errors import SessionError


def report_fault(work: asyncio.Future[Any]) -> bool:
    """Report what a task of ours failed with, if it did; for `add_done_callback`. True if it did."""
    if work.cancelled() or (error := work.exception()) is None:
        return False
    report_error(error)
    return True


def report_error(error: BaseException) -> None:
    """Report what something of ours failed with."""
    if isinstance(error, SessionError):
        emit("error", problem=str(error))
        return
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    last = traceback.extract_tb(error.__traceback__)[-1]
    emit(
        "error",
        problem=f"internal error: {type(error).__name__}: {error} ({last.name}, line {last.lineno} of {last.filename})",
        remedy="please report it with this line",
    )
