"""Which init systems there are, and which one is this machine's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final

from supervisor.setup.service.base import Manager, ServiceError
from supervisor.setup.service.launchd import Launchd
from supervisor.setup.service.systemd import Systemd
from supervisor.setup.service.windows import TaskScheduler

KINDS: Final[Mapping[str, Callable[[], Manager]]] = {
    "systemd": Systemd,
    "launchd": Launchd,
    "windows": TaskScheduler,
}
_OF_PLATFORM: Final = {"darwin": "launchd", "win32": "windows"}


def manager(kind: str | None = None) -> Manager:
    """An init system by its name, or this machine's. Raises ServiceError for a name that is none."""
    name = kind or _OF_PLATFORM.get(sys.platform, "systemd")
    if name not in KINDS:
        raise ServiceError(f"{name} is no init system that is known here: expected {', '.join(KINDS)}")
    return KINDS[name]()
