"""A DevTools connection to one page, of its own: a witness should not borrow the code that it judges."""

import asyncio
import json
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

POLL = 0.02
"""Seconds between two looks at something that announces itself in no other way."""


class PageError(Exception):
    """The page cannot be reached, refused what it was asked, or is not as it was expected to be."""


class PageConnection:
    """A session with the page of one browser. Calls are made one after the other, from one task."""

    def __init__(self, connection: ClientConnection, session: str | None = None) -> None:
        self._connection = connection
        self._ids = count(1)
        self._session = session

    @classmethod
    async def attach(cls, profile: Path, url: str, *, timeout: float) -> Self:
        """Attach to the page at `url` in the browser that holds `profile`, as soon as there is one.

        Raises PageError, with what was missing, after `timeout` seconds.
        """
        missing = f"{profile / 'DevToolsActivePort'} does not exist"
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        return await cls._attach(profile, url)
                    except PageError as error:
                        missing = str(error)
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise PageError(f"no page at {url} within {timeout:g} s: {missing}") from None

    @classmethod
    async def _attach(cls, profile: Path, url: str) -> Self:
        browser = cls(await _open(profile))
        try:
            targets = (await browser.call("Target.getTargets"))["targetInfos"]
            target = next((t for t in targets if t["type"] == "page" and t["url"].startswith(url)), None)
            if target is None:
                raise PageError(f"the browser shows {', '.join(t['url'] for t in targets) or 'nothing'}")
            attached = await browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            page = cls(browser._connection, attached["sessionId"])
            # A target takes the address of the navigation that has begun; the page itself only of one that is done.
            if not (await page.evaluate("location.href")).startswith(url):
                raise PageError("the page is still loading")
        except BaseException:
            await browser.close()
            raise
        return page

    async def call(self, method: str, **params: Any) -> Any:
        """Call a DevTools method and return its result. Raises PageError if it fails or the browser goes."""
        request: dict[str, Any] = {"id": next(self._ids), "method": method, "params": params}
        if self._session is not None:
            request["sessionId"] = self._session
        try:
            await self._connection.send(json.dumps(request))
            while True:
                answer = json.loads(await self._connection.recv())
                if answer.get("id") == request["id"]:
                    break
        except ConnectionClosed as error:
            raise PageError(f"the browser closed the connection during {method}") from error
        if "error" in answer:
            raise PageError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript in the page, await what it promises, and return its value as JSON gives it.

        Raises PageError with the page's own words if the expression throws.
        """
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    async def close_browser(self) -> None:
        """Ask the browser to close itself, which flushes all that it holds. It may be gone before it answers."""
        self._session = None
        await self.call("Browser.close")

    async def close(self) -> None:
        """Close the connection. The browser is left as it is."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _open(profile: Path) -> ClientConnection:
    """Connect to the browser that wrote `DevToolsActivePort`.

    The file outlives its browser, but its second line names the browser by an id made at each launch: who accepts
    that path is the live one, whoever else may have been given the port since.
    """
    port_file = profile / "DevToolsActivePort"
    try:
        port, path = port_file.read_text().splitlines()
    except FileNotFoundError:
        raise PageError(f"{port_file} does not exist") from None
    except ValueError:  # the browser is writing it
        raise PageError(f"{port_file} is not complete") from None
    try:
        return await connect(
            f"ws://127.0.0.1:{port}{path}",
            origin=None,  # Chromium refuses an origin that it does not know
            proxy=None,
            compression=None,
            ping_interval=None,  # a browser that is frozen for a while has not gone away
            close_timeout=1,
        )
    except (OSError, InvalidHandshake) as error:
        raise PageError(f"{port_file} names a browser that does not answer: {error}") from error
