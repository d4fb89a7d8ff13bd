"""Work that, cancelled, lets go of what it held at once, and not when the garbage collector next comes round.

A cancelled task keeps its CancelledError, whose traceback keeps every frame that it went through with all that is in
them; and among these are some that lead back to the task, or to the error (a `TaskGroup` does both). What hangs in
such a circle can be dozens of descriptors: a pidfd for each of a browser's processes.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def drop_traceback_on_cancel(work: Callable[_P, Coroutine[Any, Any, _T]]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Decorate what is made a task of and ends by being cancelled."""

    @functools.wraps(work)
    async def unheld_work(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return await work(*args, **kwargs)
        except asyncio.CancelledError as error:
            # Nobody asks where a task was when it was cancelled.
            error.__traceback__ = error.__context__ = None
            raise
        finally:
            del args, kwargs  # this frame is in the new traceback

    return unheld_work
