"""Readiness and liveness by HTTP: a URL of the bot that answers with a 2xx or 3xx status."""

import asyncio

import h11

from supervisor.http1.fetch import fetch_status

ATTEMPT_LIMIT = 5.0
"""Seconds for one of several requests: a server that accepts and never answers must not use up the whole time."""


async def http_ready(url: str, *, interval: float, timeout: float) -> bool:
    """Request `url` every `interval` seconds until it answers well (True) or `timeout` seconds are over (False).

    Raises `ValueError` for what is not an http or https URL.
    """
    try:
        async with asyncio.timeout(timeout):
            while True:
                if await http_answers(url, timeout=ATTEMPT_LIMIT):
                    return True
                await asyncio.sleep(interval)
    except TimeoutError:
        return False


async def http_answers(url: str, *, timeout: float) -> bool:
    """Whether `url` answers one request with 2xx or 3xx within `timeout` seconds; a redirect shows a server at work.

    Raises `ValueError` for what is not an http or https URL.
    """
    try:
        return 200 <= await fetch_status("GET", url, timeout=timeout) < 400
    except (OSError, h11.RemoteProtocolError):  # TimeoutError is an OSError
        return False
