"""Cancelled tasks that free their objects at once, not at the next run of the garbage collector.

A cancelled task keeps its CancelledError, whose traceback keeps all frames and their variables; some of these refer
back to the task or to the error (a `TaskGroup` does both). Such a cycle can hold dozens of descriptors: a pidfd for
each of a browser's processes.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def drop_traceback_on_cancel(work: Callable[_P, Coroutine[Any, Any, _T]]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Decorate a coroutine function that is run as a task and ended by cancellation."""

    @functools.wraps(work)
    async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return await work(*args, **kwargs)
        except asyncio.CancelledError as error:
            error.__traceback__ = error.__context__ = None
            raise
        finally:
            del args, kwargs  # this frame is in the new traceback

    return wrapper
