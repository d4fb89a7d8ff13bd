"""The description of a service, and the interface of an init system."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from supervisor.system.errors import ScanonceError

MARK: Final = "Written by scanonce service."
"""Part of every file that is written here. A file without it is neither replaced nor removed."""


class ServiceError(ScanonceError):
    """A service cannot be described, installed or removed as requested; the message says why, and what to do."""


class Scope(StrEnum):
    """Whether a service belongs to a user or to the machine."""

    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class ServiceId:
    """The identity of a service."""

    name: str
    scope: Scope
    project: Path


@dataclass(frozen=True, slots=True)
class Service(ServiceId):
    """A service. Paths are absolute, and no text in it holds a control character."""

    argv: Sequence[str]
    """The whole command line, scanonce first."""
    restart: Sequence[str]
    """The command line that restarts the bot and leaves scanonce running."""
    run_as: str | None
    """The user of a system service."""
    search_path: str
    """The PATH on which the bot finds the programs that it calls."""
    environment: Mapping[str, str]
    """Further variables, each passed on by name. May hold secrets."""
    start_timeout: int
    """Seconds that the bot may take until it is ready, unless it asks for more meanwhile."""
    stop_timeout: int
    """Seconds: longer than all steps of a stop may take, so that the init system does not kill it midway."""


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A file of an init system. `mode` as for chmod; a file that holds variables is readable by its owner only."""

    path: Path
    text: str
    mode: int = 0o644
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Steps:
    """The commands `before` and `after` the files are written or removed; those `by_hand` are left to the user.

    `needless` maps a command to the exit statuses that mean that there was nothing for it to do.
    """

    before: Sequence[Sequence[str]] = ()
    after: Sequence[Sequence[str]] = ()
    by_hand: Sequence[Sequence[str]] = ()
    needless: Mapping[Sequence[str], Collection[int]] = field(default_factory=dict)


class InitSystem(Protocol):
    """An init system."""

    kind: str

    def present(self) -> bool:
        """Whether it runs on this machine."""

    def files(self, service: Service) -> Sequence[ServiceFile]:
        """The files to write, the service's own first. Raises ServiceError for what it cannot express."""

    def installing(self, service: Service, *, changed: bool) -> Steps:
        """The commands that load and start the service; `changed` if it was installed before with other contents."""

    def paths(self, service: ServiceId) -> Sequence[Path]:
        """Every file that a service of this name may have."""

    def removing(self, service: ServiceId) -> Steps:
        """The commands that stop the service and unload it."""
