"""The versions that each restart ran with, as far as they can be found at no cost, for the history."""

import re
from collections.abc import Iterable
from pathlib import Path

import psutil

from supervisor import __version__
from supervisor.config.identity import ConfigIdentity
from supervisor.system.reading import DamagedFileError, read_text
from supervisor.timing.record import Setup

_NODE = {"node", "nodejs", "node.exe"}
_IN_HEADER = re.compile(r"^#define NODE_(?:MAJOR|MINOR|PATCH)_VERSION (\d+)$", re.MULTILINE)
_IN_PATH = re.compile(r"v?(\d+\.\d+\.\d+)")


class Versions:
    """The versions and the configuration of one supervisor's restarts."""

    def __init__(self, configuration: ConfigIdentity) -> None:
        self.configuration = configuration
        self._program: Path | None = None

    def note_bot(self, pid: int) -> None:
        """Take note of the program that the bot proper, past npm and the shell, is run by."""
        try:
            self._program = Path(psutil.Process(pid).exe())
        except (psutil.Error, OSError):
            self._program = None  # it has gone, or may not be looked at

    def setup(self, browsers: Iterable[str | None]) -> Setup:
        """The setup of a restart whose browsers have these versions."""
        known = sorted({version for version in browsers if version})
        return Setup(
            scanonce=__version__,
            config=self.configuration.fingerprint,
            # Asked anew each time: an upgrade of Node.js leaves its path as it was.
            node=node_version(self._program) if self._program else None,
            browser=", ".join(known) or None,
        )


def node_version(program: Path) -> str | None:
    """The version of the Node.js that `program` is; None if it is something else or the version cannot be found.

    Starting it to ask would cost some 40 ms and a process. Its installation has its version in a header beside it
    (nodejs.org's archives, NodeSource, Homebrew), or in the name of a folder (nvm, fnm, Volta, asdf).
    """
    if program.name not in _NODE:
        return None
    prefix = program.parent.parent if program.parent.name == "bin" else program.parent
    try:
        numbers = _IN_HEADER.findall(read_text(prefix / "include/node/node_version.h", follow=True, errors="replace"))
    except (OSError, DamagedFileError):
        numbers = []
    if len(numbers) == 3:
        return ".".join(numbers)
    named = (_IN_PATH.fullmatch(part) for part in reversed(program.parts[:-1]))
    return next((match[1] for match in named if match), None)
