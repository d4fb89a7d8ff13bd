"""The gate before the first line of a node program, at which a node waits until it is opened.

node loads what `--require` in `NODE_OPTIONS` names before the program (nodejs.org/api/cli.html): `start_gate.cjs`
waits on a socket until it gets a byte, and exits if the other end is closed instead.
"""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PRELOAD: Final = Path(__file__).with_name("start_gate.cjs")

_GATE_VARIABLE: Final = "SCANONCE_HELD"
"""Passes the socket's descriptor and inode to `start_gate.cjs`, and the value of `NODE_OPTIONS`, if it was set."""


class StartGate:
    """The two ends of the socket on which one node waits. Not for Windows, where a child inherits no socket."""

    def __init__(self) -> None:
        self._ours, self._childs = socket.socketpair()
        self._ours.setblocking(False)
        self._reached = False

    @property
    def descriptor(self) -> int:
        """The descriptor that the node must inherit, under the same number."""
        return self._childs.fileno()

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the environment for a node that is to wait; its program will find the one that was given."""
        before = given.get("NODE_OPTIONS")
        quoted = str(_PRELOAD).replace("\\", r"\\").replace('"', r"\"")
        options = f'--require "{quoted}"' + (f" {before}" if before else "")
        inode = os.fstat(self.descriptor).st_ino
        value = f"{self.descriptor} {inode}" + ("" if before is None else f" {before}")
        return {**given, "NODE_OPTIONS": options, _GATE_VARIABLE: value}

    def close_child_end(self) -> None:
        """Close our copy of the node's end once it has inherited it, so that each side notices the other's exit."""
        self._childs.close()

    def open(self) -> None:
        """Let the node continue, now or as soon as it comes here. Does nothing for one that is gone."""
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
        """Close both ends. A node that still waits exits."""
        self._childs.close()
        self._ours.close()


def without_gate(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that a node was given, from the one that it was started with in order to wait."""
    given = dict(environment)
    held = given.pop(_GATE_VARIABLE, None)
    if held is not None:
        given.pop("NODE_OPTIONS", None)
        _descriptor, _inode, *options = held.split(" ", 2)
        if options:
            given["NODE_OPTIONS"] = options[0]
    return given


def can_gate_start() -> bool:
    """Whether a node can be made to wait: it can inherit a socket, and `start_gate.cjs` has a path to name."""
    return sys.platform != "win32" and str(_PRELOAD).isprintable() and _PRELOAD.is_file()
