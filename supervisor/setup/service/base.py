"""What a service is, and the face that every init system shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

MARK: Final = "Written by scanonce service."
"""In every file that is written here. A file without it is somebody else's, and is neither replaced nor removed."""


class ServiceError(Exception):
    """A service cannot be described, put in place or taken away as asked; the message says why, and what to do."""


class Scope(StrEnum):
    """Whose service it is."""

    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Label:
    """Which service it is."""

    name: str
    scope: Scope
    project: Path


@dataclass(frozen=True, slots=True)
class Service(Label):
    """A service. Paths are absolute, and no text in it holds a control character."""

    argv: Sequence[str]
    """The whole command line, scanonce first."""
    restart: Sequence[str]
    """The command line that restarts the bot, and leaves scanonce running."""
    run_as: str | None
    """The user of a system service."""
    search_path: str
    """PATH, so that the bot finds what its own programs call."""
    environment: Mapping[str, str]
    """Further variables, each passed on by name. May hold secrets."""
    start_timeout: int
    """Seconds until the bot is ready, at most, unless more is asked for meanwhile."""
    stop_timeout: int
    """Seconds: longer than every step of a stop may take, so that nobody kills it on the way."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the init system's. `mode` as for chmod; a file that holds variables is for its owner only."""

    path: Path
    text: str
    mode: int = 0o644
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Steps:
    """The commands `before` and `after` the files are written or removed; those `by_hand` are left to the user.

    `needless`: the exit statuses by which a command says that there was nothing for it to do.
    """

    before: Sequence[Sequence[str]] = ()
    after: Sequence[Sequence[str]] = ()
    by_hand: Sequence[Sequence[str]] = ()
    needless: Mapping[Sequence[str], Collection[int]] = field(default_factory=dict)


class Manager(Protocol):
    """One init system."""

    kind: str

    def present(self) -> bool:
        """Whether it runs on this machine."""

    def files(self, service: Service) -> Sequence[File]:
        """What is to be written; the first is the service's own. Raises ServiceError for what it cannot express."""

    def installing(self, service: Service, *, changed: bool) -> Steps:
        """What puts the service to work. `changed`: it was there before, in other words."""

    def paths(self, label: Label) -> Sequence[Path]:
        """Every file that a service of this name may have."""

    def removing(self, label: Label) -> Steps:
        """What stops it and forgets it."""
