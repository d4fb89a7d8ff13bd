"""Finding running supervisors: the one of a project, or all of this user's."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from supervisor.control.client import Client
from supervisor.control.transport import PORT, SOCKET, is_stale, remove_stale
from supervisor.session.locks import noted_runtime, running_supervisor
from supervisor.system.escape import printable
from supervisor.system.runtime_dir import project_key, runtime_folders

_COMING: Final = 3.0  # seconds; longer than a supervisor needs to bind its socket, or to bind it anew
_LOOK: Final = 0.05  # seconds


class NotRunningError(Exception):
    """No supervisor runs in the project; the message says how to start one."""


class UnreachableError(Exception):
    """A supervisor runs in the project, but its socket cannot be found; the message has its process id."""


def reach(project: Path, cache: Path) -> Client:
    """Find the supervisor of a project, whose session cache is at `cache`.

    Waits up to 3 s for one that has started but not bound its socket yet. Raises `NotRunningError`, `UnreachableError`.
    """
    deadline = time.monotonic() + _COMING
    while (client := _present(project, cache)) is None:
        pid = running_supervisor(cache)
        if pid is None:
            raise NotRunningError(
                f"no scanonce runs in {printable(project)}; start one with: scanonce dev -- node index.js"
            )
        if time.monotonic() >= deadline:
            raise UnreachableError(
                f"scanonce runs in {printable(project)} (process {pid}), but its control socket cannot be found; "
                "its log says why"
            )
        time.sleep(_LOOK)
    return client


def everyone() -> list[Client]:
    """Find every supervisor of this user that listens, and remove stale sockets."""
    return [Client(path) for path in _sockets() if not remove_stale(path)]


def _sockets() -> Iterator[Path]:
    for base in runtime_folders():
        for name in (SOCKET, PORT):
            yield from sorted(base.glob(f"*/{name}"))


def _present(project: Path, cache: Path) -> Client | None:
    key = project_key(project)
    folders = [base / key for base in runtime_folders()]
    folders += [folder for folder in [noted_runtime(cache)] if folder is not None]
    for folder in folders:
        for path in (folder / SOCKET, folder / PORT):
            if path.exists() and not is_stale(path):
                return Client(path)
    return None
