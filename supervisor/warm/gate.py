"""The gate of one page, closed and opened over a DevTools session of our own."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from supervisor.browser.devtools import CallError, DevTools, DevToolsError, default_context

SCRIPT: Final = Path(__file__).with_name("page_gate.js").read_text("utf-8").strip().removesuffix(";")

LIMIT: Final = 10_000
"""Events that wait in a page at most; what comes after them is dropped and counted."""

_TIMEOUT = 2.0
_PAGE = {"type": "page"}


class GateError(Exception):
    """The page cannot be kept; the message says why, as the end of `cold: ...`."""


@dataclass(frozen=True, slots=True)
class Closed:
    """What was seen of a page when its gate was closed."""

    names: Mapping[str, int]
    """The functions that the page can call, and the number of the last call of each."""
    globals: Sequence[str]
    """What the page has by now that it did not have when its bot was ready."""
    heap: int | None
    """Bytes."""
    marked: bool
    """Whether it is the page on which the bot became ready, not one that was loaded since."""


class PageGate:
    """The gate of the one page of a browser. Every method raises `GateError`."""

    def __init__(self, devtools: DevTools, session: str, target: str, url: str) -> None:
        self._devtools = devtools
        self._session = session
        self.target = target
        self.url = url

    @classmethod
    async def attach(cls, endpoint: str) -> Self:
        """Attach to the browser at `endpoint`. Its bot must have one page, as libraries that drive one page have."""
        devtools = None
        try:
            devtools = await DevTools.connect(endpoint, timeout=_TIMEOUT)
            kept = await default_context(devtools)
            asked = await devtools.call("Target.getTargets", {"filter": [_PAGE]}, timeout=_TIMEOUT)
            pages = [one for one in asked["targetInfos"] if kept is None or one.get("browserContextId") == kept]
            if len(pages) != 1:
                raise GateError(f"the bot has {len(pages) or 'no'} pages open" if pages else "the bot has no page open")
            target, url = str(pages[0]["targetId"]), str(pages[0]["url"])
            attached = await devtools.call(
                "Target.attachToTarget", {"targetId": target, "flatten": True}, timeout=_TIMEOUT
            )
            return cls(devtools, str(attached["sessionId"]), target, url)
        except (DevToolsError, KeyError, TypeError) as error:
            if devtools is not None:
                await devtools.close()
            raise GateError(f"the browser does not answer ({error})") from error
        except GateError:
            if devtools is not None:
                await devtools.close()
            raise

    async def shut(self) -> Closed:
        """Close the gate: from now on the page's calls wait, in their order."""
        seen = await self._call("close", {"limit": LIMIT})
        names = {str(name): int(last) for name, last in seen["names"].items()}
        heap = seen.get("heap")
        return Closed(names, [str(one) for one in seen["globals"]], int(heap) if heap else None, bool(seen["marked"]))

    async def reopen(self, highest: Mapping[str, int]) -> Mapping[str, Any]:
        """Open it again for the node that still runs: what has waited is delivered. `highest` begun, by function."""
        return await self._call("open", {"begun": dict(highest), "bound": None, "alive": True})

    async def waiting(self) -> int:
        """How many events wait in the page, or have not found room there."""
        state = await self._call("state", {})
        return int(state.get("queued", 0)) + int(state.get("dropped", 0))

    async def end(self) -> None:
        """Detach; the gate stays as it is. May be called twice."""
        with contextlib.suppress(DevToolsError):
            await self._devtools.close()

    async def _call(self, action: str, argument: Mapping[str, Any]) -> Mapping[str, Any]:
        expression = f"({SCRIPT})({json.dumps(action)}, {json.dumps(argument)})"
        try:
            answer = await self._devtools.call(
                "Runtime.evaluate",
                {"expression": expression, "returnByValue": True, "timeout": _TIMEOUT * 1000},
                session=self._session,
                timeout=_TIMEOUT,
            )
        except CallError as error:
            raise GateError(f"the page refuses the gate ({error.message})") from error
        except DevToolsError as error:
            raise GateError(f"the page does not answer ({error})") from error
        value = answer.get("result", {}).get("value")
        if "exceptionDetails" in answer or not isinstance(value, dict):
            raise GateError("the page cannot be given a gate")
        return value
