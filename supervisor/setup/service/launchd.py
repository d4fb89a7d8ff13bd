"""launchd property lists. Source: launchd.plist(5), launchctl(1). Written for macOS, but never run there.

`bootout` sends SIGTERM and hardly waits for the process to end: it reports "operation now in progress", and a
`bootstrap` right after it fails. So scanonce is stopped first; it ends with 0, after which launchd does not restart it.
"""

import os
import plistlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from supervisor.setup.service.init_system import MARK, Scope, Service, ServiceFile, ServiceId, Steps
from supervisor.setup.service.plan import NOT_RUNNING, stopping

_DAEMONS = Path("/Library/LaunchDaemons")
_RETRY: Final = 10
#: Statuses of launchctl: no such process (ESRCH), no such service.
_NOT_LOADED: Final = frozenset({3, 113})
_HEAD: Final = '<plist version="1.0">\n'


class Launchd:
    """launchd, for the user's session or for the machine. `home` is the user's home."""

    kind = "launchd"

    def __init__(self, *, system: Path = _DAEMONS, home: Path | None = None) -> None:
        self._system = system
        self._home = home

    def present(self) -> bool:
        """Whether this is macOS."""
        return sys.platform == "darwin"

    def files(self, service: Service) -> Sequence[ServiceFile]:
        """The property list, readable by its owner only, since it holds the variables."""
        text = plistlib.dumps(_keys(service), sort_keys=False).decode()
        return [ServiceFile(self._file(service), text.replace(_HEAD, f"{_HEAD}<!-- {MARK} -->\n", 1), 0o600)]

    def installing(self, service: Service, *, changed: bool) -> Steps:
        """Load it; if it was loaded before, unload it first, which stops it."""
        load = ("launchctl", "bootstrap", _domain(service), str(self._file(service)))
        unload = _unload(service) if changed else {}
        return Steps(after=[*unload, load], needless=unload)

    def paths(self, service: ServiceId) -> Sequence[Path]:
        """The property list."""
        return [self._file(service)]

    def removing(self, service: ServiceId) -> Steps:
        """Stop it and unload it."""
        unload = _unload(service)
        return Steps(before=[*unload], needless=unload)

    def _file(self, service: ServiceId) -> Path:
        home = self._home or Path.home()
        folder = self._system if service.scope is Scope.SYSTEM else home / "Library" / "LaunchAgents"
        return folder / f"{service.name}.plist"


def _unload(service: ServiceId) -> dict[Sequence[str], frozenset[int]]:
    """The commands that stop a service and unload it, each with the statuses that mean that it was not running."""
    bootout = ("launchctl", "bootout", f"{_domain(service)}/{service.name}")
    return {stopping(service): NOT_RUNNING, bootout: _NOT_LOADED}


def _domain(service: ServiceId) -> str:
    return "system" if service.scope is Scope.SYSTEM else f"gui/{os.getuid()}"


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
        # If scanonce is killed, the next one closes cleanly what it left.
        "AbandonProcessGroup": True,
        "SoftResourceLimits": {"Core": 0},
        "HardResourceLimits": {"Core": 0},
    }
    if service.run_as is not None:
        keys["UserName"] = service.run_as
    return keys
