"""Chats and mail through the library apprise, in a process of its own for each message.

The library takes some 35 MB, as much as all of scanonce, and its plugins may block: neither matters in a process that
ends with the message.
"""

import asyncio
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import psutil

from supervisor.notify.apprise_worker import AppriseRequest
from supervisor.notify.message import Message
from supervisor.notify.target import DeliveryError
from supervisor.process.helper import HelperRunner
from supervisor.system.qr import render_png

INSTALL: Final = "pip install 'scanonce[notify]'"
_LOADING: Final = 20.0  # seconds to start Python and load the library on a busy machine


def installed() -> bool:
    """Whether the library is installed; does not load it."""
    return importlib.util.find_spec("apprise") is not None


class AppriseTarget:
    """One URL of apprise. `folder` makes a private folder for the files that the process reads."""

    def __init__(self, name: str, url: str, helpers: HelperRunner, folder: Callable[[], Path], timeout: float) -> None:
        self.name = name
        self._url = url
        self._helpers = helpers
        self._folder = folder
        self._timeout = timeout

    async def deliver(self, message: Message) -> None:
        """Deliver a message. Raises `DeliveryError`."""
        request = AppriseRequest(
            self._url, message.title, message.body, message.level, self._timeout, message.qr is not None
        )
        # In files, since other users can read command lines and environments; the folder is removed after the message.
        with tempfile.TemporaryDirectory(prefix=_prefix(os.getpid()), dir=self._folder()) as folder:
            given = Path(folder) / "request"
            given.write_text(json.dumps(asdict(request)))
            if message.qr is not None:
                (Path(folder) / "qr.png").write_bytes(await asyncio.to_thread(render_png, message.qr))
            done = await self._helpers.run(
                [sys.executable, "-m", "supervisor.notify.apprise_worker"],
                directory=Path(folder),
                environment={name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"},
                timeout=self._timeout + _LOADING,
                input=given,
            )
        if done.code is None:
            raise DeliveryError(f"it was not done in {self._timeout + _LOADING:g} s", final=False)
        result = _parse_result(done.output)
        if result is None:
            raise DeliveryError(f"the process that sends it ended with status {done.code}", final=False)
        if result["problem"] is not None:
            raise DeliveryError(str(result["problem"]), final=bool(result["final"]))


def clear_leftovers(folder: Path) -> None:
    """Remove the files of processes that were killed while sending: they hold addresses and QR codes."""
    for left in folder.glob("notify-*-*"):
        pid = left.name.split("-")[1]
        if not pid.isdecimal() or not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _prefix(pid: int) -> str:
    return f"notify-{pid}-"


def _parse_result(output: str) -> dict[str, Any] | None:
    """Parse the last line of the output, which is the process's result; plugins may have printed before it."""
    try:
        result = json.loads(output.rstrip().rpartition("\n")[2])
    except ValueError:
        return None
    return result if isinstance(result, dict) and {"problem", "final"} <= result.keys() else None
