"""launchd property lists. Source: launchd.plist(5), launchctl(1). Written for macOS, and never run there.

`bootout` sends SIGTERM and does not wait long for the end: it says "operation now in progress", and a `bootstrap` right
after it fails. So scanonce is asked to stop first; it ends with 0, after which launchd does not start it again.
"""

from __future__ import annotations

import os
import plistlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from supervisor.setup.service.base import MARK, File, Label, Scope, Service, Steps
from supervisor.setup.service.command import NOT_RUNNING, stopping

_DAEMONS = Path("/Library/LaunchDaemons")
_RETRY: Final = 10
#: By launchctl: no such process (ESRCH), no such service.
_NOT_LOADED: Final = frozenset({3, 113})
_HEAD: Final = '<plist version="1.0">\n'


class Launchd:
    """launchd, for the user's session or for the machine."""

    kind = "launchd"

    def __init__(self, *, system: Path = _DAEMONS, home: Path | None = None) -> None:
        self._system = system
        self._home = home

    def present(self) -> bool:
        """Whether this is macOS."""
        return sys.platform == "darwin"

    def files(self, service: Service) -> Sequence[File]:
        """The property list: for its owner only, since the variables are in it."""
        text = plistlib.dumps(_keys(service), sort_keys=False).decode()
        return [File(self._file(service), text.replace(_HEAD, f"{_HEAD}<!-- {MARK} -->\n", 1), 0o600)]

    def installing(self, service: Service, *, changed: bool) -> Steps:
        """Load it; one that was there before must be forgotten first, which stops it."""
        load = ("launchctl", "bootstrap", _domain(service), str(self._file(service)))
        forget = _forget(service) if changed else {}
        return Steps(after=[*forget, load], needless=forget)

    def paths(self, label: Label) -> Sequence[Path]:
        """The property list."""
        return [self._file(label)]

    def removing(self, label: Label) -> Steps:
        """Stop it and forget it."""
        forget = _forget(label)
        return Steps(before=[*forget], needless=forget)

    def _file(self, label: Label) -> Path:
        home = self._home or Path.home()
        folder = self._system if label.scope is Scope.SYSTEM else home / "Library" / "LaunchAgents"
        return folder / f"{label.name}.plist"


def _forget(label: Label) -> dict[Sequence[str], frozenset[int]]:
    """The commands that stop a service and unload it, with the statuses that mean: it was not running, not loaded."""
    bootout = ("launchctl", "bootout", f"{_domain(label)}/{label.name}")
    return {stopping(label): NOT_RUNNING, bootout: _NOT_LOADED}


def _domain(label: Label) -> str:
    return "system" if label.scope is Scope.SYSTEM else f"gui/{os.getuid()}"


def _keys(service: Service) -> dict[str, Any]:
    keys: dict[str, Any] = {
        "Label": service.name,
        "ProgramArguments": list(service.argv),
        "WorkingDirectory": str(service.project),
        "EnvironmentVariables": {"PATH": service.search_path, **service.environment},
        "Umask": 0o077,
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _RETRY,
        "ExitTimeOut": service.stop_timeout,
        # What outlives a scanonce that was killed is closed cleanly by the next one.
        "AbandonProcessGroup": True,
        "SoftResourceLimits": {"Core": 0},
        "HardResourceLimits": {"Core": 0},
    }
    if service.run_as is not None:
        keys["UserName"] = service.run_as
    return keys
