"""A node that waits before the first line of its program, for as long as it is told to.

node loads what `--require` in `NODE_OPTIONS` names before anything of the program's (nodejs.org/api/cli.html): that is
`start_gate.cjs`, which waits on a socket until a byte comes, and ends if the other end is closed instead.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PRELOAD: Final = Path(__file__).with_name("start_gate.cjs")

_HELD: Final = "SCANONCE_HELD"
"""What `start_gate.cjs` needs: the socket's descriptor and inode, and what `NODE_OPTIONS` was, if it was set."""


class StartGate:
    """The two ends of the socket on which one node waits. Not for Windows, where a child inherits no socket."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._reached = False

    @property
    def descriptor(self) -> int:
        """What the node must inherit, under the same number."""
        return self._theirs.fileno()

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment for a node that is to wait; its program will find the one that was given."""
        before = given.get("NODE_OPTIONS")
        quoted = str(_PRELOAD).replace("\\", r"\\").replace('"', r"\"")
        options = f'--require "{quoted}"' + (f" {before}" if before else "")
        inode = os.fstat(self.descriptor).st_ino
        held = f"{self.descriptor} {inode}" + ("" if before is None else f" {before}")
        return {**given, "NODE_OPTIONS": options, _HELD: held}

    def inherited(self) -> None:
        """The node has its end: close ours of it, so that each side sees the other's end."""
        self._theirs.close()

    def open(self) -> None:
        """Let the node go on, now or as soon as it comes here. Does nothing for one that is gone."""
        try:
            self._ours.send(b".")
        except OSError:
            return

    @property
    def reached(self) -> bool:
        """Whether the node has come here: only then is it known that another one, started likewise, would wait."""
        if not self._reached:
            try:
                self._reached = self._ours.recv(1) == b"."
            except OSError:  # nothing yet, or its end is gone
                return False
        return self._reached

    def close(self) -> None:
        """Close both ends. A node that still waits ends."""
        self._theirs.close()
        self._ours.close()


def can_gate_start() -> bool:
    """Whether node can be made to wait: it can inherit a socket, and `start_gate.cjs` has a path to name."""
    return sys.platform != "win32" and str(_PRELOAD).isprintable() and _PRELOAD.is_file()
