"""Waiting for what no event announces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Seconds; longer than anything here takes, and reached only when something is broken.
DEADLINE = 60.0


async def eventually(condition: Callable[[], object], what: str = "", deadline: float = DEADLINE) -> None:
    """Wait until a condition holds; fail after `deadline` seconds, saying `what` did not happen."""
    try:
        async with asyncio.timeout(deadline):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {deadline:g} s: {what or condition}") from None
