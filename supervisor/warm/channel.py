"""The channel: on it a node reports, in lines of JSON, what it does with its browsers (`attach.cjs`)."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from supervisor.warm.board import Board

_PRELOAD: Final = Path(__file__).with_name("attach.cjs")
_VARIABLE: Final = "SCANONCE_WARM"
_CHUNK = 65536
_LONGEST_LINE = 1 << 20

Report = Mapping[str, Any]
"""One line of a node's, with its kind under `t`; `docs/warm.md` lists them."""


class Channel:
    """The two ends of one node's channel, and the board that it shares with us."""

    def __init__(self, board: Board, cache: Path, ahead: str | None = None) -> None:
        """`cache` is the folder for what node compiles; `ahead` a library to load while it waits. Raises OSError."""
        self._board = board
        self._cache = cache
        self._ahead = ahead
        self._ours, self._childs = socket.socketpair()
        self._ours.setblocking(False)
        self._rest = b""
        self._listener: Callable[[Report], None] | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the node must inherit, under the same numbers."""
        return (self._childs.fileno(), self._board.descriptor)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a node that reports to us; its program does not find that it does."""
        quoted = str(_PRELOAD).replace("\\", r"\\").replace('"', r"\"")
        before = given.get("NODE_OPTIONS")
        options = f'--require "{quoted}"' + (f" {before}" if before else "")
        places = " ".join(f"{fd} {os.fstat(fd).st_ino}" for fd in self.descriptors)
        more = json.dumps({"cache": str(self._cache), "ahead": self._ahead})
        return {**given, "NODE_OPTIONS": options, _VARIABLE: f"{places} {more}"}

    def close_child_end(self) -> None:
        """Close our copy of the node's end once it has inherited it, so that each side notices the other's exit."""
        self._childs.close()

    def listen(self, listener: Callable[[Report], None]) -> None:
        """Call `listener` on the event loop with each report, those that wait already included."""
        self._listener = listener
        asyncio.get_running_loop().add_reader(self._ours, self._read)

    def close(self) -> None:
        """Stop listening, and close both ends."""
        if self._listener is not None:
            self._listener = None
            asyncio.get_running_loop().remove_reader(self._ours)
        self._childs.close()
        self._ours.close()

    def _read(self) -> None:
        try:
            chunk = self._ours.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._ours)
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:  # no report of ours: the bot has found the descriptor
            self._rest = b""
        for line in lines:
            report = None
            with contextlib.suppress(ValueError, RecursionError):
                report = json.loads(line)
            if isinstance(report, dict) and isinstance(report.get("t"), str) and self._listener is not None:
                self._listener(report)


def can_attach() -> bool:
    """Whether a node can be made to report: it can inherit a socket, and `attach.cjs` has a path to name."""
    return sys.platform != "win32" and str(_PRELOAD).isprintable() and _PRELOAD.is_file()
